//! `/metrics`: who may read it, and that its figures are those of what clients did.

use vitrine::api::Endpoint;

use crate::support::*;

/// Scrapes a server from where the test is.
async fn scraped(app: &TestApp) -> String {
    let answer = app.as_nobody().get("/metrics").await.expect(200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    answer.text()
}

fn value(text: &str, figure: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().unwrap())
}

fn for_everybody_here(options: &mut vitrine::server::Options) {
    options.api.metrics_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

on_each_database! {
    /// Without an option the path is what it is in Glance; with networks it is there for them, without a token; for whoever
    /// else connects there is no such path. A place of its own has nothing else.
    async fn strangers_read_nothing(database: Database) {
        let app = database.app();
        app.as_nobody().get("/metrics").await.expect(300);
        let app = database.app_with(|options| options.api.metrics_networks = vec!["192.0.2.0/24".parse().unwrap()]);
        app.as_nobody().get("/metrics").await.expect(404);
        app.as_admin().get("/metrics").await.expect(404);
        let app = database.app_with(for_everybody_here);
        assert!(scraped(&app).await.ends_with("# EOF\n"));
        app.as_nobody().request("POST", "/metrics").await.expect(404);
        // Whoever asked a proxy that is here may be anywhere.
        app.as_nobody().get("/metrics").header("x-forwarded-for", "192.0.2.1").await.expect(404);
        let place = unused_place();
        let app = database.app_with(|options| options.metrics_listen = vec![Endpoint::Http(place.to_string())]);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let own = Client::new(http, format!("http://{place}"), None);
        assert!(own.get("/metrics").await.expect(200).text().contains("vitrine_build_info"));
        for path in ["/v2/images", "/healthcheck", "/", "/ext/v1"] {
            own.get(path).await.expect(404);
        }
        app.as_nobody().get("/metrics").await.expect(300);
    }

    /// Requests are counted by route, method and status, with their bytes and times; what a client makes up is no label.
    async fn requests_are_counted(database: Database) {
        let app = database.app_with(for_everybody_here);
        let alice = app.as_member("alice");
        let before = scraped(&app).await;
        let id = alice.created(image().raw()).await;
        alice.upload(&id, bytes(300_000)).await.expect(204);
        for _ in 0..3 {
            alice.download(&id).await.expect(200);
        }
        alice.show(&fresh_id()).await.expect(404);
        alice.request("BREW", "/v2/images").await.expect(405);
        // The line of a request is written when its connection has sent the last byte.
        eventually("all are counted", async || {
            let after = scraped(&app).await;
            let more = |figure: &str| value(&after, figure) - value(&before, figure);
            let file = "route=\"/v2/images/{id}/file\"";
            let counts = [
                more("vitrine_http_requests_total{route=\"/v2/images\",method=\"POST\",status=\"201\"}"),
                more(&format!("vitrine_http_requests_total{{{file},method=\"PUT\",status=\"204\"}}")),
                more(&format!("vitrine_http_requests_total{{{file},method=\"GET\",status=\"200\"}}")),
                more("vitrine_http_requests_total{route=\"/v2/images/{id}\",method=\"GET\",status=\"404\"}"),
                more("vitrine_http_requests_total{route=\"/v2/images\",method=\"other\",status=\"405\"}"),
                more(&format!("vitrine_http_request_seconds_count{{{file},method=\"GET\"}}")),
                more(&format!("vitrine_http_bytes_total{{{file},direction=\"in\"}}")),
                more(&format!("vitrine_http_bytes_total{{{file},direction=\"out\"}}")),
            ];
            // Other tests run in this process.
            let least = [1.0, 1.0, 3.0, 1.0, 1.0, 3.0, 300_000.0, 900_000.0];
            if counts.iter().zip(least).all(|(count, least)| *count >= least) { Ok(()) } else { Err(counts) }
        })
        .await;
        assert!(!scraped(&app).await.contains("BREW"));
    }

    /// What is no HTTP, or has a head beyond its bounds, is counted by the status of its answer.
    async fn requests_that_cannot_be_read_are_counted(database: Database) {
        let app = database.app_with(for_everybody_here);
        let figure = |status: u16| format!("vitrine_http_requests_total{{route=\"none\",method=\"other\",status=\"{status}\"}}");
        let before = scraped(&app).await;
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "x: y\r\n".repeat(97));
        for (text, status) in [("what is this\r\n\r\n", 400), (&*many, 431)] {
            assert_eq!(Raw::open(app.address()).send(text.as_bytes()).status(), status);
            assert!(value(&scraped(&app).await, &figure(status)) > value(&before, &figure(status)), "{status}");
        }
    }

    /// Limits that refuse are counted by their names.
    async fn refusals_are_counted(database: Database) {
        let app = database.app_with(|options| {
            for_everybody_here(options);
            options.transfers.per_project = 0;
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let figure = "vitrine_refused_total{limit=\"transfers_per_project\"}";
        let before = value(&scraped(&app).await, figure);
        alice.upload(&id, "data").await.expect(429);
        assert!(value(&scraped(&app).await, figure) > before);
    }
}
