//! What the message bus and the audit log are told: the events of Glance in its order, each with the change that it tells
//! of. The broker itself is in `tests/endtoend/test_notifications.py`.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use vitrine::{
    db,
    model::notice::{Reader, Settings, message::Format},
    notify::{
        audit::Place,
        bus::{Broker, Bus, Host, Pauses, Settings as BusSettings, Turn},
    },
    server::Options,
};

use crate::support::*;

/// Events are kept for a bus that nobody empties.
fn telling(options: &mut Options) {
    options.notifying.notices =
        Settings { publisher_id: "image.localhost".to_owned(), bus: true, ..Settings::default() };
}

/// What waits for the bus: the event, its priority when that is not INFO, and its message.
async fn waiting(app: &TestApp) -> Vec<(String, Value)> {
    let rows = app.write(|conn| db::notices::waiting(conn, Reader::Bus, 1000)).await;
    rows.into_iter()
        .map(|row| {
            let message: Value = serde_json::from_str(&row.body).unwrap();
            let kind = if row.priority.as_str() == "INFO" { row.kind } else { format!("{} ERROR", row.kind) };
            (kind, message)
        })
        .collect()
}

/// The events so far; they are forgotten afterwards.
async fn told(app: &TestApp) -> Vec<String> {
    let found = app.write(|conn| db::notices::waiting(conn, Reader::Bus, 1000)).await;
    let kinds = waiting(app).await.into_iter().map(|(kind, _)| kind).collect();
    let numbers: Vec<i64> = found.iter().map(|row| row.sequence).collect();
    app.write(move |conn| db::notices::told(conn, &numbers)).await;
    kinds
}

/// As [`told`], once there are so many.
async fn tells(app: &TestApp, count: usize) -> Vec<String> {
    eventually("events are there", async || {
        let there = waiting(app).await;
        if there.len() < count { Err(there) } else { Ok(()) }
    })
    .await;
    told(app).await
}

fn nowhere(retries: Option<u64>) -> BusSettings {
    let second = Duration::from_secs(1);
    let (place, guest) = (unused_place(), "guest".to_owned());
    let host =
        Host { name: place.ip().to_string(), port: place.port(), user: guest.clone(), password: guest };
    BusSettings {
        formats: vec![Format::Enveloped],
        log: false,
        topics: vec!["notifications".to_owned()],
        exchange: "glance".to_owned(),
        retries,
        broker: Broker {
            hosts: vec![host],
            vhost: "/".to_owned(),
            tls: None,
            login: "plain".to_owned(),
            heartbeat_seconds: 60,
            durable: true,
            auto_delete: false,
            ha: false,
            quorum: None,
            compression: None,
            pauses: Pauses { first: second, step: second, longest: second, reconnect: Duration::ZERO },
        },
    }
}

/// A broker of so many nodes that send everybody away, and how often each was tried.
fn turning_away(nodes: usize) -> (BusSettings, Arc<Mutex<Vec<usize>>>) {
    let mut settings = nowhere(None);
    let one = settings.broker.hosts.remove(0);
    let tried = Arc::new(Mutex::new(vec![0; nodes]));
    for node in 0..nodes {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (name, port) = ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
        settings.broker.hosts.push(Host { name, port, ..one.clone() });
        let tried = Arc::clone(&tried);
        std::thread::spawn(move || {
            for _stream in listener.incoming() {
                tried.lock().unwrap()[node] += 1;
            }
        });
    }
    (settings, tried)
}

on_each_database! {
    /// An upload, a change, members, a download and a deletion are told in Glance's order.
    async fn the_life_of_an_image(database: Database) {
        let app = database.app_with(telling);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw().shared()).await;
        alice.upload(&id, "data").await.expect(204);
        let expected =
            ["image.create", "image.update", "image.prepare", "image.upload", "image.activate", "image.update"];
        let messages = waiting(&app).await;
        let payload = &messages[2].1["payload"];
        assert_eq!((&payload["status"], &payload["os_glance_failed_import"]), (&json!("saving"), &json!([])));
        assert_eq!(payload.get("backend"), None);
        let payload = &messages[3].1["payload"];
        assert_eq!((&payload["status"], &payload["size"]), (&json!("active"), &json!(4)));
        assert_eq!(told(&app).await, expected);
        alice.update(&id, json!([{"op": "replace", "path": "/name", "value": "other"}])).await.expect(200);
        alice.share(&id, "bob").await.expect(200);
        app.as_member("bob").answer(&id, "bob", "accepted").await.expect(200);
        alice.delete(&format!("/v2/images/{id}/members/bob")).await.expect(204);
        let expected = ["image.update", "image.member.create", "image.member.update", "image.member.delete"];
        let messages = waiting(&app).await;
        assert_eq!((&messages[2].1["payload"]["status"], &messages[3].1["payload"]["deleted"]), (&json!("accepted"), &json!(true)));
        assert_eq!(told(&app).await, expected);
        let noted = async |count: usize| {
            eventually("downloads are noted", async || {
                let sent = waiting(&app).await;
                if sent.len() < count { Err(sent) } else { Ok(()) }
            })
            .await;
        };
        alice.download(&id).await.expect(200);
        noted(1).await;
        alice.download(&id).header("range", "bytes=1-2").await.expect(206);
        noted(2).await;
        let sent: Vec<Value> = waiting(&app).await.iter().map(|(_, m)| m["payload"]["bytes_sent"].clone()).collect();
        assert_eq!((sent, told(&app).await), (vec![json!(4), json!(2)], vec!["image.send".to_owned(); 2]));
        alice.remove(&id).await.expect(204);
        let messages = waiting(&app).await;
        assert_eq!((&messages[0].1["payload"]["status"], &messages[0].1["payload"]["deleted"]), (&json!("deleted"), &json!(true)));
        assert_eq!(told(&app).await, ["image.delete"]);
    }

    /// Staging and an import are told with their task; an upload whose data is refused as an error.
    async fn imports_and_failures(database: Database) {
        let app = database.app_with(telling);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.put(&format!("/v2/images/{id}/stage")).header("content-type", OCTETS).body("data").await.expect(204);
        assert_eq!(told(&app).await, ["image.create", "image.update", "image.update"]);
        let body = json!({"method": {"name": "glance-direct"}});
        alice.post(&format!("/v2/images/{id}/import")).json(&body).await.expect(202);
        let expected = [
            "task.create", "task.processing", "image.update", "image.prepare", "image.upload", "image.activate",
            "image.update", "task.success", "task.run",
        ];
        assert_eq!(tells(&app, expected.len()).await, expected);
        let refused = alice.created(image().qcow2()).await;
        alice.upload(&refused, "not a qcow2").await.expect(415);
        let expected = ["image.create", "image.update", "image.prepare", "image.upload ERROR", "image.update"];
        let messages = waiting(&app).await;
        assert!(messages[3].1["payload"].as_str().unwrap().contains(&refused));
        assert_eq!(messages[4].1["payload"]["status"], "queued");
        assert_eq!(told(&app).await, expected);
    }

    /// Every change of definitions is told once, and nothing where the change was refused.
    async fn definitions(database: Database) {
        let app = database.app_with(telling);
        let admin = app.as_admin();
        let spaces = "/v2/metadefs/namespaces";
        let whole = json!({"namespace": "N", "tags": [{"name": "t"}],
            "properties": {"p": {"title": "p", "type": "string"}},
            "objects": [{"name": "o"}], "resource_type_associations": [{"name": "OS::X"}]});
        admin.post(spaces).json(&whole).await.expect(201);
        admin.post(spaces).json(&whole).await.expect(409);
        assert_eq!(told(&app).await, [
            "metadef_namespace.create", "metadef_resource_type.create", "metadef_object.create", "metadef_tag.create",
            "metadef_property.create",
        ]);
        let at = |path: &str| format!("{spaces}/N/{path}");
        admin.put(&at("objects/o")).json(&json!({"name": "o2"})).await.expect(200);
        assert_eq!(waiting(&app).await[0].1["payload"]["name_old"], "o");
        admin.put(&at("properties/p")).json(&json!({"name": "p2", "title": "p", "type": "string"})).await.expect(200);
        admin.put(&at("tags/t")).json(&json!({"name": "t2"})).await.expect(200);
        admin.post(&at("tags")).json(&json!({"tags": [{"name": "a"}, {"name": "b"}]})).await.expect(201);
        admin.post(&at("resource_types")).json(&json!({"name": "OS::Y"})).await.expect(201);
        admin.delete(&at("resource_types/OS::Y")).await.expect(204);
        admin.post(&at("objects")).json(&json!({"name": "q"})).await.expect(201);
        admin.delete(&at("objects/q")).await.expect(204);
        admin.post(&at("properties")).json(&json!({"name": "q", "title": "q", "type": "string"})).await.expect(201);
        admin.delete(&at("properties/q")).await.expect(204);
        admin.post(&at("tags/q")).await.expect(201);
        admin.delete(&at("tags/q")).await.expect(204);
        assert_eq!(told(&app).await, [
            "metadef_object.update", "metadef_property.update", "metadef_tag.update", "metadef_tag.create",
            "metadef_tag.create", "metadef_resource_type.create", "metadef_resource_type.delete",
            "metadef_object.create", "metadef_object.delete", "metadef_property.create", "metadef_property.delete",
            "metadef_tag.create", "metadef_tag.delete",
        ]);
        for part in ["objects", "properties", "tags"] {
            admin.delete(&at(part)).await.expect(204);
        }
        admin.put(&format!("{spaces}/N")).json(&json!({"namespace": "M"})).await.expect(200);
        assert_eq!(waiting(&app).await[3].1["payload"]["namespace_old"], "N");
        admin.delete(&format!("{spaces}/M")).await.expect(204);
        assert_eq!(told(&app).await, [
            "metadef_namespace.delete_objects", "metadef_namespace.delete_properties",
            "metadef_namespace.delete_tags", "metadef_namespace.update", "metadef_namespace.delete",
        ]);
    }

    /// While the broker is away what waits is kept, up to a bound, and one node at a time tries to send it; with `retry`
    /// it is given up after so many attempts.
    async fn what_waits_is_kept_and_bounded(database: Database) {
        let app = database.app_with(telling);
        let alice = app.as_member("alice");
        for _ in 0..3 {
            alice.created(image().raw()).await;
        }
        let inner = app.app();
        let (first, second) =
            (Bus::new(inner.db.clone(), nowhere(None)), Bus::new(inner.db.clone(), nowhere(Some(1))));
        for _ in 0..3 {
            assert_eq!(first.turn().await.unwrap(), Turn::Again(Duration::from_secs(1)));
        }
        // The first has the lease.
        assert_eq!(second.turn().await.unwrap(), Turn::Idle);
        assert_eq!(waiting(&app).await.len(), 3);
        assert_eq!(vitrine::jobs::notices::bound_one(&inner, Reader::Bus, 3).await.unwrap(), 0);
        assert_eq!(vitrine::jobs::notices::bound_one(&inner, Reader::Bus, 2).await.unwrap(), 1);
        assert_eq!(waiting(&app).await.len(), 2);
        first.stop().await.unwrap();
        assert_eq!(second.turn().await.unwrap(), Turn::Again(Duration::from_secs(1)));
        assert_eq!(waiting(&app).await.len(), 2);
        assert_eq!(second.turn().await.unwrap(), Turn::Again(Duration::from_secs(1)));
        assert_eq!(waiting(&app).await, []);
        alice.created(image().raw()).await;
        app.later(8 * 24 * 3600);
        assert_eq!(vitrine::jobs::notices::bound_one(&inner, Reader::Bus, 2).await.unwrap(), 1);
        assert_eq!(waiting(&app).await, []);
    }

    /// A turn tries five nodes of a broker, so that it ends before its lease does; the next one goes on with the others.
    async fn a_turn_tries_some_nodes(database: Database) {
        let app = database.app_with(telling);
        app.as_member("alice").created(image().raw()).await;
        let (settings, tried) = turning_away(7);
        let bus = Bus::new(app.app().db.clone(), settings);
        assert_eq!(bus.turn().await.unwrap(), Turn::Again(Duration::from_secs(1)));
        assert_eq!(tried.lock().unwrap().iter().sum::<usize>(), 5);
        assert_eq!(bus.turn().await.unwrap(), Turn::Again(Duration::from_secs(1)));
        let tried = tried.lock().unwrap().clone();
        assert!(tried.iter().sum::<usize>() == 10 && !tried.contains(&0), "{tried:?}");
        assert_eq!(waiting(&app).await.len(), 1);
    }

    /// Where neither is configured nothing is written; the audit log has a line for each event, also where notifications
    /// of it are disabled.
    async fn the_audit_log(database: Database) {
        let quiet = database.app();
        quiet.as_member("alice").created(image().raw()).await;
        assert_eq!(waiting(&quiet).await, []);
        let folder = scratch_folder();
        let path = folder.path().join("audit.log");
        let place = Place::File(path.clone());
        let app = database.app_with(|options| {
            let disabled = vec!["image".to_owned()];
            options.notifying.notices = Settings { disabled, bus: true, audit: true, ..Settings::default() };
            options.notifying.audit = Some(place);
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.remove(&id).await.expect(204);
        let lines = eventually("lines are written", async || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if !text.ends_with('\n') {
                return Err(text);
            }
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            if lines.len() < 2 { Err(text) } else { Ok(lines) }
        })
        .await;
        let seen: Vec<_> = lines.iter().map(|line| (&line["action"], &line["target"]["id"])).collect();
        let id = json!(id);
        assert_eq!(seen, [(&json!("create"), &id), (&json!("delete"), &id)]);
        assert_eq!(lines[0]["initiator"]["project_id"], "alice");
        assert_eq!(waiting(&app).await, []);
    }
}
