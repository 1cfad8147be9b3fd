//! `/v2/metadefs` and the catalogue, one file for each kind of thing.

mod catalogue;
mod lists;
mod namespaces;
mod parts;
mod policy;

use serde_json::{Value, json};

use crate::support::*;

pub const NS: &str = "/v2/metadefs/namespaces";

/// A property definition with the least that one needs.
pub fn definition() -> Value {
    json!({"type": "string", "title": "t"})
}

/// The least definition with a name and other members.
pub fn property(more: &Value) -> Value {
    let mut whole = json!({"name": "a", "type": "string", "title": "t"});
    for (key, value) in more.as_object().unwrap() {
        whole[key] = value.clone();
    }
    whole
}

/// Creates a namespace, which must work.
pub async fn created(client: &Client, body: Value) -> Value {
    client.post(NS).json(&body).await.expect(201).json()
}

/// A namespace with one of everything: object `o`, property `p`, tag `t`, association `A::A` with prefix `a_`.
pub fn full(name: &str, visibility: &str, owner: &str) -> Value {
    json!({
        "namespace": name,
        "visibility": visibility,
        "owner": owner,
        "resource_type_associations": [{"name": "A::A", "prefix": "a_"}],
        "properties": {"p": definition()},
        "objects": [{"name": "o", "required": ["q"], "properties": {"q": definition()}}],
        "tags": [{"name": "t"}],
    })
}
