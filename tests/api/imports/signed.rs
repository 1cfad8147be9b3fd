//! Signed images that are imported: the task fails if the data does not fit, and nothing of it stays.

use super::{
    plugins::{converted, disk},
    source::*,
    stores::{with_stores_and, with_stores_and_formats},
    *,
};

/// A server with two stores and a Barbican, in which the project has a publisher's certificate; its id.
fn cloud(database: Database, project: &str) -> (TestApp, Barbican, Publisher, String) {
    let (barbican, publisher) = (Barbican::start(), Publisher::new());
    let certificate = barbican.keeps(project, "certificate", &publisher.certificate);
    let app = with_stores_and(database, &["one", "two"], |options| barbican.of(options));
    (app, barbican, publisher, certificate)
}

on_each_database! {
    /// What a client stages and what is fetched is verified, into one store as into several.
    async fn sec_24_imports_are_verified(database: Database) {
        let (app, _, publisher, certificate) = cloud(database, "alice");
        let alice = app.as_member("alice");
        let (data, other) = (bytes(100_000), bytes(100_001));
        let good = publisher.signs(&data, &certificate);
        for stores in [json!(["one"]), json!(["one", "two"])] {
            for sent in [&data, &other] {
                let source = Source::of(sent.clone());
                for method in [json!({"name": "glance-direct"}), json!({"name": "web-download", "uri": source.url("/")})] {
                    let id = alice.created(with_all(image().raw(), &good)).await;
                    if method["name"] == "glance-direct" {
                        stage(&alice, &id, sent.clone()).await.expect(204);
                    }
                    import(&alice, &id, json!({"method": method, "stores": stores})).await.expect(202);
                    if *sent == data {
                        holds(&alice, &id, &data).await;
                    } else {
                        failed(&app, &alice, &id, "queued", "does not fit the data").await;
                        assert_eq!(alice.show(&id).await.json()["size"], Value::Null);
                    }
                }
            }
        }
    }

    /// Without the certificate, or with another one than at the request, nothing is fetched at all.
    async fn sec_24_an_import_that_cannot_be_verified_fails(database: Database) {
        let (app, barbican, publisher, certificate) = cloud(database, "alice");
        let (alice, data) = (app.as_member("alice"), bytes(1000));
        let source = Source::of(data.clone());
        let good = publisher.signs(&data, &certificate);
        let id = alice.created(with_all(image().raw(), &good)).await;
        for (mood, why) in [(Mood::Status(404), "has no such secret"), (Mood::Status(500), "does not answer")] {
            barbican.is(mood);
            download(&alice, &id, &source.url("/")).await.expect(202);
            failed(&app, &alice, &id, "queued", why).await;
        }
        assert_eq!(source.served(), 0);
        barbican.is(Mood::Good);
        download(&alice, &id, &source.url("/")).await.expect(202);
        holds(&alice, &id, &data).await;
    }

    /// A copy is verified as in Glance: what was signed after it became active, with a signature of other data, is not
    /// copied, and stays as it is.
    async fn sec_24_copies_are_verified(database: Database) {
        let (app, _, publisher, certificate) = cloud(database, "admin-project");
        let (admin, data) = (app.as_admin(), bytes(100_000));
        for (signed, copied) in [(&data, true), (&bytes(5), false)] {
            let id = admin.created(image().raw()).await;
            admin.upload(&id, data.clone()).await.expect(204);
            let patch: Vec<_> = publisher.signs(signed, &certificate).iter().map(|(name, value)| {
                json!({"op": "add", "path": format!("/{name}"), "value": value})
            }).collect();
            admin.update(&id, json!(patch)).await.expect(200);
            let body = json!({"method": {"name": "copy-image"}, "stores": ["two"]});
            import(&admin, &id, body).await.expect(202);
            if copied {
                assert_eq!(holds(&admin, &id, &data).await["stores"], "one,two");
            } else {
                failed(&app, &admin, &id, "active", "does not fit the data").await;
                assert_eq!(admin.show(&id).await.json()["stores"], "one");
            }
        }
    }

    /// What a store has converted after its signature was verified can be copied: the hash of the image says what it is, and
    /// data that does not have it is not copied.
    async fn what_a_store_has_converted_is_copied(database: Database) {
        let (barbican, publisher) = (Barbican::start(), Publisher::new());
        let certificate = barbican.keeps("admin-project", "certificate", &publisher.certificate);
        let app = with_stores_and_formats(database, &["one", "two"], "raw", |options| barbican.of(options));
        let (admin, disk) = (app.as_admin(), disk());
        let sent = converted(&disk, &["-O", "qcow2"]);
        let signed = publisher.signs(&sent, &certificate);
        let copy = json!({"method": {"name": "copy-image"}, "stores": ["two"]});
        for is_whole in [true, false] {
            let id = admin.created(with_all(image().qcow2(), &signed)).await;
            stage(&admin, &id, sent.clone()).await.expect(204);
            import(&admin, &id, json!({"method": {"name": "glance-direct"}, "stores": ["one"]})).await.expect(202);
            let shown = holds(&admin, &id, &disk).await;
            assert_eq!((&shown["disk_format"], &shown["stores"]), (&json!("raw"), &json!("one")));
            if !is_whole {
                let file = app.folder().join("images").join(&id);
                let mut kept = std::fs::read(&file).unwrap();
                kept[1000] ^= 1;
                std::fs::write(&file, kept).unwrap();
            }
            import(&admin, &id, copy.clone()).await.expect(202);
            if is_whole {
                assert_eq!(holds(&admin, &id, &disk).await["stores"], "one,two");
            } else {
                failed(&app, &admin, &id, "active", "is not what was once imported").await;
            }
        }
    }

    /// The deprecated task verifies too; of an image that is refused nothing stays.
    async fn sec_24_the_old_task_verifies(database: Database) {
        let (app, _, publisher, certificate) = cloud(database, "admin-project");
        let (admin, data) = (app.as_admin(), bytes(1000));
        let source = Source::of(data.clone());
        for (signed, status) in [(&data, "success"), (&bytes(5), "failure")] {
            let mut properties = json!({"disk_format": "raw", "container_format": "bare"});
            for (name, value) in publisher.signs(signed, &certificate) {
                properties[name] = json!(value);
            }
            let input = json!({"import_from": source.url("/"), "import_from_format": "raw",
                               "image_properties": properties});
            let made = admin.post("/v2/tasks").json(&json!({"type": "import", "input": input})).await.expect(201);
            let path = made.json()["self"].as_str().unwrap().to_owned();
            let task = eventually("the task is over", async || {
                let task = admin.get(&path).await.expect(200).json();
                if task["status"] == "success" || task["status"] == "failure" { Ok(task) } else { Err(task) }
            }).await;
            assert_eq!(task["status"], status, "{task}");
        }
        nothing_is_staged(&app).await;
    }
}
