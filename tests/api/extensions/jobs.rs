//! Durable work with its progress (section p).

use serde_json::{Value, json};

use crate::support::*;

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9/x";

/// An image whose import has failed, and the job that says so.
async fn failed(client: &Client) -> (String, Value) {
    let id = client.created(image().raw()).await;
    let body = json!({"method": {"name": "web-download", "uri": NOWHERE}});
    client.post(&format!("/v2/images/{id}/import")).json(&body).await.expect(202);
    let job = eventually("the job has failed", async || {
        let jobs = client.get(&format!("/ext/v1/jobs?image_id={id}&state=failed")).await.expect(200).json();
        jobs["jobs"].get(0).cloned().ok_or(jobs)
    })
    .await;
    (id, job)
}

on_each_database! {
    /// A project sees its jobs with state and reason, and asks anew for what failed; readers and others may not.
    async fn failed_work_is_shown_and_repeated(database: Database) {
        let app = database.app_with(reach_loopback);
        let alice = app.as_member("alice");
        let (id, job) = failed(&alice).await;
        let path = format!("/ext/v1/jobs/{}", job["id"].as_str().unwrap());
        assert_eq!((&job["image_id"], &job["project_id"], &job["type"]), (&json!(id), &json!("alice"), &json!("api_image_import")));
        assert_eq!((&job["error"]["reason"], &job["error"]["message"]), (&json!("failed"), &job["message"]));
        assert_eq!(job["progress"], json!({"bytes": 0, "total": null, "percent": null}));
        assert!(job.get("node").is_none() && app.as_admin().get(&path).await.expect(200).json()["job"].get("node").is_some());
        assert_eq!(alice.get(&path).await.expect(200).json()["job"], job);

        for (client, method, path, status) in [
            (app.as_member("bob"), "GET", path.clone(), 404),
            (app.as_member("bob"), "POST", format!("{path}/retry"), 404),
            (app.as_reader("alice"), "GET", path.clone(), 200),
            (app.as_reader("alice"), "POST", format!("{path}/retry"), 403),
            (app.as_reader("alice"), "POST", format!("{path}/cancel"), 403),
            (alice.clone(), "POST", format!("{path}/cancel"), 409),
        ] {
            client.request(method, &path).await.expect_for(status, (method, path));
        }
        assert_eq!(app.as_member("bob").get("/ext/v1/jobs").await.expect(200).json()["jobs"], json!([]));

        let again = alice.post(&format!("{path}/retry")).await.expect(202);
        let new = again.json()["job"]["id"].as_str().unwrap().to_owned();
        assert!(again.header("location").ends_with(&format!("/ext/v1/jobs/{new}")) && new != job["id"]);
        eventually("both have failed", async || {
            let listed = alice.get("/ext/v1/jobs?state=failed&sort=created_at:asc").await.expect(200).json();
            let ids: Vec<Value> = listed["jobs"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect();
            if ids == [job["id"].clone(), json!(new)] { Ok(()) } else { Err(listed) }
        })
        .await;
        let first = alice.get("/ext/v1/jobs?limit=1").await.expect(200).json();
        assert_eq!(first["jobs"][0]["id"], json!(new));
        let second = alice.get(first["next"].as_str().unwrap()).await.expect(200).json();
        assert_eq!(second["jobs"][0]["id"], job["id"]);
        alice.get("/ext/v1/jobs?state=lost").await.expect(400);
        alice.get("/ext/v1/jobs?sort=colour:asc").await.expect(400);
    }

    /// Work under way is stopped by the project that asked for it; the image can be imported into anew.
    async fn work_is_stopped(database: Database) {
        let app = database.app_with(reach_loopback);
        let alice = app.as_member("alice");
        // It takes connections and says nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let id = alice.created(image().raw()).await;
        let uri = format!("http://{}/x", silent.local_addr().unwrap());
        let body = json!({"method": {"name": "web-download", "uri": uri}});
        alice.post(&format!("/v2/images/{id}/import")).json(&body).await.expect(202);
        let running = eventually("the job runs", async || {
            let jobs = alice.get("/ext/v1/jobs?state=running").await.expect(200).json();
            jobs["jobs"][0]["id"].as_str().map(str::to_owned).ok_or(jobs)
        });
        let path = format!("/ext/v1/jobs/{}", running.await);
        alice.post(&format!("{path}/retry")).await.expect(409);
        assert_eq!(alice.post(&format!("{path}/cancel")).await.expect(202).json()["job"]["id"], path["/ext/v1/jobs/".len()..]);
        let over = eventually("the job is cancelled", async || {
            let job = alice.get(&path).await.expect(200).json()["job"].clone();
            if job["state"] == "cancelled" { Ok(job) } else { Err(job) }
        });
        assert_eq!(over.await["error"]["reason"], "cancelled");
        assert_eq!(alice.show(&id).await.expect(200).json()["status"], "queued");
    }
}
