//! The handles of the lower rooms, for the server and for commands that do its work.

use std::{path::Path, sync::Arc};

use tokio::sync::Notify;

use super::{
    error::{StartError, failed},
    stores,
};
use crate::{
    access::{Access, protection::Protections, unified::Unified},
    blob::{Blobs, Leases, Transfers},
    config::Config,
    db::Db,
    image::{self, Downloads, Images, Sends, Turns},
    key_manager::KeyManager,
    model::image_schema::ImageSchema,
    policy::Enforcer,
    store::{Stores, staging::Staging},
};

/// The images of a database and its stores, without limits of projects and without a key manager.
///
/// # Errors
/// [`StartError`] when the declarations of properties cannot be used.
pub fn images(
    db: Db,
    stores: Stores,
    policy: Arc<Enforcer>,
    protections: Option<Protections>,
    settings: image::Settings,
    declarations: Option<&serde_json::Value>,
) -> Result<Images, StartError> {
    let schema = ImageSchema::new(&settings.container_formats, &settings.disk_formats, declarations)
        .map_err(|e| failed("the image schema", e))?;
    Ok(Images {
        db,
        stores: Arc::new(stores),
        access: Access::new(policy, protections),
        unified: Unified::default(),
        settings: Arc::new(settings),
        schema: Arc::new(schema),
        doomed: Arc::new(Notify::new()),
        turns: Turns::default(),
        sends: Sends::default(),
        downloads: Downloads::default(),
        key_manager: KeyManager::default(),
        hidden_groups: Arc::default(),
    })
}

/// The path of image data for a command, beside servers that may be running. Blocking.
///
/// # Errors
/// [`StartError`] when a store or a file of the configuration cannot be used.
pub fn blobs(config: &Config, folder: &Path, db: Db) -> Result<Blobs, StartError> {
    let stores = stores::open(&config.stores, folder, &config.imports)?;
    let staging = Staging::open(&stores::staging_folder(&config.stores, folder))
        .map_err(|e| failed("the staging folder cannot be used", e))?;
    let policy = Enforcer::new(config.policy.clone()).map_err(|e| StartError(e.to_string()))?;
    let leases = Leases::new(config.jobs.lease_seconds, db.clock.clone());
    let (protections, declarations) = (config.protections.clone(), config.declarations.as_ref());
    let images = images(db, stores, Arc::new(policy), protections, config.image.clone(), declarations)?;
    Ok(Blobs { images, staging, leases, transfers: Transfers::new(config.transfers) })
}
