//! Audit records in the form of CADF (DMTF DSP0262): who did what to what, when, and how it ended.

use serde_json::{Value, json};

use super::told::{Notice, Priority};
use crate::model::{event::Author, time::Timestamp};

/// The type of service in CADF's taxonomy; types of records are below it.
const SERVICE: &str = "service/storage/image";

/// The audit record of a notice.
pub fn of(notice: &Notice, author: &Author, publisher_id: &str, now: Timestamp) -> Value {
    let (type_uri, action) = classified(notice.kind);
    let initiator = match &author.user_id {
        Some(user) => json!({
            "typeURI": "service/security/account/user",
            "id": user,
            "project_id": author.project_id,
            "request_id": author.request_id,
        }),
        // Nobody in particular: an anonymous caller, or the service itself.
        None => json!({
            "typeURI": "service/security/account/user",
            "id": if author.request_id.is_empty() { "vitrine" } else { "anonymous" },
            "project_id": author.project_id,
            "request_id": author.request_id,
        }),
    };
    let mut record = json!({
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "id": uuid::Uuid::new_v4().to_string(),
        "eventType": "activity",
        "eventTime": now.isotime_micros().replace('Z', "+0000"),
        "action": action,
        "outcome": if notice.priority == Priority::Info { "success" } else { "failure" },
        "initiator": initiator,
        "target": { "typeURI": format!("{SERVICE}/{type_uri}"), "id": notice.target },
        "observer": { "typeURI": SERVICE, "id": publisher_id, "name": "vitrine" },
        "tags": [format!("event_type?value={}", notice.kind)],
    });
    let outcome = match notice.kind {
        "task.failure" => Some("failure"),
        "task.create" | "task.processing" | "image.prepare" => Some("pending"),
        _ => None,
    };
    if let (Some(outcome), Some(members)) = (outcome, record.as_object_mut()) {
        members.insert("outcome".to_owned(), outcome.into());
    }
    if let (true, Some(members)) = (notice.subject != notice.target, record.as_object_mut()) {
        // What the record belongs to: the image of a member, or of a task.
        let owner = json!([{ "name": "subject", "typeURI": "xs:string", "content": notice.subject }]);
        members.insert("attachments".to_owned(), owner);
    }
    record
}

/// The kind of record and the action of CADF's taxonomy that an event is about.
fn classified(kind: &str) -> (&'static str, &'static str) {
    let (record, verb) = kind.rsplit_once('.').unwrap_or((kind, ""));
    let record = match record {
        "image" => "images/image",
        "image.member" => "images/image/members/member",
        "task" => "tasks/task",
        "metadef_namespace" => "metadefs/namespaces/namespace",
        "metadef_object" => "metadefs/namespaces/namespace/objects/object",
        "metadef_property" => "metadefs/namespaces/namespace/properties/property",
        "metadef_resource_type" => "metadefs/namespaces/namespace/resource_types/resource_type",
        _ => "metadefs/namespaces/namespace/tags/tag",
    };
    let action = match verb {
        "create" => "create",
        "send" => "read",
        "upload" | "prepare" => "update/upload",
        "activate" => "enable",
        "processing" | "run" | "success" | "failure" => "update/run",
        verb if verb.starts_with("delete") => "delete",
        _ => "update",
    };
    (record, action)
}
