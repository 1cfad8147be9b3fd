//! Image members: projects with which a shared image is shared.

use super::time::Timestamp;

/// The status that the member project has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberStatus {
    /// Not answered yet; the initial status.
    Pending,
    /// The image appears in the member's lists.
    Accepted,
    /// Declined; still readable by id.
    Rejected,
}

impl MemberStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Accepted, Self::Rejected];

    /// The name that the API and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    /// Reads a status by its API name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// One membership of a project in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The shared image.
    pub image_id: String,
    /// Project id of the member.
    pub member: String,
    /// The member's answer.
    pub status: MemberStatus,
    /// When the project was first added.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}
