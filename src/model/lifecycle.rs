//! The dates of an image, and their actions.

use serde_json::json;

use super::{
    consumer::{DELETE_POLICY_PROPERTY, InUse},
    error::{Error, Result},
    image::Image,
    time::Timestamp,
};

/// The property that names what an image is replaced by.
pub const REPLACED_BY_PROPERTY: &str = "replaced_by";

/// The action of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// The image is hidden.
    Deprecate,
    /// It serves nobody but those who have something made from it.
    Obsolete,
    /// It is deleted.
    Delete,
}

impl Act {
    /// Every act, in the order in which they come.
    pub const ALL: [Self; 3] = [Self::Deprecate, Self::Obsolete, Self::Delete];

    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deprecate => "deprecate",
            Self::Obsolete => "obsolete",
            Self::Delete => "delete",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == text)
    }

    /// The property that has its date.
    pub fn property(self) -> &'static str {
        match self {
            Self::Deprecate => "deprecate_at",
            Self::Obsolete => "obsolete_at",
            Self::Delete => "delete_at",
        }
    }

    /// The date in an image's property; `None` if it is absent or not a date.
    pub fn date(self, image: &Image) -> Option<Timestamp> {
        Timestamp::parse_iso(text(image, self.property())?)
    }
}

/// What happens to obsolete images (`[vitrine] obsolete_images`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Obsolete {
    /// They are retired: those who have something made from them keep them.
    #[default]
    Retire,
    /// They are deactivated: nobody but administrators reads their data.
    Deactivate,
}

impl Obsolete {
    /// The names of the option's values.
    pub const NAMES: [&str; 2] = ["retire", "deactivate"];

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "retire" => Some(Self::Retire),
            "deactivate" => Some(Self::Deactivate),
            _ => None,
        }
    }
}

/// The value of a property, if there is one.
pub fn text<'a>(image: &'a Image, name: &str) -> Option<&'a str> {
    image.property(name)?.value.as_deref()
}

/// Whether two states of an image differ in the date of an act.
pub fn differ(before: Option<&Image>, after: &Image, act: Act) -> bool {
    before.and_then(|before| text(before, act.property())) != text(after, act.property())
}

/// Requires of the dates that a change sets that they are dates and come in order. Those that were there stay, whatever
/// they are.
///
/// # Errors
/// [`Error::Invalid`]
pub fn check(before: Option<&Image>, after: &Image) -> Result<()> {
    let changed: Vec<Act> = Act::ALL.into_iter().filter(|act| differ(before, after, *act)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let bad = |text: String, name: &str| {
        Err(Error::invalid(text).because("bad-dates", json!({ "property": name })))
    };
    for act in changed {
        let name = act.property();
        if text(after, name).is_some() && act.date(after).is_none() {
            return bad(format!("{name} must be a date or a time of ISO 8601."), name);
        }
    }
    let dates: Vec<(Act, Timestamp)> =
        Act::ALL.into_iter().filter_map(|act| Some((act, act.date(after)?))).collect();
    for pair in dates.windows(2) {
        if let [(first, one), (second, two)] = pair
            && one > two
        {
            let (first, second) = (first.property(), second.property());
            return bad(format!("{second} must not come before {first}."), second);
        }
    }
    Ok(())
}

/// Requires of the [`DELETE_POLICY_PROPERTY`] that a change writes that it says something. One that was there stays, whatever
/// it is.
///
/// # Errors
/// [`Error::Invalid`]
pub fn check_policy(before: Option<&Image>, after: &Image) -> Result<()> {
    let of = |image| text(image, DELETE_POLICY_PROPERTY);
    match of(after) {
        Some(value) if before.and_then(of) != Some(value) && InUse::parse(value).is_none() => {
            let known = InUse::NAMES.join(", ");
            let why = format!("{DELETE_POLICY_PROPERTY} must be one of {known}.");
            Err(Error::invalid(why).because(
                "bad-delete-policy",
                json!({ "property": DELETE_POLICY_PROPERTY, "known": InUse::NAMES }),
            ))
        }
        _ => Ok(()),
    }
}
