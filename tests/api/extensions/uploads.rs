//! `/ext/v1/uploads`: the data of images in parts.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use openssl::hash::{MessageDigest, hash};
use serde_json::{Value, json};
use std::time::Duration;
use vitrine::server::Options;

use crate::support::*;

pub(super) const MIB: usize = 1 << 20;
/// The smallest part.
const PART: usize = 8 * MIB;
const OFFSET_MEDIA: &str = "application/offset+octet-stream";

/// Data of which no part is like another.
pub(super) fn mixed(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[5]).collect()
}

pub(super) fn opening(client: &Client, image: &str, body: Value) -> Request {
    client.post(&format!("/ext/v1/images/{image}/uploads")).json(&body)
}

/// Opens an upload of parts of the smallest size, and answers its path.
pub(super) async fn opened(client: &Client, image: &str, size: usize) -> String {
    let answer = opening(client, image, json!({"size": size, "part_size": PART})).await.expect(201);
    let id = answer.json()["upload_id"].as_str().unwrap().to_owned();
    let path = format!("/ext/v1/uploads/{id}");
    assert!(answer.header("location").ends_with(&path), "{}", answer.header("location"));
    path
}

pub(super) fn append(client: &Client, path: &str, offset: usize, data: &[u8]) -> Request {
    let request = client.request("PATCH", path).header("content-type", OFFSET_MEDIA);
    request.header("upload-offset", &offset.to_string()).body(data.to_vec())
}

pub(super) fn part(client: &Client, path: &str, number: usize, data: &[u8]) -> Request {
    client.put(&format!("{path}/parts/{number}")).header("content-type", OCTETS).body(data.to_vec())
}

pub(super) fn complete(client: &Client, path: &str) -> Request {
    client.post(&format!("{path}/complete"))
}

/// Where an upload goes on.
pub(super) async fn offset(client: &Client, path: &str) -> usize {
    let head = client.request("HEAD", path).await.expect(204);
    head.header("upload-offset").parse().unwrap()
}

pub(super) fn hex(digest: MessageDigest, data: &[u8]) -> String {
    hash(digest, data).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Options of a server that waits for a completion however long that takes.
pub(super) fn patient(options: &mut Options) {
    options.imports.completion_wait = Duration::from_secs(60);
}

/// Completes an upload, and requires that the image has this data then.
async fn completes(client: &Client, path: &str, image: &str, data: &[u8]) -> Value {
    complete(client, path).await.expect(204);
    let shown = client.show(image).await.expect(200).json();
    assert_eq!(shown["status"], "active");
    assert_eq!(shown["os_hash_value"], hex(MessageDigest::sha512(), data));
    assert!(client.download(image).await.expect(200).body == data, "other data");
    client.get(path).await.expect(404);
    shown
}

/// Requires that nothing is left in the staging folder, and no row of it.
pub(super) async fn nothing_is_left(app: &TestApp) {
    let inner = app.app();
    eventually("nothing is left", async || {
        vitrine::jobs::reap::sweep(&inner).await.unwrap();
        let staging = inner.blobs.staging.id().to_owned();
        let rows =
            inner.db.read("test", move |conn| vitrine::db::blobs::names_in_store(conn, &staging)).await;
        let files = std::fs::read_dir(inner.blobs.staging.folder()).unwrap();
        let names =
            files.map(|file| file.unwrap().file_name()).filter(|name| name != ".parts" && name != ".place");
        let left = (rows.unwrap(), names.collect::<Vec<_>>());
        if left.0.is_empty() && left.1.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

on_each_database! {
    /// Bytes that come in order, across the ends of parts, become what `PUT /file` makes of them.
    async fn an_upload_in_order_becomes_what_a_plain_one_is(database: Database) {
        let app = database.app_with(patient);
        let alice = app.as_member("alice");
        let data = mixed(2 * PART + 1000);
        let (plain, image) = (alice.created(image().raw().named("x")).await, alice.created(image().raw().named("x")).await);
        alice.upload(&plain, data.clone()).await.expect(204);
        let path = opened(&alice, &image, data.len()).await;
        assert_eq!(alice.show(&image).await.json()["status"], "saving");
        let first = 5 * MIB;
        let answer = append(&alice, &path, 0, &data[..first]).await.expect(204);
        assert_eq!(answer.header("upload-offset"), first.to_string());
        for wrong in [0, first - 1, first + 1] {
            let answer = append(&alice, &path, wrong, &data[wrong..]).await.expect_for(409, wrong);
            assert_eq!(answer.header("upload-offset"), first.to_string());
            let error = answer.json()["error"].clone();
            assert_eq!((&error["reason"], &error["details"]), (&json!("wrong-offset"), &json!({"offset": first})));
        }
        assert_eq!(offset(&alice, &path).await, first);
        let early = complete(&alice, &path).await.expect(409).json()["error"].clone();
        assert_eq!((&early["reason"], &early["details"]["missing"]), (&json!("incomplete"), &json!([0, 1, 2])));
        append(&alice, &path, first, &data[first..]).await.expect(204);
        let shown = alice.get(&path).await.expect(200).json();
        for (name, value) in [
            ("image_id", json!(image)), ("size", json!(data.len())), ("part_size", json!(PART)), ("parts", json!(3)),
            ("offset", json!(data.len())), ("received", json!(data.len())), ("missing", json!([])), ("state", json!("open")),
        ] {
            assert_eq!(shown[name], value, "{name}");
        }
        append(&alice, &path, data.len(), b"").await.expect(204);
        append(&alice, &path, data.len(), b"x").await.expect(400);
        let mut made = completes(&alice, &path, &image, &data).await;
        let mut other = alice.show(&plain).await.json();
        assert_eq!(keys(&made), keys(&other));
        for name in ["id", "self", "file", "created_at", "updated_at"] {
            made[name] = json!(null);
            other[name] = json!(null);
        }
        assert_eq!(made, other);
        nothing_is_left(&app).await;
    }

    /// Whole parts come in any order, are checked against their hashes, and replace what there is of them.
    async fn parts_come_in_any_order(database: Database) {
        let app = database.app_with(patient);
        let alice = app.as_member("alice");
        let (data, image) = (mixed(2 * PART + 7), alice.created(image().raw()).await);
        let path = opened(&alice, &image, data.len()).await;
        let slices = [&data[..PART], &data[PART..2 * PART], &data[2 * PART..]];
        let sha256 = hex(MessageDigest::sha256(), slices[2]);
        let answer = part(&alice, &path, 2, slices[2]).header("x-content-sha256", &sha256.to_uppercase()).await.expect(204);
        assert_eq!(answer.header("upload-offset"), "0");
        part(&alice, &path, 0, slices[1]).await.expect(204);
        assert_eq!(alice.get(&path).await.expect(200).json()["missing"], json!([1]));
        let md5 = BASE64.encode(hash(MessageDigest::md5(), slices[1]).unwrap());
        let refused = part(&alice, &path, 0, slices[0]).header("content-md5", &md5).await.expect(400).json();
        assert_eq!(refused["error"]["reason"], "hash-mismatch");
        assert_eq!(offset(&alice, &path).await, PART);
        part(&alice, &path, 0, slices[0]).await.expect(204);
        part(&alice, &path, 1, slices[1]).header("content-md5", &md5).header("x-content-sha256", &hex(MessageDigest::sha256(), slices[1])).await.expect(204);
        assert_eq!(offset(&alice, &path).await, data.len());
        for (number, body, status) in [(3, slices[0], 404), (2, slices[0], 400), (0, slices[2], 400)] {
            part(&alice, &path, number, body).await.expect_for(status, number);
        }
        completes(&alice, &path, &image, &data).await;
        nothing_is_left(&app).await;
    }

    /// A client that breaks off has what came, also in the middle of a part, and after a restart of the server.
    async fn what_came_before_a_cut_counts(database: Database) {
        let mut app = database.app_with(patient);
        let (data, image) = (mixed(PART + 3 * MIB), app.as_member("alice").created(image().raw()).await);
        let path = opened(&app.as_member("alice"), &image, data.len()).await;
        let token = Persona::with_roles("alice", MEMBER).token();
        let sent = PART + MIB;
        let head = format!(
            "PATCH {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nContent-Type: {OFFSET_MEDIA}\r\n\
             Upload-Offset: 0\r\nContent-Length: {}\r\n\r\n",
            data.len()
        );
        app.raw().send(head.as_bytes()).send(&data[..sent]).finish();
        let alice = app.as_member("alice");
        // What the server had not read yet is lost, and cannot be more than its buffers.
        let there = eventually("the bytes count", async || {
            let there = offset(&alice, &path).await;
            if there > PART { Ok(there) } else { Err(there) }
        })
        .await;
        assert!(there <= sent, "{there}");
        drop(alice);
        app.restart(|_| {});
        let alice = app.as_member("alice");
        assert_eq!(alice.show(&image).await.json()["status"], "saving");
        assert_eq!(offset(&alice, &path).await, there);
        append(&alice, &path, there, &data[there..]).await.expect(204);
        completes(&alice, &path, &image, &data).await;
        nothing_is_left(&app).await;
    }

    /// An image has one open upload and no other data meanwhile; the upload ends with the image or without.
    async fn an_open_upload_holds_its_image(database: Database) {
        let app = database.app_with(patient);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let path = opened(&alice, &id, 3 * MIB).await;
        append(&alice, &path, 0, &bytes(MIB)).await.expect(204);
        opening(&alice, &id, json!({"size": 5})).await.expect(409);
        alice.upload(&id, bytes(5)).await.expect(409);
        alice.put(&format!("/v2/images/{id}/stage")).header("content-type", OCTETS).body(bytes(5)).await.expect(409);
        alice.delete(&path).await.expect(204);
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
        alice.delete(&path).await.expect(404);
        append(&alice, &path, MIB, &bytes(5)).await.expect(404);
        let path = opened(&alice, &id, 3 * MIB).await;
        append(&alice, &path, 0, &bytes(MIB)).await.expect(204);
        alice.remove(&id).await.expect(204);
        alice.get(&path).await.expect(404);
        nothing_is_left(&app).await;
    }

    /// An upload of which nothing comes for too long is given up; each byte gives it its whole time again.
    async fn an_upload_ends_with_its_time(database: Database) {
        let app = database.app_with(patient);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let path = opened(&alice, &id, 3 * MIB).await;
        app.later(20 * 3600);
        append(&alice, &path, 0, &bytes(MIB)).await.expect(204);
        app.later(20 * 3600);
        vitrine::jobs::reap::sweep(&app.app()).await.unwrap();
        assert_eq!(offset(&alice, &path).await, MIB);
        app.later(5 * 3600);
        let shown = alice.becomes(&id, "queued").await;
        assert_eq!(shown["size"], json!(null));
        alice.get(&path).await.expect(404);
        nothing_is_left(&app).await;
    }

    /// Room for the whole of an upload is kept from its beginning on, once; and a project has only so many.
    async fn an_upload_keeps_its_room(database: Database) {
        let app = database.app_with(|options| {
            options.image.user_storage_quota = Some(10 * 1024 * 1024);
            options.imports.uploads_max = 1;
            patient(options);
        });
        let alice = app.as_member("alice");
        let (first, second) = (alice.created(image().raw()).await, alice.created(image().raw()).await);
        opening(&alice, &first, json!({"size": 10 * MIB + 1})).await.expect(413);
        let data = mixed(9 * MIB);
        let path = opened(&alice, &first, data.len()).await;
        append(&alice, &path, 0, &data[..MIB]).await.expect(204);
        alice.upload(&second, bytes(2 * MIB)).await.expect(413);
        let refused = opening(&alice, &second, json!({"size": MIB})).await.expect(413).json();
        assert_eq!(refused["error"]["reason"], "too-many-uploads");
        assert_eq!(alice.show(&second).await.json()["status"], "queued");
        append(&alice, &path, MIB, &data[MIB..]).await.expect(204);
        completes(&alice, &path, &first, &data).await;
        nothing_is_left(&app).await;
        alice.upload(&second, bytes(2 * MIB)).await.expect(413);
        let path = opened(&alice, &second, MIB).await;
        alice.delete(&path).await.expect(204);
        alice.upload(&second, bytes(MIB)).await.expect(204);
        nothing_is_left(&app).await;
    }

    /// Limits of the identity service count an upload in parts as any other.
    async fn limits_of_the_identity_service_count_it(database: Database) {
        let app = database.app_with(|options| [limited, patient].iter().for_each(|set| set(options)));
        app.no_limits().await;
        app.limit(None, "image_count_uploading", 1).await;
        app.limit(None, "image_size_total", 2).await;
        let alice = app.as_member("alice");
        let (first, second) = (alice.created(image().raw()).await, alice.created(image().raw()).await);
        opening(&alice, &first, json!({"size": 3 * MIB})).await.expect(413);
        let path = opened(&alice, &first, 2 * MIB).await;
        alice.upload(&second, bytes(10)).await.expect(413);
        append(&alice, &path, 0, &bytes(2 * MIB)).await.expect(204);
        completes(&alice, &path, &first, &bytes(2 * MIB)).await;
        nothing_is_left(&app).await;
    }

    /// Data that an upload would be refused for is refused when it is complete, and the image is queued again.
    async fn data_is_judged_as_that_of_an_upload(database: Database) {
        let app = database.app_with(patient);
        let alice = app.as_member("alice");
        let data = bytes(MIB);
        let sha256 = hex(MessageDigest::sha256(), &data);
        let wrong = sha256.replace(['0', '1', '2', '3'], "4");
        for (new, body, status) in [
            (image().qcow2(), json!({"size": MIB}), 415),
            (image().raw(), json!({"size": MIB, "hash": {"sha256": wrong}}), 400),
            (image().raw().with("expected_hash", format!("sha256:{wrong}")), json!({"size": MIB}), 400),
        ] {
            let id = alice.created(new).await;
            let opened = opening(&alice, &id, body.clone()).await.expect_for(201, &body).json();
            let path = format!("/ext/v1/uploads/{}", opened["upload_id"].as_str().unwrap());
            append(&alice, &path, 0, &data).await.expect(204);
            complete(&alice, &path).await.expect_for(status, &body);
            let shown = alice.show(&id).await.json();
            assert_eq!((&shown["status"], &shown["os_glance_failed_import"]), (&json!("queued"), &json!(null)));
            alice.get(&path).await.expect(404);
        }
        let id = alice.created(image().raw().with("expected_hash", format!("sha256:{wrong}"))).await;
        opening(&alice, &id, json!({"size": MIB, "hash": {"sha256": sha256}})).await.expect(400);
        let id = alice.created(image().raw()).await;
        let opened = opening(&alice, &id, json!({"size": MIB, "hash": {"sha256": sha256}})).await.expect(201).json();
        let path = format!("/ext/v1/uploads/{}", opened["upload_id"].as_str().unwrap());
        append(&alice, &path, 0, &data).await.expect(204);
        let shown = completes(&alice, &path, &id, &data).await;
        assert_eq!(shown["expected_hash"], json!(null));
        nothing_is_left(&app).await;
    }

    /// An upload may bring the data that an import uses.
    async fn an_upload_may_be_staged(database: Database) {
        let app = database.app_with(patient);
        let alice = app.as_member("alice");
        let (data, id) = (bytes(MIB), alice.created(image().raw()).await);
        let opened = opening(&alice, &id, json!({"size": MIB, "stage": true})).await.expect(201).json();
        let path = format!("/ext/v1/uploads/{}", opened["upload_id"].as_str().unwrap());
        assert_eq!(alice.show(&id).await.json()["status"], "uploading");
        append(&alice, &path, 0, &data).await.expect(204);
        let import = || {
            alice.post(&format!("/v2/images/{id}/import")).json(&json!({"method": {"name": "glance-direct"}}))
        };
        import().await.expect(409);
        complete(&alice, &path).await.expect(204);
        let staged = alice.show(&id).await.json();
        assert_eq!((&staged["status"], &staged["size"]), (&json!("uploading"), &json!(MIB)));
        alice.get(&path).await.expect(404);
        import().await.expect(202);
        alice.becomes(&id, "active").await;
        assert!(alice.download(&id).await.expect(200).body == data, "other data");
        nothing_is_left(&app).await;
    }

    /// Who may, and what is no upload.
    async fn others_may_not_and_nonsense_is_refused(database: Database) {
        let app = database.app_with(patient);
        let (alice, reader, bob) = (app.as_member("alice"), app.as_reader("alice"), app.as_member("bob"));
        let id = alice.created(image().raw()).await;
        for body in [
            json!([]), json!({}), json!({"size": 0}), json!({"size": -1}), json!({"size": "5"}), json!({"size": 5, "colour": "red"}),
            json!({"size": 5, "part_size": PART - 1}), json!({"size": 5, "part_size": (512 * MIB) + 1}),
            json!({"size": 5, "stage": 1}), json!({"size": 5, "hash": "x"}), json!({"size": 5, "hash": {"sha256": "x"}}),
            json!({"size": 5, "hash": {"crc32": "00000000"}}), json!({"size": 100_000_000_000_u64, "part_size": PART}),
        ] {
            opening(&alice, &id, body.clone()).await.expect_for(400, body);
        }
        opening(&alice, &id, json!({"size": u64::MAX >> 1, "part_size": 512 * MIB})).await.expect(400);
        opening(&alice, &id, json!({"size": 2_u64 << 40})).await.expect(413);
        opening(&reader, &id, json!({"size": 5})).await.expect(403);
        opening(&bob, &id, json!({"size": 5})).await.expect(404);
        let path = opened(&alice, &id, 5).await;
        let list = format!("/ext/v1/images/{id}/uploads");
        assert_eq!(alice.get(&list).await.expect(200).json(), json!({"uploads": [alice.get(&path).await.json()]}));
        for (client, status) in [(&reader, 403), (&bob, 404), (&app.as_nobody(), 401)] {
            client.get(&list).await.expect(status);
            client.get(&path).await.expect(status);
            append(client, &path, 0, b"hello").await.expect(status);
            part(client, &path, 0, b"hello").await.expect(status);
            complete(client, &path).await.expect(status);
            client.delete(&path).await.expect(status);
        }
        alice.request("PATCH", &path).header("content-type", OCTETS).header("upload-offset", "0").body("x").await.expect(415);
        alice.request("PATCH", &path).header("content-type", OFFSET_MEDIA).body("x").await.expect(400);
        append(&alice, &path, 0, b"hello!").await.expect(400);
        part(&alice, &path, 0, b"hello").header("content-md5", "x").await.expect(400);
        part(&alice, &path, 0, b"hello").header("x-content-sha256", "x").await.expect(400);
        assert_eq!(offset(&alice, &path).await, 0);
        alice.get("/ext/v1/uploads/none").await.expect(404);
        alice.delete(&path).await.expect(204);
        assert_eq!(alice.get(&list).await.expect(200).json(), json!({"uploads": []}));
        nothing_is_left(&app).await;
    }

    /// A completion that takes long is a job. One that is stopped leaves the upload as it was, and nothing that has
    /// arrived is lost.
    async fn a_long_completion_is_a_job(database: Database) {
        let far = Far::new("far");
        let app = with_far(database, &far, |options| options.imports.completion_wait = Duration::ZERO);
        let alice = app.as_member("alice");
        let (data, id) = (bytes(MIB), alice.created(image().raw()).await);
        let opened = opening(&alice, &id, json!({"size": MIB})).header("x-image-meta-store", "far").await.expect(201).json();
        let path = format!("/ext/v1/uploads/{}", opened["upload_id"].as_str().unwrap());
        append(&alice, &path, 0, &data).await.expect(204);
        far.leave();
        let answer = complete(&alice, &path).await.expect(202);
        let job = answer.json()["job"].clone();
        assert!(answer.header("location").ends_with(&format!("/ext/v1/jobs/{}", job["id"].as_str().unwrap())));
        let shown = alice.get(&path).await.expect(200).json();
        assert_eq!((&shown["state"], &shown["job_id"]), (&json!("completing"), &job["id"]));
        assert_eq!(complete(&alice, &path).await.expect(202).json()["job"]["id"], job["id"]);
        for refused in [append(&alice, &path, MIB, b"x"), part(&alice, &path, 0, &data), alice.delete(&path)] {
            assert_eq!(refused.await.expect(409).json()["error"]["reason"], "completing");
        }
        alice.post(&format!("/ext/v1/jobs/{}/cancel", job["id"].as_str().unwrap())).await.expect(202);
        eventually("open again", async || {
            let shown = alice.get(&path).await.expect(200).json();
            if shown["state"] == "open" { Ok(()) } else { Err(shown) }
        })
        .await;
        assert_eq!(alice.show(&id).await.json()["status"], "saving");
        far.come_back();
        complete(&alice, &path).await.expect(202);
        alice.becomes(&id, "active").await;
        assert!(alice.download(&id).await.expect(200).body == data, "other data");
        nothing_is_left(&app).await;
    }
}
