//! The body of `POST /v2/images`, parsed and checked as far as possible without the database
//! (`glance/api/v2/images.py: RequestDeserializer.create`).

use serde_json::{Map, Value};

use super::{
    error::{Error, Result},
    image::{INTEGER_MAX, TEXT_CHARS_MAX, has_supplementary_character},
    image_schema::ImageSchema,
    patch,
    properties::Property,
    visibility::Visibility,
};

/// A new image as its creator describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImage {
    /// Chosen id, if any.
    pub id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// `Some` if the body names an owner: a project, or null.
    pub owner: Option<Option<String>>,
    /// `Some` if the body names a visibility.
    pub visibility: Option<Visibility>,
    /// Disk format.
    pub disk_format: Option<String>,
    /// Container format.
    pub container_format: Option<String>,
    /// Gigabytes.
    pub min_disk: i64,
    /// Megabytes.
    pub min_ram: i64,
    /// Refuses deletion.
    pub protected: bool,
    /// Leaves it out of default lists.
    pub os_hidden: bool,
    /// As given, duplicates included, since the tag quota counts them.
    pub tags: Vec<String>,
    /// Custom properties in the order of the body.
    pub properties: Vec<Property>,
    /// The first read-only attribute that the body tries to set; refused after the permission checks, as
    /// Glance does.
    pub read_only: Option<String>,
}

impl NewImage {
    /// Takes these properties from a snapshot: Nova gives it those of the image that its server was started from, of which
    /// they are true, and not of other bytes.
    pub fn disinherit(&mut self, names: &[&str]) {
        let is_snapshot = |p: &Property| p.name == "image_type" && p.value.as_deref() == Some("snapshot");
        if self.properties.iter().any(is_snapshot) {
            self.properties.retain(|property| !names.contains(&property.name.as_str()));
        }
    }

    /// Reads the body.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for links and reserved names, [`Error::Invalid`] for what does not fit the schema.
    pub fn parse(body: &Map<String, Value>, schema: &ImageSchema) -> Result<Self> {
        for name in ["direct_url", "self", "file", "schema", "stores"] {
            if body.contains_key(name) {
                return Err(Error::forbidden(format!("Attribute '{name}' is read-only.")));
            }
        }
        schema.check_create(body)?;
        let mut image = Self {
            id: text(body.get("id")),
            name: text(body.get("name")),
            owner: body.get("owner").map(|owner| text(Some(owner))),
            visibility: body.get("visibility").and_then(Value::as_str).and_then(Visibility::parse),
            disk_format: text(body.get("disk_format")),
            container_format: text(body.get("container_format")),
            min_disk: integer(body.get("min_disk"))?,
            min_ram: integer(body.get("min_ram"))?,
            protected: body.get("protected").and_then(Value::as_bool).unwrap_or(false),
            os_hidden: body.get("os_hidden").and_then(Value::as_bool).unwrap_or(false),
            tags: strings(body.get("tags")),
            properties: Vec::new(),
            read_only: body
                .keys()
                .find(|k| patch::READ_ONLY.contains(&k.as_str()) && *k != "id" || *k == "locations")
                .cloned(),
        };
        for (name, value) in body.iter().filter(|(k, _)| !schema.is_base(k)) {
            if name.chars().count() > TEXT_CHARS_MAX {
                return Err(Error::invalid(format!(
                    "Custom property names are limited to {TEXT_CHARS_MAX} characters."
                )));
            }
            if patch::is_reserved(name) {
                return Err(Error::forbidden(format!("Property '{name}' is reserved.")));
            }
            image.properties.push(Property { name: name.clone(), value: text(Some(value)) });
        }
        Ok(image)
    }

    /// Checks what only storage can refuse; Glance does so last.
    ///
    /// # Errors
    /// [`Error::Invalid`] for numbers out of range and characters that cannot be stored.
    pub fn check_storable(&self) -> Result<()> {
        check_number("min_disk", self.min_disk)?;
        check_number("min_ram", self.min_ram)?;
        let texts = [&self.name, &self.disk_format, &self.container_format];
        for text in texts.into_iter().flatten().chain(self.owner.iter().flatten()).chain(&self.tags) {
            check_text("image", text)?;
        }
        for property in &self.properties {
            check_text("property", &property.name)?;
            check_text("property", property.value.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Checks a number of `min_disk` or `min_ram`.
///
/// # Errors
/// [`Error::Invalid`] when negative or too large.
pub fn check_number(name: &str, number: i64) -> Result<()> {
    if number < 0 {
        return Err(Error::invalid(format!(
            "Attribute '{name}' must be a non-negative integer, not {number}."
        )));
    }
    if number > INTEGER_MAX {
        return Err(Error::invalid(format!(
            "Attribute '{name}' is {number}; the largest value is {INTEGER_MAX}."
        )));
    }
    Ok(())
}

/// Checks that every database can keep `text`.
///
/// # Errors
/// [`Error::Invalid`] for characters outside the basic multilingual plane, and for NUL.
pub fn check_text(what: &str, text: &str) -> Result<()> {
    if has_supplementary_character(text) {
        return Err(Error::invalid(format!(
            "The {what} contains 4 byte unicode characters, which are not allowed."
        )));
    }
    check_no_nul(what, text)
}

/// Refuses what no database keeps.
///
/// # Errors
/// [`Error::Invalid`] for NUL.
pub fn check_no_nul(what: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid(format!("The {what} contains a NUL character, which is not allowed.")));
    }
    Ok(())
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

/// Texts of a JSON array, in order.
pub fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .map(|items| items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

/// A JSON integer; `3.0` counts as one, absence as 0.
///
/// # Errors
/// [`Error::Invalid`] for numbers beyond 64 bits.
pub fn integer(value: Option<&Value>) -> Result<i64> {
    let Some(value) = value else { return Ok(0) };
    if let Some(number) = value.as_i64() {
        return Ok(number);
    }
    match value.as_f64() {
        // Whole numbers up to 2^53 are exact; everything larger is out of range anyway.
        #[allow(clippy::cast_possible_truncation)]
        Some(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => Ok(number as i64),
        _ => Err(Error::invalid(format!("{value} is out of the range of integers."))),
    }
}
