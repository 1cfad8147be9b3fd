//! A notice: what happened, and what is said about it.

use serde_json::Value;

/// How urgent a notification is. Glance uses no other priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// What was to be done was done.
    Info,
    /// It failed.
    Error,
}

impl Priority {
    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Error => "ERROR",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Info, Self::Error].into_iter().find(|priority| priority.as_str() == text)
    }

    /// The end of routing keys.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Error => "error",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Glance's name of the event, such as `image.create`.
    pub kind: &'static str,
    /// Its priority.
    pub priority: Priority,
    /// What it is about. Notices of one subject are sent in order.
    pub subject: String,
    /// The id or name of the record that it tells of.
    pub target: String,
    /// What is said about it.
    pub payload: Value,
}
