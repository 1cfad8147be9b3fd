//! What an import is to do, and how an image tells of its stores meanwhile.

use super::{Imports, asked::Asked};
use crate::model::image::Image;

/// What a job is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The image.
    pub image_id: String,
    /// As it was asked for.
    pub asked: Asked,
    /// Stores to write.
    pub targets: Vec<String>,
}

/// A list of stores as a property shows it; store ids are no part of the API of a single store.
pub fn list_of(imports: &Imports, stores: &[String]) -> Option<String> {
    Some(if imports.images.stores.multiple { stores.join(",") } else { String::new() })
}

/// The stores that a property names.
pub fn stores_in(image: &Image, property: &str) -> Vec<String> {
    let text = image.property(property).and_then(|p| p.value.as_deref()).unwrap_or_default();
    text.split(',').filter(|store| !store.is_empty()).map(str::to_owned).collect()
}
