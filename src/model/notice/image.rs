//! What notifications say of images, their members and their downloads.

use serde_json::{Map, Value, json};

use super::told::{Notice, Priority};
use crate::model::{
    caller::Caller,
    error::Error,
    event::EventKind,
    image::{FAILED_IMPORT, HIDDEN_PROPERTIES, IMPORTING_TO_STORES, Image, LOCK_PROPERTY, Visibility},
    member::Member,
    status::Status,
    time::Timestamp,
};

/// What a change does with data, which the image alone does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Data is about to be written to these stores; each has a name only where there are several.
    pub prepared: Vec<Option<String>>,
    /// Data has been written to so many stores.
    pub uploaded: usize,
    /// Why data could not be written; of what is merely staged nobody is told.
    pub failed: Option<String>,
}

/// The text of a failed upload's notification.
pub fn failure(id: &str, error: &Error) -> String {
    format!("The data of image {id} could not be stored: {error}")
}

/// An image as notifications describe it: without its locations, which may have secrets.
pub fn payload(image: &Image) -> Map<String, Value> {
    let shown =
        image.properties.iter().filter(|property| !HIDDEN_PROPERTIES.contains(&property.name.as_str()));
    let properties: Map<String, Value> =
        shown.map(|property| (property.name.clone(), json!(property.value))).collect();
    members(json!({
        "id": image.id,
        "name": image.name,
        "status": image.status.as_str(),
        "created_at": image.created_at.isotime(),
        "updated_at": image.updated_at.isotime(),
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "protected": image.protected,
        "checksum": image.checksum,
        "owner": image.owner,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "is_public": image.visibility == Visibility::Public,
        "visibility": image.visibility.as_str(),
        "properties": properties,
        "tags": image.tags,
        "deleted": false,
        "deleted_at": null,
    }))
}

pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Marks a record as gone.
pub(super) fn gone(payload: &mut Map<String, Value>, now: Timestamp) {
    payload.insert("deleted".to_owned(), true.into());
    payload.insert("deleted_at".to_owned(), now.isotime().into());
}

/// The stores of an import, as arrays.
fn add_lists(payload: &mut Map<String, Value>, image: &Image) {
    for name in [IMPORTING_TO_STORES, FAILED_IMPORT] {
        let text = image.property(name).and_then(|property| property.value.as_deref()).unwrap_or_default();
        let stores: Vec<&str> = text.split(',').filter(|store| !store.is_empty()).collect();
        payload.insert(name.to_owned(), json!(stores));
    }
}

fn notice(kind: &'static str, id: &str, payload: impl Into<Value>) -> Notice {
    let (subject, target) = (id.to_owned(), id.to_owned());
    Notice { kind, priority: Priority::Info, subject, target, payload: payload.into() }
}

/// A new image.
pub fn created(image: &Image) -> Notice {
    notice("image.create", &image.id, payload(image))
}

/// What a change of an image is to others, in Glance's order.
pub fn changed(before: &Image, after: &Image, moved: &Moved, now: Timestamp) -> Vec<Notice> {
    let id = after.id.as_str();
    if after.status == Status::Deleted {
        let mut payload = payload(after);
        gone(&mut payload, now);
        return vec![notice("image.delete", id, payload)];
    }
    if before.status == Status::Deleted {
        return vec![created(after), notice("image.activate", id, payload(after))];
    }
    let mut notices = Vec::new();
    if let Some(why) = moved.failed.as_ref().filter(|_| before.status != Status::Uploading) {
        let failed = notice("image.upload", id, why.as_str());
        notices.push(Notice { priority: Priority::Error, ..failed });
    }
    // Of an import Glance tells what it still says of itself then.
    let mut arrived = after.clone();
    for name in [LOCK_PROPERTY, IMPORTING_TO_STORES, FAILED_IMPORT] {
        match before.property(name) {
            Some(property) => arrived.set_property(name, property.value.clone()),
            None => {
                arrived.remove_property(name);
            }
        }
    }
    for place in 0..moved.uploaded {
        let mut told = payload(&arrived);
        add_lists(&mut told, before);
        notices.push(notice("image.upload", id, told));
        if place == 0 && before.status != Status::Active && after.status == Status::Active {
            notices.push(notice("image.activate", id, payload(&arrived)));
        }
    }
    if says_something(before, after) {
        notices.push(notice("image.update", id, payload(after)));
    }
    for backend in &moved.prepared {
        let mut payload = payload(after);
        add_lists(&mut payload, after);
        if let Some(store) = backend {
            payload.insert("backend".to_owned(), store.as_str().into());
        }
        notices.push(notice("image.prepare", id, payload));
    }
    notices
}

/// Whether anything but the lock of a job changes, of which Glance says nothing either.
fn says_something(before: &Image, after: &Image) -> bool {
    if before.property(LOCK_PROPERTY) == after.property(LOCK_PROPERTY) {
        return true;
    }
    let without_lock = |image: &Image| {
        let mut image = Image { revision: after.revision, updated_at: after.updated_at, ..image.clone() };
        image.remove_property(LOCK_PROPERTY);
        image
    };
    without_lock(before) != without_lock(after)
}

/// A change of a membership.
pub fn member(kind: EventKind, member: &Member, now: Timestamp) -> Notice {
    let mut payload = members(json!({
        "image_id": member.image_id,
        "member_id": member.member,
        "status": member.status.as_str(),
        "created_at": member.created_at.isotime(),
        "updated_at": member.updated_at.isotime(),
        "deleted": false,
        "deleted_at": null,
    }));
    if kind == EventKind::MemberDelete {
        gone(&mut payload, now);
    }
    Notice { target: member.member.clone(), ..notice(kind.as_str(), &member.image_id, payload) }
}

/// The end of a download, of which `expected` bytes were asked for.
pub fn sent(caller: &Caller, (id, owner): (&str, Option<&str>), (bytes, expected): (u64, u64)) -> Notice {
    let payload = json!({
        "bytes_sent": bytes,
        "image_id": id,
        "owner_id": owner,
        "receiver_tenant_id": caller.project_id,
        "receiver_user_id": caller.user_id,
    });
    let priority = if bytes == expected { Priority::Info } else { Priority::Error };
    Notice { priority, ..notice("image.send", id, payload) }
}
