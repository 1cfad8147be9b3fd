//! `/healthcheck`, by which load balancers tell the nodes that take requests.

use std::fs;

use serde_json::json;

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
            options.api.healthcheck_disable_file = Some(options.data_dir.join("disabled"));
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
