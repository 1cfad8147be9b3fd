//! Events about changes: one row of the outbox each (`glance/notifier.py` names the types).

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{caller::Caller, image::Image, job::Job, status::Status};

/// The user and the request that caused a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Author {
    /// The user; absent for anonymous callers and for the service itself.
    pub user_id: Option<String>,
    /// The project on whose behalf.
    pub project_id: Option<String>,
    /// The causing request; empty for the service's own changes.
    pub request_id: String,
}

impl Author {
    /// The service itself, for changes without a request: abandoned uploads, expiry.
    pub fn service() -> Self {
        Self::default()
    }
}

impl From<&Caller> for Author {
    fn from(caller: &Caller) -> Self {
        Self {
            user_id: caller.user_id.clone(),
            project_id: caller.project_id.clone(),
            request_id: caller.request_id.clone(),
        }
    }
}

impl From<&Job> for Author {
    fn from(job: &Job) -> Self {
        Self {
            user_id: job.user_id.clone(),
            project_id: job.owner.clone(),
            request_id: job.request_id.clone().unwrap_or_default(),
        }
    }
}

/// The type of event; the text is Glance's name of the notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A record was made.
    Create,
    /// Anything about it changed that none of the others names.
    Update,
    /// Data is on its way.
    Prepare,
    /// The data is complete, or in use again.
    Activate,
    /// The data was taken out of use.
    Deactivate,
    /// The image is gone.
    Delete,
    /// A project was offered the image.
    MemberCreate,
    /// A project answered.
    MemberUpdate,
    /// A project lost the image.
    MemberDelete,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Create,
        Self::Update,
        Self::Prepare,
        Self::Activate,
        Self::Deactivate,
        Self::Delete,
        Self::MemberCreate,
        Self::MemberUpdate,
        Self::MemberDelete,
    ];

    /// The name in the database and in notifications.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "image.create",
            Self::Update => "image.update",
            Self::Prepare => "image.prepare",
            Self::Activate => "image.activate",
            Self::Deactivate => "image.deactivate",
            Self::Delete => "image.delete",
            Self::MemberCreate => "image.member.create",
            Self::MemberUpdate => "image.member.update",
            Self::MemberDelete => "image.member.delete",
        }
    }

    /// The type of the change between two states of an image.
    pub fn between(before: &Image, after: &Image) -> Self {
        match (before.status, after.status) {
            (old, new) if old == new => Self::Update,
            (_, Status::Deleted) => Self::Delete,
            (_, Status::Active) => Self::Activate,
            (_, Status::Deactivated) => Self::Deactivate,
            (_, Status::Saving | Status::Uploading | Status::Importing) => Self::Prepare,
            _ => Self::Update,
        }
    }
}

/// A new event for the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its type.
    pub kind: EventKind,
    /// The image.
    pub image_id: String,
    /// The project that owns the image.
    pub project_id: Option<String>,
    /// Its author.
    pub author: Author,
    /// The changes by name; a pair of values if both are short and not secret.
    pub changes: Value,
}

impl Event {
    /// The event of a new image.
    pub fn created(author: &Author, image: &Image) -> Self {
        Self {
            kind: EventKind::Create,
            image_id: image.id.clone(),
            project_id: image.owner.clone(),
            author: author.clone(),
            changes: json!({ "status": [null, image.status.as_str()] }),
        }
    }

    /// The event of a change.
    pub fn changed(author: &Author, before: &Image, after: &Image) -> Self {
        Self {
            kind: EventKind::between(before, after),
            image_id: before.id.clone(),
            project_id: before.owner.clone(),
            author: author.clone(),
            changes: changes(before, after),
        }
    }

    /// The event of a membership.
    pub fn of_member(kind: EventKind, author: &Author, image: &Image, member: &str, status: &str) -> Self {
        Self {
            kind,
            image_id: image.id.clone(),
            project_id: image.owner.clone(),
            author: author.clone(),
            changes: json!({ "member": member, "status": status }),
        }
    }
}

/// What differs between two states of an image. Values of properties and URLs stay out: they may be secret or long.
fn changes(before: &Image, after: &Image) -> Value {
    let mut changes = Map::new();
    let mut pair = |name: &str, old: Value, new: Value| {
        if old != new {
            changes.insert(name.to_owned(), json!([old, new]));
        }
    };
    pair("name", json!(before.name), json!(after.name));
    pair("owner", json!(before.owner), json!(after.owner));
    pair("status", json!(before.status.as_str()), json!(after.status.as_str()));
    pair("visibility", json!(before.visibility.as_str()), json!(after.visibility.as_str()));
    pair("disk_format", json!(before.disk_format), json!(after.disk_format));
    pair("container_format", json!(before.container_format), json!(after.container_format));
    pair("size", json!(before.size), json!(after.size));
    pair("virtual_size", json!(before.virtual_size), json!(after.virtual_size));
    pair("checksum", json!(before.checksum), json!(after.checksum));
    pair("os_hash_value", json!(before.os_hash_value), json!(after.os_hash_value));
    pair("min_disk", json!(before.min_disk), json!(after.min_disk));
    pair("min_ram", json!(before.min_ram), json!(after.min_ram));
    pair("protected", json!(before.protected), json!(after.protected));
    pair("os_hidden", json!(before.os_hidden), json!(after.os_hidden));
    let of = |image: &Image| -> Vec<Value> {
        image.locations.iter().map(|location| json!(location.store)).collect()
    };
    pair("stores", json!(of(before)), json!(of(after)));
    let (added, removed) = lists(&before.tags, &after.tags);
    let mut lists_of = |name: &str, list: Vec<String>| {
        if !list.is_empty() {
            changes.insert(name.to_owned(), json!(list));
        }
    };
    lists_of("tags_added", added);
    lists_of("tags_removed", removed);
    let same = |name: &str| before.property(name) == after.property(name);
    let names = before.properties.iter().chain(&after.properties).map(|property| property.name.clone());
    let mut touched: Vec<String> = names.filter(|name| !same(name)).collect();
    touched.sort();
    touched.dedup();
    lists_of("properties", touched);
    Value::Object(changes)
}

/// What is in the second list alone, and what in the first alone.
fn lists(before: &[String], after: &[String]) -> (Vec<String>, Vec<String>) {
    let missing = |from: &[String], list: &[String]| {
        let from: HashSet<&String> = from.iter().collect();
        list.iter().filter(|item| !from.contains(item)).cloned().collect::<Vec<_>>()
    };
    (missing(before, after), missing(after, before))
}
