//! Jobs whose store does not answer: they wait for it, and for so long.

use vitrine::db;

use super::{source::*, *};

/// Takes the far store away, and waits until the server leaves it alone.
async fn leaves(app: &TestApp, far: &Far) {
    far.leave();
    let stores = app.app().stores.clone();
    let named = stores.get("far").unwrap();
    eventually("it is left alone", async || {
        drop(named.probe().await);
        if named.reachable().is_err() { Ok(()) } else { Err(far.unanswered()) }
    })
    .await;
}

/// Brings the far store back, and waits until the server has noticed.
async fn returns(app: &TestApp, far: &Far) {
    far.come_back();
    let stores = app.app().stores.clone();
    eventually("it is called again", async || stores.get("far").unwrap().reachable()).await;
}

/// The same, and turns the clock until no job of an image waits any longer: what looked for the store a moment before it was
/// back does so again only after a while.
async fn returns_to(app: &TestApp, far: &Far, id: &str) {
    returns(app, far).await;
    eventually("its job is over", async || {
        let id = id.to_owned();
        let jobs = app.write(move |conn| db::jobs::list_of_image(conn, &id, now())).await;
        let open: Vec<_> = jobs.into_iter().filter(|job| !job.status.is_final()).collect();
        if open.iter().any(|job| job.lease_until.0 == 0) {
            app.later(61);
        }
        if open.is_empty() { Ok(()) } else { Err(open) }
    })
    .await;
}

/// Into the far store, and into others.
fn to_far(source: &Source, more: Value) -> Value {
    let mut body = json!({"method": {"name": "web-download", "uri": source.url("/")}, "stores": ["far"]});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    body
}

/// The newest task of an image, when it waits for the store and was put off again since `before`.
async fn waits(client: &Client, id: &str, before: &str) -> Value {
    eventually("it waits for the store", async || {
        let tasks = client.get(&format!("/v2/images/{id}/tasks")).await.expect(200).json();
        let task = tasks["tasks"].as_array().and_then(|tasks| tasks.last()).cloned().unwrap_or_default();
        let told = task["message"].as_str().unwrap_or_default();
        let is_new = task["updated_at"] != before;
        let waits = told.starts_with("The store far does not answer. It is waited for until 2");
        if waits && is_new { Ok(task) } else { Err(task) }
    })
    .await
}

/// Has the job of an image look for the store so many times, in vain.
async fn looks_in_vain(app: &TestApp, client: &Client, id: &str, times: usize) {
    let mut last = String::new();
    for _ in 0..times {
        let task = waits(client, id, &last).await;
        last = task["updated_at"].as_str().unwrap().to_owned();
        app.later(61);
    }
}

on_each_database! {
    /// An import into a store that is left alone waits, however often it has to look, and comes to its end when the store
    /// answers again. What was fetched is not fetched again, and the store is not bothered.
    async fn an_import_waits_for_its_store(database: Database) {
        let far = Far::new("far");
        let app = with_far(database, &far, |_| {});
        let alice = app.as_member("alice");
        let data = bytes(100_000);
        let source = Source::of(data.clone());
        leaves(&app, &far).await;
        let id = alice.created(image().raw()).await;
        import(&alice, &id, to_far(&source, json!({}))).await.expect(202);
        looks_in_vain(&app, &alice, &id, 8).await;
        assert_eq!(alice.show(&id).await.json()["status"], "importing");
        returns_to(&app, &far, &id).await;
        assert_eq!(holds(&alice, &id, &data).await["stores"], "far");
        assert_eq!(source.served(), 1);
        nothing_is_staged(&app).await;
    }

    /// A copy waits as well, for the store that has the data as for the one that is to get it.
    async fn a_copy_waits_for_its_stores(database: Database) {
        let far = Far::new("far");
        let app = with_far(database, &far, |_| {});
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let data = bytes(100_000);
        for (has, gets) in [("far", "file"), ("file", "far")] {
            let id = alice.created(image().raw()).await;
            alice.upload(&id, data.clone()).header("x-image-meta-store", has).await.expect(204);
            leaves(&app, &far).await;
            import(&admin, &id, json!({"method": {"name": "copy-image"}, "stores": [gets]})).await.expect(202);
            looks_in_vain(&app, &admin, &id, 6).await;
            returns_to(&app, &far, &id).await;
            let shown = holds(&admin, &id, &data).await;
            assert_eq!((&shown["status"], &shown["stores"]), (&json!("active"), &json!(format!("{has},{gets}"))));
        }
    }

    /// Jobs that wait hold no place: with as many of them as may work at once, another import goes through.
    async fn sec_37_jobs_that_wait_for_a_store_hold_no_place(database: Database) {
        let far = Far::new("far");
        let app = with_far(database, &far, |options| {
            (options.jobs.at_once, options.jobs.waiting, options.jobs.per_project) = (1, 1, 1);
        });
        let alice = app.as_member("alice");
        let source = Source::of(bytes(1000));
        leaves(&app, &far).await;
        for _ in 0..3 {
            let id = alice.created(image().raw()).await;
            import(&alice, &id, to_far(&source, json!({}))).await.expect(202);
            waits(&alice, &id, "").await;
        }
        let id = alice.created(image().raw()).await;
        download(&alice, &id, &source.url("/")).await.expect(202);
        holds(&alice, &id, &bytes(1000)).await;
        returns(&app, &far).await;
    }

    /// After so long it has waited long enough: the import fails as it did before there was any waiting, and its task
    /// says why.
    async fn sec_37_no_job_waits_for_ever(database: Database) {
        let far = Far::new("far");
        let app = with_far(database, &far, |options| options.jobs.store_seconds = 600);
        let alice = app.as_member("alice");
        leaves(&app, &far).await;
        let id = alice.created(image().raw()).await;
        import(&alice, &id, to_far(&Source::of(bytes(10)), json!({}))).await.expect(202);
        waits(&alice, &id, "").await;
        app.later(601);
        eventually("it has failed", async || {
            // What it is still granted are attempts with seconds between them.
            app.later(60);
            let jobs = app.write({ let id = id.clone(); move |conn| db::jobs::list_of_image(conn, &id, now()) }).await;
            if jobs.iter().all(|job| job.status.is_final()) { Ok(()) } else { Err(jobs) }
        })
        .await;
        failed(&app, &alice, &id, "queued", "The store far does not answer.").await;
        returns(&app, &far).await;
    }

    /// Where the others may do without it, nobody waits for one of several stores.
    async fn others_go_on_without_it(database: Database) {
        let far = Far::new("far");
        let app = with_far(database, &far, |_| {});
        let alice = app.as_member("alice");
        let source = Source::of(bytes(1000));
        leaves(&app, &far).await;
        let lost = alice.created(image().raw()).await;
        import(&alice, &lost, to_far(&source, json!({}))).await.expect(202);
        waits(&alice, &lost, "").await;
        let both = json!({"stores": ["far", "file"], "all_stores_must_succeed": false});
        let id = alice.created(image().raw()).await;
        import(&alice, &id, to_far(&source, both)).await.expect(202);
        let shown = holds(&alice, &id, &bytes(1000)).await;
        assert_eq!((&shown["stores"], &shown["os_glance_failed_import"]), (&json!("file"), &json!("far")));
        returns(&app, &far).await;
    }
}
