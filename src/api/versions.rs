//! Version documents (`glance/api/versions.py`).

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use serde_json::json;

use super::{State, origin::base_url};

const ALWAYS: [&str; 11] =
    ["v2.0", "v2.1", "v2.2", "v2.3", "v2.4", "v2.5", "v2.6", "v2.7", "v2.9", "v2.15", "v2.17"];
const WITH_CACHE: [&str; 3] = ["v2.14", "v2.16", "v2.18"];
const WITH_STORES: [&str; 5] = ["v2.8", "v2.10", "v2.11", "v2.12", "v2.13"];

/// The tokens that stand for an accepted version.
pub fn accepted(state: &State) -> Vec<&'static str> {
    let mut tokens = vec!["v2"];
    tokens.extend(ALWAYS);
    if state.settings.image_cache {
        tokens.extend(WITH_CACHE);
    }
    if state.app.stores.multiple {
        tokens.extend(WITH_STORES);
    }
    tokens
}

/// The announced versions in Glance's order, the current one first of its pair.
fn announced(cache: bool, stores: bool) -> Vec<(&'static str, &'static str)> {
    let supported = |list: &[&'static str]| list.iter().map(|v| (*v, "SUPPORTED")).collect::<Vec<_>>();
    let mut list = Vec::new();
    if cache {
        list.push(("v2.18", "CURRENT"));
        list.extend(supported(&["v2.17", "v2.16", "v2.15", "v2.14"]));
        if stores {
            list.extend(supported(&["v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.8"]));
        } else {
            list.extend(supported(&["v2.9"]));
        }
    } else {
        list.extend(supported(&["v2.15"]));
        if stores {
            list.extend(supported(&["v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.8"]));
        } else {
            list.extend(supported(&["v2.9"]));
        }
        list.push(("v2.17", "CURRENT"));
    }
    list.extend(supported(&["v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"]));
    list
}

/// The version document.
pub fn document(state: &State, request: &HttpRequest, status: StatusCode) -> HttpResponse {
    let href = format!("{}/v2/", base_url(&state.settings, request));
    let versions: Vec<_> = announced(state.settings.image_cache, state.app.stores.multiple)
        .into_iter()
        .map(|(id, status)| json!({"id": id, "status": status, "links": [{"rel": "self", "href": href}]}))
        .collect();
    HttpResponse::build(status).json(json!({ "versions": versions }))
}
