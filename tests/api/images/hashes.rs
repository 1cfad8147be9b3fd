//! `POST /v2/images/{id}/hash`: what an image lacks is found, and nothing is written over.

use serde_json::{Value, json};

use crate::support::*;

/// Digests of `data`, which is what every [`WebSource`] has.
const MD5: &str = "8d777f385d3dfec8815d20f7496026dc";
const SHA256: &str = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";

/// A service that takes data from this machine, and does not measure it.
fn believing(database: Database) -> TestApp {
    database.app_with(|options| {
        reach_loopback(options);
        options.image.do_secure_hash = false;
    })
}

/// An image whose data nobody has measured, with a hash if one is claimed.
async fn unmeasured(client: &Client, source: &WebSource, claimed: Option<&str>) -> String {
    let id = client.created(image().raw()).await;
    let mut body = json!({"url": source.url("a")});
    if let Some(claimed) = claimed {
        body["validation_data"] = json!({"os_hash_algo": "sha256", "os_hash_value": claimed});
    }
    client.post(&format!("/v2/images/{id}/locations")).json(&body).await.expect(202);
    over(client, &id, 1).await;
    id
}

/// The newest of so many tasks of an image, once all are over.
async fn over(client: &Client, id: &str, count: usize) -> Value {
    eventually("the task is over", async || {
        let tasks = client.get(&format!("/v2/images/{id}/tasks")).await.expect(200).json()["tasks"].clone();
        let list = tasks.as_array().unwrap().clone();
        let done = |task: &Value| ["success", "failure"].contains(&task["status"].as_str().unwrap());
        if list.len() == count && list.iter().all(done) {
            Ok(list.into_iter().max_by_key(|task| task["created_at"].to_string()).unwrap())
        } else {
            Err(tasks)
        }
    })
    .await
}

/// Holds that the list of tasks goes by the type that it shows, where that is not the kind of the job.
async fn listed_by_type(admin: &Client, task: &Value) {
    let ids = async |query: &str| {
        let page = admin.get(&format!("/v2/tasks?{query}")).await.expect(200).json();
        page["tasks"].as_array().unwrap().iter().map(|task| task["id"].clone()).collect::<Vec<_>>()
    };
    let found = ids("type=location_import").await;
    assert!(found.len() == 2 && found.contains(&task["id"]), "{found:?}");
    assert_eq!(ids("type=import").await, [Value::Null; 0]);
    let all = ids("sort_key=type").await;
    assert_eq!(ids(&format!("sort_key=type&marker={}", all[0].as_str().unwrap())).await, all[1..]);
    admin.get("/v2/tasks?type=hash_calculation").await.expect(400);
}

on_each_database! {
    /// An administrator has the hashes of an active image found, with the algorithm that he names; others may not, and
    /// an image that has its hashes or no data is left alone.
    async fn missing_hashes_are_found(database: Database) {
        let source = WebSource::start();
        let app = believing(database);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = unmeasured(&alice, &source, None).await;
        let hash = format!("/v2/images/{id}/hash");
        alice.post(&hash).json(&json!({"os_hash_algo": "sha256"})).await.expect(403);
        for bad in [json!([]), json!({"os_hash_algo": 5}), json!({"os_hash_algo": "crc32"}), json!({"algo": "md5"})] {
            admin.post(&hash).json(&bad).await.expect(400);
        }
        admin.post(&format!("/v2/images/{}/hash", uuid::Uuid::new_v4())).json(&json!({})).await.expect(404);
        assert_eq!(admin.get(&hash).await.expect(405).header("allow"), "POST");
        let queued = alice.created(image().raw()).await;
        admin.post(&format!("/v2/images/{queued}/hash")).json(&json!({})).await.expect(409);

        admin.post(&hash).json(&json!({"os_hash_algo": "sha256"})).await.expect(202);
        let task = over(&admin, &id, 2).await;
        assert_eq!((&task["status"], &task["type"]), (&json!("success"), &json!("location_import")), "{task}");
        listed_by_type(&admin, &task).await;
        let shown = alice.show(&id).await.expect(200).json();
        assert_eq!([&shown["checksum"], &shown["os_hash_algo"], &shown["os_hash_value"]], [MD5, "sha256", SHA256]);
        assert_eq!((&shown["status"], shown.get("os_glance_import_task")), (&json!("active"), None));
        admin.post(&hash).json(&json!({})).await.expect(409);
    }

    /// Data that is not what the image says of it gives it no checksum: the task fails, and the image stays as it was
    /// and free for others.
    async fn data_that_contradicts_the_image_is_not_believed(database: Database) {
        let source = WebSource::start();
        let app = believing(database);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let wrong = "0".repeat(64);
        let id = unmeasured(&alice, &source, Some(&wrong)).await;
        let before = alice.show(&id).await.expect(200).json();
        admin.post(&format!("/v2/images/{id}/hash")).json(&json!({"os_hash_algo": "sha256"})).await.expect(202);
        let task = over(&admin, &id, 2).await;
        assert_eq!(task["status"], "failure", "{task}");
        assert!(task["message"].as_str().unwrap().contains(SHA256), "{task}");
        let after = alice.show(&id).await.expect(200).json();
        for name in ["status", "size", "checksum", "os_hash_algo", "os_hash_value"] {
            assert_eq!(after[name], before[name], "{name}");
        }
        alice.delete(&format!("/v2/images/{id}")).await.expect(204);
    }
}
