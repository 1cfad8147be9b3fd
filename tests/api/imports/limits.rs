//! How large the images of a project may be, by each way that data comes.

use vitrine::import::settings::Plugin;

use super::{plugins::*, source::*, *};
use crate::images::data::chunked;

const CAP: usize = 100_000;

/// Alice may have less than all others, Bob more.
async fn limited(app: &TestApp) {
    for (project, cap) in [("alice", CAP), ("bob", 3 * CAP)] {
        let path = format!("/ext/v1/projects/{project}/limits");
        app.as_admin().put(&path).json(&json!({"image_size_cap": cap})).await.expect(204);
    }
}

fn with_cap(database: Database, plugins: &'static [Plugin]) -> TestApp {
    database.app_with(|options| {
        reach_loopback(options);
        options.image.image_size_cap = 2 * CAP as u64;
        options.imports.plugins = plugins.to_vec();
        options.image.show_multiple_locations = true;
    })
}

on_each_database! {
    /// Data that a client sends is as large as the image's project may have it, to the byte, declared or not, whoever sends
    /// it: uploaded or staged.
    async fn data_is_as_large_as_the_project_may_have_it(database: Database) {
        let app = with_cap(database, &[]);
        limited(&app).await;
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = alice.created(image().raw()).await;
        for client in [&alice, &admin] {
            client.upload(&id, bytes(CAP + 1)).await.expect(413);
            client.upload(&id, chunked(bytes(CAP + 1))).await.expect(413);
            stage(client, &id, bytes(CAP + 1)).await.expect(413);
        }
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
        alice.upload(&id, bytes(CAP)).await.expect(204);
        for (project, size) in [("bob", 3 * CAP), ("carol", 2 * CAP)] {
            let client = app.as_member(project);
            let (id, other) = (client.created(image().raw()).await, client.created(image().raw()).await);
            client.upload(&id, bytes(size + 1)).await.expect(413);
            client.upload(&id, bytes(size)).await.expect(204);
            stage(&client, &other, bytes(size + 1)).await.expect(413);
            stage(&client, &other, bytes(size)).await.expect(204);
            client.remove(&other).await.expect(204);
        }
        nothing_is_staged(&app).await;
    }

    /// What is fetched, unpacked or pointed at is no larger either.
    async fn data_from_elsewhere_is_as_large_as_the_project_may_have_it(database: Database) {
        let app = with_cap(database, &[Plugin::Decompression]);
        limited(&app).await;
        let source = Source::start(|path| match path {
            "/endless" => Reply::Endless(bytes(65536)),
            "/over" => Reply::Data(bytes(CAP + 1)),
            "/blank" => Reply::Data(piped(&vec![0; CAP + 1], "gzip", &["-c"])),
            _ => Reply::Data(bytes(CAP)),
        });
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let too_large = format!("at most {CAP} bytes");
        for (path, why) in [("/over", &*too_large), ("/endless", &too_large), ("/blank", "more than 100000 bytes")] {
            let id = alice.created(image().raw()).await;
            download(&alice, &id, &source.url(path)).await.expect(202);
            failed(&app, &alice, &id, "queued", why).await;
        }
        for (client, path, size) in [(&alice, "/fits", CAP), (&bob, "/over", CAP + 1)] {
            let id = client.created(image().raw()).await;
            download(client, &id, &source.url(path)).await.expect(202);
            holds(client, &id, &bytes(size)).await;
        }
        let id = bob.created(image().raw()).await;
        download(&bob, &id, &source.url("/blank")).await.expect(202);
        holds(&bob, &id, &vec![0; CAP + 1]).await;
    }

    /// A location leads to no larger data either, by its own call or by a patch, and an image has as many as its project may.
    async fn locations_are_as_the_project_may_have_them(database: Database) {
        let app = with_cap(database, &[]);
        limited(&app).await;
        let source = Source::start(|path| if path == "/over" { Reply::Data(bytes(CAP + 1)) } else { Reply::Data(bytes(CAP)) });
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let add = |path: &str| {
            json!([{"op": "add", "path": "/locations/-", "value": {"url": source.url(path), "metadata": {}}}])
        };
        let id = alice.created(image().raw()).await;
        alice.update(&id, add("/over")).await.expect(413);
        alice.post(&format!("/v2/images/{id}/locations")).json(&json!({"url": source.url("/over")})).await.expect(202);
        failed(&app, &alice, &id, "queued", "exceeds the maximum of 100000 bytes").await;
        let id = bob.created(image().raw()).await;
        bob.update(&id, add("/over")).await.expect(200);
        let path = "/ext/v1/projects/alice/limits";
        app.as_admin().put(path).json(&json!({"max_locations": 1})).await.expect(204);
        let id = alice.created(image().raw()).await;
        alice.update(&id, add("/a")).await.expect(200);
        alice.update(&id, add("/b")).await.expect(413);
        app.as_admin().put(path).json(&json!({"max_locations": 2})).await.expect(204);
        alice.update(&id, add("/b")).await.expect(200);
    }

    /// A disk is as large as its project may have it: as its header says when it is uploaded or fetched, and before it is
    /// converted.
    async fn disks_are_as_large_as_the_project_may_have_them(database: Database) {
        let mut app = with_cap(database, &[]);
        let size = 8_u64 << 20;
        let path = "/ext/v1/projects/alice/limits";
        app.as_admin().put(path).json(&json!({"max_virtual_size": size - 1})).await.expect(204);
        let data = qcow2(size, None);
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let id = alice.created(image().qcow2()).await;
        let said = alice.upload(&id, data.clone()).await.expect(415).text();
        assert!(said.contains("a disk may have 8388607 at most"), "{said}");
        let source = Source::of(data.clone());
        download(&alice, &id, &source.url("/")).await.expect(202);
        failed(&app, &alice, &id, "queued", "a disk may have 8388607 at most").await;
        for client in [&bob, &alice] {
            let id = client.created(image().qcow2()).await;
            client.upload(&id, data.clone()).await.expect(204);
            app.as_admin().put(path).json(&json!({"max_virtual_size": size})).await.expect(204);
        }
        app.reconfigure(|options| options.imports.plugins = vec![Plugin::Conversion]);
        let alice = app.as_member("alice");
        app.as_admin().put(path).json(&json!({"image_size_cap": size - 1})).await.expect(204);
        let id = alice.created(image().qcow2()).await;
        download(&alice, &id, &source.url("/")).await.expect(202);
        failed(&app, &alice, &id, "queued", "larger than the 8388607 bytes allowed").await;
    }
}
