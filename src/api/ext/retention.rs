//! `/ext/v1/retention/{project}`: retention rules of a project.

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde_json::{Value, json};

use super::{
    body::project,
    page::{Asked, flag, next_page, only},
};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
        query::pairs,
    },
    db::retention::Kept,
    image::retention as domain,
    model::{error::Result, family::check_name, retention::Rule},
};

fn view(kept: &Kept) -> Value {
    let report: Option<Value> = kept.report.as_deref().and_then(|text| serde_json::from_str(text).ok());
    json!({
        "project_id": kept.owner,
        "family": Some(&kept.family).filter(|family| !family.is_empty()),
        "rule": kept.rule.to_json(),
        "next_run_at": kept.next_run_at.isotime(),
        "report": report,
    })
}

/// The parameters of a call about one rule: the family, empty for none, and whether nothing is to be changed.
fn asked(request: &HttpRequest, can_be_dry: bool) -> Result<(String, bool)> {
    let pairs = pairs(request.query_string())?;
    only(&pairs, if can_be_dry { &["family", "dry_run"] } else { &["family"] })?;
    let get = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let family = get("family");
    family.map(check_name).transpose()?;
    let dry_run = get("dry_run").map(|value| flag("dry_run", value)).transpose()?;
    Ok((family.unwrap_or_default().to_owned(), dry_run.unwrap_or(false)))
}

/// Lists the rules of a project, that of all families first.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest, owner: Path<String>) -> ApiResult {
    project(&owner)?;
    let asked = Asked::parse(pairs(request.query_string())?, &[])?;
    let after = asked.marker.clone().filter(|marker| marker != "-");
    if let Some(family) = &after {
        check_name(family)?;
    }
    let after = asked.marker.as_ref().map(|_| after.unwrap_or_default());
    let found = domain::list(&state.app.images, &caller.0, &owner, after, asked.limit).await?;
    let marker = |kept: &Kept| if kept.family.is_empty() { "-".to_owned() } else { kept.family.clone() };
    let next = next_page(&format!("/ext/v1/retention/{owner}"), &asked, &found, marker);
    let rules: Vec<Value> = found.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({"rules": rules, "next": next})))
}

/// Sets a rule.
pub async fn put(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    owner: Path<String>,
    body: JsonBody,
) -> ApiResult {
    project(&owner)?;
    let (family, _) = asked(&request, false)?;
    let rule = Rule::parse(&body.small()?)?;
    let kept = domain::put(&state.app.images, &caller.0, &owner, &family, rule).await?;
    Ok(HttpResponse::Ok().json(json!({"rule": view(&kept)})))
}

/// Removes a rule.
pub async fn remove(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    owner: Path<String>,
    _: NoBody,
) -> ApiResult {
    project(&owner)?;
    let (family, _) = asked(&request, false)?;
    domain::remove(&state.app.images, &caller.0, &owner, &family).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Applies a rule now, or says what that would do.
pub async fn run(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    owner: Path<String>,
    _: NoBody,
) -> ApiResult {
    project(&owner)?;
    let (family, dry_run) = asked(&request, true)?;
    let report = domain::run(&state.app.images, &caller.0, &owner, &family, dry_run).await?;
    Ok(HttpResponse::Ok().json(json!({"report": report})))
}
