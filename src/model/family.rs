//! Families of images: images of one project that are versions of one thing, of which the newest is current.

use serde::{Deserialize, Serialize};

use super::{
    consumer::{LIFECYCLE_PROPERTY, RETIRED},
    error::{Error, Result},
    image::{Image, TEXT_CHARS_MAX, Visibility},
    lifecycle::{self, Act, REPLACED_BY_PROPERTY},
    status::Status,
    time::Timestamp,
};

/// The property that names the family.
pub const FAMILY_PROPERTY: &str = "image_family";
/// The property by which an image of a family, with the value `false`, is not to become its current one.
pub const CANDIDATE_PROPERTY: &str = "family_candidate";
/// The property that says when the content was built.
pub const BUILT_PROPERTY: &str = "image_build_date";
/// The property with the promised validity of an image's id.
pub const VALIDITY_PROPERTY: &str = "uuid_validity";
/// The default name of the previous image after a publication.
pub const RENAME: &str = "{name} ({image_build_date})";
/// Characters of the name of a family at most.
const NAME_MAX: usize = 63;
/// What stands in paths where the name of a family could.
const RESERVED: [&str; 2] = ["publish", "rollback"];

/// Requires that a text can be the name of a family.
///
/// # Errors
/// [`Error::Invalid`]
pub fn check_name(name: &str) -> Result<()> {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    if begins && name.len() <= NAME_MAX && name.bytes().all(rest) && !RESERVED.contains(&name) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "The name of a family begins with a lowercase letter and has up to {NAME_MAX} of these, digits, dots and dashes; \
         {} are none.",
        RESERVED.join(" and ")
    )))
}

/// Requires of the family that a change names that it can be one.
///
/// # Errors
/// [`Error::Invalid`]
pub fn check(before: Option<&Image>, after: &Image) -> Result<()> {
    let of = |image| lifecycle::text(image, FAMILY_PROPERTY);
    match of(after) {
        Some(name) if before.and_then(of) != Some(name) => check_name(name),
        _ => Ok(()),
    }
}

/// An image of a project, of what its place among others depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The image.
    pub id: String,
    /// Its status.
    pub status: Status,
    /// Whether it is hidden.
    pub os_hidden: bool,
    /// Whether it refuses deletion.
    pub protected: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its properties that matter here, the first characters of each.
    pub properties: Vec<(String, String)>,
}

/// The properties that a [`Line`] has.
pub const LINE_PROPERTIES: [&str; 10] = [
    FAMILY_PROPERTY,
    CANDIDATE_PROPERTY,
    BUILT_PROPERTY,
    VALIDITY_PROPERTY,
    LIFECYCLE_PROPERTY,
    "deprecate_at",
    "obsolete_at",
    "provided_until",
    "maintained_until",
    "delete_policy",
];

impl Line {
    /// The attributes of an image that matter here.
    pub fn of(image: &Image) -> Self {
        let text = |name: &str| lifecycle::text(image, name).map(|value| (name.to_owned(), value.to_owned()));
        Self {
            id: image.id.clone(),
            status: image.status,
            os_hidden: image.os_hidden,
            protected: image.protected,
            created_at: image.created_at,
            properties: LINE_PROPERTIES.into_iter().filter_map(text).collect(),
        }
    }

    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The moment that a property names.
    pub fn date(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse_iso(self.property(name)?)
    }

    /// Whether it serves those only who have something made from it.
    pub fn is_retired(&self) -> bool {
        self.property(LIFECYCLE_PROPERTY) == Some(RETIRED)
    }

    /// Whether it may be the current one of its family.
    pub fn may_be_current(&self, now: Timestamp) -> bool {
        self.status == Status::Active
            && !self.os_hidden
            && !self.is_retired()
            && self.property(CANDIDATE_PROPERTY) != Some("false")
            && self.date(Act::Deprecate.property()).is_none_or(|date| date > now)
    }

    /// A key that is larger for newer images: build date, creation time, id.
    pub fn age(&self) -> (Timestamp, Timestamp, &str) {
        (self.date(BUILT_PROPERTY).unwrap_or(self.created_at), self.created_at, &self.id)
    }
}

/// The parameters of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The family.
    pub family: String,
    /// The image that becomes current.
    pub image_id: String,
    /// The plain name.
    pub plain_name: String,
    /// The new name of the previous image, a template with `{…}` for its attributes.
    pub rename: String,
    /// Whether the one before is hidden.
    pub hide_previous: bool,
    /// The visibility of the image; `None` leaves it unchanged.
    pub visibility: Option<Visibility>,
}

/// The attributes of an image that a publication changes, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Face {
    /// The image.
    pub image_id: String,
    name: Option<String>,
    os_hidden: bool,
    visibility: String,
    replaced_by: Option<String>,
    family: Option<String>,
    candidate: Option<String>,
}

const FACE_PROPERTIES: [&str; 3] = [REPLACED_BY_PROPERTY, FAMILY_PROPERTY, CANDIDATE_PROPERTY];

impl Face {
    /// That of an image.
    pub fn of(image: &Image) -> Self {
        let [replaced_by, family, candidate] =
            FACE_PROPERTIES.map(|name| lifecycle::text(image, name).map(str::to_owned));
        Self {
            image_id: image.id.clone(),
            name: image.name.clone(),
            os_hidden: image.os_hidden,
            visibility: image.visibility.as_str().to_owned(),
            replaced_by,
            family,
            candidate,
        }
    }

    /// The image's name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Gives an image this face.
    pub fn put_on(&self, image: &mut Image) {
        image.name.clone_from(&self.name);
        image.os_hidden = self.os_hidden;
        image.visibility = Visibility::parse(&self.visibility).unwrap_or(image.visibility);
        let values = [&self.replaced_by, &self.family, &self.candidate];
        for (name, value) in FACE_PROPERTIES.into_iter().zip(values) {
            match value {
                Some(value) => image.set_property(name, Some(value.clone())),
                None => drop(image.remove_property(name)),
            }
        }
    }

    /// Names of the properties in which two faces differ.
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        let values = |face: &Self| [face.replaced_by.clone(), face.family.clone(), face.candidate.clone()];
        let pairs = values(self).into_iter().zip(values(other));
        FACE_PROPERTIES.into_iter().zip(pairs).filter(|(_, (a, b))| a != b).map(|(name, _)| name).collect()
    }
}

/// The new name of the previous image: `template` with `{name}`, `{id}`, `{created_at}`, `{image_build_date}` and
/// `{image_version}` filled in.
///
/// # Errors
/// [`Error::Invalid`] for anything else in braces, for a name that is too long, and for one that is still the same.
pub fn renamed(template: &str, image: &Image) -> Result<String> {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        name.push_str(before);
        let unclosed = || Error::invalid("rename has a { without its }.");
        let (word, tail) = tail.split_once('}').ok_or_else(unclosed)?;
        let day = || image.created_at.isotime().chars().take(10).collect::<String>();
        let value = match word {
            "name" => image.name.clone().unwrap_or_default(),
            "id" => image.id.clone(),
            "created_at" => day(),
            BUILT_PROPERTY => lifecycle::text(image, word).map_or_else(day, str::to_owned),
            "image_version" => lifecycle::text(image, word).unwrap_or_default().to_owned(),
            _ => {
                return Err(Error::invalid(
                    "rename takes {name}, {id}, {created_at}, {image_build_date} and {image_version}.",
                ));
            }
        };
        name.push_str(&value);
        rest = tail;
    }
    name.push_str(rest);
    if name.chars().count() > TEXT_CHARS_MAX {
        return Err(Error::invalid(format!(
            "The name that rename makes has more than {TEXT_CHARS_MAX} characters."
        )));
    }
    if image.name.as_deref() == Some(&name) {
        return Err(Error::invalid("rename leaves the image its name."));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves which names families can have.
    #[test]
    fn names_are_short_and_plain() {
        for name in ["debian-12", "a", "x.y-1", &"a".repeat(63)] {
            check_name(name).expect(name);
        }
        for name in ["", "Debian", "1a", "-a", "a b", "a_b", "publish", "rollback", "ä", &"a".repeat(64)] {
            check_name(name).expect_err(name);
        }
    }
}
