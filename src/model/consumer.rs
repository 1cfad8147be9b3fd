//! Consumers of images: resources that services have created from an image and that depend on it.

use super::time::Timestamp;

/// The property that says in which state of its life an image is.
pub const LIFECYCLE_PROPERTY: &str = "lifecycle_state";
/// Its value for retired images.
pub const RETIRED: &str = "retired";
/// Marks a retired image that is to be deleted with its last consumer.
pub const DELETE_UNUSED_PROPERTY: &str = "os_glance_delete_when_unused";
/// The property by which an owner makes [`InUse`] stricter.
pub const DELETE_POLICY_PROPERTY: &str = "delete_policy";

/// The property by which Nova names the server that an image was captured from.
pub const SOURCE_PROPERTY: &str = "instance_uuid";

/// The type of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names are the documentation
pub enum ConsumerKind {
    Server,
    Volume,
    Snapshot,
    Image,
    Template,
    Other,
}

impl ConsumerKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Server, Self::Volume, Self::Snapshot, Self::Image, Self::Template, Self::Other];

    /// The name in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Volume => "volume",
            Self::Snapshot => "snapshot",
            Self::Image => "image",
            Self::Template => "template",
            Self::Other => "other",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One consumer of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The image.
    pub image_id: String,
    /// Its type.
    pub kind: ConsumerKind,
    /// Its id, where it comes from.
    pub id: String,
    /// Its project.
    pub project_id: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// The scope with which it is replaced: a project or a host.
    pub scope: Option<String>,
    /// Since when it is known.
    pub since: Timestamp,
    /// When it was last registered.
    pub last_seen: Timestamp,
}

/// What DELETE does with an image that has consumers (`[vitrine] in_use_delete`), from the least strict on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum InUse {
    /// Deletes it, as Glance does.
    #[default]
    Allow,
    /// Retires it until the last consumer is gone.
    Retire,
    /// Refuses.
    Refuse,
}

impl InUse {
    /// The names of the option's values.
    pub const NAMES: [&str; 3] = ["allow", "retire", "refuse"];

    /// The name in the configuration and in the property.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Retire => "retire",
            Self::Refuse => "refuse",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Allow, Self::Retire, Self::Refuse].into_iter().find(|value| value.as_str() == text)
    }
}
