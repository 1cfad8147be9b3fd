//! Shared by the lists of the extensions: `limit`, `marker`, and the refusal of unknown parameters.

use actix_web::HttpRequest;

use crate::{
    api::query::{link, pairs},
    model::{
        error::{Error, Result},
        image::ID_CHARS_MAX,
    },
};

/// Rows of a page where nobody asks for a number.
const ROWS: u32 = 100;
/// Rows of a page at most.
const ROWS_MAX: u32 = 1000;

/// Bytes of a marker at most.
const MARKER_MAX: usize = 64;

/// The parameters of a list.
pub struct Asked {
    /// Rows of the page.
    pub limit: u32,
    /// Where it begins, as the page before said.
    pub marker: Option<String>,
    /// All parameters but these two.
    pub rest: Vec<(String, String)>,
}

impl Asked {
    /// Reads decoded pairs; `known` are the parameters that the list accepts besides its page.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a parameter that is unknown, comes twice, or is no number where one is needed.
    pub fn parse(pairs: Vec<(String, String)>, known: &[&str]) -> Result<Self> {
        Self::parse_long(pairs, known, MARKER_MAX)
    }

    /// The same with a maximum length for the marker.
    ///
    /// # Errors
    /// As [`Asked::parse`].
    pub fn parse_long(pairs: Vec<(String, String)>, known: &[&str], marker_max: usize) -> Result<Self> {
        let asked = Self::split(pairs, marker_max)?;
        only(&asked.rest, known)?;
        Ok(asked)
    }

    /// The same of a list that takes any parameter, as often as it likes.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is wrong with the page.
    pub fn open(pairs: Vec<(String, String)>) -> Result<Self> {
        Self::split(pairs, MARKER_MAX)
    }

    fn split(pairs: Vec<(String, String)>, marker_max: usize) -> Result<Self> {
        let (mut limit, mut marker, mut rest) = (None, None, Vec::<(String, String)>::new());
        for (name, value) in pairs {
            let is_second = match name.as_str() {
                "limit" => limit.replace(rows(&value)?).is_some(),
                "marker" if value.len() > marker_max => {
                    return Err(Error::invalid("marker is not one that a page returned."));
                }
                "marker" => marker.replace(value).is_some(),
                _ => {
                    rest.push((name, value));
                    continue;
                }
            };
            if is_second {
                return Err(twice(&name));
            }
        }
        Ok(Self { limit: limit.unwrap_or(ROWS), marker, rest })
    }

    /// The parameter `image_id`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what no image can be called.
    pub fn image_id(&self) -> Result<Option<&str>> {
        match self.get("image_id") {
            Some(id) if id.is_empty() || id.len() > ID_CHARS_MAX => {
                Err(Error::invalid(format!("image_id must be the id of an image, not {id:?}.")))
            }
            id => Ok(id),
        }
    }

    /// A parameter that is true or false.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.get(name).map(|value| flag(name, value)).transpose()
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.rest.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// The link to the page after `found`, which is there if this one is full; `marker` names its last row.
pub fn next_page<T>(path: &str, asked: &Asked, found: &[T], marker: impl Fn(&T) -> String) -> Option<String> {
    let last = found.last().filter(|_| found.len() as u64 == u64::from(asked.limit))?;
    Some(link_after(path, asked, &marker(last)))
}

/// The link to the page that begins after `marker`.
pub fn link_after(path: &str, asked: &Asked, marker: &str) -> String {
    let mut pairs = asked.rest.clone();
    pairs.push(("limit".to_owned(), asked.limit.to_string()));
    link(path, &pairs, Some(marker))
}

/// Whether nothing is to be changed, in a call that has no other parameter.
///
/// # Errors
/// [`Error::Invalid`] for any other parameter, and for a value that is neither true nor false.
pub fn is_dry(request: &HttpRequest) -> Result<bool> {
    let pairs = pairs(request.query_string())?;
    only(&pairs, &["dry_run"])?;
    let asked = pairs.first().map(|(name, value)| flag(name, value)).transpose()?;
    Ok(asked.unwrap_or(false))
}

/// Refuses parameters that are unknown or come twice.
///
/// # Errors
/// [`Error::Invalid`], naming the first of them.
pub fn only(pairs: &[(String, String)], known: &[&str]) -> Result<()> {
    for (place, (name, _)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            return Err(Error::invalid(format!("There is no parameter {name:?} here.")));
        }
        if pairs.iter().take(place).any(|(other, _)| other == name) {
            return Err(twice(name));
        }
    }
    Ok(())
}

/// Reads the value of a parameter that is true or false.
///
/// # Errors
/// [`Error::Invalid`] for anything else.
pub fn flag(name: &str, value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::invalid(format!("{name} is true or false, not {value:?}."))),
    }
}

/// That a parameter is given more than once.
pub fn twice(name: &str) -> Error {
    Error::invalid(format!("{name} is there twice."))
}

fn rows(text: &str) -> Result<u32> {
    let rows = text.parse::<u32>().ok().filter(|rows| *rows > 0);
    let wrong = || Error::invalid(format!("limit must be a number from 1 to {ROWS_MAX}, not {text:?}."));
    Ok(rows.ok_or_else(wrong)?.min(ROWS_MAX))
}
