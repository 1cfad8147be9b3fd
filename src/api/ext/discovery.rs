//! `GET /ext/v1`: the list of extensions, for everybody.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::api::{extract::Shared, origin::own_url};

/// Where it begins.
pub const PATH: &str = "/ext/v1";
/// The version of everything below.
const VERSION: &str = "1.0";

/// Each feature with the path where it begins.
const FEATURES: [(&str, &str); 19] = [
    ("bundles", "/ext/v1/bundles"),
    ("consumers", "/ext/v1/consumers"),
    ("csv", "/ext/v1/images.csv"),
    ("events", "/ext/v1/events"),
    ("families", "/ext/v1/families"),
    ("images", "/ext/v1/images"),
    ("jobs", "/ext/v1/jobs"),
    ("limits", "/ext/v1/projects/{id}/limits"),
    ("lint", "/ext/v1/images/{id}/lint"),
    ("media-groups", "/ext/v1/media-groups"),
    ("placement-rules", "/ext/v1/placement-rules"),
    ("rescue-image", "/ext/v1/rescue-image"),
    ("retention", "/ext/v1/retention/{project}"),
    ("slugs", "/ext/v1/images/by-slug/{slug}"),
    ("stores", "/ext/v1/stores"),
    ("trash", "/ext/v1/trash"),
    ("uploads", "/ext/v1/images/{id}/uploads"),
    ("usage", "/ext/v1/usage/report"),
    ("webhooks", "/ext/v1/webhooks"),
];

/// Lists them.
pub async fn show(state: Shared, request: HttpRequest) -> HttpResponse {
    let own = own_url(&state.settings, &request);
    let features: Vec<&str> = FEATURES.iter().map(|(name, _)| *name).collect();
    let link = |rel: &str, path: &str| json!({"rel": rel, "href": format!("{own}{path}")});
    let mut links: Vec<Value> = vec![link("self", PATH)];
    links.extend(FEATURES.iter().map(|(name, path)| link(name, path)));
    HttpResponse::Ok().json(json!({"version": VERSION, "features": features, "links": links}))
}
