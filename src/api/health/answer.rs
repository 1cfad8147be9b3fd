//! Renders the result of `/healthcheck`.

use std::io;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header::ACCEPT},
};
use chrono::Utc;
use serde::Serialize;
use serde_json::{Value, json, ser::PrettyFormatter};

use super::Outcome;
use crate::store::{NamedStore, health::Report};

/// The name that oslo's details give the class of every outcome.
const CLASS: &str = "HealthcheckResult";

/// The additional content of the detailed response.
pub struct Details<'a> {
    /// The platform of the server.
    pub platform: &'a str,
    /// The health of the stores.
    pub stores: Vec<(NamedStore, Report)>,
}

/// The answer to a question, in the form that it prefers.
pub fn of(request: &HttpRequest, outcomes: &[Outcome], details: Option<&Details<'_>>) -> HttpResponse {
    let is_well = outcomes.iter().all(|outcome| outcome.available);
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if request.method() == Method::HEAD {
        let status = if is_well { StatusCode::NO_CONTENT } else { status };
        return HttpResponse::build(status).finish();
    }
    let accept = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (content_type, body) = match preferred(accept) {
        "application/json" => ("application/json", as_json(outcomes, details)),
        "text/html" => ("text/html; charset=UTF-8", as_html(outcomes, details)),
        _ => {
            let reasons: Vec<_> = outcomes.iter().map(|outcome| outcome.reason).collect();
            ("text/plain; charset=UTF-8", reasons.join("\n"))
        }
    };
    HttpResponse::build(status).content_type(content_type).body(body)
}

/// As Python prints times of UTC.
fn now() -> String {
    Utc::now().format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

fn as_json(outcomes: &[Outcome], details: Option<&Details<'_>>) -> String {
    let body = if let Some(Details { platform, stores }) = details {
        let reasons: Vec<Value> = outcomes
            .iter()
            .map(|outcome| json!({"class": CLASS, "details": outcome.details, "reason": outcome.reason}))
            .collect();
        let stores: Vec<Value> = stores.iter().map(|(named, report)| named.with_name(report)).collect();
        json!({"detailed": true, "now": now(), "platform": platform, "reasons": reasons, "stores": stores})
    } else {
        let reasons: Vec<_> = outcomes.iter().map(|outcome| outcome.reason).collect();
        json!({"detailed": false, "reasons": reasons})
    };
    let mut text = Vec::new();
    let mut printer =
        serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    let printed = body.serialize(&mut printer).map_err(io::Error::from);
    printed.map_or_else(|_| body.to_string(), |()| String::from_utf8_lossy(&text).into_owned())
}

/// What the columns about a store say.
const STORE_HEADS: [&str; 7] = ["Store", "Type", "State", "Room", "Latency", "Errors", "Last error"];

/// Text that is no markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn as_html(outcomes: &[Outcome], details: Option<&Details<'_>>) -> String {
    let row = |tag: &str, cells: &[&str]| -> String {
        let cells: Vec<_> = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
        format!("<tr>{}</tr>\n", cells.concat())
    };
    let (head, rows): (&[&str], Vec<String>) = if details.is_some() {
        let row = |o: &Outcome| row("td", &[CLASS, o.reason, &o.details]);
        (&["Kind", "Reason", "Details"], outcomes.iter().map(row).collect())
    } else {
        (&["Reason"], outcomes.iter().map(|outcome| row("td", &[outcome.reason])).collect())
    };
    let about = details.map_or_else(String::new, |details| {
        format!("<p>Current time: {}</p>\n<p>Platform: {}</p>\n", now(), escaped(details.platform))
    });
    let stores = details.map_or_else(String::new, |details| {
        let rows: Vec<_> = details
            .stores
            .iter()
            .map(|(named, report)| {
                let words = report.words();
                let cells: Vec<_> = [named.id.as_str(), named.kind().name]
                    .into_iter()
                    .chain(words.iter().map(String::as_str))
                    .collect();
                row("td", &cells)
            })
            .collect();
        format!("<table>\n{}{}</table>\n", row("th", &STORE_HEADS), rows.concat())
    });
    format!(
        "<html>\n<head><title>Healthcheck Status</title></head>\n<body>\n{about}<table>\n{}{}</table>\n\
         {stores}</body>\n</html>\n",
        row("th", head),
        rows.concat()
    )
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
