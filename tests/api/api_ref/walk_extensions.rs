//! The walk through the extensions.

use serde_json::json;

use super::{
    walk::{Body, Walk, patch},
    walk_uploads::uploads,
};
use crate::support::{Client, OCTETS, TestApp, bytes, eventually};

const FAILED: &str = "00000000-0000-4000-8000-000000000021";
const STOPPED: &str = "00000000-0000-4000-8000-000000000022";
const ADOPTED: &str = "00000000-0000-4000-8000-000000000024";
const PURGED: &str = "00000000-0000-4000-8000-000000000025";
const MEMBER: &str = "00000000-0000-4000-8000-000000000026";
const RESCUING: &str = "00000000-0000-4000-8000-00000000002b";
const USED: &str = "00000000-0000-4000-8000-000000000023";

/// The id of the one job of an image, once it is in a state.
async fn job_of(client: &Client, image: &str, state: &str) -> String {
    let path = format!("/ext/v1/jobs?image_id={image}&state={state}");
    eventually(state, async || {
        let jobs = client.get(&path).await.expect(200).json();
        jobs["jobs"][0]["id"].as_str().map(str::to_owned).ok_or(jobs)
    })
    .await
}

async fn consumers(walk: &Walk, admin: &Client, owner: &Client) {
    let new = json!({"id": USED, "disk_format": "raw", "container_format": "bare"});
    walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
    let data = Body::Of(OCTETS, bytes(5));
    walk.ask(owner, &format!("PUT /v2/images/{USED}/file"), data, 204).await;
    let path = format!("/ext/v1/images/{USED}");
    let server = format!("{path}/consumers/server/s");
    for (client, line, body, status) in [
        (admin, format!("PUT {server}"), Body::Json(json!({"project_id": "p"})), 201),
        (admin, format!("PUT {server}"), Body::None, 200),
        (owner, format!("PUT {server}"), Body::None, 403),
        (admin, format!("GET {path}/consumers?limit=1"), Body::None, 200),
        (owner, format!("GET {path}/delete-preview"), Body::None, 200),
        (admin, format!("DELETE {server}"), Body::None, 204),
        (admin, format!("DELETE {server}"), Body::None, 404),
        (owner, format!("POST {path}/retire"), Body::None, 204),
        (admin, format!("PUT {server}"), Body::None, 409),
        (owner, format!("POST {path}/unretire"), Body::None, 204),
        (admin, "PUT /ext/v1/consumers?scope=h".to_owned(), Body::Json(json!({"consumers": []})), 200),
    ] {
        walk.ask(client, &line, body, status).await;
    }
}

async fn webhooks(walk: &Walk, owner: &Client) {
    let new = json!({"url": "http://127.0.0.1:9/x", "events": ["image.delete"]});
    walk.ask(owner, "POST /ext/v1/webhooks", Body::Json(new.clone()), 201).await;
    walk.ask(owner, "POST /ext/v1/webhooks", Body::Json(json!({"url": "file:///"})), 400).await;
    walk.ask(owner, "GET /ext/v1/webhooks", Body::None, 200).await;
    let id = owner.get("/ext/v1/webhooks").await.expect(200).json()["webhooks"][0]["id"].clone();
    let path = format!("/ext/v1/webhooks/{}", id.as_str().unwrap());
    for (method, status) in [("GET", 200), ("DELETE", 204), ("GET", 404), ("DELETE", 404)] {
        walk.ask(owner, &format!("{method} {path}"), Body::None, status).await;
    }
}

/// A job of a store, once it is over.
async fn over(client: &Client, id: &str) {
    let path = format!("/ext/v1/jobs/{id}");
    eventually("over", async || {
        let job = client.get(&path).await.expect(200).json()["job"].clone();
        if job["result"].is_object() { Ok(()) } else { Err(job) }
    })
    .await;
}

/// A file of nobody's that is two days old.
fn orphan(app: &TestApp, name: &str) {
    let path = app.store_folder().join(name);
    std::fs::write(&path, b"x").unwrap();
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 24 * 3600);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

/// What is answered about stores.
pub async fn store_keeping(walk: &Walk, app: &TestApp) {
    let (admin, owner) = (&app.as_admin(), &app.as_member("owner"));
    let store = "/ext/v1/stores/file";
    for (client, line, status) in [
        (admin, "GET /ext/v1/stores?limit=1".to_owned(), 200),
        (owner, "GET /ext/v1/stores".to_owned(), 403),
        (admin, format!("GET {store}"), 200),
        (admin, "GET /ext/v1/stores/none".to_owned(), 404),
        (admin, format!("GET {store}/objects?limit=1"), 200),
        (admin, format!("GET {store}/objects?state=lost"), 400),
        (admin, format!("GET {store}/quarantine"), 200),
        (admin, format!("POST {store}/quarantine/none/restore"), 404),
        (admin, format!("POST {store}/quarantine/none/purge"), 404),
        (owner, format!("POST {store}/quarantine/none/purge"), 403),
        (admin, "GET /ext/v1/jobs/none/findings".to_owned(), 404),
    ] {
        walk.ask(client, &line, Body::None, status).await;
    }
    let line = format!("POST {store}/reconcile");
    walk.ask(admin, &line, Body::Json(json!({"actions": {"orphan": "delete"}})), 400).await;
    let asked = walk.ask(admin, &line, Body::Json(json!({"verify": "exists"})), 202).await.json();
    let job = asked["job"]["id"].as_str().unwrap().to_owned();
    over(admin, &job).await;
    walk.ask(admin, &format!("GET /ext/v1/jobs/{job}/findings"), Body::None, 200).await;
    walk.ask(admin, &format!("GET /ext/v1/jobs/{job}/findings?format=csv"), Body::None, 200).await;
    let line = format!("POST {store}/objects/adopt");
    let new = json!({"key": ADOPTED, "image": {"disk_format": "raw", "container_format": "bare"}});
    walk.ask(admin, &line, Body::Json(new.clone()), 404).await;
    walk.ask(owner, &line, Body::Json(new.clone()), 403).await;
    orphan(app, ADOPTED);
    orphan(app, PURGED);
    let apply = json!({"actions": {"orphan": "quarantine"}, "dry_run": false});
    let asked = walk.ask(admin, &format!("POST {store}/reconcile"), Body::Json(apply), 202).await.json();
    over(admin, asked["job"]["id"].as_str().unwrap()).await;
    let held = walk.ask(admin, &format!("GET {store}/quarantine"), Body::None, 200).await.json();
    for (name, call) in [(ADOPTED, "restore"), (PURGED, "purge")] {
        let held = held["quarantine"].as_array().unwrap().iter().find(|one| one["key"] == name).unwrap();
        let id = held["id"].as_str().unwrap();
        walk.ask(admin, &format!("POST {store}/quarantine/{id}/{call}"), Body::None, 204).await;
    }
    let adopted = walk.ask(admin, &line, Body::Json(new), 202).await.json();
    over(admin, adopted["job"]["id"].as_str().unwrap()).await;
}

async fn families(walk: &Walk, owner: &Client) {
    let new = json!({"id": MEMBER, "disk_format": "raw", "container_format": "bare", "name": "build 1"});
    walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
    let publish = "POST /ext/v1/families/debian-12/publish";
    let publication = Body::Json(json!({"image_id": MEMBER, "plain_name": "Debian 12"}));
    walk.ask(owner, publish, publication.clone(), 409).await;
    walk.ask(owner, &format!("PUT /v2/images/{MEMBER}/file"), Body::Of(OCTETS, bytes(5)), 204).await;
    walk.ask(owner, publish, publication, 200).await;
    let shown = owner.show(MEMBER).await.expect(200).json();
    let project = shown["owner"].as_str().unwrap();
    let rules = format!("/ext/v1/retention/{project}");
    let rule = Body::Json(json!({"keep_last": 3, "action": "retire"}));
    for (line, body, status) in [
        ("GET /ext/v1/families?limit=1".to_owned(), Body::None, 200),
        (format!("GET /ext/v1/families/{project}/debian-12"), Body::None, 200),
        (format!("GET /ext/v1/families/{project}/none"), Body::None, 404),
        (format!("GET /ext/v1/families/{project}/debian-12/current"), Body::None, 303),
        (format!("PUT {rules}?family=debian-12"), rule.clone(), 200),
        (format!("PUT {rules}?family=No"), rule, 400),
        (format!("POST {rules}/run?family=debian-12&dry_run=true"), Body::None, 200),
        (format!("GET {rules}"), Body::None, 200),
        (format!("DELETE {rules}?family=debian-12"), Body::None, 204),
        ("POST /ext/v1/families/debian-12/rollback".to_owned(), Body::None, 200),
        ("POST /ext/v1/families/debian-12/rollback".to_owned(), Body::None, 404),
    ] {
        walk.ask(owner, &line, body, status).await;
    }
}

async fn media_groups(walk: &Walk, admin: &Client, owner: &Client) {
    let groups = "/ext/v1/media-groups";
    let put = patch(json!([{"op": "add", "path": "/media_group", "value": "Linux"}]));
    for (client, line, body, status) in [
        (owner, format!("POST {groups}"), Body::Json(json!({"name": "Linux"})), 403),
        (admin, format!("POST {groups}"), Body::Json(json!({"name": "Linux"})), 201),
        (admin, format!("POST {groups}"), Body::Json(json!({"name": "linux"})), 409),
        (admin, format!("POST {groups}"), Body::Json(json!({"name": "/"})), 400),
        (owner, format!("PATCH /v2/images/{USED}"), put, 200),
        (owner, format!("GET {groups}?limit=1"), Body::None, 200),
        (owner, format!("GET {groups}?with=images"), Body::None, 200),
        (owner, format!("GET {groups}?with=love"), Body::None, 400),
        (owner, format!("GET {groups}/Linux"), Body::None, 200),
        (owner, format!("GET {groups}/None"), Body::None, 404),
        (owner, format!("PATCH {groups}/Linux"), Body::Json(json!({"order": 1})), 403),
        (admin, format!("PATCH {groups}/Linux"), Body::Json(json!({"order": 1, "icon": "tux"})), 200),
        (admin, format!("DELETE {groups}/Linux"), Body::None, 409),
        (admin, format!("DELETE {groups}/Linux?clear=true&dry_run=true"), Body::None, 200),
        (admin, format!("DELETE {groups}/Linux?clear=true"), Body::None, 204),
        (admin, format!("DELETE {groups}/Linux"), Body::None, 404),
    ] {
        walk.ask(client, &line, body, status).await;
    }
}

async fn bundles(walk: &Walk, owner: &Client) {
    let (path, id) = ("/ext/v1/bundles", "00000000-0000-4000-8000-000000000029");
    let of = |disk: &str| Body::Json(json!({"id": id, "disks": [{"image_id": disk, "boot_index": 0}]}));
    for (line, body, status) in [
        (format!("POST {path}"), of(USED), 201),
        (format!("POST {path}"), of("none"), 404),
        (format!("POST {path}"), of(id), 409),
        (format!("POST {path}"), Body::Json(json!({"disks": []})), 400),
        (format!("GET {path}?limit=1"), Body::None, 200),
        (format!("GET {path}?colour=red"), Body::None, 400),
        (format!("GET {path}/{id}"), Body::None, 200),
        (format!("GET {path}/none"), Body::None, 404),
        (format!("DELETE {path}/{id}?disks=burn"), Body::None, 400),
        (format!("DELETE {path}/{id}?disks=keep"), Body::None, 204),
        (format!("DELETE {path}/{id}"), Body::None, 404),
    ] {
        walk.ask(owner, &line, body, status).await;
    }
}

async fn limits(walk: &Walk, admin: &Client, owner: &Client) {
    let project = owner.show(USED).await.expect(200).json()["owner"].as_str().unwrap().to_owned();
    let (path, image) = (format!("/ext/v1/projects/{project}/limits"), format!("/ext/v1/images/{USED}"));
    let given = || Body::Json(json!({"project_id": "elsewhere"}));
    for (client, line, body, status) in [
        (admin, format!("PUT {path}"), Body::Json(json!({"private_images": 50})), 204),
        (owner, format!("PUT {path}"), Body::Json(json!({})), 403),
        (owner, format!("GET {path}"), Body::None, 200),
        (admin, format!("DELETE {path}"), Body::None, 204),
        (admin, format!("POST {image}/attach"), given(), 200),
        (owner, format!("POST {image}/attach"), given(), 403),
        (admin, format!("POST {image}/detach"), given(), 204),
        (admin, format!("POST {image}/detach"), given(), 404),
    ] {
        walk.ask(client, &line, body, status).await;
    }
}

/// Reports, what billers pull, and the rates.
async fn usage(walk: &Walk, admin: &Client, owner: &Client) {
    let month = "from=2026-11-01T00:00Z&to=2036-12-01T00:00Z";
    let report = "GET /ext/v1/usage/report?";
    let rates = json!({"currency": "EUR", "default": "0.05", "licenses": {"gold": "1"}});
    let others = json!({"currency": "USD"});
    for (client, line, body, status) in [
        (owner, "PUT /ext/v1/usage/rates".to_owned(), Body::Json(rates.clone()), 403),
        (admin, "PUT /ext/v1/usage/rates".to_owned(), Body::Json(rates), 200),
        (admin, "PUT /ext/v1/usage/rates".to_owned(), Body::Json(others), 409),
        (admin, "GET /ext/v1/usage/rates".to_owned(), Body::None, 200),
        (admin, format!("{report}{month}"), Body::None, 200),
        (owner, format!("{report}{month}&format=csv&group=store"), Body::None, 200),
        (owner, format!("{report}{month}&project=another"), Body::None, 403),
        (owner, format!("{report}from=x"), Body::None, 400),
        (admin, "GET /ext/v1/usage/now?limit=1".to_owned(), Body::None, 200),
        (admin, "GET /ext/v1/usage/events?since=0".to_owned(), Body::None, 200),
        (owner, "GET /ext/v1/usage/events".to_owned(), Body::None, 403),
        (admin, "GET /ext/v1/usage/image-hours?from=2026-11-01".to_owned(), Body::None, 200),
        (admin, "GET /ext/v1/usage/image-hours".to_owned(), Body::None, 400),
    ] {
        walk.ask(client, &line, body, status).await;
    }
}

async fn trash(walk: &Walk, owner: &Client) {
    let path = format!("/ext/v1/trash/{MEMBER}");
    for (line, status) in [
        (format!("DELETE /v2/images/{MEMBER}"), 204),
        ("GET /ext/v1/trash".to_owned(), 200),
        (format!("POST {path}/restore"), 204),
        (format!("POST {path}/restore"), 404),
        (format!("DELETE /v2/images/{MEMBER}"), 204),
        (format!("DELETE {path}"), 204),
        (format!("DELETE {path}"), 404),
    ] {
        walk.ask(owner, &line, Body::None, status).await;
    }
}

async fn rescue_image(walk: &Walk, owner: &Client) {
    walk.ask(owner, "GET /ext/v1/rescue-image?colour=red", Body::None, 400).await;
    walk.ask(owner, "GET /ext/v1/rescue-image", Body::None, 404).await;
    let new =
        json!({"id": RESCUING, "disk_format": "raw", "container_format": "bare", "image_family": "rescue"});
    walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
    owner.upload(RESCUING, "data").await.expect(204);
    walk.ask(owner, "GET /ext/v1/rescue-image", Body::None, 303).await;
}

/// Everything that they answer.
pub async fn extensions(walk: &Walk, admin: &Client, owner: &Client) {
    consumers(walk, admin, owner).await;
    families(walk, owner).await;
    trash(walk, owner).await;
    media_groups(walk, admin, owner).await;
    bundles(walk, owner).await;
    limits(walk, admin, owner).await;
    usage(walk, admin, owner).await;
    walk.ask(owner, "GET /ext/v1", Body::None, 200).await;
    // Nobody listens at the first; the second takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silence = format!("http://{}/x", silent.local_addr().unwrap());
    for (id, uri) in [(FAILED, "http://127.0.0.1:9/x"), (STOPPED, &silence)] {
        let new = json!({"id": id, "disk_format": "raw", "container_format": "bare"});
        walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
        let body = json!({"method": {"name": "web-download", "uri": uri}});
        walk.ask(owner, &format!("POST /v2/images/{id}/import"), Body::Json(body), 202).await;
    }
    for (query, status) in [("?limit=1", 200), ("?fits=ram:2048,disk:20&rescue=true", 200), ("?fits=x", 400)]
    {
        walk.ask(owner, &format!("GET /ext/v1/images{query}"), Body::None, status).await;
    }
    let slug = json!([{"op": "add", "path": "/image_slug", "value": "walked"}]);
    owner.update(FAILED, slug).await.expect(200);
    for (path, status) in [
        ("by-slug/walked", 303),
        ("by-slug/none", 404),
        ("by-slug/walked?owner=nobody", 404),
        ("by-slug/walked?colour=red", 400),
        ("none/lint", 404),
        (&*format!("{FAILED}/lint"), 200),
    ] {
        walk.ask(owner, &format!("GET /ext/v1/images/{path}"), Body::None, status).await;
    }
    rescue_image(walk, owner).await;
    uploads(walk, owner).await;
    for (query, status) in [("", 200), ("?columns=id,status_text&bom=true", 200), ("?limit=1", 400)] {
        walk.ask(owner, &format!("GET /ext/v1/images.csv{query}"), Body::None, status).await;
    }
    for (query, status) in [("", 200), ("?limit=1", 200), ("?marker=x", 400)] {
        walk.ask(owner, &format!("GET /ext/v1/images/{FAILED}/events{query}"), Body::None, status).await;
    }
    for (query, status) in [("", 200), ("?limit=1", 200), ("?marker=x", 400)] {
        walk.ask(owner, &format!("GET /ext/v1/events{query}"), Body::None, status).await;
    }
    for (query, status) in [("?seconds=1", 200), ("?seconds=0", 400)] {
        walk.ask(owner, &format!("GET /ext/v1/events/stream{query}"), Body::None, status).await;
    }
    webhooks(walk, owner).await;
    let (failed, running) = (job_of(owner, FAILED, "failed").await, job_of(owner, STOPPED, "running").await);
    walk.ask(owner, "GET /ext/v1/jobs", Body::None, 200).await;
    for (id, call, status) in [
        (&failed, "GET", 200),
        (&running, "GET", 200),
        (&failed, "cancel", 409),
        (&running, "retry", 409),
        (&running, "cancel", 202),
        (&failed, "retry", 202),
    ] {
        let line = if call == "GET" {
            format!("GET /ext/v1/jobs/{id}")
        } else {
            format!("POST /ext/v1/jobs/{id}/{call}")
        };
        walk.ask(owner, &line, Body::None, status).await;
    }
    job_of(owner, STOPPED, "cancelled").await;
}
