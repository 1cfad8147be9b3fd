//! Media groups: the shelves on which images are offered, named by the property `media_group` of an image.

use serde_json::{Map, Value, json};

use super::{
    error::{Error, Result},
    image::TEXT_CHARS_MAX,
    time::Timestamp,
};

/// The property that names the media group of an image.
pub const GROUP_PROPERTY: &str = "media_group";
/// The metadef namespace whose property [`GROUP_PROPERTY`] lists the names of all groups.
pub const GROUP_NAMESPACE: &str = "Images::MediaGroup";
/// Characters of a name at most.
const NAME_CHARS_MAX: usize = 64;
/// Characters of a description, and of an icon, at most.
const LONG_CHARS_MAX: usize = 2048;
/// Members of a body that describes a group.
const MEMBERS: [&str; 6] = ["name", "label", "description", "icon", "visible", "order"];

/// A media group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaGroup {
    /// Its name, as images have it in their property.
    pub name: String,
    /// The name that people see.
    pub label: String,
    /// What it is for.
    pub description: Option<String>,
    /// What portals show beside it, a URL or a name.
    pub icon: Option<String>,
    /// Whether its images are in the lists of those who are not administrators.
    pub visible: bool,
    /// Its place among the others, the lowest first.
    pub order: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl MediaGroup {
    /// The form of a name in which two groups must differ.
    pub fn folded(name: &str) -> String {
        name.to_ascii_lowercase()
    }

    /// A new group from a body.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the member that does not fit.
    pub fn parse(body: &Value, now: Timestamp) -> Result<Self> {
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        let blank = Self {
            name: name.to_owned(),
            label: name.to_owned(),
            description: None,
            icon: None,
            visible: true,
            order: 0,
            created_at: now,
            updated_at: now,
        };
        check_name(name)?;
        blank.changed(body, now)
    }

    /// The group as a body changes it.
    ///
    /// # Errors
    /// As [`MediaGroup::parse`].
    pub fn changed(mut self, body: &Value, now: Timestamp) -> Result<Self> {
        let object = body.as_object().ok_or_else(|| Error::invalid("An object is expected."))?;
        if let Some(unknown) = object.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(Error::invalid(format!("There is no member {unknown:?} here.")));
        }
        if let Some(name) = object.get("name") {
            let name = name.as_str().unwrap_or_default();
            check_name(name)?;
            // A label of its own stays.
            if self.label == self.name {
                name.clone_into(&mut self.label);
            }
            name.clone_into(&mut self.name);
        }
        if let Some(label) = text(object, "label", TEXT_CHARS_MAX)? {
            self.label = label.unwrap_or_else(|| self.name.clone());
        }
        if let Some(description) = text(object, "description", LONG_CHARS_MAX)? {
            self.description = description;
        }
        if let Some(icon) = text(object, "icon", LONG_CHARS_MAX)? {
            self.icon = icon;
        }
        if let Some(visible) = object.get("visible") {
            let wrong = || Error::invalid("visible must be true or false.");
            self.visible = visible.as_bool().ok_or_else(wrong)?;
        }
        if let Some(order) = object.get("order") {
            let wrong = || Error::invalid("order must be a whole number of at most 32 bits.");
            self.order = order.as_i64().filter(|n| i32::try_from(*n).is_ok()).ok_or_else(wrong)?;
        }
        self.updated_at = now;
        Ok(self)
    }

    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "label": self.label,
            "description": self.description,
            "icon": self.icon,
            "visible": self.visible,
            "order": self.order,
            "created_at": self.created_at.isotime(),
            "updated_at": self.updated_at.isotime(),
        })
    }
}

/// Requires that a text can be the name of a group.
///
/// # Errors
/// [`Error::Invalid`], which says what a name is.
pub fn check_name(name: &str) -> Result<()> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte));
    if first && rest && name.len() <= NAME_CHARS_MAX && !name.ends_with(' ') {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "The name of a media group has 1 to {NAME_CHARS_MAX} characters of A-Z, a-z, 0-9, blank, dot, underscore and hyphen, \
         begins with a letter or a digit, and does not end with a blank."
    )))
}

/// A text that a body may have, or `null`.
fn text(object: &Map<String, Value>, name: &str, chars_max: usize) -> Result<Option<Option<String>>> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text))
            if (1..=chars_max).contains(&text.chars().count()) && !text.contains('\0') =>
        {
            Ok(Some(Some(text.clone())))
        }
        Some(_) => {
            Err(Error::invalid(format!("{name} must be null or a text of 1 to {chars_max} characters.")))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    /// Proves which names there can be.
    #[test]
    fn names_are_bounded() {
        let long = "a".repeat(NAME_CHARS_MAX);
        for good in ["Linux", "7", "BSD and others", "a._- b", &long] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
        for bad in ["", " a", "a ", "-a", "a/b", "ä", "a\n", "a\0", &format!("{long}a")] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    /// Proves that a change leaves alone what it does not name, and that a label of its own survives a new name.
    #[test]
    fn changes_are_partial() {
        let made = MediaGroup::parse(&json!({"name": "Linux", "order": 3}), Timestamp(1)).unwrap();
        assert_eq!((made.label.as_str(), made.visible, made.order), ("Linux", true, 3));
        let renamed = made.clone().changed(&json!({"name": "Penguins"}), Timestamp(2)).unwrap();
        assert_eq!((renamed.label.as_str(), renamed.order), ("Penguins", 3));
        let labelled = made.changed(&json!({"label": "For you"}), Timestamp(2)).unwrap();
        let renamed = labelled.changed(&json!({"name": "X", "visible": false}), Timestamp(3)).unwrap();
        assert_eq!((renamed.label.as_str(), renamed.visible), ("For you", false));
        assert_eq!(renamed.changed(&json!({"label": null}), Timestamp(4)).unwrap().label, "X");
    }
}
