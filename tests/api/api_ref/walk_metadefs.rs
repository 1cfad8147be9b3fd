//! The walk through metadata definitions.

use serde_json::{Value, json};

use super::walk::{Body, Walk};
use crate::support::Client;

const ALL: &str = "/v2/metadefs/namespaces";
const NS: &str = "/v2/metadefs/namespaces/Walk::One";

fn property(name: &str) -> Value {
    json!({"name": name, "type": "integer", "title": "T", "description": "d", "operators": ["<in>"], "default": 8,
        "readonly": true, "minimum": 1, "maximum": 9, "enum": ["1"], "pattern": "x", "minLength": 1, "maxLength": 2,
        "items": {"type": "string", "enum": ["a"]}, "uniqueItems": true, "minItems": 0, "maxItems": 1,
        "additionalItems": false})
}

fn object(name: &str) -> Value {
    json!({"name": name, "description": "d", "required": ["inner"],
        "properties": {"inner": {"type": "string", "title": "T"}}})
}

async fn namespaces(walk: &Walk, admin: &Client, other: &Client) {
    let whole = json!({"namespace": "Walk::One", "display_name": "One", "description": "d", "visibility": "public",
        "resource_type_associations": [{"name": "OS::X", "prefix": "x_", "properties_target": "image"}],
        "properties": {"p": property("p")}, "objects": [object("o")], "tags": [{"name": "t"}]});
    for (body, status) in [
        (whole.clone(), 201),
        (whole, 409),
        (json!({"namespace": "Walk::Two"}), 201),
        (json!({"namespace": 1}), 400),
        (json!({"namespace": "Walk::Three", "self": "x"}), 403),
    ] {
        walk.ask(admin, &format!("POST {ALL}"), Body::Json(body), status).await;
    }
    walk.ask(other, &format!("POST {ALL}"), Body::Json(json!({"namespace": "Walk::Three"})), 403).await;
    for (query, status) in [
        ("", 200),
        ("?limit=1&sort_key=namespace&sort_dir=asc", 200),
        ("?resource_types=OS::X&visibility=public", 200),
        ("?sort_dir=up", 400),
        ("?marker=Walk::Nine", 404),
    ] {
        walk.ask(admin, &format!("GET {ALL}{query}"), Body::None, status).await;
    }
    walk.ask(other, &format!("GET {ALL}?marker=Walk::Two"), Body::None, 403).await;
    walk.ask(other, &format!("GET {ALL}/Walk::Two"), Body::None, 404).await;
    walk.ask(other, &format!("GET {NS}"), Body::None, 200).await;
    walk.ask(other, &format!("GET {NS}?resource_type=OS::X"), Body::None, 200).await;
    let changed = json!({"namespace": "Walk::One", "visibility": "public", "protected": false});
    walk.ask(admin, &format!("PUT {NS}"), Body::Json(changed.clone()), 200).await;
    walk.ask(admin, &format!("PUT {NS}"), Body::Json(json!({"namespace": "Walk::Two"})), 409).await;
    walk.ask(other, &format!("PUT {NS}"), Body::Json(changed), 403).await;
}

async fn parts(walk: &Walk, admin: &Client, other: &Client) {
    let types = format!("{NS}/resource_types");
    walk.ask(other, "GET /v2/metadefs/resource_types", Body::None, 200).await;
    walk.ask(admin, &format!("POST {types}"), Body::Json(json!({"name": "OS::Y"})), 201).await;
    walk.ask(admin, &format!("POST {types}"), Body::Json(json!({"name": "OS::Y"})), 409).await;
    walk.ask(other, &format!("GET {types}"), Body::None, 200).await;
    walk.ask(admin, &format!("DELETE {types}/OS::Y"), Body::None, 204).await;
    walk.ask(admin, &format!("DELETE {types}/OS::Y"), Body::None, 404).await;
    for (kind, new, changed) in
        [("properties", property("q"), property("r")), ("objects", object("q"), object("r"))]
    {
        let list = format!("{NS}/{kind}");
        walk.ask(admin, &format!("POST {list}"), Body::Json(new.clone()), 201).await;
        walk.ask(admin, &format!("POST {list}"), Body::Json(new), 409).await;
        walk.ask(admin, &format!("POST {list}"), Body::Json(json!({})), 400).await;
        walk.ask(other, &format!("GET {list}"), Body::None, 200).await;
        walk.ask(other, &format!("GET {list}/q"), Body::None, 200).await;
        walk.ask(admin, &format!("PUT {list}/q"), Body::Json(changed.clone()), 200).await;
        walk.ask(other, &format!("PUT {list}/r"), Body::Json(changed), 403).await;
        walk.ask(admin, &format!("DELETE {list}/q"), Body::None, 404).await;
        walk.ask(admin, &format!("DELETE {list}/r"), Body::None, 204).await;
        walk.ask(admin, &format!("DELETE {list}"), Body::None, 204).await;
    }
    walk.ask(other, &format!("GET {NS}/properties/x_p?resource_type=OS::X"), Body::None, 404).await;
}

async fn tags(walk: &Walk, admin: &Client, other: &Client) {
    let tags = format!("{NS}/tags");
    let two = json!({"tags": [{"name": "u"}, {"name": "v"}]});
    walk.ask_with(
        admin,
        &format!("POST {tags}"),
        Body::Json(two.clone()),
        &[("x-openstack-append", "true")],
        201,
    )
    .await;
    walk.ask_with(admin, &format!("POST {tags}"), Body::Json(two), &[("x-openstack-append", "true")], 409)
        .await;
    walk.ask(admin, &format!("POST {tags}"), Body::Json(json!({})), 400).await;
    for (line, status) in [
        (format!("GET {tags}?limit=1&sort_key=name"), 200),
        (format!("GET {tags}?marker=none"), 404),
        (format!("POST {tags}/w"), 201),
        (format!("POST {tags}/w"), 409),
        (format!("GET {tags}/w"), 200),
    ] {
        walk.ask(admin, &line, Body::None, status).await;
    }
    walk.ask(admin, &format!("PUT {tags}/w"), Body::Json(json!({"name": "z"})), 200).await;
    walk.ask(admin, &format!("PUT {tags}/z"), Body::Json(json!({"name": "u"})), 409).await;
    walk.ask(other, &format!("DELETE {tags}/z"), Body::None, 403).await;
    walk.ask(admin, &format!("DELETE {tags}/z"), Body::None, 204).await;
    walk.ask(admin, &format!("DELETE {tags}"), Body::None, 204).await;
}

pub async fn metadefs(walk: &Walk, admin: &Client, other: &Client) {
    for name in ["namespace", "namespaces", "object", "objects", "property", "properties", "tag", "tags"] {
        walk.ask(other, &format!("GET /v2/schemas/metadefs/{name}"), Body::None, 200).await;
    }
    walk.ask(other, "GET /v2/schemas/metadefs/resource_type", Body::None, 200).await;
    walk.ask(other, "GET /v2/schemas/metadefs/resource_types", Body::None, 200).await;
    namespaces(walk, admin, other).await;
    parts(walk, admin, other).await;
    tags(walk, admin, other).await;
    walk.ask(admin, &format!("DELETE {NS}"), Body::None, 204).await;
    walk.ask(admin, &format!("DELETE {NS}"), Body::None, 404).await;
}
