//! Durable work with its progress (section p).

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::*;
use vitrine::{
    db,
    model::job::{Job, JobStatus},
};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9/x";

/// What [`Drip`] sends in all.
const DRIP_BYTES: usize = 64 << 20;
/// What it sends at a time.
const DROP_BYTES: usize = 64 << 10;

/// A source whose data comes steadily until it is told to send the rest at once.
struct Drip {
    address: SocketAddr,
    rest: Sender<()>,
}

impl Drip {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (rest, told) = channel();
        std::thread::spawn(move || serve(&listener, &told));
        Self { address, rest }
    }
}

fn serve(listener: &TcpListener, told: &Receiver<()>) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    BufReader::new(stream.try_clone()?).lines().map_while(Result::ok).find(String::is_empty);
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {DRIP_BYTES}\r\nconnection: close\r\n\r\n")?;
    let mut left = DRIP_BYTES;
    while left > DROP_BYTES && told.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout)
    {
        stream.write_all(&bytes(DROP_BYTES))?;
        left -= DROP_BYTES;
    }
    stream.write_all(&bytes(left))
}

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
        assert_eq!(job["progress"], json!({"bytes": 0, "total": null, "percent": null, "rate": null, "eta": null}));
        assert_eq!((&job["step"], &job["steps"]), (&json!(null), &json!(["fetch", "prepare", "store"])));
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

    /// Work under way says at which step it is, how fast it moves bytes and how long that will take; when it is done, that
    /// all bytes have come and nothing is left.
    async fn work_tells_its_step_and_its_pace(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.jobs.lease_seconds = 9;
        });
        let alice = app.as_member("alice");
        let source = Drip::start();
        let id = alice.created(image().raw()).await;
        let body = json!({"method": {"name": "web-download", "uri": format!("http://{}/x", source.address)}});
        alice.post(&format!("/v2/images/{id}/import")).json(&body).await.expect(202);
        let jobs = format!("/ext/v1/jobs?image_id={id}");
        let running = eventually("bytes move", async || {
            let job = alice.get(&jobs).await.expect(200).json()["jobs"][0].clone();
            if job["progress"]["rate"].as_i64().is_some_and(|rate| rate > 0) { Ok(job) } else { Err(job) }
        });
        let running = running.await;
        assert_eq!((&running["state"], &running["step"]), (&json!("running"), &json!("fetch")));
        assert_eq!(running["steps"], json!(["fetch", "prepare", "store"]));
        let progress = |name: &str| running["progress"][name].as_u64().unwrap();
        assert_eq!(progress("total"), DRIP_BYTES as u64);
        assert_eq!(progress("eta"), (DRIP_BYTES as u64 - progress("bytes")).div_ceil(progress("rate")));

        source.rest.send(()).unwrap();
        alice.becomes(&id, "active").await;
        let done = eventually("the job is done", async || {
            let job = alice.get(&jobs).await.expect(200).json()["jobs"][0].clone();
            if job["state"] == "done" { Ok(job) } else { Err(job) }
        });
        let done = done.await;
        let all = json!({"bytes": DRIP_BYTES, "total": DRIP_BYTES, "percent": 100, "rate": null, "eta": null});
        assert_eq!((&done["progress"], &done["step"]), (&all, &json!(null)));
    }

    /// A job that is over before anybody noted its progress shows all of it.
    async fn work_that_is_over_shows_all_its_bytes(database: Database) {
        let app = database.app_with(reach_loopback);
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let id = alice.created(image().raw()).await;
        let body = json!({"method": {"name": "web-download", "uri": source.url("/x")}});
        alice.post(&format!("/v2/images/{id}/import")).json(&body).await.expect(202);
        let done = eventually("the job is done", async || {
            let job = alice.get(&format!("/ext/v1/jobs?image_id={id}")).await.expect(200).json()["jobs"][0].clone();
            if job["state"] == "done" { Ok(job) } else { Err(job) }
        });
        let all = json!({"bytes": 4, "total": 4, "percent": 100, "rate": null, "eta": null});
        assert_eq!(done.await["progress"], all);
    }

    /// A job whose data is staged stands where its row says, whatever node is asked, and waits at that step.
    async fn the_step_is_that_of_the_row(database: Database) {
        let app = database.app_with(reach_loopback);
        let alice = app.as_member("alice");
        let (_, job) = failed(&alice).await;
        let id = job["id"].as_str().unwrap().to_owned();
        let staged = json!({"blob": "b", "store": "s", "size": 1});
        let waits = |change: Value| {
            let id = id.clone();
            app.write(move |conn| {
                let now = now();
                let old = db::jobs::find(conn, &id)?.unwrap();
                let mut state = old.state.as_object().cloned().unwrap();
                state.extend(change.as_object().cloned().unwrap());
                let new = Job {
                    id: fresh_id(),
                    status: JobStatus::Processing,
                    state: Value::Object(state),
                    // Nobody claims it.
                    run_after: now.plus_seconds(3600),
                    updated_at: now,
                    bytes_done: 10,
                    bytes_total: Some(100),
                    bytes_rate: Some(7),
                    ..old
                };
                db::jobs::insert(conn, &new)?;
                Ok(new.id)
            })
        };
        for (change, step) in [
            (json!({}), "fetch"),
            (json!({"staged": staged.clone()}), "prepare"),
            (json!({"staged": staged, "prepared": true}), "store"),
        ] {
            let id = waits(change).await;
            let shown = alice.get(&format!("/ext/v1/jobs/{id}")).await.expect(200).json()["job"].clone();
            assert_eq!((&shown["state"], &shown["step"]), (&json!("waiting"), &json!(step)));
            // It does not run.
            assert_eq!((&shown["progress"]["rate"], &shown["progress"]["eta"]), (&json!(null), &json!(null)));
        }
    }

    /// Refusals speak of jobs below `/ext/v1`, and of tasks below `/v2`, as in Glance.
    async fn a_job_is_called_a_job(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        let id = fresh_id();
        let said = async |path: String, status: u16| admin.get(&path).await.expect(status).text();
        for (path, status) in [(format!("/ext/v1/jobs/{id}"), 404), (format!("/ext/v1/jobs?marker={id}"), 400)] {
            let text = said(path, status).await;
            assert!(text.contains("job") && !text.contains("task"), "{text}");
        }
        assert!(said(format!("/v2/tasks/{id}"), 404).await.contains(&format!("No task found with ID {id}")));
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
