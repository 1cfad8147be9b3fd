//! The sort order of a list, in either syntax.

use crate::model::error::{Error, Result};

/// Keys by which a list may be sorted.
pub const SORT_KEYS: [&str; 8] =
    ["name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"];

/// Direction of a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation
pub enum Direction {
    Asc,
    Desc,
}

fn parse_direction(text: &str) -> Result<Direction> {
    match text {
        "asc" => Ok(Direction::Asc),
        "desc" => Ok(Direction::Desc),
        _ => Err(Error::invalid(format!("Invalid sort direction: {text:?}; use asc or desc"))),
    }
}

fn parse_sort_key(text: &str) -> Result<&'static str> {
    SORT_KEYS.into_iter().find(|k| *k == text).ok_or_else(|| {
        Error::invalid(format!("Invalid sort key: {text:?}; use one of {}", SORT_KEYS.join(", ")))
    })
}

/// Reads the order of a list, with its tie-breakers. A key that comes again changes nothing and is left out.
///
/// # Errors
/// [`Error::Invalid`], naming what is wrong.
pub(super) fn parse(pairs: &[(String, String)]) -> Result<Vec<(&'static str, Direction)>> {
    let values = |name: &'static str| pairs.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.trim());
    let keys: Vec<&str> = values("sort_key").collect();
    let dirs: Vec<&str> = values("sort_dir").collect();
    let mut sort: Vec<(&'static str, Direction)> = Vec::new();
    let mut given_directions = Vec::new();
    if let Some(spec) = values("sort").next() {
        if !keys.is_empty() || !dirs.is_empty() {
            return Err(Error::invalid("Old and new sorting syntax cannot be combined"));
        }
        for element in spec.split(',') {
            let (key, direction) = match element.split_once(':') {
                Some((key, direction)) if direction.trim().is_empty() => (key, Direction::Desc),
                Some((key, direction)) => (key, parse_direction(direction.trim())?),
                None => (element, Direction::Desc),
            };
            append(&mut sort, key.trim(), direction)?;
            given_directions.push(direction);
        }
    } else {
        for dir in &dirs {
            given_directions.push(parse_direction(dir)?);
        }
        if dirs.len() > 1 && dirs.len() != keys.len() {
            return Err(Error::invalid("Number of sort dirs does not match the number of sort keys"));
        }
        for (index, key) in keys.iter().enumerate() {
            let direction = match given_directions.as_slice() {
                [] => Direction::Desc,
                [one] => *one,
                many => many.get(index).copied().unwrap_or(Direction::Desc),
            };
            append(&mut sort, key, direction)?;
        }
    }
    let tie_breaker = match given_directions.as_slice() {
        [one] => *one,
        _ => Direction::Desc,
    };
    for key in ["created_at", "id"] {
        if !sort.iter().any(|(k, _)| *k == key) {
            sort.push((key, tie_breaker));
        }
    }
    Ok(sort)
}

fn append(sort: &mut Vec<(&'static str, Direction)>, key: &str, direction: Direction) -> Result<()> {
    let key = parse_sort_key(key)?;
    if !sort.iter().any(|(known, _)| *known == key) {
        sort.push((key, direction));
    }
    Ok(())
}
