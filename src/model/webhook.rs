//! Webhooks: addresses to which events are sent.

use super::time::Timestamp;

/// An address to which a project's, or all, events are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Whose events; those of all projects without.
    pub project_id: Option<String>,
    /// The project that made it, which may see and remove it.
    pub owner: String,
    /// Where they are sent.
    pub url: String,
    /// The event types; empty means all.
    pub events: Vec<String>,
    /// The signing secret, encrypted.
    pub secret: String,
    /// The last event before it was made.
    pub since: i64,
    /// Since when nothing has arrived, while that is so.
    pub failing_since: Option<Timestamp>,
    /// Tries of the next event that have failed.
    pub attempts: i64,
    /// When it is tried next, at the earliest.
    pub run_after: Timestamp,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// Events that arrived.
    pub delivered: i64,
    /// Events that were given up.
    pub given_up: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Webhook {
    /// Whether an event is to be sent to it.
    pub fn wants(&self, sequence: i64, kind: &str, project: Option<&str>) -> bool {
        let is_theirs = self.project_id.is_none() || self.project_id.as_deref() == project;
        let is_of_kind = self.events.is_empty() || self.events.iter().any(|event| event == kind);
        sequence > self.since && is_theirs && is_of_kind
    }
}

/// An event queued for a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where to.
    pub webhook_id: String,
    /// Its place in the order of events.
    pub sequence: i64,
    /// The event type.
    pub kind: String,
    /// The body.
    pub body: String,
}
