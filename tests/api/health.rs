//! `/healthcheck`, by which load balancers tell the nodes that take requests.

use std::{fs, path::Path};

use serde_json::json;
use vitrine::api::health::{Check, Settings};

use crate::support::*;

/// The status, the content type and, in plain text, the words.
const HEALTHY: (u16, &str) = (200, "OK");
const DISABLED: (u16, &str) = (503, "DISABLED BY FILE");

async fn looks(app: &TestApp, (status, reason): (u16, &str)) {
    let nobody = app.as_nobody();
    let ask = |method: &str, accept: &str| nobody.request(method, "/healthcheck").header("accept", accept);
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
        for accept in ["text/plain", "", "application/xml", "*/*", "text/*;q=0.5, text/plain"] {
            let answer = ask(method, accept).await.expect_for(status, (method, accept));
            assert_eq!(answer.header("content-type"), "text/plain; charset=UTF-8", "{method} {accept}");
            assert_eq!(answer.text(), reason, "{method} {accept}");
        }
    }
    for accept in ["application/json", "text/plain;q=0.5, application/json", "application/*, text/*;q=0.1"] {
        let answer = ask("GET", accept).await.expect_for(status, accept);
        assert_eq!(answer.header("content-type"), "application/json", "{accept}");
        assert_eq!(answer.json(), json!({"detailed": false, "reasons": [reason]}), "{accept}");
    }
    let table = ask("GET", "text/html, application/json;q=0.9").await.expect(status);
    assert_eq!(table.header("content-type"), "text/html; charset=UTF-8");
    assert!(table.text().contains(&format!("<td>{reason}</td>")), "{table:?}");
    let silent = ask("HEAD", "*/*").await.expect(if status == 200 { 204 } else { status });
    assert_eq!(silent.body, "");
}

on_each_database! {
    /// A node says that it is well, in the words and the form that the caller prefers, until the operator's file is
    /// there, and again once it is gone. The API goes on meanwhile: what is under way at a node is to end well.
    async fn a_file_takes_a_node_out_of_rotation(database: Database) {
        let app = database.app_with(|options| {
            let file = options.data_dir.join("disabled");
            options.api.health.checks = vec![Check::DisableByFile(Some(file))];
        });
        let file = app.folder().join("disabled");
        looks(&app, HEALTHY).await;
        fs::write(&file, "").unwrap();
        looks(&app, DISABLED).await;
        app.as_member("alice").list("").await.expect(200);
        fs::remove_file(&file).unwrap();
        looks(&app, HEALTHY).await;
    }
}

/// A server with these checks, which says of itself what `change` makes it say.
fn app(change: impl FnOnce(&mut Settings, &Path)) -> TestApp {
    Database::Sqlite.app_with(|options| change(&mut options.api.health, &options.data_dir))
}

async fn says(app: &TestApp, status: u16, text: &str) {
    assert_eq!(app.as_nobody().get("/healthcheck").await.expect(status).text(), text);
}

/// Every file of `enable_by_files` must be there, and details name the one that is not.
#[test]
fn missing_files_take_a_node_out_of_rotation() {
    block_on(async {
        let app = app(|health, folder| {
            health.detailed = true;
            health.checks = vec![Check::EnableByFiles(vec![folder.join("a"), folder.join("b")])];
        });
        let paths = [app.folder().join("a"), app.folder().join("b")];
        fs::write(&paths[0], "").unwrap();
        says(&app, 503, "FILE PATH MISSING").await;
        let asked = app.as_nobody().get("/healthcheck").header("accept", "application/json");
        let told = asked.await.expect(503).json();
        assert_eq!(told["detailed"], true);
        let details = format!("File path {} is missing", paths[1].display());
        let reason = json!({"class": "HealthcheckResult", "details": details, "reason": "FILE PATH MISSING"});
        assert_eq!(told["reasons"], json!([reason]));
        fs::write(&paths[1], "").unwrap();
        says(&app, 200, "OK").await;
    });
}

/// A file for each port counts for the port on which the server listens, and each check says a line of its own.
#[test]
fn a_file_counts_for_its_port() {
    block_on(async {
        let mut app = app(|health, _| health.checks = Vec::new());
        says(&app, 200, "").await;
        let (port, file) = (app.address().port(), app.folder().join("disabled"));
        fs::write(&file, "").unwrap();
        app.reconfigure(|options| {
            options.bind = format!("127.0.0.1:{port}");
            let here = Check::DisableByFilesPorts([(port, file.clone())].into());
            let elsewhere = Check::DisableByFilesPorts([(port ^ 1, file.clone())].into());
            options.api.health.checks = vec![elsewhere, here];
        });
        says(&app, 503, "OK\nDISABLED BY FILE").await;
        fs::remove_file(&file).unwrap();
        says(&app, 200, "OK\nOK").await;
    });
}

/// Who is in none of the networks finds nothing, and so do requests that a proxy has passed on, if that is wished.
#[test]
fn sec_60_only_some_may_ask() {
    block_on(async {
        let mut app = app(|health, _| health.allowed_sources = vec!["192.0.2.0/24".parse().unwrap()]);
        app.as_nobody().get("/healthcheck").header("x-forwarded-for", "192.0.2.1").await.expect(404);
        app.reconfigure(|options| {
            let health = &mut options.api.health;
            health.allowed_sources.push("127.0.0.0/8".parse().unwrap());
            health.ignore_proxied = true;
        });
        says(&app, 200, "OK").await;
        for name in
            ["x-forwarded", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-for", "x-forwarded-prefix"]
        {
            app.as_nobody().get("/healthcheck").header(name, "x").await.expect_for(404, name);
        }
        app.as_nobody().get("/healthcheck").header("forwarded", "for=1").await.expect(200);
    });
}

/// Details, and they alone, tell how each store is, as JSON and as a page.
#[test]
fn sec_60_only_details_tell_of_the_stores() {
    block_on(async {
        let mut app = app(|health, _| health.detailed = true);
        let ask = |app: &TestApp, accept| app.as_nobody().get("/healthcheck").header("accept", accept);
        let told = ask(&app, "application/json").await.expect(200).json();
        let stores = told["stores"].as_array().unwrap();
        let (file, http) = (&stores[0], &stores[1]);
        assert_eq!(
            (&file["id"], &file["type"], &file["state"]),
            (&json!("file"), &json!("file"), &json!("well"))
        );
        let bytes = |member: &str| file[member].as_u64().unwrap();
        assert!(0 < bytes("free") && bytes("free") <= bytes("total"), "{file}");
        let unasked = json!({"id": "http", "type": "http", "state": "well", "fenced_seconds": null, "free": null, "total": null,
                             "latency": null, "errors": 0, "last_error": null});
        assert_eq!(http, &unasked);
        assert!(
            ask(&app, "text/html")
                .await
                .expect(200)
                .text()
                .contains("<td>file</td><td>file</td><td>well</td>")
        );
        assert_eq!(ask(&app, "text/plain").await.expect(200).text(), "OK");
        app.reconfigure(|options| options.api.health.detailed = false);
        let told = ask(&app, "application/json").await.expect(200).json();
        assert_eq!(told, json!({"detailed": false, "reasons": ["OK"]}));
    });
}
