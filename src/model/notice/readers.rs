//! Who is told of what.

use std::sync::Arc;

use serde_json::Value;

use super::{
    audit, message,
    told::{Notice, Priority},
};
use crate::model::{event::Author, time::Timestamp};

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The message bus, and the log of `driver = log`.
    Bus,
    /// The audit log.
    Audit,
}

impl Reader {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Bus, Self::Audit];

    /// The name in the database and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::Audit => "audit",
        }
    }
}

/// What is told to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[DEFAULT] default_publisher_id`
    pub publisher_id: String,
    /// `[DEFAULT] disabled_notifications`
    pub disabled: Vec<String>,
    /// Whether a driver sends or logs notifications.
    pub bus: bool,
    /// Whether there is an audit log.
    pub audit: bool,
}

impl Settings {
    /// Whether the bus is told of an event: it may be disabled by its name or by the part before its first dot
    /// (`glance/notifier.py: _is_notification_enabled`).
    fn sends(&self, kind: &str) -> bool {
        let group = kind.split('.').next().unwrap_or_default();
        self.bus && !self.disabled.iter().any(|disabled| disabled == kind || disabled == group)
    }
}

/// The settings, shared; by default nobody is told of anything.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<Settings>);

/// A notice for one reader.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Who is told.
    pub reader: Reader,
    /// What happened.
    pub kind: &'static str,
    /// Its priority.
    pub priority: Priority,
    /// What it is about.
    pub subject: String,
    /// What the reader gets, as JSON.
    pub body: String,
}

impl Notices {
    /// By these settings.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// Whether anybody is told of anything.
    pub fn is_wanted(&self) -> bool {
        self.0.bus || self.0.audit
    }

    /// Who is told of an event.
    pub fn readers(&self, kind: &str) -> impl Iterator<Item = Reader> {
        let bus = self.0.sends(kind).then_some(Reader::Bus);
        bus.into_iter().chain(self.0.audit.then_some(Reader::Audit))
    }

    /// A notice for each of its readers.
    pub fn rows(&self, author: &Author, notice: &Notice, now: Timestamp) -> Vec<Row> {
        let row = |reader, body: Value| Row {
            reader,
            kind: notice.kind,
            priority: notice.priority,
            subject: notice.subject.clone(),
            body: body.to_string(),
        };
        let settings = &self.0;
        let bus = settings
            .sends(notice.kind)
            .then(|| row(Reader::Bus, message::of(notice, &settings.publisher_id, now)));
        let audit = settings
            .audit
            .then(|| row(Reader::Audit, audit::of(notice, author, &settings.publisher_id, now)));
        bus.into_iter().chain(audit).collect()
    }
}
