//! Data that is sent from files without passing through the service, or by a proxy.

use vitrine::api::ByProxy;

use crate::support::*;

fn by_proxy(prefix: Option<&str>, proxies: &str) -> Option<ByProxy> {
    Some(ByProxy { prefix: prefix.map(str::to_owned), proxies: vec![proxies.parse().unwrap()] })
}

/// The headers that name files, in an answer.
fn told(answer: &Answer) -> [String; 2] {
    ["x-accel-redirect", "x-sendfile"].map(|name| answer.header(name).to_owned())
}

on_each_database! {
    /// Only a proxy that is trusted hears where a file is, only for the whole of it, and in the words that were asked for.
    async fn sec_61_paths_are_told_to_trusted_proxies_alone(database: Database) {
        let data = bytes(1000);
        let (ours, others) = ("127.0.0.0/8", "192.0.2.0/24");
        for (settings, tells) in [
            (None, None),
            (by_proxy(Some("/files"), others), None),
            (by_proxy(Some("/files"), ours), Some(0)),
            (by_proxy(None, others), None),
            (by_proxy(None, ours), Some(1)),
        ] {
            let app = database.app_with(|options| options.api.by_proxy.clone_from(&settings));
            let alice = app.as_member("alice");
            let id = alice.created(image().raw()).await;
            alice.upload(&id, data.clone()).await.expect(204);
            let path = app.store_folder().join(&id).display().to_string();
            let answer = alice.download(&id).header("x-forwarded-for", "127.0.0.1").await.expect(200);
            let mut expected = [String::new(), String::new()];
            match tells {
                Some(0) => expected[0] = format!("/files{path}"),
                Some(_) => expected[1] = path,
                None => {}
            }
            assert_eq!(told(&answer), expected, "{settings:?}");
            assert_eq!(answer.body.len(), if tells.is_some() { 0 } else { data.len() }, "{settings:?}");
            assert_eq!(answer.header("content-type"), OCTETS, "{settings:?}");
            let part = alice.download(&id).header("range", "bytes=10-19").await.expect(206);
            assert_eq!(told(&part), ["", ""], "{settings:?}");
            assert_eq!(part.body, &data[10..20], "{settings:?}");
            app.as_member("bob").download(&id).await.expect(404);
        }
    }

    /// Answers from files and others follow each other on one connection, each whole.
    async fn downloads_share_a_connection(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let data = bytes(3_000_000);
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data.clone()).await.expect(204);
        let token = Persona::with_roles("alice", MEMBER).token();
        let ask = |path: &str, range: &str| {
            format!("GET {path} HTTP/1.1\r\nhost: images.example\r\nx-auth-token: {token}\r\n{range}\r\n")
        };
        let file = format!("/v2/images/{id}/file");
        let mut raw = app.raw();
        let all = [
            ask(&file, ""),
            ask(&format!("/v2/images/{id}"), ""),
            ask(&file, "range: bytes=1000000-1999999\r\n"),
            ask(&file, "connection: close\r\n"),
        ];
        let received = raw.send(all.concat().as_bytes()).read_all();
        let mut rest = received.as_slice();
        for part in [&data[..], b"", &data[1_000_000..2_000_000], &data[..]] {
            let end = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            let head = String::from_utf8_lossy(&rest[..end]).to_lowercase();
            let (_, length) = head.split_once("content-length: ").unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            let body = &rest[end..end + length];
            assert!(part.is_empty() || body == part, "{head}");
            rest = &rest[end + length..];
        }
        assert!(rest.is_empty());
    }

    /// A file that has lost its end is not taken for whole.
    async fn a_file_that_became_shorter_is_no_download(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, bytes(1000)).await.expect(204);
        let file = std::fs::File::options().write(true).open(app.store_folder().join(&id)).unwrap();
        file.set_len(999).unwrap();
        alice.download(&id).await.expect(503);
    }
}
