//! What each operation of the matrix sends, and the image or namespace that it is sent at.

use serde_json::{Value, json};
use vitrine::model::{
    image::{Image, Location},
    member::MemberStatus,
    status::Status,
    visibility::Visibility,
};

use crate::{metadefs, stores, support::*};

/// One cell to be.
pub struct Case<'a> {
    pub app: &'a TestApp,
    pub source: &'a WebSource,
    pub operation: &'a str,
    pub visibility: &'a str,
}

/// A request that waits for its caller.
pub struct Call {
    method: &'static str,
    path: String,
    content_type: &'static str,
    body: Option<String>,
}

impl Call {
    pub async fn send(&self, client: &Client) -> Answer {
        let mut request = client.request(self.method, &self.path);
        if let Some(body) = &self.body {
            request = request.header("content-type", self.content_type).body(body.clone());
        }
        request.await
    }
}

/// `METHOD /path` of an operation, as the router writes it.
pub fn endpoint_of(operation: &str) -> String {
    let (method, path) = route(operation);
    format!("{method} {path}")
}

/// The state in brackets at the end of an operation is no part of its route.
fn bare(operation: &str) -> &str {
    operation.split('(').next().unwrap_or_default()
}

fn route(operation: &str) -> (&'static str, &'static str) {
    let name = bare(operation);
    if name.starts_with("image.patch.") {
        return ("PATCH", "/v2/images/{id}");
    }
    if name.starts_with("image.import.") {
        return ("POST", "/v2/images/{id}/import");
    }
    match name {
        "image.list" => ("GET", "/v2/images"),
        "image.create" => ("POST", "/v2/images"),
        "image.show" => ("GET", "/v2/images/{id}"),
        "image.delete" => ("DELETE", "/v2/images/{id}"),
        "image.download" => ("GET", "/v2/images/{id}/file"),
        "image.upload" => ("PUT", "/v2/images/{id}/file"),
        "image.stage" => ("PUT", "/v2/images/{id}/stage"),
        "image.tasks" => ("GET", "/v2/images/{id}/tasks"),
        "image.deactivate" => ("POST", "/v2/images/{id}/actions/deactivate"),
        "image.reactivate" => ("POST", "/v2/images/{id}/actions/reactivate"),
        "image.tag.put" => ("PUT", "/v2/images/{id}/tags/{tag}"),
        "image.tag.delete" => ("DELETE", "/v2/images/{id}/tags/{tag}"),
        "image.members.list" => ("GET", "/v2/images/{id}/members"),
        "image.members.add" => ("POST", "/v2/images/{id}/members"),
        "image.members.show" => ("GET", "/v2/images/{id}/members/{member}"),
        "image.members.update" => ("PUT", "/v2/images/{id}/members/{member}"),
        "image.members.delete" => ("DELETE", "/v2/images/{id}/members/{member}"),
        "image.locations.get" => ("GET", "/v2/images/{id}/locations"),
        "image.locations.post" => ("POST", "/v2/images/{id}/locations"),
        "store.delete" => ("DELETE", "/v2/stores/{store}/{id}"),
        "cache.queue" => ("PUT", "/v2/cache/{id}"),
        "cache.delete" => ("DELETE", "/v2/cache/{id}"),
        "cache.nodes" => ("GET", "/v2/cache/nodes/{id}"),
        "cache.list" => ("GET", "/v2/cache"),
        "cache.clear" => ("DELETE", "/v2/cache"),
        "cache.clean" => ("POST", "/v2/cache/clean"),
        "cache.prune" => ("POST", "/v2/cache/prune"),
        "v1cache.list" => ("GET", "/v2/cached_images"),
        "v1cache.clear" => ("DELETE", "/v2/cached_images"),
        "v1cache.delete" => ("DELETE", "/v2/cached_images/{id}"),
        "v1queue.list" => ("GET", "/v2/queued_images"),
        "v1queue.clear" => ("DELETE", "/v2/queued_images"),
        "v1queue.queue" => ("PUT", "/v2/queued_images/{id}"),
        "v1queue.delete" => ("DELETE", "/v2/queued_images/{id}"),
        "v2" => ("GET", "/v2"),
        "tasks.list" => ("GET", "/v2/tasks"),
        "tasks.create" => ("POST", "/v2/tasks"),
        "tasks.show" => ("GET", "/v2/tasks/{id}"),
        "tasks.delete" => ("DELETE", "/v2/tasks/{id}"),
        "info.import" => ("GET", "/v2/info/import"),
        "info.stores" => ("GET", "/v2/info/stores"),
        "info.stores.detail" => ("GET", "/v2/info/stores/detail"),
        "info.usage" => ("GET", "/v2/info/usage"),
        "schemas.image" => ("GET", "/v2/schemas/{name:image|images|member|members|task|tasks}"),
        "schemas.metadefs" => ("GET", "/v2/schemas/metadefs/{name}"),
        metadef => metadef_route(metadef),
    }
}

fn metadef_route(operation: &str) -> (&'static str, &'static str) {
    match operation {
        "md.resource_types" => ("GET", "/v2/metadefs/resource_types"),
        "md.ns.list" => ("GET", "/v2/metadefs/namespaces"),
        "md.ns.create" => ("POST", "/v2/metadefs/namespaces"),
        "md.ns.show" => ("GET", "/v2/metadefs/namespaces/{ns}"),
        "md.ns.update" => ("PUT", "/v2/metadefs/namespaces/{ns}"),
        "md.ns.delete" => ("DELETE", "/v2/metadefs/namespaces/{ns}"),
        "md.obj.list" => ("GET", "/v2/metadefs/namespaces/{ns}/objects"),
        "md.obj.create" => ("POST", "/v2/metadefs/namespaces/{ns}/objects"),
        "md.objs.delete" => ("DELETE", "/v2/metadefs/namespaces/{ns}/objects"),
        "md.obj.show" => ("GET", "/v2/metadefs/namespaces/{ns}/objects/{name}"),
        "md.obj.update" => ("PUT", "/v2/metadefs/namespaces/{ns}/objects/{name}"),
        "md.obj.delete" => ("DELETE", "/v2/metadefs/namespaces/{ns}/objects/{name}"),
        "md.prop.list" => ("GET", "/v2/metadefs/namespaces/{ns}/properties"),
        "md.prop.create" => ("POST", "/v2/metadefs/namespaces/{ns}/properties"),
        "md.props.delete" => ("DELETE", "/v2/metadefs/namespaces/{ns}/properties"),
        "md.prop.show" => ("GET", "/v2/metadefs/namespaces/{ns}/properties/{name}"),
        "md.prop.update" => ("PUT", "/v2/metadefs/namespaces/{ns}/properties/{name}"),
        "md.prop.delete" => ("DELETE", "/v2/metadefs/namespaces/{ns}/properties/{name}"),
        "md.tag.list" => ("GET", "/v2/metadefs/namespaces/{ns}/tags"),
        "md.tags.create" => ("POST", "/v2/metadefs/namespaces/{ns}/tags"),
        "md.tags.delete" => ("DELETE", "/v2/metadefs/namespaces/{ns}/tags"),
        "md.tag.show" => ("GET", "/v2/metadefs/namespaces/{ns}/tags/{name}"),
        "md.tag.create" => ("POST", "/v2/metadefs/namespaces/{ns}/tags/{name}"),
        "md.tag.update" => ("PUT", "/v2/metadefs/namespaces/{ns}/tags/{name}"),
        "md.tag.delete" => ("DELETE", "/v2/metadefs/namespaces/{ns}/tags/{name}"),
        "md.rt.list" => ("GET", "/v2/metadefs/namespaces/{ns}/resource_types"),
        "md.rt.assoc" => ("POST", "/v2/metadefs/namespaces/{ns}/resource_types"),
        "md.rt.deassoc" => ("DELETE", "/v2/metadefs/namespaces/{ns}/resource_types/{rt}"),
        other => panic!("no call for {other}"),
    }
}

/// Makes what the operation needs, and the request.
pub async fn call_of(case: &Case<'_>) -> Call {
    let (method, template) = route(case.operation);
    let body = body(case);
    let (content_type, body) = match (method, body) {
        (_, None) => ("", None),
        ("PATCH", Some(body)) => (PATCH_V21, Some(body.to_string())),
        ("PUT", Some(Value::String(data))) => (OCTETS, Some(data)),
        (_, Some(body)) => ("application/json", Some(body.to_string())),
    };
    let mut path = template.to_owned();
    if path.contains("{ns}") {
        let (name, tail) =
            (namespace(case).await, if case.operation.contains(".create") { "new" } else { "" });
        path = path.replace("{ns}", &name).replace("{rt}", "A::A");
        let part = match bare(case.operation).split('.').nth(1).unwrap_or_default() {
            _ if !tail.is_empty() => tail,
            "obj" => "o",
            "prop" => "p",
            _ => "t",
        };
        path = path.replace("{name}", part);
    }
    if case.operation == "tasks.show" {
        path = path.replace("{id}", &task(case).await);
    } else if path.contains("{id}") {
        path = path.replace("{id}", &picture(case).await);
    }
    let store = if case.operation.contains("copies") { "slow" } else { "fast" };
    path = path.replace("{tag}", "new").replace("{member}", "C").replace("{store}", store);
    path = path.replace("{name:image|images|member|members|task|tasks}", "image").replace("{name}", "tag");
    Call { method, path, content_type, body }
}

fn body(case: &Case<'_>) -> Option<Value> {
    let visibility = case.visibility;
    let patch = |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    let location = |name: &str| json!({"url": case.source.url(name), "metadata": {}});
    let operation = case.operation;
    if let Some(wanted) = operation.strip_prefix("image.patch.vis=") {
        return Some(patch("replace", "/visibility", json!(wanted)));
    }
    Some(match operation {
        "image.create(default)" => json!({}),
        "image.create" => json!({"visibility": visibility}),
        "image.create(owner=A)" => json!({"visibility": visibility, "owner": "A"}),
        "image.create(owner=stranger)" => json!({"visibility": visibility, "owner": "stranger"}),
        "image.patch.empty" => json!([]),
        "image.patch.name" => patch("replace", "/name", json!("new")),
        "image.patch.addprop" => patch("add", "/colour", json!("blue")),
        "image.patch.owner" => patch("replace", "/owner", json!("stranger")),
        "image.patch.protected" => patch("replace", "/protected", json!(true)),
        "image.patch.hidden" => patch("replace", "/os_hidden", json!(true)),
        "image.patch.loc.add" => patch("add", "/locations/-", location("new")),
        "image.patch.loc.replace" => patch("replace", "/locations", json!([location("other")])),
        "image.members.add" => json!({"member": "D"}),
        "image.members.update" => json!({"status": "accepted"}),
        "image.import.web-download(queued)" => {
            json!({"method": {"name": "web-download", "uri": case.source.url("import")}})
        }
        "image.import.copy-image" => json!({"method": {"name": "copy-image"}, "stores": ["slow"]}),
        "image.upload(queued)" | "image.stage(queued)" => json!("data"),
        "tasks.create" => task_body(case),
        _ if operation.starts_with("image.locations.post") => json!({"url": case.source.url("post")}),
        _ => return metadef_body(case),
    })
}

fn task_body(case: &Case<'_>) -> Value {
    let input = json!({
        "import_from": case.source.url("task"),
        "import_from_format": "raw",
        "image_properties": {"disk_format": "raw", "container_format": "bare"},
    });
    json!({"type": "import", "input": input})
}

/// A task of an admin; whoever may use the tasks API sees it.
async fn task(case: &Case<'_>) -> String {
    let created = case.app.as_admin().post("/v2/tasks").json(&task_body(case)).await.expect(201);
    created.json()["id"].as_str().unwrap().to_owned()
}

fn metadef_body(case: &Case<'_>) -> Option<Value> {
    Some(match bare(case.operation) {
        "md.ns.create" => json!({"namespace": fresh_id(), "visibility": case.visibility, "owner": "A"}),
        "md.ns.update" => json!({"namespace": fresh_id()}),
        "md.obj.create" => json!({"name": "new"}),
        "md.obj.update" => json!({"name": "o", "description": "new"}),
        "md.prop.create" => metadefs::property(&json!({"name": "new"})),
        "md.prop.update" => metadefs::property(&json!({"name": "p"})),
        "md.tags.create" => json!({"tags": [{"name": "new"}]}),
        "md.tag.update" => json!({"name": "new"}),
        "md.rt.assoc" => json!({"name": "B::B"}),
        _ => return None,
    })
}

async fn namespace(case: &Case<'_>) -> String {
    let name = fresh_id();
    let mut body = metadefs::full(&name, case.visibility, "A");
    if case.operation.ends_with("(protected)") {
        body["protected"] = json!(true);
    }
    metadefs::created(&case.app.as_admin(), body).await;
    name
}

/// An image of project A, shared with C where it can be; with data where the operation reads them.
async fn picture(case: &Case<'_>) -> String {
    let (app, operation) = (case.app, case.operation);
    let has_data = ["image.download", "image.import.copy-image", "store.delete"];
    let has_data = has_data.iter().any(|name| operation.starts_with(name));
    let visibility = Visibility::parse(case.visibility).unwrap_or(Visibility::Private);
    let status = match operation {
        _ if has_data || operation.ends_with("(queued)") || operation.contains("(queued,") => Status::Queued,
        _ if operation.ends_with("(deactivated)") => Status::Deactivated,
        _ => Status::Active,
    };
    let protected = operation.ends_with("(protected)");
    let mut image = Image { visibility, status, protected, ..record("A", 1) };
    if operation == "image.patch.loc.replace" {
        image.locations.push(Location {
            id: fresh_id(),
            url: case.source.url("old"),
            metadata: serde_json::Map::new(),
            store: Some("web".to_owned()),
            blob_id: None,
        });
    }
    app.insert(std::slice::from_ref(&image)).await;
    if visibility == Visibility::Shared {
        app.insert_member(&image, "C", MemberStatus::Accepted).await;
    }
    if has_data {
        let admin = app.as_admin();
        admin.upload(&image.id, "data").await.expect(204);
        if operation.ends_with("(deactivated)") {
            admin.act(&image.id, "deactivate").await.expect(204);
        }
    }
    if operation == "store.delete(2_copies)" {
        stores::copy(app, &image.id, "slow", b"data").await;
    }
    image.id
}
