//! Limits on the size of an image record and of a list page.

use crate::model::{
    error::{Error, Result},
    image::Image,
};

/// The operator's bounds, all of the group `[vitrine]`.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// `max_patch_operations`: operations of one PATCH.
    pub patch_operations: usize,
    /// `max_property_bytes`: bytes of the value of one property.
    pub property_bytes: usize,
    /// `max_record_bytes`: bytes of the properties, tags and locations of one image together.
    pub record_bytes: usize,
    /// `max_page_bytes`: the same of all images on one page of a list; a page has one image at least.
    pub page_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            patch_operations: 1024,
            // What the columns of Glance on MySQL hold.
            property_bytes: 65_535,
            record_bytes: 1 << 20,
            page_bytes: 8 << 20,
        }
    }
}

impl Bounds {
    /// Requires that the value of a property fit.
    ///
    /// # Errors
    /// [`Error::Invalid`]
    pub fn check_value(&self, name: &str, value: Option<&str>) -> Result<()> {
        let bytes = value.map_or(0, str::len);
        if bytes <= self.property_bytes {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "The value of property {name} has {bytes} bytes; at most {} are stored.",
            self.property_bytes
        )))
    }

    /// Requires that a record fit, unless it was larger before: what is too large may shrink.
    ///
    /// # Errors
    /// [`Error::TooLarge`]
    pub fn check_record(&self, before: usize, image: &Image) -> Result<()> {
        let bytes = image.variable_bytes();
        if bytes <= self.record_bytes.max(before) {
            return Ok(());
        }
        Err(Error::TooLarge(format!(
            "The properties, tags and locations of the image would have {bytes} bytes; the limit is {}.",
            self.record_bytes
        )))
    }
}
