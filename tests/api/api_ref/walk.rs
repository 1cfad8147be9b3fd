//! A walk through the API: every operation answers what it is for at least once, and the document knows each answer.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::{Value, json};

use super::{
    document::{Document, Operation},
    walk_cache::cache,
    walk_extensions::{extensions, store_keeping},
    walk_metadefs::metadefs,
    walk_storages::storages,
    walk_stores::stores,
    walk_tasks::imports_and_tasks,
    walk_uploads::long_completion,
};
use crate::support::{
    Answer, Client, Database, OCTETS, PATCH_V20, PATCH_V21, WebSource, block_on, bytes, image, reach_loopback,
};

/// One image for each purpose.
const IMAGE: &str = "00000000-0000-4000-8000-000000000001";
const OTHER: &str = "00000000-0000-4000-8000-000000000002";
const BARE: &str = "00000000-0000-4000-8000-000000000003";
/// What an answer may never be, whatever was asked.
const LIMIT_OF_FAULTS: u16 = 500;

/// A body and its media type.
#[derive(Clone)]
pub enum Body {
    None,
    Json(Value),
    Of(&'static str, Vec<u8>),
}

pub fn patch(operations: Value) -> Body {
    Body::Of(PATCH_V21, operations.to_string().into_bytes())
}

pub struct Walk {
    document: Document,
    seen: RefCell<BTreeSet<(String, u16)>>,
}

impl Walk {
    /// Sends `line` (method and path), requires a status and an answer as the document has it.
    pub async fn ask(&self, client: &Client, line: &str, body: Body, status: u16) -> Answer {
        self.ask_with(client, line, body, &[], status).await
    }

    pub async fn ask_with(
        &self,
        client: &Client,
        line: &str,
        body: Body,
        headers: &[(&str, &str)],
        status: u16,
    ) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = client.request(method, path).header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = match body {
            Body::None => request,
            Body::Json(value) => request.json(&value),
            Body::Of(media_type, bytes) => request.header("content-type", media_type).body(bytes),
        };
        let answer = request.await.expect_for(status, line);
        assert!(answer.status < LIMIT_OF_FAULTS, "{answer:?}");
        let operations = self.document.operations();
        let operation = find(&operations, method, path.split('?').next().unwrap());
        let faults = self.document.faults(operation, &answer);
        assert!(faults.is_empty(), "{}: {faults:#?} in {answer:?}", operation.name());
        self.seen.borrow_mut().insert((operation.name(), status));
        answer
    }
}

/// The operation that a path belongs to; one without parameters goes first.
fn find<'a, 'd>(operations: &'a [Operation<'d>], method: &str, path: &str) -> &'a Operation<'d> {
    let fits = |template: &str| {
        let (template, path) = (template.split('/'), path.split('/'));
        template.clone().count() == path.clone().count()
            && template.zip(path).all(|(t, p)| t == p || t.starts_with('{'))
    };
    let mut found: Vec<_> = operations.iter().filter(|o| o.method == method && fits(o.path)).collect();
    found.sort_by_key(|operation| operation.path.matches('{').count());
    found.first().unwrap_or_else(|| panic!("{method} {path} is not described"))
}

async fn versions_and_schemas(walk: &Walk, admin: &Client) {
    for (line, status) in [
        ("GET /", 300),
        ("GET /versions", 200),
        ("GET /healthcheck", 200),
        ("HEAD /healthcheck", 204),
        ("GET /v2", 302),
        ("GET /v2/schemas/image", 200),
        ("GET /v2/schemas/images", 200),
        ("GET /v2/schemas/member", 200),
        ("GET /v2/schemas/members", 200),
        ("GET /v2/schemas/task", 200),
        ("GET /v2/schemas/tasks", 200),
        ("GET /v2/schemas/nothing", 404),
    ] {
        walk.ask(admin, line, Body::None, status).await;
    }
    for accept in ["text/plain", "text/html", "application/json"] {
        walk.ask_with(admin, "GET /healthcheck", Body::None, &[("accept", accept)], 200).await;
    }
    walk.ask(admin, "GET /v2/schemas/image", Body::Json(json!({})), 400).await;
}

async fn records(walk: &Walk, admin: &Client, member: &Client) {
    let new = json!({"id": IMAGE, "name": "one", "disk_format": "raw", "container_format": "bare",
        "tags": ["a", "b"], "os_distro": "debian", "min_disk": 1, "protected": true});
    walk.ask(member, "POST /v2/images", Body::Json(new.clone()), 201).await;
    walk.ask(member, "POST /v2/images", Body::Json(json!({"id": OTHER, "visibility": "community"})), 201)
        .await;
    walk.ask(admin, "POST /v2/images", Body::Json(json!({"id": BARE, "kernel_id": null})), 201).await;
    for (body, status) in [
        (Body::None, 400),
        (Body::Of("application/json", b"{".to_vec()), 400),
        (Body::Json(json!([])), 400),
        (Body::Json(json!({"name": 1})), 400),
        (Body::Json(json!({"size": 1})), 403),
        (Body::Json(json!({"os_glance_x": "y"})), 403),
        (Body::Json(json!({"visibility": "public"})), 403),
        (Body::Json(new), 409),
        (Body::Json(json!({"tags": vec!["t"; 129]})), 413),
    ] {
        walk.ask(member, "POST /v2/images", body, status).await;
    }
    for (query, status) in [
        ("", 200),
        ("?limit=1", 200),
        ("?visibility=all&sort=name:asc,size&tag=a&os_distro=debian", 200),
        ("?sort_key=name&sort_dir=asc&status=in:queued,active&created_at=gt:2020-01-01", 200),
        ("?limit=-1", 400),
        ("?sort_key=colour", 400),
        ("?marker=00000000-0000-4000-8000-00000000000f", 400),
    ] {
        walk.ask(member, &format!("GET /v2/images{query}"), Body::None, status).await;
    }
    walk.ask(member, &format!("GET /v2/images?marker={BARE}"), Body::None, 400).await;
    walk.ask(member, &format!("GET /v2/images/{IMAGE}"), Body::None, 200).await;
    walk.ask(member, &format!("GET /v2/images/{BARE}"), Body::None, 404).await;
    walk.ask(member, &format!("GET /v2/images/{IMAGE}"), Body::Json(json!({})), 400).await;
    let line = format!("PATCH /v2/images/{IMAGE}");
    for (body, status) in [
        (patch(json!([{"op": "add", "path": "/colour", "value": "red"}])), 200),
        (Body::Of(PATCH_V20, br#"[{"replace": "/colour", "value": "blue"}]"#.to_vec()), 200),
        (Body::Of(PATCH_V20, br#"[{"add": "/colour", "value": "blue"}]"#.to_vec()), 409),
        (patch(json!([])), 200),
        (patch(json!({})), 400),
        (patch(json!([{"op": "move", "path": "/colour"}])), 400),
        (patch(json!([{"op": "remove", "path": "/name"}])), 403),
        (patch(json!([{"op": "replace", "path": "/status", "value": "active"}])), 403),
        (patch(json!([{"op": "remove", "path": "/size2"}])), 409),
        (patch(json!([{"op": "replace", "path": "/tags", "value": vec!["t"; 129]}])), 413),
        (Body::Json(json!([])), 415),
    ] {
        walk.ask(member, &line, body, status).await;
    }
    walk.ask(admin, &format!("PATCH /v2/images/{IMAGE}x"), patch(json!([])), 404).await;
}

async fn data(walk: &Walk, admin: &Client, member: &Client) {
    let file = format!("/v2/images/{IMAGE}/file");
    let octets = |length| Body::Of(OCTETS, bytes(length));
    walk.ask(member, &format!("GET {file}"), Body::None, 204).await;
    walk.ask(member, &format!("PUT {file}"), Body::Of("text/plain", bytes(5)), 415).await;
    let size = ("x-openstack-image-size", "6");
    walk.ask_with(member, &format!("PUT {file}"), octets(5), &[size], 400).await;
    walk.ask(member, &format!("PUT {file}"), octets(5), 204).await;
    walk.ask(member, &format!("PUT {file}"), octets(5), 409).await;
    walk.ask(member, &format!("PUT /v2/images/{BARE}/file"), octets(5), 404).await;
    walk.ask(admin, &format!("PUT /v2/images/{BARE}/file"), octets(5), 400).await;
    walk.ask(member, &format!("GET {file}"), Body::None, 200).await;
    for (range, status) in [("bytes=1-2", 206), ("bytes=-1", 206), ("bytes=1-2,4-4", 400), ("bytes=5-", 416)]
    {
        walk.ask_with(member, &format!("GET {file}"), Body::None, &[("range", range)], status).await;
    }
    walk.ask(member, &format!("GET /v2/images/{IMAGE}"), Body::None, 200).await;
    for (action, status) in
        [("deactivate", 204), ("deactivate", 204), ("reactivate", 204), ("deactivate", 204)]
    {
        walk.ask(member, &format!("POST /v2/images/{IMAGE}/actions/{action}"), Body::None, status).await;
    }
    walk.ask(member, &format!("GET {file}"), Body::None, 403).await;
    walk.ask(admin, &format!("GET {file}"), Body::None, 200).await;
    walk.ask(admin, &format!("POST /v2/images/{BARE}/actions/deactivate"), Body::None, 403).await;
    walk.ask(member, &format!("POST /v2/images/{BARE}/actions/reactivate"), Body::None, 404).await;

    let locations = format!("/v2/images/{BARE}/locations");
    // Nothing listens there: the task fails after the answer.
    let url = "http://127.0.0.1:1/disk";
    for (body, status) in [
        (json!({}), 400),
        (json!({"url": url, "validation_data": {"os_hash_algo": "md5"}}), 400),
        (json!({"url": url, "validation_data": {"os_hash_algo": "md5", "os_hash_value": "x"}}), 400),
        (json!({"url": "file:///etc/passwd"}), 403),
        (json!({"url": url}), 202),
    ] {
        walk.ask(admin, &format!("POST {locations}"), Body::Json(body), status).await;
    }
    let line = format!("POST /v2/images/{IMAGE}/locations");
    walk.ask(admin, &line, Body::Json(json!({"url": url})), 409).await;
    walk.ask(admin, &format!("GET /v2/images/{IMAGE}/locations"), Body::None, 200).await;
    walk.ask(member, &format!("GET /v2/images/{IMAGE}/locations"), Body::None, 403).await;
    walk.ask(member, &format!("GET {locations}"), Body::None, 404).await;
}

async fn hashes(walk: &Walk, admin: &Client) {
    let source = WebSource::start();
    let id = admin.created(image().raw()).await;
    let location = json!({"url": source.url("a"), "metadata": {}});
    let add = json!([{"op": "add", "path": "/locations/-", "value": location}]);
    admin.update(&id, add).await.expect(200);
    for (body, status) in [(json!({"os_hash_algo": "x"}), 400), (json!({"os_hash_algo": "md5"}), 202)] {
        walk.ask(admin, &format!("POST /v2/images/{id}/hash"), Body::Json(body), status).await;
    }
    walk.ask(admin, &format!("POST /v2/images/{IMAGE}/hash"), Body::Json(json!({})), 409).await;
}

async fn tags_and_members(walk: &Walk, owner: &Client, guest: &Client) {
    let tags = format!("/v2/images/{IMAGE}/tags");
    for (line, status) in [
        (format!("PUT {tags}/na%20me"), 204),
        (format!("DELETE {tags}/na%20me"), 204),
        (format!("DELETE {tags}/na%20me"), 404),
        (format!("PUT {tags}/{}", "x".repeat(256)), 400),
        (format!("PUT /v2/images/{BARE}/tags/x"), 404),
    ] {
        walk.ask(owner, &line, Body::None, status).await;
    }
    let members = format!("/v2/images/{IMAGE}/members");
    walk.ask(owner, &format!("POST {members}"), Body::Json(json!({"member": "guest"})), 200).await;
    walk.ask(owner, &format!("POST {members}"), Body::Json(json!({"member": "guest"})), 409).await;
    walk.ask(owner, &format!("POST {members}"), Body::Json(json!({"member": ""})), 400).await;
    walk.ask(owner, &format!("POST /v2/images/{OTHER}/members"), Body::Json(json!({"member": "g"})), 403)
        .await;
    walk.ask(owner, &format!("GET {members}"), Body::None, 200).await;
    walk.ask(guest, &format!("GET {members}/guest"), Body::None, 200).await;
    walk.ask(guest, &format!("GET {members}/else"), Body::None, 404).await;
    for (client, status_text, status) in
        [(guest, "accepted", 200), (guest, "x", 400), (owner, "rejected", 403)]
    {
        let body = Body::Json(json!({"status": status_text}));
        walk.ask(client, &format!("PUT {members}/guest"), body, status).await;
    }
    walk.ask(guest, &format!("DELETE {members}/guest"), Body::None, 403).await;
    walk.ask(owner, &format!("DELETE {members}/guest"), Body::None, 204).await;
    walk.ask(owner, &format!("DELETE {members}/guest"), Body::None, 404).await;
}

async fn deletion(walk: &Walk, owner: &Client) {
    let line = format!("DELETE /v2/images/{IMAGE}");
    walk.ask(owner, &line, Body::None, 403).await;
    let unprotect = patch(json!([{"op": "replace", "path": "/protected", "value": false}]));
    walk.ask(owner, &format!("PATCH /v2/images/{IMAGE}"), unprotect, 200).await;
    walk.ask(owner, &line, Body::Json(json!({})), 400).await;
    walk.ask(owner, &line, Body::None, 204).await;
    walk.ask(owner, &line, Body::None, 404).await;
}

#[test]
fn every_answer_of_a_walk_through_the_api_is_described() {
    block_on(async {
        let app = Database::Sqlite.app_with(|options| {
            options.image.show_image_direct_url = true;
            options.image.show_multiple_locations = true;
            options.image.trash_seconds = 3600;
            reach_loopback(options);
            options.imports.completion_wait = std::time::Duration::from_secs(60);
            options.image.enabled_import_methods =
                ["glance-direct", "web-download", "copy-image"].map(str::to_owned).to_vec();
        });
        let walk = Walk { document: Document::read(), seen: RefCell::default() };
        let (admin, owner, guest) = (app.as_admin(), app.as_member("owner"), app.as_member("guest"));
        versions_and_schemas(&walk, &admin).await;
        records(&walk, &admin, &owner).await;
        data(&walk, &admin, &owner).await;
        hashes(&walk, &admin).await;
        tags_and_members(&walk, &owner, &guest).await;
        deletion(&walk, &owner).await;
        imports_and_tasks(&walk, &admin, &owner).await;
        metadefs(&walk, &admin, &owner).await;
        extensions(&walk, &admin, &owner).await;
        store_keeping(&walk, &app).await;
        // Nothing stays in the bin.
        app.later(7200);
        let several = Database::Sqlite.app_with(|options| {
            options.stores = crate::stores::several(&options.data_dir);
            options.stores.storage_folders = vec![options.data_dir.clone()];
            options.imports.completion_wait = std::time::Duration::ZERO;
        });
        stores(&walk, &several.as_admin(), &several.as_member("owner")).await;
        storages(&walk, &several).await;
        long_completion(&walk, &several.as_member("owner")).await;
        let caching = Database::Sqlite.app_with(crate::cache::with_cache);
        cache(&walk, &caching.as_admin(), &caching.as_member("owner")).await;
        let seen = walk.seen.borrow();
        let operations = walk.document.operations();
        let described = operations.iter().flat_map(|o| o.statuses().map(|status| (o.name(), status)));
        let unseen: Vec<_> = described.filter(|d| d.1 < 400 && !seen.contains(d)).collect();
        assert!(unseen.is_empty(), "the walk never saw {unseen:#?}");
    });
}
