//! Tables of messages, payloads and audit records.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod definitions;

use serde_json::{Value, json};

use super::{
    image::{Moved, changed, created, member, sent},
    message::{Format, body},
    metadef::emptied,
    *,
};
use crate::model::{
    caller::Caller,
    event::{Author, EventKind},
    image::{Image, LOCK_PROPERTY, Visibility},
    job::{Job, JobKind, JobStatus},
    member::{Member, MemberStatus},
    metadef::{Namespace, NamespaceFields, NamespaceVisibility},
    properties::Properties,
    status::Status,
    time::Timestamp,
};

/// 2026-11-21 00:06:21.352399 UTC.
const NOW: Timestamp = Timestamp(1_795_219_581_352_399);
const TIME: &str = "2026-11-21T00:06:21Z";

fn image(status: Status) -> Image {
    let mut properties = Properties::default();
    properties.set("os_type".to_owned(), Some("linux".to_owned()));
    Image {
        id: "6f1f8e9c".to_owned(),
        revision: 1,
        name: Some("x".to_owned()),
        owner: Some("p".to_owned()),
        visibility: Visibility::Public,
        status,
        disk_format: Some("raw".to_owned()),
        container_format: Some("bare".to_owned()),
        size: Some(4),
        virtual_size: None,
        checksum: Some("c".to_owned()),
        os_hash_algo: None,
        os_hash_value: None,
        min_disk: 1,
        min_ram: 2,
        protected: false,
        os_hidden: false,
        created_at: NOW,
        updated_at: NOW,
        properties,
        tags: vec!["t".to_owned()],
        locations: Vec::new(),
        member: None,
    }
}

/// The kinds of notices, and of which priority those are that failed.
fn told(notices: &[Notice]) -> Vec<String> {
    let one = |notice: &Notice| match notice.priority {
        Priority::Info => notice.kind.to_owned(),
        Priority::Error => format!("{} ERROR", notice.kind),
    };
    notices.iter().map(one).collect()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Proves that a message has the members, the times and the envelope of oslo.messaging, and that one that is sent again
/// has the same mark, but another one for each topic and driver.
#[test]
fn messages_are_those_of_oslo() {
    let settings = Settings { publisher_id: "image.localhost".into(), bus: true, ..Settings::default() };
    let rows = Notices::new(settings).rows(&Author::service(), &created(&image(Status::Queued)), NOW);
    assert_eq!(rows.len(), 1);
    let message: Value = serde_json::from_str(&rows[0].body).unwrap();
    assert_eq!(
        names(&message),
        ["message_id", "publisher_id", "event_type", "priority", "payload", "timestamp"]
    );
    assert_eq!(message["publisher_id"], "image.localhost");
    assert_eq!(message["event_type"], "image.create");
    assert_eq!(message["priority"], "INFO");
    assert_eq!(message["timestamp"], "2026-11-21 00:06:21.352399");
    assert_eq!(message["message_id"].as_str().unwrap().len(), 36);
    assert_eq!(Timestamp(NOW.0 - 352_399).python_text(), "2026-11-21 00:06:21");
    let bare: Value = serde_json::from_str(&body(&rows[0].body, Format::Bare, "a").unwrap()).unwrap();
    let enveloped: Value =
        serde_json::from_str(&body(&rows[0].body, Format::Enveloped, "a").unwrap()).unwrap();
    assert_eq!(names(&enveloped), ["oslo.version", "oslo.message"]);
    assert_eq!(enveloped["oslo.version"], "2.0");
    let inner: Value = serde_json::from_str(enveloped["oslo.message"].as_str().unwrap()).unwrap();
    let without = |value: &Value| {
        let mut members = value.as_object().unwrap().clone();
        let unique = members.remove("_unique_id").unwrap();
        assert_eq!(unique.as_str().unwrap().len(), 32);
        (Value::Object(members), unique)
    };
    let ((bare, first), (inner, second)) = (without(&bare), without(&inner));
    assert_eq!((&bare, &inner), (&message, &message));
    assert_ne!(first, second);
    let again = body(&rows[0].body, Format::Bare, "a").unwrap();
    assert_eq!(again, body(&rows[0].body, Format::Bare, "a").unwrap());
    assert_ne!(again, body(&rows[0].body, Format::Bare, "b").unwrap());
}

/// Proves that events are disabled by their name or the part before the first dot, and for the bus alone.
#[test]
fn events_are_disabled_by_name_or_group() {
    let sends = |disabled: &str, kind: &'static str| {
        let disabled = vec![disabled.to_owned()];
        let settings = Settings { disabled, bus: true, audit: true, ..Settings::default() };
        let notice = Notice { kind, ..created(&image(Status::Queued)) };
        let rows = Notices::new(settings).rows(&Author::service(), &notice, NOW);
        assert!(rows.iter().any(|row| row.reader == Reader::Audit));
        rows.iter().any(|row| row.reader == Reader::Bus)
    };
    for (disabled, kind, expected) in [
        ("image.create", "image.create", false),
        ("image.create", "image.update", true),
        ("image", "image.member.create", false),
        ("image.member", "image.member.create", true),
        ("metadef_tag", "metadef_tag.create", false),
        ("metadef", "metadef_tag.create", true),
        ("", "image.create", true),
    ] {
        assert_eq!(sends(disabled, kind), expected, "{disabled} {kind}");
    }
    assert!(!Notices::default().is_wanted());
}

/// Proves what an image's payload has, and what it leaves out.
#[test]
fn images_are_told_without_locations() {
    let payload = created(&image(Status::Active)).payload;
    let expected = json!({
        "id": "6f1f8e9c", "name": "x", "status": "active", "created_at": TIME, "updated_at": TIME, "min_disk": 1,
        "min_ram": 2, "protected": false, "checksum": "c", "owner": "p", "disk_format": "raw",
        "container_format": "bare", "size": 4, "virtual_size": null, "is_public": true, "visibility": "public",
        "properties": {"os_type": "linux"}, "tags": ["t"], "deleted": false, "deleted_at": null,
    });
    assert_eq!(payload, expected);
}

/// Proves which notices each change of an image gives, in which order.
#[test]
fn changes_are_told_in_the_order_of_glance() {
    let told_of = |from: Status, to: Status, moved: &Moved| {
        let after = Image { min_ram: 9, ..image(to) };
        told(&changed(&image(from), &after, moved, NOW))
    };
    let nothing = Moved::default();
    let prepared = Moved { prepared: vec![None], ..Moved::default() };
    let uploaded = |uploaded| Moved { uploaded, ..Moved::default() };
    let failed = Moved { failed: Some("why".to_owned()), ..Moved::default() };
    for (from, to, moved, expected) in [
        (Status::Active, Status::Active, &nothing, vec!["image.update"]),
        (Status::Queued, Status::Saving, &prepared, vec!["image.update", "image.prepare"]),
        (
            Status::Saving,
            Status::Active,
            &uploaded(1),
            vec!["image.upload", "image.activate", "image.update"],
        ),
        (
            Status::Importing,
            Status::Active,
            &uploaded(2),
            vec!["image.upload", "image.activate", "image.upload", "image.update"],
        ),
        (Status::Active, Status::Active, &uploaded(1), vec!["image.upload", "image.update"]),
        (Status::Saving, Status::Queued, &failed, vec!["image.upload ERROR", "image.update"]),
        (Status::Uploading, Status::Queued, &failed, vec!["image.update"]),
        (Status::Active, Status::Deactivated, &nothing, vec!["image.update"]),
        (Status::Active, Status::Deleted, &nothing, vec!["image.delete"]),
        (Status::Deleted, Status::Active, &nothing, vec!["image.create", "image.activate"]),
    ] {
        assert_eq!(told_of(from, to, moved), expected, "{from} to {to}");
    }
    let gone = changed(&image(Status::Active), &image(Status::Deleted), &nothing, NOW);
    assert_eq!((&gone[0].payload["deleted"], &gone[0].payload["deleted_at"]), (&json!(true), &json!(TIME)));
    let error = changed(&image(Status::Saving), &image(Status::Queued), &failed, NOW);
    assert_eq!(error[0].payload, "why");
}

/// Proves that the lock of a job is no change by itself, but hides none.
#[test]
fn locks_are_not_told() {
    let mut locked = Image { revision: 2, updated_at: Timestamp(NOW.0 + 1), ..image(Status::Queued) };
    locked.set_property(LOCK_PROPERTY, Some("job".to_owned()));
    let moved = Moved::default();
    assert_eq!(told(&changed(&image(Status::Queued), &locked, &moved, NOW)), Vec::<String>::new());
    assert_eq!(told(&changed(&locked, &image(Status::Queued), &moved, NOW)), Vec::<String>::new());
    let other = Image { min_ram: 9, ..locked };
    assert_eq!(told(&changed(&image(Status::Queued), &other, &moved, NOW)), ["image.update"]);
}

/// Proves that the stores of an import are told as arrays, and the store by its name where there are several.
#[test]
fn stores_of_imports_are_arrays() {
    let mut importing = image(Status::Importing);
    importing.set_property("os_glance_importing_to_stores", Some("a,b".to_owned()));
    importing.set_property("os_glance_failed_import", Some(String::new()));
    let moved = Moved { prepared: vec![Some("a".to_owned())], ..Moved::default() };
    let begun = changed(&image(Status::Uploading), &importing, &moved, NOW);
    let payload = &begun[1].payload;
    assert_eq!((begun[1].kind, &payload["backend"]), ("image.prepare", &json!("a")));
    assert_eq!(payload["os_glance_importing_to_stores"], json!(["a", "b"]));
    assert_eq!(payload["os_glance_failed_import"], json!([]));
    let moved = Moved { uploaded: 1, ..Moved::default() };
    let done = changed(&importing, &image(Status::Active), &moved, NOW);
    assert_eq!(done[0].payload["os_glance_importing_to_stores"], json!(["a", "b"]));
    assert_eq!(done[0].payload.get("backend"), None);
}

/// Proves what members, downloads and tasks are told with.
#[test]
fn members_downloads_and_tasks() {
    let shared = Member {
        image_id: "6f1f8e9c".to_owned(),
        member: "q".to_owned(),
        status: MemberStatus::Pending,
        created_at: NOW,
        updated_at: NOW,
    };
    let expected = json!({"image_id": "6f1f8e9c", "member_id": "q", "status": "pending", "created_at": TIME,
        "updated_at": TIME, "deleted": false, "deleted_at": null});
    assert_eq!(member(EventKind::MemberCreate, &shared, NOW).payload, expected);
    let gone = member(EventKind::MemberDelete, &shared, NOW);
    assert_eq!((gone.kind, &gone.payload["deleted_at"]), ("image.member.delete", &json!(TIME)));
    let caller =
        Caller { user_id: Some("u".to_owned()), project_id: Some("q".to_owned()), ..Caller::default() };
    let download = sent(&caller, ("6f1f8e9c", Some("p")), (4, 4));
    let expected = json!({"bytes_sent": 4, "image_id": "6f1f8e9c", "owner_id": "p", "receiver_tenant_id": "q",
        "receiver_user_id": "u"});
    assert_eq!((download.priority, &download.payload), (Priority::Info, &expected));
    assert_eq!(sent(&caller, ("6f1f8e9c", None), (3, 4)).priority, Priority::Error);
    let made = job();
    let expected = json!({"id": "j", "type": "api_image_import", "status": "success", "result": null, "owner": "p",
        "message": null, "expires_at": TIME, "created_at": TIME, "updated_at": TIME, "deleted": false,
        "deleted_at": null});
    assert_eq!(task::of("task.success", &made, NOW).payload, expected);
    assert_eq!(task::of("task.success", &made, NOW).subject, "6f1f8e9c");
    let run = task::run(&made, NOW);
    assert_eq!((run.kind, &run.payload["status"]), ("task.run", &json!("pending")));
    assert_eq!(task::of("task.success", &Job { image_id: None, ..made }, NOW).subject, "j");
}

fn job() -> Job {
    Job {
        id: "j".to_owned(),
        kind: JobKind::ImageImport,
        status: JobStatus::Success,
        image_id: Some("6f1f8e9c".to_owned()),
        owner: Some("p".to_owned()),
        user_id: None,
        request_id: None,
        traceparent: None,
        input: json!({"secret": 1}),
        result: Some(json!({})),
        message: "m".to_owned(),
        state: json!({}),
        bytes_done: 0,
        bytes_total: None,
        bytes_rate: None,
        attempts: 1,
        run_after: NOW,
        affinity: None,
        cancel_requested: false,
        lease_node: None,
        lease_until: NOW,
        expires_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn space() -> Namespace {
    Namespace {
        id: 7,
        fields: NamespaceFields {
            namespace: "N".to_owned(),
            display_name: None,
            description: Some("d".to_owned()),
            visibility: NamespaceVisibility::Public,
            protected: true,
            owner: "p".to_owned(),
        },
        created_at: NOW,
        updated_at: None,
    }
}

/// Proves that audit records say who did what to what, and how it ended.
#[test]
fn audit_records_have_the_form_of_cadf() {
    let settings = Settings { publisher_id: "image.here".into(), audit: true, ..Settings::default() };
    let author = Author {
        user_id: Some("u".to_owned()),
        project_id: Some("q".to_owned()),
        request_id: "req-1".to_owned(),
    };
    let record = |notice: Notice| {
        let rows = Notices::new(settings.clone()).rows(&author, &notice, NOW);
        serde_json::from_str::<Value>(&rows[0].body).unwrap()
    };
    let mut made = record(created(&image(Status::Queued)));
    assert_eq!(made["id"].take().as_str().unwrap().len(), 36);
    let expected = json!({
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "id": null,
        "eventType": "activity",
        "eventTime": "2026-11-21T00:06:21.352399+0000",
        "action": "create",
        "outcome": "success",
        "initiator": {"typeURI": "service/security/account/user", "id": "u", "project_id": "q", "request_id": "req-1"},
        "target": {"typeURI": "service/storage/image/images/image", "id": "6f1f8e9c"},
        "observer": {"typeURI": "service/storage/image", "id": "image.here", "name": "vitrine"},
        "tags": ["event_type?value=image.create"],
    });
    assert_eq!(made, expected);
    let failed = Notice { priority: Priority::Error, kind: "image.send", ..created(&image(Status::Queued)) };
    let failed = record(failed);
    assert_eq!((&failed["action"], &failed["outcome"]), (&json!("read"), &json!("failure")));
    let over = record(task::of("task.failure", &job(), NOW));
    assert_eq!((&over["action"], &over["outcome"]), (&json!("update/run"), &json!("failure")));
    assert_eq!(over["attachments"][0]["content"], "6f1f8e9c");
    let deleted = record(emptied("metadef_namespace.delete_tags", &space(), NOW));
    assert_eq!(
        (&deleted["action"], &deleted["target"]["typeURI"]),
        (&json!("delete"), &json!("service/storage/image/metadefs/namespaces/namespace"))
    );
}
