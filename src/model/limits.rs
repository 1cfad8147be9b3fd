//! The limits of a project.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    error::{Error, Result},
    image::has_supplementary_character,
};

/// Characters of the sentence that an operator writes.
const SENTENCE_MAX: usize = 255;
/// Images that a limit can name.
const COUNT_MAX: u64 = i64::MAX as u64;

/// The limits of a project; what is absent is as for all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Whether the project may make images at all.
    pub enabled: Option<bool>,
    /// The message for refused requests.
    pub sentence: Option<String>,
    /// Images at most.
    pub image_count_total: Option<u64>,
    /// Maximum number of private images.
    pub private_images: Option<u64>,
    /// Images that it may create in a minute.
    pub create_rate: Option<u64>,
    /// Bytes of the data of one image.
    pub image_size_cap: Option<u64>,
    /// Bytes of the largest disk that the header of an image may claim.
    pub max_virtual_size: Option<u64>,
    /// Properties of an image.
    pub max_properties: Option<u64>,
    /// Tags of an image.
    pub max_tags: Option<u64>,
    /// Members of an image.
    pub max_members: Option<u64>,
    /// Locations of an image.
    pub max_locations: Option<u64>,
}

impl Limits {
    /// Reads limits.
    ///
    /// # Errors
    /// [`Error::Invalid`]
    pub fn parse(value: &Value) -> Result<Self> {
        if !value.is_object() {
            return Err(Error::invalid("The limits are an object."));
        }
        let limits: Self =
            serde_json::from_value(value.clone()).map_err(|e| Error::invalid(format!("The limits: {e}.")))?;
        if let Some(sentence) = &limits.sentence
            && (sentence.is_empty()
                || sentence.chars().count() > SENTENCE_MAX
                || sentence.chars().any(char::is_control)
                || has_supplementary_character(sentence))
        {
            return Err(Error::invalid(format!("sentence is a line of 1 to {SENTENCE_MAX} characters.")));
        }
        for (name, limit, least) in [
            ("image_count_total", limits.image_count_total, 0),
            ("private_images", limits.private_images, 0),
            ("create_rate", limits.create_rate, 1),
            ("image_size_cap", limits.image_size_cap, 1),
            ("max_virtual_size", limits.max_virtual_size, 1),
            ("max_properties", limits.max_properties, 0),
            ("max_tags", limits.max_tags, 0),
            ("max_members", limits.max_members, 0),
            ("max_locations", limits.max_locations, 0),
        ] {
            if limit.is_some_and(|limit| limit < least || limit > COUNT_MAX) {
                return Err(Error::invalid(format!("{name} is {least} to {COUNT_MAX}.")));
            }
        }
        Ok(limits)
    }

    /// These where they say something, else those of all.
    #[must_use]
    pub fn over(self, all: &Self) -> Self {
        Self {
            enabled: self.enabled.or(all.enabled),
            sentence: self.sentence.or_else(|| all.sentence.clone()),
            image_count_total: self.image_count_total.or(all.image_count_total),
            private_images: self.private_images.or(all.private_images),
            create_rate: self.create_rate.or(all.create_rate),
            image_size_cap: self.image_size_cap.or(all.image_size_cap),
            max_virtual_size: self.max_virtual_size.or(all.max_virtual_size),
            max_properties: self.max_properties.or(all.max_properties),
            max_tags: self.max_tags.or(all.max_tags),
            max_members: self.max_members.or(all.max_members),
            max_locations: self.max_locations.or(all.max_locations),
        }
    }

    /// Requires that a project has no more than it may.
    ///
    /// # Errors
    /// [`Error::TooLarge`], with what it had before this one came.
    pub fn check(&self, usage: &Usage) -> Result<()> {
        if self.enabled == Some(false) || self.image_count_total == Some(0) {
            let text = "Images are not enabled for this project in this region";
            return Err(Error::TooLarge(self.sentence.clone().unwrap_or_else(|| text.to_owned())));
        }
        for (name, limit, used) in [
            ("image_count_total", self.image_count_total, usage.images),
            ("private_images", self.private_images, usage.private_images),
        ] {
            if let Some(limit) = limit.filter(|limit| used > *limit) {
                let before = used.saturating_sub(1);
                return Err(Error::TooLarge(format!(
                    "Maximum image limit reached: {name} {before} of {limit} used"
                )));
            }
        }
        Ok(())
    }

    /// Whether images are counted, or not allowed at all.
    pub fn count(&self) -> bool {
        self.enabled == Some(false)
            || [self.image_count_total, self.private_images, self.create_rate].iter().any(Option::is_some)
    }

    /// Requires that an image may have so many bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`]
    pub fn check_size(&self, size: u64) -> Result<()> {
        match self.image_size_cap.filter(|cap| size > *cap) {
            Some(cap) => Err(Error::TooLarge(format!("Image exceeds the maximum of {cap} bytes."))),
            None => Ok(()),
        }
    }

    /// Bytes of the data of one image at most.
    pub fn size_cap(&self) -> u64 {
        self.image_size_cap.unwrap_or(u64::MAX)
    }
}

/// The usage of a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Images.
    pub images: u64,
    /// Private images.
    pub private_images: u64,
}
