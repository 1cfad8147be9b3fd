//! What billers pull of the ledger of usage, and what the ledger has of images that were there before it.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};
use vitrine::{
    db::{Db, events, usage_check, usage_report},
    model::{
        time::Timestamp,
        usage::{Metered, meter::Span},
    },
};

use super::usage::{active, all, app, hour, report, turn_to};
use crate::support::*;

on_each_database! {
    /// Billers get every opening and closing once, numbered without gaps, whoever else reads or changes images meanwhile.
    async fn events_are_numbered_without_gaps(database: Database) {
        let app = app(database);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let ids = join_all((0..12).map(|_| active(&alice, image()))).await;
        let readers = (0..3).map(|_| async {
            for _ in 0..10 {
                admin.get("/ext/v1/usage/events?limit=5").await.expect(200);
            }
        });
        let removals = ids.iter().map(|id| async { alice.remove(id).await.expect(204) });
        futures::future::join(join_all(readers), join_all(removals)).await;
        let events = all(&admin, "/ext/v1/usage/events?since=0&limit=7", "events").await;
        let numbers: Vec<i64> = events.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
        assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
        let mut open = BTreeSet::new();
        for event in &events {
            let interval = &event["interval"];
            let id = interval["image_id"].as_str().unwrap();
            match event["type"].as_str().unwrap() {
                "opened" => assert!(open.insert(id) && interval["to"].is_null() && interval["opened_by"] == "activated"),
                "closed" => assert!(open.remove(id) && interval["to"].is_string() && interval["closed_by"] == "deleted"),
                other => panic!("{other}"),
            }
        }
        assert!(open.is_empty());
        let rest = admin.get("/ext/v1/usage/events?since=24").await.expect(200).json();
        assert_eq!(rest, json!({"events": [], "next": null}));
    }

    /// A biller pulls the hours of images from a marker on, gets each once it is over, and in the end what the report has.
    async fn hours_are_pulled_from_a_marker_on(database: Database) {
        let app = app(database);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        turn_to(&app, 50);
        let start = hour(&app, 0);
        let ids: Vec<String> = join_all((0..3).map(|_| active(&alice, image()))).await;
        turn_to(&app, 2);
        let path = format!("/ext/v1/usage/image-hours?from={start}&limit=2");
        let early = admin.get(&path).await.expect(200).json();
        assert_eq!((&early["image_hours"], &early["next"]), (&json!([]), &Value::Null));
        turn_to(&app, 10);
        alice.remove(&ids[0]).await.expect(204);
        let marker = early["marker"].as_str().unwrap();
        let pulled = all(&admin, &format!("/ext/v1/usage/image-hours?marker={marker}&limit=2"), "image_hours").await;
        assert_eq!(pulled.len(), 6);
        turn_to(&app, 10);
        let more = all(&alice, &format!("{path}&project=alice"), "image_hours").await;
        assert_eq!((more.len(), &more[..6]), (9, &pulled[..]));
        let order: Vec<(&str, &str)> = more.iter().map(|row| (row["hour"].as_str().unwrap(), row["image_id"].as_str().unwrap())).collect();
        assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "{order:?}");
        let sum: i64 = more.iter().map(|row| row["byte_seconds"].as_str().unwrap().parse::<i64>().unwrap()).sum();
        let whole = report(&admin, &start, &hour(&app, 0), "").await.expect(200).json();
        assert_eq!(whole["sections"]["images"]["total"]["byte_seconds"], sum.to_string());
        let short = all(&admin, &format!("{path}&to={}", hour(&app, -2)), "image_hours").await;
        assert_eq!(short, more[..3]);
    }
}

on_each_database! {
    /// Images that were there before there was a ledger have their intervals, from their activation where that is known.
    fn images_of_before_are_charged(database: Database) {
        let folder = scratch_folder();
        let empty = TestDatabase::empty(database, folder.path());
        let settings = vitrine::db::Settings { connection: empty.url().to_owned(), ..Default::default() };
        let db = Db::open(&settings).unwrap();
        db.migrate_to("20261129000210").unwrap();
        let mut full = record("alice", 10);
        full.name = Some("a \"name\"".to_owned());
        (full.size, full.virtual_size) = (Some(7), Some(70));
        full.set_tags(vec!["b\\".to_owned(), "a\"".to_owned()]);
        full.set_property("media_group", Some("Linux".to_owned()));
        full.set_property("license_sku", Some("gold".to_owned()));
        full.locations = ["fast", ""].map(|store| vitrine::model::image::Location {
            id: fresh_id(),
            url: format!("test://{store}"),
            metadata: Default::default(),
            store: (!store.is_empty()).then(|| store.to_owned()),
            blob_id: None,
        }).into();
        let bare = vitrine::model::image::Image { status: vitrine::model::status::Status::Deactivated, ..record("bob", 20) };
        let none = vitrine::model::image::Image { status: vitrine::model::status::Status::Queued, ..record("bob", 30) };
        let known = Timestamp(1_577_836_800_000_000).plus_seconds(1000);
        db.write_blocking(|conn| {
            for image in [&full, &bare, &none] {
                vitrine::db::images::insert_drawn(conn, image)?;
            }
            // Only of this one it is known when it was activated.
            for (image, kinds) in [(&full, &["image.create", "image.activate"][..]), (&bare, &["image.activate"])] {
                for kind in kinds {
                    record_event(conn, &image.id, kind, known)?;
                }
            }
            Ok(())
        }).unwrap();
        db.migrate(vitrine::db::Phase::Whole).unwrap();
        let span = Span { from: Timestamp(0), to: now() };
        let wanted = usage_report::Wanted::default();
        let mut found = db.read_blocking(|conn| usage_report::page(conn, &wanted, span, None, 10)).unwrap();
        found.sort_by_key(|interval| interval.from.0);
        let expected = [(&bare, bare.created_at), (&full, known)];
        assert_eq!(found.len(), expected.len());
        for (interval, (image, from)) in found.iter().zip(expected) {
            assert_eq!((&interval.image_id, interval.from, interval.to), (&image.id, from, None));
            assert_eq!(Some(&interval.metered), Metered::of(image).as_ref());
        }
        db.write_blocking(|conn| usage_report::number(conn, 10)).unwrap();
        assert_eq!(db.read_blocking(|conn| usage_report::entries(conn, 0, 10)).unwrap().len(), 2);
        assert_eq!(db.read_blocking(|conn| usage_check::images(conn, "", 10)).unwrap(), (vec![], None));
    }
}

fn record_event(
    conn: &mut vitrine::db::Conn,
    image: &str,
    kind: &str,
    at: Timestamp,
) -> vitrine::db::DbResult<()> {
    use vitrine::model::event::{Author, Event, EventKind};
    let kind = if kind == "image.create" { EventKind::Create } else { EventKind::Activate };
    let event = Event {
        kind,
        image_id: image.to_owned(),
        project_id: None,
        author: Author::service(),
        changes: json!({}),
    };
    events::insert(conn, &event, at)
}
