//! The keys of encrypted images, in the key manager. An image that Cinder made of an encrypted volume names its key, which
//! goes with the image if it says so (`glance/api/v2/images.py: ImagesController._delete_encryption_key`). With `[vitrine]
//! encryption_key_consumers` the same is true of the key of an image that is encrypted itself, and images are registered
//! there as users of that key.

use super::Images;
use crate::{
    key_manager::{Consumer, KeyError, KeyManager},
    model::{
        caller::{Caller, Token},
        image::Image,
    },
    telemetry,
};

/// The key of an image of an encrypted volume, and what becomes of it.
const VOLUME: [&str; 2] = ["cinder_encryption_key_id", "cinder_encryption_key_deletion_policy"];
/// The same of an encrypted image.
const IMAGE: [&str; 2] = ["os_encrypt_key_id", "os_encrypt_key_deletion_policy"];
const ON_IMAGE_DELETION: &str = "on_image_deletion";

/// Something to do with a key. What fails is logged and left as it is.
enum Step {
    /// Register the image as its user.
    Enter(String),
    /// Take that back.
    Leave(String),
    /// Delete it.
    Delete(String),
}

impl Step {
    async fn run(&self, manager: &KeyManager, token: Option<&Token>, image: &str) {
        let consumer = Consumer { service: "glance", resource_type: "image", resource_id: image };
        let (what, key, done): (&str, &str, Result<(), KeyError>) = match self {
            Self::Enter(key) => ("register", key, manager.add_consumer(token, key, consumer).await),
            Self::Leave(key) => ("deregister", key, manager.remove_consumer(token, key, consumer).await),
            Self::Delete(key) => ("delete", key, manager.delete(token, key).await),
        };
        match done {
            Ok(()) => tracing::info!(image, key, what, "the key of an image was seen to"),
            Err(error) => tracing::warn!(%error, image, key, what, "the key of an image stays as it is"),
        }
    }
}

fn said<'a>(image: &'a Image, name: &str) -> Option<&'a str> {
    image.property(name).and_then(|property| property.value.as_deref())
}

/// The key of an image that is encrypted itself, if that matters here.
pub fn of(images: &Images, image: &Image) -> Option<String> {
    said(image, IMAGE[0]).filter(|_| images.settings.encryption_key_consumers).map(str::to_owned)
}

/// Registers an image as user of its key, if that was another one before, or none.
pub async fn follow(images: &Images, caller: &Caller, before: Option<String>, image: &Image) {
    let after = of(images, image);
    if before == after {
        return;
    }
    let steps = before.map(Step::Leave).into_iter().chain(after.map(Step::Enter)).collect();
    run(images, caller, image, steps).await;
}

/// Deletes the keys of an image that is gone for good, where they go with it. The image is gone in any case, as in Glance.
pub async fn forget(images: &Images, caller: &Caller, image: &Image) {
    let own = of(images, image);
    let goes = |[_, policy]: [&str; 2]| said(image, policy) == Some(ON_IMAGE_DELETION);
    let volume = said(image, VOLUME[0]).filter(|_| goes(VOLUME)).map(str::to_owned);
    let deleted = own.clone().filter(|_| goes(IMAGE)).into_iter().chain(volume).map(Step::Delete);
    run(images, caller, image, own.map(Step::Leave).into_iter().chain(deleted).collect()).await;
}

/// Does it in the name of the caller, also when that one goes away meanwhile.
async fn run(images: &Images, caller: &Caller, image: &Image, steps: Vec<Step>) {
    if steps.is_empty() {
        return;
    }
    let (manager, token, id) = (images.key_manager.clone(), caller.token.clone(), image.id.clone());
    let work = async move {
        for step in steps {
            step.run(&manager, token.as_ref(), &id).await;
        }
    };
    if let Err(fault) = telemetry::spawn(work).await {
        tracing::error!(%fault, "the task that saw to a key has died");
    }
}
