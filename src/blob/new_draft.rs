//! What is said of a blob that is to be written.

use std::sync::Arc;

use super::Holder;
use crate::{
    access::unified::Counts,
    db::DbError,
    model::caller::Caller,
    store::{NamedStore, StoreError},
};

/// The properties of a new blob.
#[derive(Clone, Copy)]
pub struct NewDraft<'a> {
    /// The image that it is for.
    pub image_id: &'a str,
    /// The project that owns the image.
    pub owner: Option<&'a str>,
    /// The project whose storage quota is used: that of the caller who sends the data.
    pub payer: Option<&'a str>,
    /// Where it goes.
    pub store: &'a NamedStore,
    /// Its name in the store, if that is free; `None` is its own id.
    pub name: Option<&'a str>,
    /// The caller who sends the data, if there is one.
    pub caller: Option<&'a Caller>,
    /// Bytes, if known.
    pub size: Option<u64>,
    /// What it counts for where the identity service has limits.
    pub counts: Counts,
    /// Its holder; `None` is an upload of its own.
    pub holder: Option<&'a Arc<Holder>>,
    /// The store that others are told is being prepared; `None` tells nobody.
    pub prepares: Option<&'a str>,
}

/// Why a blob could not be begun.
#[derive(Debug)]
pub enum BeginFault {
    /// Its store does not answer.
    Store(StoreError),
    /// There is no room under the quota, or the ledger could not be written.
    Db(DbError),
}

impl From<DbError> for BeginFault {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<StoreError> for BeginFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
