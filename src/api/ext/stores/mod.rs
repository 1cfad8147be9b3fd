//! `/ext/v1/stores`: the health and contents of stores.

pub mod findings;
pub mod manage;
pub mod reconcile;

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde_json::{Value, json};

use super::page::{Asked, link_after, next_page};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, Shared},
        query::pairs,
    },
    model::{
        consumer::InUse,
        error::{Error, Result},
        finding::ObjectState,
        time::Timestamp,
    },
    reconcile::{
        browse::{self, Lying, Place},
        guard::Standing,
        stores::{self as domain, Known},
    },
    store::health::State,
};

const PATH: &str = "/ext/v1/stores";
/// Bytes of a name of an object at most.
const NAME_MAX: usize = 1024;
/// How what lies in a store may be read.
const BROWSED: [ObjectState; 12] = [
    ObjectState::Ok,
    ObjectState::Staging,
    ObjectState::StaleStaging,
    ObjectState::Orphan,
    ObjectState::Young,
    ObjectState::SizeMismatch,
    ObjectState::SizeUnknown,
    ObjectState::PendingDelete,
    ObjectState::Quarantined,
    ObjectState::Foreign,
    ObjectState::StaleSource,
    ObjectState::Duplicate,
];
fn store(known: &Known) -> Value {
    let (named, report) = (&known.named, &known.report);
    let state = match (&known.standing, report.state) {
        _ if named.fault.is_some() => "missing",
        (Some(Standing::Missing(_)), _) => "missing",
        (_, State::Well) => "ok",
        (_, State::Sick) => "degraded",
        (_, State::Fenced) => "fenced",
    };
    let mark = match &known.standing {
        Some(Standing::Ours) => "ours",
        Some(Standing::Theirs(_)) => "theirs",
        _ => "none",
    };
    let summary = known.state.as_ref().and_then(domain::by_name);
    let orphans = summary.as_ref().map(|counts| counts.get("orphan").copied().unwrap_or(0));
    let checked = known.state.as_ref().and_then(|state| Some((state.checked_at?, &state.job_id)));
    json!({
        "id": named.id,
        "type": named.kind().name,
        "description": named.description,
        "place": named.place(),
        "default": known.is_default,
        "weight": named.weight,
        "read_only": !named.takes_data(),
        "managed": named.terms.managed,
        "hosts": named.terms.hosts,
        "zones": named.terms.zones,
        "roles": named.terms.roles,
        "in_use_delete": named.terms.in_use.map(InUse::as_str),
        "state": state,
        "mark": mark,
        "capacity_bytes": report.room.map(|room| room.total),
        "free_bytes": report.room.map(|room| room.free),
        "errors": report.errors,
        "last_error": named.fault.as_deref().or(report.last_error.as_ref().map(|fault| fault.reason.as_str())),
        "images": known.objects,
        "bytes": known.bytes,
        "quarantined": known.quarantined,
        "orphans": orphans,
        "last_reconcile": checked.map(|(at, job)| json!({
            "at": Timestamp(at).isotime(),
            "job_id": job,
            "summary": summary,
        })),
    })
}

/// Lists the stores.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &[])?;
    let after = asked.marker.as_deref().unwrap_or_default();
    let known = domain::list(&state.app.images, &caller.0, (after, asked.limit)).await?;
    let next = next_page(PATH, &asked, &known, |last| last.named.id.clone());
    let stores: Vec<Value> = known.iter().map(store).collect();
    Ok(HttpResponse::Ok().json(json!({"stores": stores, "next": next})))
}

/// Shows a store.
pub async fn show(state: Shared, caller: Identified, id: Path<String>) -> ApiResult {
    let known = domain::show(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::Ok().json(json!({"store": store(&known)})))
}

fn object(lying: &Lying) -> Value {
    let (finding, image) = (&lying.finding, lying.image.as_ref());
    json!({
        "key": finding.name,
        "unfinished": finding.unfinished,
        "bytes": finding.bytes,
        "mtime": finding.modified().map(Timestamp::isotime),
        "age_seconds": lying.age,
        "state": finding.state.as_str(),
        "reason": finding.reason,
        "image_id": finding.image_id,
        "image_name": image.and_then(|image| image.name.as_ref()),
        "image_status": image.map(|image| &image.status),
        "owner": image.and_then(|image| image.owner.as_ref()),
        "format": image.and_then(|image| image.disk_format.as_ref()),
        "virtual_size": image.and_then(|image| image.virtual_size),
    })
}

fn one_of<T: Copy>(name: &str, text: &str, known: &[(T, &str)]) -> Result<T> {
    known.iter().find(|(_, word)| *word == text).map(|(value, _)| *value).ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|(_, word)| *word).collect();
        Error::invalid(format!("{name} must be one of {}, not {text:?}.", words.join(", ")))
    })
}

fn state_of(text: Option<&str>, known: &[ObjectState]) -> Result<Option<ObjectState>> {
    let known: Vec<_> = known.iter().map(|state| (*state, state.as_str())).collect();
    text.map(|text| one_of("state", text, &known)).transpose()
}

fn name_of(what: &str, text: &str) -> Result<String> {
    if text.len() > NAME_MAX || text.contains('\0') {
        return Err(Error::invalid(format!("{what} must have {NAME_MAX} bytes at most, none of them zero.")));
    }
    Ok(text.to_owned())
}

/// Where a page of objects begins, as the page before said.
fn place_of(marker: &str) -> Result<Place> {
    match marker.split_once(':') {
        Some(("n", name)) => Ok((name.to_owned(), false)),
        Some(("u", name)) => Ok((name.to_owned(), true)),
        _ => Err(Error::invalid("marker is not one that a page returned.")),
    }
}

/// Lists the objects in a store.
pub async fn objects(state: Shared, caller: Identified, request: HttpRequest, id: Path<String>) -> ApiResult {
    let longest = NAME_MAX.saturating_add(2);
    let asked = Asked::parse_long(pairs(request.query_string())?, &["state", "prefix"], longest)?;
    let wanted = browse::Asked {
        state: state_of(asked.get("state"), &BROWSED)?,
        prefix: name_of("prefix", asked.get("prefix").unwrap_or_default())?,
        after: asked.marker.as_deref().map(place_of).transpose()?,
        limit: asked.limit as usize,
    };
    let page = browse::browse(&state.app.images, &caller.0, &id, &wanted).await?;
    let path = format!("{PATH}/{id}/objects");
    let next = page.next.map(|(name, unfinished)| {
        link_after(&path, &asked, &format!("{}:{name}", if unfinished { 'u' } else { 'n' }))
    });
    let objects: Vec<Value> = page.objects.iter().map(object).collect();
    Ok(HttpResponse::Ok().json(json!({"objects": objects, "next": next})))
}
