//! Clients that take their time: they hold what is theirs, and nothing that others need.

use std::time::Duration;

use serde_json::json;

use crate::support::*;

/// A request of a project's that goes on when the test says so.
fn head(line: &str, project: &str, headers: &str) -> Vec<u8> {
    let token = Persona::with_roles(project, MEMBER).token();
    format!("{line} HTTP/1.1\r\nhost: images.example\r\nx-auth-token: {token}\r\n{headers}\r\n").into_bytes()
}

/// An upload of which 10 bytes of 1000 have come.
async fn stalled_upload(app: &TestApp, project: &str) -> (String, Raw) {
    let id = app.as_member(project).created(image().raw()).await;
    let line = format!("PUT /v2/images/{id}/file");
    let headers = format!("content-type: {OCTETS}\r\ncontent-length: 1000\r\n");
    let mut raw = app.raw();
    raw.send(&head(&line, project, &headers)).send(&[0; 10]);
    (id, raw)
}

async fn is_saving(app: &TestApp, project: &str, id: &str) {
    app.as_member(project).becomes(id, "saving").await;
}

fn text(raw: &mut Raw) -> String {
    String::from_utf8_lossy(&raw.read_all()).into_owned()
}

on_each_database! {
    /// Connections that stop in the middle of a head, of a body, or before either, each more of them than there may be:
    /// the health check is answered all the same, a good request too, and those that wait longest are gone.
    async fn sec_79_requests_that_stop_silence_nobody(database: Database) {
        let app = database.app_with(|options| options.api.max_connections = Some(20));
        let small = head("POST /v2/images", "alice", "content-type: application/json\r\ncontent-length: 100\r\n");
        let half: Vec<u8> = small.iter().copied().take(60).collect();
        for sent in [&[][..], &half, &[&small[..], b"{"].concat()] {
            let mut stopped: Vec<Raw> = (0..200).map(|_| app.raw()).collect();
            for raw in &mut stopped {
                raw.send(sent);
            }
            let close = "connection: close\r\n";
            for line in ["GET /healthcheck", "GET /v2/images"] {
                // One that comes before the last of the others has been let in may have to go for it, and comes again.
                eventually("good requests are answered", async || {
                    match app.raw().send(&head(line, "alice", close)).status() {
                        200 => Ok(()),
                        status => Err((line, sent, status)),
                    }
                })
                .await;
            }
            assert_eq!(text(&mut stopped[0]), "", "{sent:?}");
        }
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "data").await.expect(204);
    }

    /// A body of JSON has its time as a whole, and whoever does not use it is told, in the shape of each API.
    async fn sec_79_a_slow_body_is_answered(database: Database) {
        let patience = Duration::from_secs(5);
        let app = database.app_with(|options| {
            options.identity = vitrine::server::IdentityChoice::Builtin(Default::default());
            options.api.request_patience = patience;
        });
        let body = "content-type: application/json\r\ncontent-length: 100\r\n";
        let answer = text(app.raw().send(&head("POST /identity/v3/auth/tokens", "alice", body)).send(b"{"));
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
        let (_, json) = answer.split_once("\r\n\r\n").unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["error"]["code"], 408, "{answer}");
        let app = database.app_with(|options| options.api.request_patience = patience);
        let answer = text(app.raw().send(&head("POST /v2/images", "alice", body)).send(b"{"));
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
        assert!(answer.contains("408 Request Timeout\n\nThe body of the request did not arrive"), "{answer}");
    }

    /// A head has its time too, the first on a connection and any later one.
    async fn sec_79_a_slow_head_is_cut(database: Database) {
        let app = database.app_with(|options| options.api.request_patience = Duration::from_secs(5));
        let answer = text(app.raw().send(b"GET /healthcheck HTTP/1.1\r\nhost: x\r\n"));
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
        let answer = text(app.raw().send(b"GET /healthcheck HTTP/1.1\r\nhost: x\r\n\r\nGET /healthcheck HTTP/1.1\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nOK"), "{answer}");
        // An answer does not make a body that nobody wants endless.
        let chunked = "GET /healthcheck HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
        let answer = text(app.raw().send(chunked.as_bytes()));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }

    /// Uploads that stall, many more than there are places to hash and to write: another one goes through at once.
    async fn sec_79_stalled_uploads_stop_no_others(database: Database) {
        let app = database.app();
        let mut stalled = Vec::new();
        for _ in 0..100 {
            stalled.push(stalled_upload(&app, "alice").await);
        }
        for (id, _) in &stalled {
            is_saving(&app, "alice", id).await;
        }
        let bob = app.as_member("bob");
        let id = bob.created(image().raw()).await;
        bob.upload(&id, bytes(3 << 20)).await.expect(204);
        assert_eq!(bob.download(&id).await.expect(200).body, bytes(3 << 20));
    }

    /// An upload whose client keeps its data back, or lets next to nothing through, is given up after
    /// `client_socket_timeout`; its image can be uploaded to again.
    async fn sec_79_a_client_that_keeps_data_back_is_given_up(database: Database) {
        let app = database.app_with(|options| options.api.client_patience = Some(Duration::from_secs(6)));
        let alice = app.as_member("alice");
        let (id, mut raw) = stalled_upload(&app, "alice").await;
        let answer = text(&mut raw);
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
        alice.upload(&id, "data").await.expect(204);
    }

    /// A download whose client does not read is given up after `client_socket_timeout`, and is no transfer any more.
    async fn sec_79_a_client_that_does_not_read_is_given_up(database: Database) {
        let app = database.app_with(|options| {
            options.api.client_patience = Some(Duration::from_secs(6));
            options.transfers.per_project = 1;
        });
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        // More than all buffers on the way take.
        let data = bytes(24 << 20);
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data.clone()).await.expect(204);
        let mut raw = app.raw();
        raw.send(&head(&format!("GET /v2/images/{id}/file"), "alice", ""));
        assert_eq!(raw.read(12), b"HTTP/1.1 200");
        eventually("the first has been given up", async || {
            let answer = alice.download(&id).await;
            if answer.status == 200 { Ok(()) } else { Err(answer.status) }
        })
        .await;
        let other = bob.created(image().raw()).await;
        bob.upload(&other, "data").await.expect(204);
        assert!(raw.read_all().len() < data.len());
    }

    /// A project has its share of uploads and downloads, and all of them together leave connections for others: 429 and
    /// 503 say when to come again, and what ends makes room.
    async fn sec_79_transfers_are_shared_between_projects(database: Database) {
        let app = database.app_with(|options| {
            options.transfers = vitrine::blob::transfers::Settings { at_once: 3, per_project: 2 };
        });
        let mut open = Vec::new();
        for project in ["alice", "alice", "bob"] {
            let (id, raw) = stalled_upload(&app, project).await;
            is_saving(&app, project, &id).await;
            open.push((id, raw));
        }
        for (project, status) in [("alice", 429), ("bob", 503), ("carol", 503)] {
            let client = app.as_member(project);
            let id = client.created(image().raw()).await;
            for request in [
                client.upload(&id, "data"),
                client.put(&format!("/v2/images/{id}/stage")).header("content-type", OCTETS).body("data"),
                client.download(&id),
            ] {
                let answer = request.await.expect_for(status, project);
                assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0, "{answer:?}");
            }
            assert_eq!(client.show(&id).await.json()["status"], "queued");
        }
        let (id, mut raw) = open.remove(0);
        raw.send(&[0; 990]);
        let alice = app.as_member("alice");
        eventually("it has ended", async || {
            let answer = alice.download(&id).await;
            if answer.status == 200 { Ok(()) } else { Err(answer.status) }
        })
        .await;
        let carol = app.as_member("carol");
        let id = carol.created(image().raw()).await;
        eventually("the last of the download is gone", async || {
            let answer = carol.upload(&id, "data").await;
            if answer.status == 204 { Ok(()) } else { Err(answer.status) }
        })
        .await;
    }

    /// One address has its share of connections too. The health check is answered to it all the same.
    async fn sec_79_an_address_has_its_share(database: Database) {
        let app = database.app_with(|options| options.api.max_connections_per_address = Some(5));
        let (alice, carol) = (app.as_member("alice"), app.as_member("carol"));
        let mut open = Vec::new();
        let refused = loop {
            let answer = alice.create(image().raw()).header("accept", "application/json").await;
            if answer.status == 429 {
                break answer;
            }
            let id = answer.expect(201).json()["id"].as_str().unwrap().to_owned();
            let mut raw = app.raw();
            let headers = format!("content-type: {OCTETS}\r\ncontent-length: 1000\r\n");
            raw.send(&head(&format!("PUT /v2/images/{id}/file"), "alice", &headers));
            open.push(raw);
        };
        assert_eq!(refused.json()["title"], "Too Many Requests");
        assert_eq!(refused.header("retry-after"), "5");
        carol.list("").await.expect(429);
        for _ in 0..3 {
            app.as_nobody().get("/healthcheck").await.expect(200);
        }
        drop(open);
        eventually("there is room again", async || {
            let answer = carol.list("").await;
            if answer.status == 200 { Ok(()) } else { Err(answer.status) }
        })
        .await;
    }

    /// Paths that nobody serves leave nothing behind in the figures, however many there are.
    async fn sec_66_unknown_paths_leave_nothing_behind(database: Database) {
        let app = database.app();
        let (alice, nobody) = (app.as_member("alice"), app.as_nobody());
        for number in 0..500 {
            alice.get(&format!("/v2/nowhere-{number}")).await.expect(404);
            nobody.get(&format!("/nowhere-{number}/x")).await.expect(300);
            alice.request(&format!("NOWHERE{number}"), "/v2/images").await.expect(405);
        }
        assert!(!vitrine::telemetry::metrics().text().to_lowercase().contains("nowhere"));
    }

    /// Two lengths, or a length and chunks: refused, and what might be a second request is not served.
    async fn sec_80_contradictory_lengths_are_refused(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        let inner = head(&format!("DELETE /v2/images/{id}"), "alice", "");
        for headers in [
            "content-length: 2\r\ncontent-length: 3\r\n".to_owned(),
            "content-length: 2\r\ntransfer-encoding: chunked\r\n".to_owned(),
            "transfer-encoding: chunked\r\ncontent-length: 2\r\n".to_owned(),
            "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".to_owned(),
            "content-length: +2\r\n".to_owned(),
            format!("content-length : {}\r\n", inner.len()),
        ] {
            let sent = [&head("POST /v2/images", "alice", &headers)[..], b"0\r\n\r\n", &inner].concat();
            assert_eq!(app.raw().send(&sent).status(), 400, "{headers}");
        }
        alice.show(&id).await.expect(200);
    }

    /// Whatever an image is called, no header of an answer follows from it; and a request id of the client's that could
    /// not be one is not taken over.
    async fn sec_80_names_never_reach_headers(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let name = "a\r\nx-evil: 1\r\n\r\n<html>";
        let created = alice.create(image().raw().with("name", name).with("p", name)).await.expect(201);
        let id = created.json()["id"].as_str().unwrap().to_owned();
        alice.upload(&id, "data").await.expect(204);
        for answer in [created, alice.show(&id).await, alice.download(&id).await, alice.list("").await] {
            assert!(!answer.headers.contains_key("x-evil"), "{answer:?}");
            let has = |value: &reqwest::header::HeaderValue| value.as_bytes().windows(4).any(|four| four == b"evil");
            assert!(!answer.headers.values().any(has), "{answer:?}");
        }
        let split = head(&format!("GET /v2/images/{id}"), "alice", "connection: close\r\nx-openstack-request-id: a\rx-evil: 1\r\n");
        assert_eq!(app.raw().send(&split).status(), 400);
        assert_eq!(alice.show(&id).await.json()["name"], json!(name));
    }
}
