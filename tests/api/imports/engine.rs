//! The engine behind imports: its bounds, its leases, and what it cleans up.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, SystemTime},
};

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use tokio::sync::Semaphore;
use vitrine::{
    db::{self, schema::jobs},
    model::job::Job,
    reconcile,
    task::kinds,
    work::{Failure, Work, durable::Ending},
};

use super::{source::*, *};

const DAY: Duration = Duration::from_secs(24 * 3600);

on_each_database! {
    /// A project whose imports fill its share keeps nobody else waiting, however many it has asked for.
    async fn a_busy_project_does_not_hold_up_the_others(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            (options.jobs.at_once, options.jobs.per_project) = (2, 1);
        });
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let (silent, good) = (Source::start(|_| Reply::Silent), Source::of(bytes(1000)));
        for _ in 0..20 {
            let id = alice.created(image().raw()).await;
            download(&alice, &id, &silent.url("/")).await.expect(202);
        }
        eventually("one of them is under way", async || {
            if silent.served() > 0 { Ok(()) } else { Err("none") }
        })
        .await;
        let id = bob.created(image().raw()).await;
        download(&bob, &id, &good.url("/")).await.expect(202);
        holds(&bob, &id, &bytes(1000)).await;
        assert_eq!(silent.served(), 1);
    }

    /// Sources that send nothing hold no place to work in: with three times as many of them as there are places, another
    /// import goes through.
    async fn sec_37_slow_sources_hold_no_place(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            (options.jobs.at_once, options.jobs.waiting, options.jobs.per_project) = (2, 6, 6);
        });
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let slow = Source::start(|path| match path {
            "/silent" => Reply::Silent,
            _ => Reply::Stall(1000, bytes(10)),
        });
        for number in 0..6 {
            let id = alice.created(image().raw()).await;
            let path = if number % 2 == 0 { "/silent" } else { "/stall" };
            download(&alice, &id, &slow.url(path)).await.expect(202);
        }
        eventually("all of them are under way", async || {
            if slow.served() == 6 { Ok(()) } else { Err(slow.served()) }
        })
        .await;
        let good = Source::of(bytes(1000));
        let id = bob.created(image().raw()).await;
        download(&bob, &id, &good.url("/")).await.expect(202);
        holds(&bob, &id, &bytes(1000)).await;
    }

    /// A node that has slept for longer than its leases last goes on with its jobs, and begins none of them a second time
    /// beside the attempt that is under way.
    async fn sec_41_a_node_that_slept_begins_nothing_twice(database: Database) {
        let app = database.app_with(reach_loopback);
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let (silent, good) = (Source::start(|_| Reply::Silent), Source::of(bytes(1000)));
        let slow = alice.created(image().raw()).await;
        download(&alice, &slow, &silent.url("/")).await.expect(202);
        eventually("it is under way", async || if silent.served() == 1 { Ok(()) } else { Err("none") }).await;
        app.later(3600);
        // Whoever looks for this one finds the other first.
        let quick = bob.created(image().raw()).await;
        download(&bob, &quick, &good.url("/")).await.expect(202);
        holds(&bob, &quick, &bytes(1000)).await;
        let attempts = app.write(move |conn| db::jobs::list_of_image(conn, &slow, now())).await;
        assert_eq!(attempts.iter().map(|job| job.attempts).collect::<Vec<_>>(), [1]);
    }

    /// A node that has slept for longer than its leases last, and then gives an import up, takes nothing from the node that
    /// has it by then; with the job it has the right.
    async fn sec_41_a_node_that_slept_takes_nothing_back(database: Database) {
        let app = database.app_with(reach_loopback);
        let (alice, silent) = (app.as_member("alice"), Source::start(|_| Reply::Silent));
        let id = alice.created(image().raw()).await;
        download(&alice, &id, &silent.url("/")).await.expect(202);
        eventually("it is under way", async || if silent.served() == 1 { Ok(()) } else { Err("none") }).await;
        let own = app.app();
        let (image, node) = (id.clone(), own.leases().node.clone());
        let leased_to = |node: String| {
            let image = image.clone();
            app.write(move |conn| {
                let job = jobs::table.filter(jobs::image_id.eq(&image));
                diesel::update(job).set(jobs::lease_node.eq(&node)).execute(conn)?;
                Ok(db::jobs::list_of_image(conn, &image, now())?.remove(0))
            })
        };
        let job: Job = leased_to("another".to_owned()).await;
        let work = Work::new(own.db.clone(), own.leases(), Arc::new(Semaphore::new(1)), job.clone());
        let kind = kinds::of(job.kind).unwrap();
        let undone = kind.undo(&own.imports, &work, Ending::GivenUp).await;
        assert!(matches!(undone, Err(Failure::Lost)), "{undone:?}");
        let shown = alice.show(&id).await.json();
        assert_eq!((&shown["status"], &shown["os_glance_import_task"]), (&json!("importing"), &json!(job.id)));
        leased_to(node).await;
        kind.undo(&own.imports, &work, Ending::GivenUp).await.unwrap();
        let shown = alice.show(&id).await.json();
        assert_eq!((&shown["status"], shown.get("os_glance_import_task")), (&json!("queued"), None));
    }

    /// The task of an import under way says how far the bytes have come.
    async fn a_task_tells_its_progress(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.jobs.lease_seconds = 9;
        });
        let alice = app.as_member("alice");
        let source = Source::start(|_| Reply::Stall(40 << 20, bytes(20 << 20)));
        let id = alice.created(image().raw()).await;
        download(&alice, &id, &source.url("/")).await.expect(202);
        eventually("half of it has come", async || {
            let tasks = alice.get(&format!("/v2/images/{id}/tasks")).await.expect(200).json();
            let message = tasks["tasks"][0]["message"].clone();
            if message == "Copied 20 of 40 MiB (50 %)" { Ok(()) } else { Err(message) }
        })
        .await;
        alice.remove(&id).await.expect(204);
        nothing_is_staged(&app).await;
    }

    /// Of the files in the staging folder that nothing knows those go that are old, and named as staged data is.
    async fn stale_staged_data_is_removed(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let (known, queued) = (alice.created(image().raw()).await, alice.created(image().raw()).await);
        stage(&alice, &known, bytes(10)).await.expect(204);
        let inner = app.app();
        let folder = inner.blobs.staging.path("");
        let key = known.clone();
        let staged = inner.db.read("test", move |conn| db::staging_places::staged_of(conn, &key)).await.unwrap();
        let kept = [staged.unwrap().id, queued, "readme".to_owned(), fresh_id()];
        let stale = [fresh_id(), format!("{}.raw", fresh_id()), format!(".parts/{}", fresh_id())];
        for name in kept.iter().chain(&stale) {
            let file = File::options().create(true).append(true).open(folder.join(name)).unwrap();
            file.set_modified(SystemTime::now() - 2 * DAY).unwrap();
        }
        File::open(folder.join(&kept[3])).unwrap().set_modified(SystemTime::now()).unwrap();
        assert_eq!(reconcile::clean_staging(&inner.db, &inner.blobs.staging, DAY).await.unwrap(), stale.len());
        assert!(kept.iter().all(|name| folder.join(name).exists()), "{kept:?}");
        assert!(!stale.iter().any(|name| folder.join(name).exists()), "{stale:?}");
        import(&alice, &known, json!({"method": {"name": "glance-direct"}})).await.expect(202);
        holds(&alice, &known, &bytes(10)).await;
    }
}
