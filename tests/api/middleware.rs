//! What stands around the API: browsers of other origins, compression, proxies.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::support::*;

const DASHBOARD: &str = "https://dashboard.example";

/// What `gzip` makes of an answer's body.
fn unpacked(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.header("content-encoding"), "gzip", "{answer:?}");
    let mut gzip =
        Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, packed) = (gzip.stdin.take().unwrap(), answer.body.clone());
    let writer = std::thread::spawn(move || stdin.write_all(&packed).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

on_each_database! {
    /// A page of an allowed origin may ask, is let through, and can read answers, errors included; others cannot.
    async fn cross_origin(database: Database) {
        let app = database.app_with(|options| options.api.cors.allowed_origin = vec![DASHBOARD.to_owned()]);
        let (alice, nobody) = (app.as_member("alice"), app.as_nobody());
        let id = alice.created(image().raw()).await;
        let file = format!("/v2/images/{id}/file");
        let preflight = |origin: &str, method: &str, headers: &str| {
            let request = nobody.request("OPTIONS", &file).header("origin", origin);
            let request = request.header("access-control-request-method", method);
            if headers.is_empty() { request } else { request.header("access-control-request-headers", headers) }
        };
        // The upload straight from a browser that Horizon makes.
        let answer = preflight(DASHBOARD, "PUT", "content-type,x-auth-token").await.expect(200);
        for (name, value) in [
            ("access-control-allow-origin", DASHBOARD),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "PUT"),
            ("access-control-allow-headers", "content-type,x-auth-token"),
            ("access-control-max-age", "3600"),
            ("vary", "Origin"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        for (origin, method, headers) in [
            ("https://evil.example", "PUT", ""),
            ("https://dashboard.example.evil.example", "PUT", ""),
            ("null", "GET", ""),
            (DASHBOARD, "TRACE", ""),
            (DASHBOARD, "PUT", "x-evil"),
        ] {
            let answer = preflight(origin, method, headers).await.expect_for(200, (origin, method, headers));
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin} {method} {headers}");
        }
        alice.upload(&id, "data").header("origin", DASHBOARD).await.expect(204);
        for (client, path, status) in [
            (&alice, file.clone(), 200),
            (&alice, "/v2/images/none".to_owned(), 404),
            (&nobody, "/v2/images".to_owned(), 401),
        ] {
            let answer = client.get(&path).header("origin", DASHBOARD).await.expect(status);
            assert_eq!(answer.header("access-control-allow-origin"), DASHBOARD, "{path}");
            assert!(answer.header("access-control-expose-headers").contains("X-OpenStack-Request-ID"));
            let answer = client.get(&path).header("origin", "https://evil.example").await.expect(status);
            assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        }
        // Without any allowed origin no answer speaks of origins.
        let app = database.app();
        let answer = app.as_member("alice").get("/v2/images").header("origin", DASHBOARD).await.expect(200);
        assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), ("", ""));
    }

    /// Compression: only when the operator and the client both ask for it, and never of parts.
    async fn gzip(database: Database) {
        for is_on in [true, false] {
            let app = database.app_with(|options| options.api.gzip = is_on);
            let alice = app.as_member("alice");
            let id = alice.created(image().raw()).await;
            let data = bytes(100_000);
            alice.upload(&id, data.clone()).await.expect(204);
            let file = format!("/v2/images/{id}/file");
            let plain = alice.get(&file).await.expect(200);
            for encoding in ["gzip", "br, gzip;q=0.1", "deflate, gzip"] {
                let shown = alice.show(&id).header("accept-encoding", encoding).await.expect(200);
                let loaded = alice.get(&file).header("accept-encoding", encoding).await.expect(200);
                assert_eq!(loaded.header("content-md5"), plain.header("content-md5"));
                let missing = alice.show("none").header("accept-encoding", encoding).await.expect(404);
                if is_on {
                    let shown: serde_json::Value = serde_json::from_slice(&unpacked(&shown)).unwrap();
                    assert_eq!(shown["id"], json!(id));
                    assert_eq!(unpacked(&loaded), data);
                    assert!(String::from_utf8(unpacked(&missing)).unwrap().contains("404 Not Found"));
                } else {
                    assert_eq!((shown.json()["id"].clone(), &loaded.body[..]), (json!(id), &data[..]));
                }
            }
            for encoding in ["deflate", "br", "identity;q=0", "*", ""] {
                let answer = alice.get(&file).header("accept-encoding", encoding).await.expect_for(200, encoding);
                assert_eq!((answer.header("content-encoding"), answer.body.len()), ("", data.len()), "{encoding}");
                assert_eq!(answer.header("content-length"), "100000");
            }
            let part = alice.get(&file).header("accept-encoding", "gzip").header("range", "bytes=10-19");
            let part = part.await.expect(206);
            assert_eq!((part.header("content-encoding"), &part.body[..]), ("", &data[10..20]));
            let empty = alice.put(&format!("/v2/images/{id}/tags/t")).header("accept-encoding", "gzip").await.expect(204);
            assert_eq!((empty.header("content-encoding"), empty.body.len()), ("", 0));
        }
    }

    /// Behind a proxy, links say what the proxy's headers say, if the operator believes them; an endpoint that is
    /// configured counts for more.
    async fn proxies(database: Database) {
        let endpoint = || Some("https://images.example/".to_owned());
        for (believed, public_endpoint, location, documents) in [
            (false, None, None, None),
            (true, None, Some("https://out.example"), Some("https://out.example/image")),
            (true, endpoint(), Some("https://out.example"), Some("https://images.example")),
            (false, endpoint(), None, Some("https://images.example")),
        ] {
            let app = database.app_with(|options| {
                options.api.enable_proxy_headers_parsing = believed;
                options.api.public_endpoint = public_endpoint.clone();
            });
            let own = format!("http://{}", app.address());
            let (alice, nobody) = (app.as_member("alice"), app.as_nobody());
            let proxied = |request: Request| {
                let request = request.header("x-forwarded-proto", "https").header("x-forwarded-host", "out.example");
                request.header("x-forwarded-prefix", "/image")
            };
            let created = proxied(alice.create(image())).await.expect(201);
            let base = location.unwrap_or(&own);
            assert!(created.header("location").starts_with(&format!("{base}/v2/images/")), "{created:?}");
            let base = documents.unwrap_or(&own);
            let versions = proxied(nobody.get("/")).await.expect(300).json();
            assert_eq!(versions["versions"][0]["links"][0]["href"], format!("{base}/v2/"));
            let refused = proxied(nobody.get("/v2/images")).await.expect(401);
            assert_eq!(refused.header("www-authenticate"), format!("Keystone uri=\"{base}/identity\""));
        }
    }
}
