//! What is HTTP's own: routing, methods, error bodies, request ids, and requests that no client library sends.

use serde_json::{Value, json};

use crate::support::*;

/// A request head as a client of alice's would send it, to be followed by a body.
fn head(line: &str, headers: &str) -> Vec<u8> {
    let token = Persona::with_roles("alice", MEMBER).token();
    format!("{line} HTTP/1.1\r\nhost: images.example\r\nconnection: close\r\nx-auth-token: {token}\r\n{headers}\r\n")
        .into_bytes()
}

/// Sends one request by hand and answers its status.
fn status(app: &TestApp, line: &str, headers: &str, body: &[u8]) -> u16 {
    app.raw().send(&head(line, headers)).send(body).status()
}

/// The id that the server gave to a request.
#[track_caller]
fn request_id(answer: &Answer) -> String {
    let id = answer.header("x-openstack-request-id");
    let uuid = id.strip_prefix("req-").and_then(|uuid| uuid::Uuid::parse_str(uuid).ok());
    assert!(uuid.is_some(), "{answer:?}");
    id.to_owned()
}

on_each_database! {
    /// Unknown paths and methods, with and without a token.
    async fn routing(database: Database) {
        let app = database.app();
        let (alice, nobody) = (app.as_member("alice"), app.as_nobody());
        let id = alice.created(image()).await;
        for path in [
            "/v2/".to_owned(),
            "/v2/nothing".to_owned(),
            "/v2/images/".to_owned(),
            "/v2/Images".to_owned(),
            format!("/v2/images/{id}/"),
            format!("/v2/images/{id}/nothing"),
            format!("/v2/images/{id}/file/"),
            format!("/v2/images/{id}/members/"),
            format!("/v2/images/{id}/actions"),
            format!("/v2/images/{id}%2Ffile"),
            format!("/v2/images%2F{id}"),
            format!("/v2/images/{id}/file%2F"),
        ] {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"] {
                alice.request(method, &path).await.expect_for(404, (method, &path));
                nobody.request(method, &path).await.expect_for(401, (method, &path));
            }
            for method in ["TRACE", "PROPFIND", "FROBNICATE"] {
                alice.request(method, &path).await.expect_for(501, (method, &path));
            }
        }
        for (path, allow, methods) in [
            ("/v2/images".to_owned(), "GET, POST", &["PUT", "DELETE", "PATCH", "HEAD", "TRACE"][..]),
            (format!("/v2/images/{id}"), "GET, PATCH, DELETE", &["PUT", "POST", "HEAD"]),
            (format!("/v2/images/{id}/file"), "GET, PUT", &["POST", "DELETE", "PATCH", "HEAD"]),
        ] {
            for method in methods {
                let answer = alice.request(method, &path).await.expect_for(405, (method, &path));
                assert_eq!(answer.header("allow"), allow);
                assert_eq!(answer.body.is_empty(), *method == "HEAD");
                nobody.request(method, &path).await.expect_for(401, (method, &path));
            }
        }
    }

    /// The body of an error has one of three shapes, by `Accept`; the text is escaped where it is HTML.
    async fn error_bodies(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let plain = "text/plain; charset=UTF-8";
        let html = "text/html; charset=UTF-8";
        let json = "application/json";
        for (accept, expected) in [
            ("", plain),
            ("application/xml", plain),
            ("text/plain", plain),
            ("application/json; charset=utf-8", plain),
            ("*/*", html),
            ("text/html", html),
            ("application/json, */*", html),
            ("nonsense", html),
            ("application/json", json),
            ("application/*", json),
            ("text/html;q=0.4, application/json;q=0.5", json),
        ] {
            let answer = alice.get("/v2/images/%3Cb%3E").header("accept", accept).await.expect(404);
            assert_eq!(answer.header("content-type"), expected, "{accept}");
            let text = answer.text();
            if expected == plain {
                assert!(text.starts_with("404 Not Found\n\n"), "{text}");
            } else if expected == html {
                assert!(text.contains("<title>404 Not Found</title>") && text.contains("&lt;b&gt;"), "{text}");
                assert!(!text.contains("<b>"), "{text}");
            } else {
                let body: Value = answer.json();
                assert_eq!(keys(&body), ["message", "code", "title"]);
                assert_eq!((&body["code"], &body["title"]), (&json!("404 Not Found"), &json!("Not Found")));
                assert!(body["message"].as_str().unwrap().contains("<br /><br />"));
            }
        }
        // Errors of every layer have bodies.
        for (client, method, path, expected) in [
            (app.as_nobody(), "GET", "/v2/images", "401 Unauthorized"),
            (alice.clone(), "PUT", "/v2/images", "405 Method Not Allowed"),
            (alice.clone(), "GET", "/v2/nothing", "404 Not Found"),
            (alice.clone(), "GET", "/v2/images?limit=x", "400 Bad Request"),
            (alice.clone(), "GET", "/v2/%FF", "400 Bad Request"),
            (app.with_token(Some("identity-is-away")), "GET", "/v2/images", "503 Service Unavailable"),
        ] {
            let answer = client.request(method, path).header("accept", json).await;
            assert_eq!(answer.json()["code"], expected, "{method} {path}");
        }
        let answer = alice.request("HEAD", "/v2/images/x").await.expect(405);
        assert_eq!((answer.body.len(), answer.header("content-length")), (0, "0"));
    }

    /// A 401 says where to log in; nothing that a client sends in identity headers is believed.
    async fn authentication(database: Database) {
        let app = database.app();
        for client in [app.as_nobody(), app.with_token(Some("nonsense")), app.with_token(Some(""))] {
            let answer = client.get("/v2/images").header("x-roles", "admin").header("x-project-id", "alice");
            let answer = answer.header("x-identity-status", "Confirmed").header("x-user-id", "alice").await.expect(401);
            let challenge = format!("Keystone uri=\"http://{}/identity\"", app.address());
            assert_eq!(answer.header("www-authenticate"), challenge);
        }
        let reader = app.as_reader("alice");
        reader.create(image()).header("x-roles", "admin,member").await.expect(403);
    }

    /// The token may stand in `X-Storage-Token`, where there is no `X-Auth-Token`, not even an empty one.
    async fn storage_token(database: Database) {
        let app = database.app();
        let token = Persona::with_roles("alice", READER).token();
        let stored = |client: &Client| client.get("/v2/images").header("x-storage-token", &token);
        stored(&app.as_nobody()).await.expect(200);
        stored(&app.with_token(Some(""))).await.expect(401);
        stored(&app.with_token(Some("nonsense"))).await.expect(401);
    }

    /// Anonymous callers are let in when configured, read only and without any role.
    async fn anonymous_access(database: Database) {
        let app = database.app_with(|options| options.api.allow_anonymous_access = true);
        let nobody = app.as_nobody();
        let id = app.as_admin().created(image().public()).await;
        nobody.get("/v2/schemas/image").await.expect(200);
        nobody.get("/v2/images").await.expect(403);
        nobody.show(&id).await.expect(404);
        nobody.create(image()).await.expect(403);
        nobody.remove(&id).await.expect(403);
        nobody.upload(&id, "data").await.expect(403);
        nobody.put(&format!("/v2/images/{id}/tags/t")).await.expect(403);
        nobody.act(&id, "deactivate").await.expect(403);
        nobody.share(&id, "bob").await.expect(403);
    }

    /// The id of a request is the client's, with a prefix, or a new one; also on errors.
    async fn request_ids(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for (sent, expected) in [("abc", "req-abc"), ("req-abc", "req-abc"), (&"x".repeat(64), &format!("req-{}", "x".repeat(64)))] {
            for path in ["/v2/images", "/v2/nothing", "/v2/images?limit=x"] {
                let answer = alice.get(path).header("x-openstack-request-id", sent).await;
                assert_eq!(answer.header("x-openstack-request-id"), expected, "{path}");
            }
        }
        let long = "x".repeat(65);
        let refused = alice.get("/v2/images").header("x-openstack-request-id", &long).await.expect(431);
        let generated = alice.get("/v2/images").header("x-openstack-request-id", "").await.expect(200);
        let mut seen = vec![request_id(&refused), request_id(&generated)];
        // Every layer names the request; from callers without a token it takes no name.
        for (method, path, status) in [
            ("GET", "/v2/images", 401),
            ("GET", "/", 300),
            ("GET", "/versions", 200),
            ("GET", "/healthcheck", 200),
            ("OPTIONS", "/v2/images", 200),
            ("GET", "/v2/%FF", 400),
        ] {
            let answer = app.as_nobody().request(method, path).header("x-openstack-request-id", "abc").await;
            seen.push(request_id(&answer.expect_for(status, path)));
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 8, "{seen:?}");
    }

    /// Below the built-in identity every error has Keystone's shape, those of the framework too.
    async fn errors_of_the_identity(database: Database) {
        let app = database.app_with(|options| {
            options.identity = vitrine::server::IdentityChoice::Builtin(Default::default());
        });
        let nobody = app.as_nobody();
        for (method, path, status) in [
            ("GET", "/identity/nothing", 404),
            ("GET", "/identity/v3/users/%00", 404),
            ("GET", "/identity/v3/users", 401),
            ("PUT", "/identity/v3/auth/tokens", 405),
            ("POST", "/identity/v3/auth/tokens", 400),
        ] {
            let answer = nobody.request(method, path).header("accept", "text/html").await.expect_for(status, path);
            assert_eq!(answer.header("content-type"), "application/json", "{path}");
            assert_eq!(answer.json()["error"]["code"], status, "{path}");
            request_id(&answer);
        }
        let huge = format!("{{\"auth\": \"{}\"}}", "x".repeat(200 << 10));
        let answer = nobody.post("/identity/v3/auth/tokens").header("content-type", "application/json").body(huge);
        assert_eq!(answer.await.expect(413).json()["error"]["code"], 413);
    }

    /// Without limits in Keystone nothing is counted; who asks needs a token, and no right.
    async fn usage(database: Database) {
        let app = database.app();
        let anyone = app.as_role("alice", &[]);
        assert_eq!(anyone.get("/v2/info/usage").await.expect(200).json(), json!({"usage": {}}));
        anyone.post("/v2/info/usage").await.expect(404);
        app.as_nobody().get("/v2/info/usage").await.expect(401);
    }

    /// Paths that no client library sends: nothing leaves its place, nothing breaks.
    async fn hostile_paths(database: Database) {
        let app = database.app();
        let id = app.as_member("alice").created(image()).await;
        for (line, expected) in [
            ("GET /v2/images/../../etc/passwd", 404),
            ("GET /v2/images/..", 404),
            ("GET /v2/images/%2e%2e/%2e%2e/etc/passwd", 404),
            ("GET /v2/images/..%2f..%2fetc%2fpasswd/file", 404),
            ("GET /v2/../v2/images", 404),
            ("GET /v2/images/%00", 404),
            ("GET /v2/images/a%00b", 404),
            ("GET /v2/images?name=%00", 400),
            ("GET /v2/images/%FF%FE", 400),
            ("GET /v2/images/%C3%28/file", 400),
            ("GET /v2/images?name=%C3%28", 400),
            ("GET /v2/images/%", 404),
            ("GET /v2/images/%zz", 404),
            ("GET /v2/images?limit=%", 400),
            ("GET /v2/images?&&&", 200),
            ("GET /v2/images?=", 200),
            ("GET /v2/images;x=y", 404),
            ("GET /v2/images#fragment", 200),
            ("GET http://other.example/v2/images", 200),
            ("GET v2/images", 400),
            ("GET *", 300),
            ("GET ", 400),
            ("get /v2/images", 405),
        ] {
            assert_eq!(status(&app, line, "", b""), expected, "{line}");
        }
        let line = format!("PUT /v2/images/{id}/tags/..");
        assert_eq!(status(&app, &line, "", b""), 204, "a tag may be two dots");
        app.as_member("alice").show(&id).await.expect(200);
    }

    /// Bytes that are no HTTP, heads without end, and contradictions about the body: each gets a 4xx or a closed
    /// connection, and the server serves on.
    async fn malformed_requests(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let refused = |status: u16, what: &str| {
            assert!(status == 0 || (400..500).contains(&status), "{what}: {status}");
        };
        for bytes in [
            &b"\0\0\0\0\r\n\r\n"[..],
            b"nonsense\r\n\r\n",
            b"GET /v2/images HTTP/9.9\r\n\r\n",
            b"GET /v2/images\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET /v2/images HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET /v2/images HTTP/1.1\r\nbad name: x\r\n\r\n",
            b"GET /v2/im\xffages HTTP/1.1\r\nhost: x\r\n\r\n",
            b"GET /v2/images HTTP/1.1\r\nhost: x\r\nx-auth-token: a\0b\r\n\r\n",
            b"POST /v2/images HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n{}",
            b"POST /v2/images HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n{}",
            b"POST /v2/images HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999999\r\n\r\n{}",
            b"POST /v2/images HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
            b"POST /v2/images HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
            b"POST /v2/images HTTP/1.1\r\nhost: x\r\ntransfer-encoding: bogus\r\n\r\n{}",
        ] {
            let status = app.raw().send(bytes).finish().status();
            refused(status, &String::from_utf8_lossy(bytes));
        }
        // One header of 1 MiB, a mebibyte of small ones, and a target of 1 MiB.
        let large = "x".repeat(1 << 20);
        refused(status(&app, "GET /v2/images", &format!("x-large: {large}\r\n"), b""), "a large header");
        let many: String = (0..50_000).map(|n| format!("x-{n}: some value\r\n")).collect();
        refused(status(&app, "GET /v2/images", &many, b""), "many headers");
        refused(status(&app, &format!("GET /v2/images?name={large}"), "", b""), "a long target");
        refused(status(&app, &format!("GET /v2/images/{large}"), "", b""), "a long path");
        // Chunked JSON that breaks off or makes no sense.
        let chunked = "transfer-encoding: chunked\r\n";
        for body in [&b"zz\r\n{}\r\n0\r\n\r\n"[..], b"2\r\n{}", b"ffffffffffffffffff\r\n{}", b"2\r\n{}xx0\r\n\r\n"] {
            let got = app.raw().send(&head("POST /v2/images", chunked)).send(body).finish().status();
            refused(got, &String::from_utf8_lossy(body));
        }
        let got = app.raw().send(&head("POST /v2/images", "content-length: 100\r\n")).send(b"{}").finish().status();
        refused(got, "a body that breaks off");
        assert_eq!(alice.list("").await.expect(200).json()["images"], json!([]));
    }

    /// What is refused before it is HTTP gets a status, an id and words that name the fault, also on a connection
    /// that has served others; the data of an image that look like such a refusal stay as they are.
    async fn refusals_have_words(database: Database) {
        let app = database.app();
        // Exactly what the server reads before it gives up: what it left unread would reset the connection.
        let start = "GET / HTTP/1.1\r\nhost: x\r\nx-large: ";
        let large = format!("{start}{}", "x".repeat(131_072 - start.len()));
        let many: String = (0..97).map(|n| format!("x-{n}: v\r\n")).collect();
        let many = format!("GET / HTTP/1.1\r\n{many}\r\n");
        for (sent, status, words) in [
            ("nonsense\r\n\r\n", "400 Bad Request", "request line"),
            ("GET / HTTP/9.9\r\n\r\n", "400 Bad Request", "version"),
            ("GET / HTTP/1.1\r\nbad name: x\r\n\r\n", "400 Bad Request", "name of a header"),
            ("GET / HTTP/1.1\r\nhost: x\r\na: \0\r\n\r\n", "400 Bad Request", "value of a header"),
            ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request", "Host"),
            ("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n", "400 Bad Request", "Content-Length"),
            (&large, "431 Request Header Fields Too Large", "128 KiB"),
            (&many, "431 Request Header Fields Too Large", "96 headers"),
        ] {
            let answer = String::from_utf8(app.raw().send(sent.as_bytes()).read_all()).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
            assert!(head.contains("x-openstack-request-id: req-"), "{answer}");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
            assert!(body.starts_with(status) && body.contains(words), "{words}: {answer}");
        }
        let later = b"GET /healthcheck HTTP/1.1\r\nhost: x\r\n\r\nnonsense\r\n\r\n";
        let answer = String::from_utf8(app.raw().send(later).read_all()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("HTTP/1.1 400 Bad Request"), "{answer}");
        let alice = app.as_member("alice");
        let data = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data).await.expect(204);
        assert_eq!(alice.download(&id).await.expect(200).body, data);
        // A refusal of ours without a body, to HEAD, has none.
        let line = head("HEAD /v2/images?limit=x", "");
        let answer = String::from_utf8(app.raw().send(&line).read_all()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    }

    /// A body where none is taken is refused whether it says its length or comes in chunks, or is only promised.
    async fn unwanted_bodies(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "data").await.expect(204);
        for (method, path) in [
            ("GET", "/v2/schemas/image".to_owned()),
            ("GET", format!("/v2/images/{id}")),
            ("GET", format!("/v2/images/{id}/file")),
            ("GET", format!("/v2/images/{id}/members")),
            ("PUT", format!("/v2/images/{id}/tags/t")),
            ("DELETE", format!("/v2/images/{id}/tags/t")),
            ("POST", format!("/v2/images/{id}/actions/deactivate")),
            ("DELETE", format!("/v2/images/{id}")),
        ] {
            let line = format!("{method} {path}");
            assert_eq!(status(&app, &line, "content-length: 2\r\n", b"{}"), 400, "{line}");
            if matches!(method, "PUT" | "POST") {
                let chunked = "transfer-encoding: chunked\r\n";
                assert_eq!(status(&app, &line, chunked, b"2\r\n{}\r\n0\r\n\r\n"), 400, "{line}");
            }
        }
        assert_eq!(alice.download(&id).await.expect(200).body, "data");
        assert_eq!(alice.show(&id).await.json()["tags"], json!([]));
        // An empty body is none.
        assert_eq!(status(&app, &format!("GET /v2/images/{id}"), "content-length: 0\r\n", b""), 200);
    }

    /// JSON larger than the server reads is refused, not kept in memory.
    async fn bodies_have_a_limit(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let sixteen = (0..16).map(|n| format!("p{n}"));
        let id = alice.created(sixteen.fold(image(), |image, name| image.with(&name, "x".repeat(60_000)))).await;
        assert_eq!(alice.show(&id).await.json()["p15"].as_str().map(str::len), Some(60_000));
        let huge = format!("{{\"name\": \"{}\"}}", "x".repeat(20 << 20));
        let answer = alice.post("/v2/images").body(huge).await;
        assert!(matches!(answer.status, 400 | 413), "{answer:?}");
    }

    /// A client that asks first is told to go on, and the upload works.
    async fn expect_continue(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let headers = format!("content-type: {OCTETS}\r\ncontent-length: 4\r\nexpect: 100-continue\r\n");
        let mut raw = app.raw();
        raw.send(&head(&format!("PUT /v2/images/{id}/file"), &headers)).send(b"data");
        let answer = String::from_utf8(raw.read_all()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 100 Continue") && answer.contains("HTTP/1.1 204"), "{answer}");
        assert_eq!(alice.download(&id).await.expect(200).body, "data");
    }
}
