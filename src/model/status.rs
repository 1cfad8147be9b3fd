//! The status machine of images: which status may follow which.

use std::fmt;

/// Status of an image; names and transitions as in `glance/domain/__init__.py: Image.valid_state_targets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the documentation
pub enum Status {
    Queued,
    Saving,
    Uploading,
    Importing,
    Active,
    Deactivated,
    Killed,
    PendingDelete,
    Deleted,
}

impl Status {
    /// Every status, in the order of the machine.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Saving,
        Self::Uploading,
        Self::Importing,
        Self::Active,
        Self::Deactivated,
        Self::Killed,
        Self::PendingDelete,
        Self::Deleted,
    ];

    /// The name that the API and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Saving => "saving",
            Self::Uploading => "uploading",
            Self::Importing => "importing",
            Self::Active => "active",
            Self::Deactivated => "deactivated",
            Self::Killed => "killed",
            Self::PendingDelete => "pending_delete",
            Self::Deleted => "deleted",
        }
    }

    /// Reads a status by its API name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether an image in this status may change to `next`. Staying is never a transition.
    pub fn may_become(self, next: Self) -> bool {
        use Status::*;
        let targets: &[Status] = match self {
            Queued => &[Saving, Uploading, Importing, Active, Deleted],
            Saving => &[Active, Killed, Deleted, Queued],
            Uploading => &[Importing, Queued, Deleted],
            // Back where it was, with the data that a client staged.
            Importing => &[Active, Deleted, Queued, Uploading],
            Active => &[PendingDelete, Deleted, Deactivated],
            Deactivated => &[Active, Deleted],
            Killed => &[Deleted],
            PendingDelete => &[Deleted, Active],
            Deleted => &[],
        };
        targets.contains(&next)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn names_round_trip_and_no_status_follows_itself_or_deleted() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
            assert!(!status.may_become(status));
            assert!(!Status::Deleted.may_become(status));
        }
        assert_eq!(Status::parse("ACTIVE"), None);
    }
}
