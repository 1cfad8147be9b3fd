//! Blobs: what a store holds for an image. Every blob has a row before its first byte.

use super::{
    image::{Image, Location},
    time::Timestamp,
};

/// State of a blob in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobState {
    /// A node is writing it under a lease.
    Writing,
    /// A location of an image points to it.
    Live,
    /// Nobody may see it any more; the reaper deletes the bytes, then the row.
    Doomed,
    /// It is in quarantine, and its name is kept for it. No image has it.
    Quarantined,
}

impl BlobState {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Live => "live",
            Self::Doomed => "doomed",
            Self::Quarantined => "quarantined",
        }
    }

    /// Reads the name in the database.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Writing, Self::Live, Self::Doomed, Self::Quarantined].into_iter().find(|s| s.as_str() == text)
    }
}

/// One row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Id of the row; also names the temporary object while it is written.
    pub id: String,
    /// The image for which it was written.
    pub image_id: String,
    /// Id of the store that holds it.
    pub store: String,
    /// Name of the object inside the store, unique there for as long as the row lives; with a path where each project has
    /// a place of its own.
    pub name: String,
    /// Its state.
    pub state: BlobState,
    /// Size in bytes once known.
    pub size: Option<i64>,
    /// Its holder: an upload, by its own id; an attempt at a job, as `JOB/ATTEMPT`; or the node that deletes it.
    pub holder: String,
    /// When the holder's lease expires.
    pub lease_until: Timestamp,
    /// Earliest time at which a doomed blob may be deleted (Glance's `delayed_delete`).
    pub delete_after: Timestamp,
    /// How often its deletion was tried.
    pub attempts: i32,
}

impl Blob {
    /// The row of data that was in a store before its image, if the location makes it ours: then its blob has the
    /// location's id, and its name in the store is the image's.
    pub fn adopted(location: &Location, image: &Image) -> Option<Self> {
        let (id, store) = (location.blob_id.as_ref()?, location.store.as_ref()?);
        (*id == location.id).then(|| Self {
            id: id.clone(),
            image_id: image.id.clone(),
            store: store.clone(),
            name: image.id.clone(),
            state: BlobState::Live,
            size: image.size,
            holder: String::new(),
            lease_until: Timestamp(0),
            delete_after: Timestamp(0),
            attempts: 0,
        })
    }

    /// Whether it is named after its image, in any store.
    pub fn bears_the_name_of_its_image(&self) -> bool {
        self.name.rsplit('/').next() == Some(&self.image_id)
    }

    /// Whether a job writes it, which is then responsible for the image.
    pub fn is_of_a_job(&self) -> bool {
        self.holder.contains('/')
    }

    /// A name that nothing else has, at the same place of the store, for when the one that was meant for it is taken.
    pub fn name_of_its_own(&self) -> String {
        let own = format!("{}.{}", self.image_id, self.id);
        match self.name.rsplit_once('/') {
            Some((place, _)) => format!("{place}/{own}"),
            None => own,
        }
    }
}
