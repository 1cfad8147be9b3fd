//! Version discovery.

use actix_web::{
    HttpResponse,
    http::header::{HeaderValue, LOCATION},
};
use serde_json::{Value, json};

use super::extract::Site;

/// `GET /identity`: 300 with the list of versions.
pub(super) async fn versions(site: Site) -> HttpResponse {
    let mut response =
        HttpResponse::MultipleChoices().json(json!({"versions": {"values": [document(&site)]}}));
    if let Ok(location) = HeaderValue::from_str(&format!("{}/", site.v3)) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// `GET /identity/v3`.
pub(super) async fn version(site: Site) -> HttpResponse {
    HttpResponse::Ok().json(json!({"version": document(&site)}))
}

fn document(site: &Site) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/", site.v3)}],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json",
        }],
    })
}
