//! `/v2/tasks` and the tasks of an image.

use vitrine::{db, model::job::Job};

use super::{source::*, *};

on_each_database! {
    /// Only admins use the tasks API, unless the policy says otherwise; imports do not need it.
    async fn tasks_are_for_admins(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        for (method, path) in [("GET", "/v2/tasks"), ("POST", "/v2/tasks"), ("GET", "/v2/tasks/x")] {
            alice.request(method, path).await.expect(403);
        }
        let admin = app.as_admin();
        let id = fresh_id();
        admin.get(&format!("/v2/tasks/{id}")).await.expect(404);
        let refused = admin.delete(&format!("/v2/tasks/{id}")).await.expect(405);
        assert_eq!(refused.header("allow"), "GET");
        for name in ["task", "tasks"] {
            assert_eq!(alice.get(&format!("/v2/schemas/{name}")).await.expect(200).json()["name"], name);
        }
    }

    /// Tasks that only the images API starts cannot be posted, and so cannot touch an image that others work on.
    async fn tasks_of_other_calls_cannot_be_posted(database: Database) {
        let app = app(database);
        let admin = app.as_admin();
        let id = app.as_member("alice").created(image().raw()).await;
        let asked = json!({"method": {"name": "web-download", "uri": "http://127.0.0.1:9/x"}});
        for (kind, input) in [
            ("api_image_import", json!({"image_id": id, "import_req": asked, "backend": [null]})),
            ("location_import", json!({"image_id": id, "loc_url": "http://127.0.0.1:9/x"})),
        ] {
            let refused = admin.post("/v2/tasks").json(&json!({"type": kind, "input": input})).await.expect(400);
            assert!(refused.text().contains("type must be import"), "{}", refused.text());
        }
        assert_eq!(admin.get("/v2/tasks").await.expect(200).json()["tasks"], json!([]));
        assert_eq!(admin.show(&id).await.expect(200).json()["status"], "queued");
    }

    /// A task of type import creates an image; what is no task is refused.
    async fn a_task_creates_an_image(database: Database) {
        let app = app(database);
        let admin = app.as_admin();
        let source = Source::of(bytes(1000));
        for bad in [
            json!({}),
            json!({"type": "import"}),
            json!({"type": "export", "input": {}}),
            json!({"type": "import", "input": null}),
            json!({"type": "import", "input": {"import_from": ""}}),
            json!({"type": "import", "input": {"import_from": "file:///etc/passwd"}}),
            json!({"type": "import", "input": {"import_from": "http://x:99999/"}}),
            json!({"type": "import", "input": {"import_from": "http://x/", "image_properties": {"container_format": "ova"}}}),
        ] {
            admin.post("/v2/tasks").json(&bad).await.expect(400);
        }
        let input = json!({
            "import_from": source.url("/"),
            "import_from_format": "raw",
            "image_properties": {"name": "made by a task", "disk_format": "raw", "container_format": "bare"},
        });
        let created = admin.post("/v2/tasks").json(&json!({"type": "import", "input": input})).await.expect(201);
        let body = created.json();
        let mut members = keys(&body);
        members.sort();
        let expected = [
            "created_at", "id", "input", "message", "owner", "request_id", "result", "schema", "self", "status", "type",
            "updated_at", "user_id",
        ];
        assert_eq!(members, expected);
        let path = created.json()["self"].as_str().unwrap().to_owned();
        assert!(created.header("location").ends_with(&path));
        let task = finished(&admin, &path).await;
        assert_eq!(task["status"], "success", "{task}");
        assert!(task["expires_at"].is_string());
        let id = task["result"]["image_id"].as_str().unwrap();
        assert_eq!(admin.show(id).await.expect(200).json()["name"], "made by a task");
        assert!(admin.download(id).await.expect(200).body == bytes(1000));
        let lacking = json!({"type": "import", "input": {"import_from": source.url("/")}});
        let path = admin.post("/v2/tasks").json(&lacking).await.expect(201).json()["self"].clone();
        let task = finished(&admin, path.as_str().unwrap()).await;
        assert_eq!(task["status"], "failure");
        assert!(task["message"].as_str().unwrap().contains("import_from_format"));
    }

    /// A task that is posted gets no further than an import: by the same filter, at each hop, and for admins alone.
    async fn sec_33_a_posted_task_is_filtered_as_an_import_is(database: Database) {
        let app = database.app_with(|options| options.imports.filter.allowed_ports = Vec::new());
        let admin = app.as_admin();
        let inner = Source::of(bytes(10));
        let task = |uri: &str| {
            json!({"type": "import", "input": {"import_from": uri, "import_from_format": "raw",
                "image_properties": {"disk_format": "raw", "container_format": "bare"}}})
        };
        for uri in ["http://0x7f.1/", "http://2130706433/", "http:///127.0.0.1/", "http://a@127.0.0.1/"] {
            admin.post("/v2/tasks").json(&task(uri)).await.expect_for(400, uri);
        }
        for uri in [inner.url("/"), inner.url("/").replace("127.0.0.1", "[::ffff:127.0.0.1]")] {
            let created = admin.post("/v2/tasks").json(&task(&uri)).await.expect_for(201, &uri).json();
            let over = finished(&admin, created["self"].as_str().unwrap()).await;
            assert_eq!(over["status"], "failure", "{uri}");
            assert!(over["message"].as_str().unwrap().contains("allowed_networks"), "{over}");
        }
        app.as_member("alice").post("/v2/tasks").json(&task("http://198.51.100.7/")).await.expect(403);
        assert_eq!(inner.served(), 0);
    }

    /// The tasks of an image come in the order in which they began.
    async fn tasks_of_an_image(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let source = Source::start(|path| if path == "/good" { Reply::Data(bytes(10)) } else { Reply::Status(404) });
        let id = alice.created(image().raw()).await;
        for path in ["/bad", "/good"] {
            download(&alice, &id, &source.url(path)).await.expect(202);
            over(&alice, &id).await;
        }
        let tasks = alice.get(&format!("/v2/images/{id}/tasks")).await.expect(200).json();
        let statuses: Vec<_> = tasks["tasks"].as_array().unwrap().iter().map(|task| &task["status"]).collect();
        assert_eq!(statuses, ["failure", "success"]);
    }

    /// Of the tasks of an image its viewers see those of their own project; admins see all.
    async fn tasks_of_an_image_are_for_who_asked(database: Database) {
        let app = app(database);
        let (alice, admin, source) = (app.as_member("alice"), app.as_admin(), Source::of(bytes(10)));
        let id = admin.created(image().raw().public().with("owner", "alice")).await;
        download(&admin, &id, &source.url("/")).await.expect(202);
        let task = over(&admin, &id).await;
        assert_eq!((&task["status"], &task["owner"]), (&json!("success"), &json!("admin-project")));
        for client in [&alice, &app.as_reader("bob")] {
            let seen = client.get(&format!("/v2/images/{id}/tasks")).await.expect(200).json();
            assert_eq!(seen, json!({"tasks": []}));
        }
    }

    /// A task whose time is up is in no list any more; by its id it is still shown, until it is removed.
    async fn tasks_expire(database: Database) {
        let app = app(database);
        let (alice, admin, source) = (app.as_member("alice"), app.as_admin(), Source::of(bytes(10)));
        let id = alice.created(image().raw()).await;
        download(&alice, &id, &source.url("/")).await.expect(202);
        let done = over(&alice, &id).await["id"].as_str().unwrap().to_owned();
        let (ended, fresh, key) = (fresh_id(), fresh_id(), done.clone());
        let twins = [(ended.clone(), -60), (fresh.clone(), 60)];
        app.write(move |conn| {
            let job = db::jobs::find(conn, &key)?.unwrap();
            twins.iter().try_for_each(|(id, seconds)| {
                let expires_at = Some(now().plus_seconds(*seconds));
                db::jobs::insert(conn, &Job { id: id.clone(), expires_at, ..job.clone() })
            })
        })
        .await;
        let mut expected = [done, fresh];
        expected.sort();
        for (client, path) in [(&alice, format!("/v2/images/{id}/tasks")), (&admin, "/v2/tasks".to_owned())] {
            let list = client.get(&path).await.expect(200).json();
            let tasks = list["tasks"].as_array().unwrap().iter();
            let mut ids: Vec<_> = tasks.map(|task| task["id"].as_str().unwrap().to_owned()).collect();
            ids.sort();
            assert_eq!(ids, expected, "{path}");
        }
        admin.get(&format!("/v2/tasks/{ended}")).await.expect(200);
    }

    /// Lists page, filter and sort; a full page has a next one.
    async fn tasks_are_listed(database: Database) {
        let app = app(database);
        let admin = app.as_admin();
        let body = json!({"type": "import", "input": {"import_from": "http://127.0.0.1:9/"}});
        for _ in 0..3 {
            admin.post("/v2/tasks").json(&body).await.expect(201);
        }
        let mut seen = Vec::new();
        let mut path = "/v2/tasks?limit=2&sort_dir=asc".to_owned();
        loop {
            let page = admin.get(&path).await.expect(200).json();
            seen.extend(page["tasks"].as_array().unwrap().iter().map(|task| task["id"].clone()));
            match page["next"].as_str() {
                Some(next) => path = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen.len(), 3);
        let page = admin.get("/v2/tasks?type=location_import").await.expect(200).json();
        assert_eq!(page["tasks"], json!([]));
        eventually("every task over", async || {
            let open = admin.get("/v2/tasks?status=failure").await.expect(200).json()["tasks"].as_array().unwrap().len();
            if open == 3 { Ok(()) } else { Err(open) }
        })
        .await;
        // Two days later none of them is shown any more; one at its own address still is.
        app.later(49 * 3600);
        assert_eq!(admin.get("/v2/tasks").await.expect(200).json()["tasks"], json!([]));
        admin.get(&format!("/v2/tasks/{}", seen[0].as_str().unwrap())).await.expect(200);
        for bad in ["limit=-1", "marker=x", "sort_key=message", "sort_dir=up", "status=done", "type=export"] {
            admin.get(&format!("/v2/tasks?{bad}")).await.expect(400);
        }
        admin.get(&format!("/v2/tasks?marker={}", fresh_id())).await.expect(400);
    }
}

async fn finished(client: &Client, path: &str) -> Value {
    eventually("the task is over", async || {
        let task = client.get(path).await.expect(200).json();
        if ["success", "failure"].contains(&task["status"].as_str().unwrap()) { Ok(task) } else { Err(task) }
    })
    .await
}
