//! `POST /v2/images/{id}/locations`: what becomes of the image.

use serde_json::{Value, json};
use vitrine::server::Options;

use crate::support::*;

/// Digests of `data`, which is what every [`WebSource`] has.
const MD5: &str = "8d777f385d3dfec8815d20f7496026dc";
const SHA256: &str = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";
const SHA1: &str = "a17c9aaa61e80a1bf71d0d850af4e5baa9800bbd";

fn reach_loopback(options: &mut Options) {
    options.imports.filter.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    options.imports.filter.allowed_ports = Vec::new();
    options.image.hashing_algorithm = "sha256".to_owned();
}

/// Adds a location and answers the image once the task is over, and the task.
async fn added(client: &Client, id: &str, body: &Value) -> (Value, Value) {
    let path = format!("/v2/images/{id}");
    assert_eq!(client.post(&format!("{path}/locations")).json(body).await.expect(202).body, "");
    let task = eventually("the task is over", async || {
        let task = client.get(&format!("{path}/tasks")).await.expect(200).json()["tasks"][0].clone();
        if ["success", "failure"].contains(&task["status"].as_str().unwrap()) { Ok(task) } else { Err(task) }
    })
    .await;
    assert_eq!(task["type"], "location_import");
    (client.show(id).await.expect(200).json(), task)
}

fn digests(image: &Value) -> [&Value; 3] {
    ["checksum", "os_hash_algo", "os_hash_value"].map(|name| &image[name])
}

on_each_database! {
    /// The image is active with the size of the data. Its hashes are found by reading it, with the algorithm that the
    /// caller names or else the configured one; without `do_secure_hash` they are what the caller says, or none.
    async fn an_image_gets_its_data(database: Database) {
        let source = WebSource::start();
        let wrong = "0".repeat(64);
        for (secure, validation, expected) in [
            (true, None, [json!(MD5), json!("sha256"), json!(SHA256)]),
            (true, Some(("sha1", SHA1)), [json!(MD5), json!("sha1"), json!(SHA1)]),
            (true, Some(("sha256", SHA256)), [json!(MD5), json!("sha256"), json!(SHA256)]),
            (false, None, [Value::Null, Value::Null, Value::Null]),
            (false, Some(("sha256", wrong.as_str())), [Value::Null, json!("sha256"), json!(wrong)]),
        ] {
            let app = database.app_with(|options| {
                reach_loopback(options);
                options.image.do_secure_hash = secure;
            });
            let alice = app.as_member("alice");
            let id = alice.created(image().raw()).await;
            let mut body = json!({"url": source.url("a"), "ignored": 1});
            if let Some((algorithm, value)) = validation {
                body["validation_data"] = json!({"os_hash_algo": algorithm, "os_hash_value": value});
            }
            let (shown, task) = added(&alice, &id, &body).await;
            assert_eq!((&task["status"], &task["result"]), (&json!("success"), &json!({"image_id": id})), "{body}");
            assert_eq!(digests(&shown), [&expected[0], &expected[1], &expected[2]], "{secure} {body}");
            assert_eq!((&shown["status"], &shown["size"]), (&json!("active"), &json!(4)));
            assert_eq!((&shown["virtual_size"], shown.get("os_glance_import_task")), (&Value::Null, None));
            let listed = app.as_admin().get(&format!("/v2/images/{id}/locations")).await.expect(200).json();
            assert_eq!(listed, json!([{"url": source.url("a"), "metadata": {}}]));
            if digests(&shown)[2] == &json!(wrong) {
                // Whose hash is not that of the data gets none of it.
                alice.download(&id).await.expect(503);
            } else {
                assert_eq!(alice.download(&id).await.expect(200).body, "data");
            }
            alice.post(&format!("/v2/images/{id}/locations")).json(&body).await.expect(409);
        }
    }

    /// A location that cannot be used is taken, and its task fails: the image stays queued, without it, and open to
    /// another.
    async fn an_unusable_location_leaves_the_image_queued(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.image.image_size_cap = 3;
        });
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let closed = unused_place();
        for (new, url) in [
            (image().raw(), format!("http://{closed}/x")),
            (image().raw(), source.url("too-large")),
            (image(), source.url("no-formats")),
        ] {
            let id = alice.created(new).await;
            let (shown, task) = added(&alice, &id, &json!({ "url": url })).await;
            assert_eq!(task["status"], "failure", "{url}: {task}");
            assert!(!task["message"].as_str().unwrap().is_empty(), "{task}");
            assert_eq!((&shown["status"], &shown["size"]), (&json!("queued"), &Value::Null), "{url}");
            assert_eq!((digests(&shown), shown.get("os_glance_import_task")), ([&Value::Null; 3], None));
            let listed = app.as_admin().get(&format!("/v2/images/{id}/locations")).await.expect(200).json();
            assert_eq!(listed, json!([]), "{url}");
            alice.upload(&id, "x").await.expect(if url.contains("no-formats") { 400 } else { 204 });
        }
    }
}
