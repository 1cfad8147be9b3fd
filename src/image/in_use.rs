//! What DELETE does with an image that has consumers: what the operator says for all images, its stores, and its owner.

use std::sync::Arc;

use super::Images;
use crate::{
    model::{
        consumer::{DELETE_POLICY_PROPERTY, InUse},
        image::Image,
    },
    store::Stores,
};

/// The operator's part of it.
#[derive(Clone, Debug)]
pub struct InUseRule {
    all: InUse,
    stores: Option<Arc<Stores>>,
}

impl InUseRule {
    /// One for all images, whatever their stores say.
    pub fn whatever(all: InUse) -> Self {
        Self { all, stores: None }
    }

    /// The rule of an image: the strictest of its stores (`[vitrine] in_use_delete` for those that say nothing), which its
    /// owner can make stricter.
    pub(super) fn of(&self, image: &Image) -> InUse {
        let stores = self.stores.as_ref();
        let operator = stores.map_or(self.all, |stores| stores.in_use(self.all, &image.locations));
        let owner =
            image.property(DELETE_POLICY_PROPERTY).and_then(|p| p.value.as_deref()).and_then(InUse::parse);
        owner.map_or(operator, |owner| owner.max(operator))
    }

    /// The same of a bundle: the strictest of it and its disks, which go with it.
    pub(super) fn of_all(&self, image: &Image, disks: &[Image]) -> InUse {
        disks.iter().map(|disk| self.of(disk)).fold(self.of(image), InUse::max)
    }
}

impl Images {
    /// The rule about images in use.
    pub(super) fn in_use(&self) -> InUseRule {
        InUseRule { all: self.settings.in_use, stores: Some(Arc::clone(&self.stores)) }
    }
}
