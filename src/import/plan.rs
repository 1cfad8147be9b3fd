//! The stores of an import, and how the image shows them meanwhile.

use serde::{Deserialize, Serialize};

use super::{Imports, asked::Asked};
use crate::model::image::Image;

/// The input of a job of type `api_image_import`, as its task shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The image.
    pub image_id: String,
    /// The body of the request.
    pub import_req: Asked,
    /// Stores to write; the only store has no id here.
    pub backend: Vec<Option<String>>,
}

/// The plan of a job.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The image.
    pub image_id: String,
    /// The request.
    pub asked: Asked,
    /// Stores to write.
    pub targets: Vec<String>,
}

impl Input {
    /// The plan on this node.
    pub fn plan(self, imports: &Imports) -> Plan {
        let mut targets: Vec<String> = self.backend.into_iter().flatten().collect();
        if targets.is_empty() {
            targets.push(imports.images.stores.default_id().to_owned());
        }
        Plan { image_id: self.image_id, asked: self.import_req, targets }
    }
}

/// A list of stores as a property shows it; the API of a single store has no store ids.
pub fn list_of(imports: &Imports, stores: &[String]) -> Option<String> {
    Some(if imports.images.stores.multiple { stores.join(",") } else { String::new() })
}

/// The stores that a property names.
pub fn stores_in(image: &Image, property: &str) -> Vec<String> {
    let text = image.property(property).and_then(|p| p.value.as_deref()).unwrap_or_default();
    text.split(',').filter(|store| !store.is_empty()).map(str::to_owned).collect()
}
