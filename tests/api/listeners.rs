//! Where the API listens: several places at once, sockets in the file system, and proxies that say who their client is.

use std::{
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use vitrine::{
    api::{Endpoint, TlsSettings},
    server::Options,
};

use crate::support::*;

fn curl(arguments: &[&str]) -> Output {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"])
        .args(arguments)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A server whose proxies are on loopback and say who their client is.
fn behind_proxies(database: Database, change: impl FnOnce(&mut Options)) -> TestApp {
    database.app_with(|options| {
        options.api.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        options.api.proxy_protocol = true;
        change(options);
    })
}

const CHECK: &[u8] = b"GET /healthcheck HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// A header of version 2 for a client of IPv4.
fn version_2(client: [u8; 4]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &client, &[192, 0, 2, 1], &[0x12, 0x67, 1, 187]]
        .concat()
}

on_each_database! {
    /// One server answers in clear, over TLS and by a socket in the file system, which has its mode, carries data and says
    /// where it is; a file that a dead server left is replaced, and the server's own goes with it.
    async fn several_places(database: Database) {
        let (folder, authority) = (scratch_folder(), Authority::new("the authority"));
        let (certificate, key) = authority.issue("server").files(folder.path(), "server");
        let ca = authority.file(folder.path(), "ca.pem");
        let (path, secure) = (folder.path().join("api.sock"), unused_place());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a file that a dead server left");
        let app = database.app_with(|options| {
            options.listen = vec![
                Endpoint::Http("127.0.0.1:0".to_owned()),
                Endpoint::Https(secure.to_string()),
                Endpoint::Unix(path.clone()),
            ];
            options.socket_mode = 0o600;
            let (client_authorities, clients_may_have_none) = (None, false);
            options.tls = Some(TlsSettings { certificate, key, client_authorities, clients_may_have_none });
        });
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let socket = ["--unix-socket", path.to_str().unwrap()];
        let url = format!("https://localhost:{}/healthcheck", secure.port());
        let there = format!("localhost:{}:{}", secure.port(), secure.ip());
        assert_eq!(out(&curl(&["--cacert", ca.to_str().unwrap(), "--resolve", &there, &url])), "OK");
        assert_eq!(out(&curl(&[&socket[..], &["http://localhost/healthcheck"]].concat())), "OK");
        let versions = curl(&[&socket[..], &["--http1.0", "--header", "host:", "http://localhost/versions"]].concat());
        assert!(out(&versions).contains("\"http://localhost/v2/\""), "{versions:?}");
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let (sent, got) = (folder.path().join("sent"), folder.path().join("got"));
        std::fs::write(&sent, bytes(5 << 20)).unwrap();
        let token = format!("x-auth-token: {}", Persona::with_roles("alice", MEMBER).token());
        let url = format!("http://localhost/v2/images/{id}/file");
        let kind = format!("content-type: {OCTETS}");
        let head = ["--header", &token, "--header", &kind];
        let done = curl(&[&socket[..], &head, &["--upload-file", sent.to_str().unwrap(), &url]].concat());
        assert_eq!(out(&done), "");
        let done = curl(&[&socket[..], &head, &["--output", got.to_str().unwrap(), &url]].concat());
        assert!(std::fs::read(&got).unwrap() == bytes(5 << 20), "{done:?}");
        drop(app);
        assert!(!path.exists());
    }

    /// What is no socket is never replaced, nor one on which another program listens.
    async fn files_of_others_are_left_alone(database: Database) {
        let app = database.app();
        let folder = scratch_folder();
        let open = |path: &Path| {
            let data = scratch_folder();
            let mut options = Options::embedded(data.path().to_owned(), "127.0.0.1:0".to_owned());
            options.listen = vec![Endpoint::Unix(path.to_owned())];
            vitrine::server::Server::open(&options).err().expect("it is somebody else's").to_string()
        };
        let (file, taken) = (folder.path().join("file"), folder.path().join("taken"));
        std::fs::write(&file, "mine").unwrap();
        assert!(open(&file).contains("no socket"), "{}", open(&file));
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
        let _listener = UnixListener::bind(&taken).unwrap();
        assert!(open(&taken).contains("another program listens"), "{}", open(&taken));
        app.as_nobody().get("/healthcheck").await.expect(200);
    }

    /// The client that a proxy names in either version is the one who calls; a proxy that speaks for itself is one; without
    /// a header there is no answer, nor with one that is none.
    async fn proxies_say_who_their_client_is(database: Database) {
        let app = behind_proxies(database, |options| {
            options.api.health.allowed_sources = vec!["192.0.2.7/32".parse().unwrap()];
        });
        let status = |head: &[u8]| app.raw().send(&[head, CHECK].concat()).status();
        assert_eq!(status(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n"), 200);
        assert_eq!(status(b"PROXY TCP4 192.0.2.8 192.0.2.1 4711 443\r\n"), 404);
        assert_eq!(status(&version_2([192, 0, 2, 7])), 200);
        assert_eq!(status(&version_2([192, 0, 2, 8])), 404);
        assert_eq!(status(b"PROXY UNKNOWN\r\n"), 404);
        assert_eq!(status(b""), 0);
        assert_eq!(status(b"PROXY TCP4 here there 1 2\r\n"), 0);
        let app = database.app_with(|options| options.api.proxy_protocol = true);
        assert_eq!(app.raw().send(CHECK).status(), 200, "whoever is no proxy begins with his request");
        assert_eq!(app.raw().send(&[b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", CHECK].concat()).status(), 400);
    }

    /// Clients behind a proxy have a share of connections each; headers that do not come hold no place, and have the time of
    /// a head.
    async fn sec_79_clients_of_proxies_have_their_share(database: Database) {
        let app = behind_proxies(database, |options| {
            options.api.max_connections = Some(20);
            options.api.max_connections_per_address = Some(2);
            options.api.request_patience = Duration::from_secs(6);
        });
        let mut stopped: Vec<Raw> = (0..100).map(|_| app.raw()).collect();
        for raw in &mut stopped {
            raw.send(b"PROXY TCP4 192.0.2");
        }
        let call = |client: &str, line: &str, more: &str| {
            let token = Persona::with_roles("alice", MEMBER).token();
            let head = format!("PROXY TCP4 {client} 192.0.2.1 1 2\r\n{line} HTTP/1.1\r\nhost: x\r\nx-auth-token: {token}\r\n{more}\r\n");
            let mut raw = app.raw();
            raw.send(head.as_bytes());
            raw
        };
        let begun = || {
            let post = "content-type: application/json\r\ncontent-length: 100\r\nexpect: 100-continue\r\n";
            let mut raw = call("192.0.2.7", "POST /v2/images", post);
            assert_eq!(raw.read(25), b"HTTP/1.1 100 Continue\r\n\r\n");
            raw
        };
        eventually("good requests are answered", async || match call("192.0.2.7", "GET /v2/images", "connection: close\r\n").status() {
            200 => Ok(()),
            status => Err(status),
        })
        .await;
        assert_eq!(stopped[0].read_all(), b"");
        drop(stopped);
        let mut late = app.raw();
        assert_eq!(late.send(b"PROXY").read_all(), b"");
        // Three of one client: more than it may have, so one of its own has to go, and of nobody else's.
        let mut other = call("192.0.2.9", "GET /healthcheck", "");
        assert!(other.read(12).ends_with(b"200"));
        let (mut first, _second, _third) = (begun(), begun(), begun());
        assert_eq!(first.read_all(), b"");
        other.send(CHECK);
        assert!(String::from_utf8_lossy(&other.read_all()).ends_with("OK"));
    }

    /// Forwarding headers are believed of the trusted proxies alone, where there are any.
    async fn forwarding_headers_are_believed_of_proxies(database: Database) {
        for (proxies, believed) in [(&[][..], true), (&["127.0.0.0/8"][..], true), (&["192.0.2.0/24"][..], false)] {
            let app = database.app_with(|options| {
                options.api.enable_proxy_headers_parsing = true;
                options.api.trusted_proxies = proxies.iter().map(|network| network.parse().unwrap()).collect();
            });
            let request = app.as_nobody().get("/versions").header("x-forwarded-proto", "https");
            let text = request.header("x-forwarded-host", "images.example").await.expect(200).text();
            assert_eq!(text.contains("https://images.example/v2/"), believed, "{proxies:?}: {text}");
        }
    }
}
