//! Imports: data that is staged, fetched or copied becomes the data of an image, by a job whose every step can be
//! repeated (`glance/async_/flows/api_image_import.py`).
//!
//! Steps: plan (the image becomes `importing`), bring (data into the staging folder), plug-ins, distribute (one read,
//! all stores), activate. The results of finished steps are in the job's state, written in the transaction that
//! finished them.

mod activate;
mod apart;
pub mod asked;
mod behalf;
mod bring;
mod compression;
pub mod confine;
mod convert;
mod copy;
pub(crate) mod decompress;
mod distribute;
pub mod job;
pub mod legacy;
pub mod lost;
pub(crate) mod ova;
pub mod parts;
mod plan;
mod plugins;
pub mod remote;
pub mod request;
pub mod settings;
pub mod shares;
mod signed;
pub mod stage;
mod staged;
pub mod state;
pub mod upload;
mod wish;

use std::sync::Arc;

use crate::{
    blob::Blobs,
    image::Images,
    outbound::Fetcher,
    work::{queue::Queue, seal::Seals},
};

pub use settings::Settings;
pub use shares::Shares;

pub use crate::model::image::{FAILED_IMPORT, IMPORTING_TO_STORES};

/// The handles for imports. Cheap to clone.
#[derive(Clone)]
pub struct Imports {
    /// The images.
    pub images: Images,
    /// The byte path.
    pub blobs: Blobs,
    /// The job queue.
    pub queue: Queue,
    /// Fetches what imports name.
    pub fetcher: Fetcher,
    /// The operator's settings.
    pub settings: Arc<Settings>,
    /// Seals what jobs keep of their callers' secrets.
    pub seals: Seals,
    /// Resources shared by plug-ins.
    pub shares: Shares,
}
