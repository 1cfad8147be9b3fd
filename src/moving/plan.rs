//! The options of a migration, and its report.

use std::{path::PathBuf, sync::Arc};

use crate::{
    db::{Db, LocationKey},
    store::Stores,
};

/// Images that are taken at once.
pub(super) const BATCH: usize = 500;

/// The folder in which this node finds what clients have staged.
#[derive(Clone, Debug)]
pub struct StagingFolder {
    /// Where it is.
    pub folder: PathBuf,
    /// Its id in the table of blobs.
    pub id: String,
}

/// Where from, and how.
pub struct Plan<'a> {
    /// Glance's database.
    pub source: &'a Db,
    /// Its name in the progress records.
    pub name: &'a str,
    /// Ours.
    pub target: &'a Db,
    /// The stores that hold the data.
    pub stores: &'a Stores,
    /// Where staged data is, if it is on this node.
    pub staging: Option<StagingFolder>,
    /// The key with which Glance encrypted locations, if any.
    pub key: Option<Arc<LocationKey>>,
    /// Seconds for which the data of deleted images stays (`scrub_time`).
    pub delay_seconds: i64,
    /// Change nothing.
    pub dry_run: bool,
}

/// Something that was left out or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The subject: `image 1a2b…`.
    pub what: String,
    /// What happened to it, and why.
    pub why: String,
}

impl Note {
    pub(super) fn of_image(id: &str, why: impl Into<String>) -> Self {
        Self { what: format!("image {id}"), why: why.into() }
    }
}

/// Progress reports of a pass.
pub trait Told {
    /// So many images of so many have been looked at.
    fn progress(&mut self, done: u64, all: u64);
    /// All images are there, and the orders of lists are made, which takes a while.
    fn sorting(&mut self) {}
    /// Something was left out.
    fn note(&mut self, note: Note);
}

/// The result of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Images that were read.
    pub seen: u64,
    /// Images that were written, the deleted ones included.
    pub images: u64,
    /// Tasks that were written.
    pub tasks: u64,
    /// Namespaces of metadata definitions that were written.
    pub namespaces: u64,
}
