//! The result of comparing an object in a store with the database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The state of an object, or of a missing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectState {
    /// An image has it, and its size is right.
    Ok,
    /// Somebody is writing it.
    Staging,
    /// Whoever wrote it is gone.
    StaleStaging,
    /// Nothing refers to it, although it bears one of our names.
    Orphan,
    /// The same, but it came only lately.
    Young,
    /// An image should have it, and it is not there.
    Missing,
    /// Its size is not that of the image.
    SizeMismatch,
    /// Its bytes are not those of the image.
    HashMismatch,
    /// Its image is active and does not know its size.
    SizeUnknown,
    /// Its image has it, but the server that it was captured from is gone.
    StaleSource,
    /// It is about to be deleted.
    PendingDelete,
    /// It is in quarantine.
    Quarantined,
    /// It bears no name of ours.
    Foreign,
    /// Its image has it, and another object there has the same bytes by the hashes of their images.
    Duplicate,
}

impl ObjectState {
    /// Every state.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Staging,
        Self::StaleStaging,
        Self::Orphan,
        Self::Young,
        Self::Missing,
        Self::SizeMismatch,
        Self::HashMismatch,
        Self::SizeUnknown,
        Self::StaleSource,
        Self::PendingDelete,
        Self::Quarantined,
        Self::Foreign,
        Self::Duplicate,
    ];

    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Staging => "staging",
            Self::StaleStaging => "stale-staging",
            Self::Orphan => "orphan",
            Self::Young => "young",
            Self::Missing => "missing",
            Self::SizeMismatch => "size-mismatch",
            Self::HashMismatch => "hash-mismatch",
            Self::SizeUnknown => "size-unknown",
            Self::StaleSource => "stale-source",
            Self::PendingDelete => "pending-delete",
            Self::Quarantined => "quarantined",
            Self::Foreign => "foreign",
            Self::Duplicate => "duplicate",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the state needs no report: everything is in order, or will be without intervention.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Ok | Self::Staging | Self::PendingDelete | Self::Quarantined)
    }

    /// Whether the state says something of an object whose image is in order: nothing is ever done about it.
    pub const fn is_information(self) -> bool {
        matches!(self, Self::StaleSource | Self::Duplicate)
    }
}

/// Something that a store holds, or lacks, and what that means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its state.
    pub state: ObjectState,
    /// The name of the object, or of the one that is not there.
    pub name: String,
    /// Whether it is an unfinished file.
    pub unfinished: bool,
    /// Its size, if the store reports it.
    pub bytes: Option<u64>,
    /// When it was last written to, in microseconds since 1970 by the store's clock.
    pub modified: Option<i64>,
    /// The image that it is of.
    pub image_id: Option<String>,
    /// The row of the ledger.
    pub blob_id: Option<String>,
    /// Why it is read so, in a sentence.
    pub reason: String,
    /// The action taken.
    pub outcome: Option<String>,
}

impl Finding {
    /// When it was last written to.
    pub fn modified(&self) -> Option<Timestamp> {
        self.modified.map(Timestamp)
    }
}

/// How many findings of each state there are.
pub type Summary = BTreeMap<ObjectState, u64>;
