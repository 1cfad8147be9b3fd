//! Imports and tasks: staging, the three methods, plug-ins, hostile sources.

mod absent;
mod appliances;
mod bundled;
mod direct;
mod engine;
mod formats;
mod hostile;
mod limits;
mod lost;
mod plugins;
mod quota;
mod remote_rule;
mod secrets;
mod signed;
pub mod source;
mod stores;
mod tasks;
mod unified;
mod web;

use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::support::*;

/// An app whose imports reach the test's own machine.
fn app(database: Database) -> TestApp {
    database.app_with(reach_loopback)
}

fn import(client: &Client, id: &str, body: Value) -> Request {
    client.post(&format!("/v2/images/{id}/import")).json(&body)
}

fn download(client: &Client, id: &str, uri: &str) -> Request {
    import(client, id, json!({"method": {"name": "web-download", "uri": uri}}))
}

fn stage(client: &Client, id: &str, data: Vec<u8>) -> Request {
    client.put(&format!("/v2/images/{id}/stage")).header("content-type", OCTETS).body(data)
}

/// The newest task of an image, once it is over.
async fn over(client: &Client, id: &str) -> Value {
    eventually("the task is over", async || {
        let tasks = client.get(&format!("/v2/images/{id}/tasks")).await.expect(200).json();
        let task = tasks["tasks"].as_array().and_then(|tasks| tasks.last()).cloned().unwrap_or_default();
        let status = task["status"].as_str().unwrap_or_default().to_owned();
        if ["success", "failure"].contains(&status.as_str()) { Ok(task) } else { Err(task) }
    })
    .await
}

/// Requires that the last import failed with a message that has this in it, and left the image in `status`.
async fn failed(app: &TestApp, client: &Client, id: &str, status: &str, message: &str) {
    let task = over(client, id).await;
    assert_eq!(task["status"], "failure", "instead of {message:?}: {task}");
    assert!(task["message"].as_str().unwrap().contains(message), "{message:?} is not in {task}");
    let shown = client.show(id).await.expect(200).json();
    assert_eq!(shown["status"], status, "{shown}");
    assert_eq!(shown["os_glance_import_task"], Value::Null);
    if status == "queued" {
        nothing_is_staged(app).await;
    }
}

/// Requires that the last import succeeded, and that the image has exactly this data.
async fn holds(client: &Client, id: &str, data: &[u8]) -> Value {
    let task = over(client, id).await;
    assert_eq!(task["status"], "success", "{task}");
    let shown = client.show(id).await.expect(200).json();
    assert_eq!(shown["status"], "active");
    assert_eq!(shown["size"], data.len());
    assert_eq!(shown["os_glance_import_task"], Value::Null);
    assert!(client.download(id).await.expect(200).body == data, "the data differs");
    shown
}

/// Requires that the reaper empties the staging folder.
async fn nothing_is_staged(app: &TestApp) {
    let app = app.app();
    eventually("staging is empty", async || {
        vitrine::jobs::reap::sweep(&app).await.unwrap();
        let names: Vec<_> = app.blobs.staging.store.list().try_collect().await.unwrap();
        let names: Vec<_> = names.into_iter().filter(|listed| !listed.name.starts_with('.')).collect();
        if names.is_empty() { Ok(()) } else { Err(names) }
    })
    .await;
}
