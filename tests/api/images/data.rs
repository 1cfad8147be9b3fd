//! `PUT` and `GET /v2/images/{id}/file`: what is said about the bytes, who may move them, and what is refused.

use openssl::hash::{MessageDigest, hash};
use serde_json::{Value, json};
use vitrine::model::{image::Image, status::Status, visibility::Visibility};

use crate::support::*;

fn hex(digest: MessageDigest, data: &[u8]) -> String {
    hash(digest, data).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends `data` without saying how much it is.
pub fn chunked(data: Vec<u8>) -> reqwest::Body {
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        data.chunks(10_000).map(|piece| Ok(piece.to_vec())).collect();
    reqwest::Body::wrap_stream(futures::stream::iter(pieces))
}

/// Requires that the image waits for data as on its first day, and takes it.
async fn takes_data_again(app: &TestApp, client: &Client, id: &str, data: Vec<u8>) {
    let shown = client.show(id).await.expect(200).json();
    for name in ["size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"] {
        assert_eq!(shown[name], Value::Null, "{name}");
    }
    assert_eq!(shown["status"], "queued");
    client.download(id).await.expect(204);
    app.settles().await;
    client.upload(id, data.clone()).await.expect(204);
    assert_eq!(client.download(id).await.expect(200).body, data);
}

on_each_database! {
    /// The image says of its bytes what they are; the download says it again in its headers.
    async fn bytes_come_back_with_their_digests(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for size in [0, 1, 262_144, 3_000_001] {
            let data = bytes(size);
            for in_chunks in [false, true] {
                let id = alice.created(image().raw()).await;
                let body = if in_chunks { chunked(data.clone()) } else { data.clone().into() };
                assert!(alice.upload(&id, body).await.expect(204).body.is_empty());
                let shown = alice.show(&id).await.json();
                let virtual_size = if size == 0 { Value::Null } else { json!(size) };
                for (name, value) in [
                    ("status", json!("active")),
                    ("size", json!(size)),
                    ("virtual_size", virtual_size),
                    ("checksum", json!(hex(MessageDigest::md5(), &data))),
                    ("os_hash_algo", json!("sha512")),
                    ("os_hash_value", json!(hex(MessageDigest::sha512(), &data))),
                ] {
                    assert_eq!(shown[name], value, "{size} {name}");
                }
                let answer = alice.download(&id).await.expect(200);
                assert_eq!(answer.header("content-type"), "application/octet-stream");
                assert_eq!(answer.header("content-length"), size.to_string());
                assert_eq!(answer.header("content-md5"), hex(MessageDigest::md5(), &data));
                assert_eq!(answer.body, data);
            }
        }
        app.settles().await;
    }

    /// The virtual size is what the format says, where Glance looks into it at all.
    async fn virtual_sizes(database: Database) {
        let app = database.app_with(|options| options.image.hashing_algorithm = "sha256".to_owned());
        let alice = app.as_member("alice");
        let qcow = qcow2(5 << 30, None);
        for (disk, container, data, expected) in [
            ("raw", "bare", bytes(1000), json!(1000)),
            ("raw", "ovf", bytes(1000), Value::Null),
            ("ami", "bare", bytes(1000), Value::Null),
            ("qcow2", "bare", qcow.clone(), json!(5_u64 << 30)),
            ("qcow2", "docker", qcow.clone(), Value::Null),
            ("raw", "bare", qcow.clone(), json!(65536)),
            ("vmdk", "ova", bytes(10), Value::Null),
        ] {
            let new = image().with("disk_format", disk).with("container_format", container);
            let id = alice.created(new).await;
            alice.upload(&id, data.clone()).await.expect_for(204, (disk, container));
            let shown = alice.show(&id).await.json();
            assert_eq!(shown["virtual_size"], expected, "{disk} {container}");
            assert_eq!(shown["os_hash_algo"], "sha256");
            assert_eq!(shown["os_hash_value"], hex(MessageDigest::sha256(), &data));
        }
    }

    /// Proves that without `legacy_checksum` an image has its secure hash alone, in its record and in the head of its
    /// download, and an MD5 all the same where its owner expects one, which is held against the data.
    async fn md5_is_left_out_where_nobody_wants_it(database: Database) {
        let app = database.app_with(|options| options.image.legacy_checksum = false);
        let alice = app.as_member("alice");
        let data = bytes(300_000);
        let (md5, sha512) = (hex(MessageDigest::md5(), &data), hex(MessageDigest::sha512(), &data));
        let expecting = image().raw().with("expected_hash", format!("md5:{md5}"));
        for (new, checksum) in [(image().raw(), Value::Null), (expecting, json!(md5))] {
            let id = alice.created(new).await;
            alice.upload(&id, data.clone()).await.expect(204);
            let shown = alice.show(&id).await.json();
            assert_eq!(shown["checksum"], checksum);
            assert_eq!(shown["os_hash_value"], sha512);
            let answer = alice.download(&id).await.expect(200);
            assert_eq!(answer.header("content-md5"), checksum.as_str().unwrap_or_default());
            assert_eq!(answer.body, data);
        }
        let other = hex(MessageDigest::md5(), b"other");
        let id = alice.created(image().raw().with("expected_hash", format!("md5:{other}"))).await;
        alice.upload(&id, data).await.expect(400);
    }

    /// Data that is unsafe or not what its image claims is refused whole; the image takes the right data after.
    async fn formats_are_checked(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let backed = qcow2(1 << 30, Some("/etc/passwd"));
        let good = qcow2(1 << 30, None);
        let mut gpt = bytes(4096);
        gpt[510..512].copy_from_slice(&[0x55, 0xaa]);
        for (disk, bad, then) in [
            ("qcow2", backed.clone(), good.clone()),
            ("raw", backed, bytes(10)),
            ("qcow2", bytes(100_000), good.clone()),
            ("qcow2", good[..100].to_vec(), good.clone()),
            ("vmdk", good.clone(), Vec::new()),
            ("iso", gpt, Vec::new()),
            ("qcow2", Vec::new(), good),
        ] {
            let id = alice.created(image().with("disk_format", disk).with("container_format", "bare")).await;
            alice.upload(&id, bad.clone()).await.expect_for(415, (disk, bad.len()));
            alice.upload(&id, chunked(bad)).await.expect(415);
            if !then.is_empty() {
                takes_data_again(&app, &alice, &id, then).await;
            }
        }
    }

    /// Only octets, whatever else is wrong; parameters of the media type do not matter.
    async fn media_types(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        for path in [format!("/v2/images/{id}/file"), format!("/v2/images/{}/file", fresh_id())] {
            alice.put(&path).body("data").await.expect(415);
            for media in ["application/json", "text/plain", "application/octet", "octet-stream", ""] {
                alice.put(&path).header("content-type", media).body("data").await.expect_for(415, media);
            }
        }
        let media = "Application/Octet-Stream; charset=x";
        let path = format!("/v2/images/{id}/file?ignored=yes");
        alice.put(&path).header("content-type", media).body("data").await.expect(204);
    }

    /// A declared size binds in both directions; a wrong one leaves the image as it was.
    async fn declared_sizes_bind(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let upload = |size: &str, body: reqwest::Body| {
            alice.upload(&id, body).header("x-openstack-image-size", size)
        };
        for size in ["", "x", "-1", "1.5", "0x10", "99999999999999999999999"] {
            upload(size, "data".into()).await.expect_for(400, size);
        }
        for size in ["1", "99", "100000000", "99999", "100001"] {
            upload(size, bytes(100_000).into()).await.expect_for(400, size);
            upload(size, chunked(bytes(100_000))).await.expect_for(400, size);
        }
        takes_data_again(&app, &alice, &id, bytes(100_000)).await;
        for size in ["0", "50000"] {
            let id = alice.created(image().raw()).await;
            let upload = alice.upload(&id, chunked(bytes(50_000)));
            upload.header("x-openstack-image-size", size).await.expect_for(204, size);
            assert_eq!(alice.show(&id).await.json()["size"], 50_000);
        }
    }

    /// Only a queued image that names its formats takes data.
    async fn what_the_status_allows(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for status in Status::ALL {
            if matches!(status, Status::Queued | Status::PendingDelete | Status::Deleted) {
                continue;
            }
            let image = Image { status, ..record("alice", 1) };
            app.insert(std::slice::from_ref(&image)).await;
            alice.upload(&image.id, "data").await.expect_for(409, status);
            assert_eq!(alice.show(&image.id).await.json()["status"], status.as_str());
        }
        for new in [image(), image().with("disk_format", "raw"), image().with("container_format", "bare")] {
            let id = alice.created(new).await;
            alice.upload(&id, "data").await.expect(400);
            assert_eq!(alice.show(&id).await.json()["status"], "queued");
            alice.download(&id).await.expect(204);
        }
        alice.upload(&fresh_id(), "data").await.expect(404);
        let id = alice.created(image().raw()).await;
        alice.remove(&id).await.expect(204);
        alice.upload(&id, "data").await.expect(404);
        alice.get(&format!("/v2/images/{id}/file")).body("x").await.expect(400);
    }

    /// Who may upload, by Glance's default policy.
    async fn the_policy_decides(database: Database) {
        let app = database.app();
        let private = Image { status: Status::Queued, ..record("alice", 1) };
        let public = Image { visibility: Visibility::Public, ..private.clone() };
        let public = Image { id: fresh_id(), ..public };
        app.insert(&[private.clone(), public.clone()]).await;
        for (caller, expected) in [
            (app.as_reader("alice"), [403, 403]),
            (app.as_member("bob"), [404, 403]),
            (app.as_service(), [404, 404]),
            (app.as_nobody(), [401, 401]),
            (app.as_member("alice"), [204, 204]),
        ] {
            caller.upload(&private.id, "data").await.expect(expected[0]);
            caller.upload(&public.id, "data").await.expect(expected[1]);
        }
        let id = app.as_admin().created(image().raw().with("owner", "bob")).await;
        app.as_admin().upload(&id, "data").await.expect(204);
    }

    /// Up to the cap and no byte more, declared or not.
    async fn the_size_cap_holds(database: Database) {
        let app = database.app_with(|options| options.image.image_size_cap = 100_000);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, bytes(100_001)).await.expect(413);
        alice.upload(&id, chunked(bytes(100_001))).await.expect(413);
        alice.upload(&id, chunked(bytes(2_000_000))).await.expect(413);
        takes_data_again(&app, &alice, &id, bytes(100_000)).await;
    }

    /// A project keeps no more than its quota; deleting makes room.
    async fn the_storage_quota_holds(database: Database) {
        let app = database.app_with(|options| options.image.user_storage_quota = Some(100_000));
        let alice = app.as_member("alice");
        let first = alice.created(image().raw()).await;
        alice.upload(&first, bytes(60_000)).await.expect(204);
        let second = alice.created(image().raw()).await;
        alice.upload(&second, bytes(40_001)).await.expect(413);
        alice.upload(&second, chunked(bytes(40_001))).await.expect(413);
        app.as_member("bob").created(image().raw()).await;
        takes_data_again(&app, &alice, &second, bytes(40_000)).await;
        let third = alice.created(image().raw()).await;
        alice.upload(&third, "x").await.expect(413);
        alice.upload(&third, chunked(bytes(1))).await.expect(413);
        alice.remove(&first).await.expect(204);
        alice.upload(&third, bytes(60_000)).await.expect(204);
    }

    /// Every form of `Range` and of the request header `Content-Range`.
    async fn ranges(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let data = bytes(1000);
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data.clone()).await.expect(204);
        let part = |first: usize, last: usize| Ok((first, last));
        for (header, value, expected) in [
            ("range", "bytes=0-0", part(0, 0)),
            ("range", "bytes=0-999", part(0, 999)),
            ("range", "bytes=10-19", part(10, 19)),
            ("range", "BYTES = 10 - 19", part(10, 19)),
            ("range", "bytes=10-19 and junk", part(10, 19)),
            ("range", "bytes=990-5000", part(990, 999)),
            ("range", "bytes=990-", part(990, 999)),
            ("range", "bytes=-1", part(999, 999)),
            ("range", "bytes=-1000", part(0, 999)),
            ("range", "bytes=-5000", part(0, 999)),
            ("range", "bytes=-0", part(0, 999)),
            ("range", "bytes=0-1,5-6", Err(400)),
            ("range", "bytes=1000-", Err(416)),
            ("range", "bytes=1000-1001", Err(416)),
            ("range", "bytes=5-4", Err(416)),
            ("range", "bytes=-", Err(416)),
            ("range", "bytes=", Err(416)),
            ("range", "bytes", Err(416)),
            ("range", "pages=0-1", Err(416)),
            ("range", "bytes=a-b", Err(416)),
            ("range", "bytes=99999999999999999999999-", Err(416)),
            ("content-range", "bytes 0-4/*", part(0, 4)),
            ("content-range", "bytes 0-4/1000", part(0, 4)),
            ("content-range", "bytes 0-4/20", part(0, 4)),
            ("content-range", "bytes 0-999/*", part(0, 999)),
            ("content-range", "bytes 0-1000/*", Err(416)),
            ("content-range", "bytes 0-1000/2000", Err(416)),
            ("content-range", "bytes 1000-1001/2000", Err(416)),
            ("content-range", "bytes */1000", Err(416)),
            ("content-range", "bytes */*", Err(416)),
            ("content-range", "bytes=0-4", Err(416)),
            ("content-range", "bytes 0-4", Err(416)),
        ] {
            let answer = alice.download(&id).header(header, value).await;
            match expected {
                Ok((first, last)) => {
                    let answer = answer.expect_for(206, (header, value));
                    assert_eq!(answer.header("content-range"), format!("bytes {first}-{last}/1000"), "{value}");
                    assert_eq!(answer.header("content-length"), (last - first + 1).to_string());
                    assert_eq!(answer.header("content-md5"), hex(MessageDigest::md5(), &data));
                    assert_eq!(answer.body, data[first..=last], "{value}");
                }
                Err(status) => drop(answer.expect_for(status, (header, value))),
            }
        }
        let both = alice.download(&id).header("range", "bytes=1-2").header("content-range", "bytes 5-6/*");
        assert_eq!(both.await.expect(206).header("content-range"), "bytes 1-2/1000");
        let queued = alice.created(image().raw()).await;
        alice.download(&queued).header("range", "bytes=0-1").await.expect(204);
        alice.upload(&queued, "").await.expect(204);
        alice.download(&queued).header("range", "bytes=0-").await.expect(416);
        assert_eq!(alice.download(&queued).await.expect(200).body, "");
    }

    /// A range that crosses the chunks of the store is whole.
    async fn ranges_cross_chunks(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let data = bytes(1_500_000);
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data.clone()).await.expect(204);
        for (first, last) in [(262_143, 262_144), (0, 1_499_999), (1, 1_048_576), (524_288, 524_287 + 262_144)] {
            let answer = alice.download(&id).header("range", &format!("bytes={first}-{last}")).await.expect(206);
            assert!(answer.body == data[first..=last], "{first}-{last}");
        }
    }
}
