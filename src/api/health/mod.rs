//! `/healthcheck`: for load balancers; no token needed (`oslo_middleware/healthcheck`).

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header::ACCEPT},
    web::{self, ServiceConfig},
};

use super::extract::Shared;
use crate::telemetry;

/// For how long the operator's file is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// The one route.
pub fn configure(config: &mut ServiceConfig) {
    config.service(web::resource("/healthcheck").to(check));
}

/// Answers 200, or 503 while the operator's file is there; a node is taken out of rotation by touching it.
async fn check(state: Shared, request: HttpRequest) -> HttpResponse {
    let file = state.settings.healthcheck_disable_file.clone();
    // A failing look, or one that takes long, counts as "not there": health must not depend on this file's folder.
    let disabled = telemetry::blocking(move || file.is_some_and(|f| f.exists()));
    let disabled = tokio::time::timeout(LOOK, disabled).await.is_ok_and(|looked| looked.unwrap_or(false));
    let (status, reason) = match (disabled, state.app.db.is_there()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "DISABLED BY FILE"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "DATABASE UNAVAILABLE"),
        (false, true) => (StatusCode::OK, "OK"),
    };
    if request.method() == Method::HEAD {
        let status = if status == StatusCode::OK { StatusCode::NO_CONTENT } else { status };
        return HttpResponse::build(status).finish();
    }
    let accept = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match preferred(accept) {
        "application/json" => HttpResponse::build(status)
            .content_type("application/json")
            .body(format!("{{\n    \"detailed\": false,\n    \"reasons\": [\n        \"{reason}\"\n    ]\n}}")),
        "text/html" => HttpResponse::build(status).content_type("text/html; charset=UTF-8").body(format!(
            "<html>\n<head><title>Healthcheck Status</title></head>\n<body>\n<table>\n<tr><th>Reason</th></tr>\n\
             <tr><td>{reason}</td></tr>\n</table>\n</body>\n</html>\n"
        )),
        _ => HttpResponse::build(status).content_type("text/plain; charset=UTF-8").body(reason),
    }
}

/// The best of our three types for an `Accept` header; plain text wins ties and is what nobody excludes.
fn preferred(accept: &str) -> &'static str {
    let quality = |offer: &str| {
        let (kind, _) = offer.split_once('/').unwrap_or((offer, ""));
        accept
            .split(',')
            .filter_map(|item| {
                let mut parts = item.split(';').map(str::trim);
                let range = parts.next()?;
                let matches = range == offer || range == "*/*" || range == format!("{kind}/*");
                let q = parts
                    .find_map(|p| p.strip_prefix("q="))
                    .and_then(|q| q.parse::<f32>().ok())
                    .unwrap_or(1.0);
                matches.then_some(q)
            })
            .fold(0.0_f32, f32::max)
    };
    let mut best = ("text/plain", quality("text/plain"));
    for offer in ["text/html", "application/json"] {
        if quality(offer) > best.1 {
            best = (offer, quality(offer));
        }
    }
    best.0
}
