//! The findings of reconciliations, and the quarantine.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Path},
};
use futures::stream;
use serde_json::{Value, json};

use super::{PATH, one_of, state_of};
use crate::{
    api::{
        error::ApiResult,
        ext::{
            csv,
            page::{Asked, link_after, next_page},
        },
        extract::{Identified, NoBody, Shared},
        query::pairs,
    },
    db::quarantine::{Aside, HELD},
    model::{
        error::{Error, Result},
        finding::{Finding, ObjectState},
        image::is_uuid,
        time::Timestamp,
    },
    reconcile::stores as domain,
};

/// Columns of findings as a table.
const COLUMNS: [&str; 8] = ["state", "key", "unfinished", "bytes", "mtime", "image_id", "reason", "outcome"];

fn found(finding: &Finding) -> Value {
    json!({
        "state": finding.state.as_str(),
        "key": finding.name,
        "unfinished": finding.unfinished,
        "bytes": finding.bytes,
        "mtime": finding.modified().map(Timestamp::isotime),
        "image_id": finding.image_id,
        "reason": finding.reason,
        "outcome": finding.outcome,
    })
}

fn after_of(marker: Option<&str>) -> Result<i64> {
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
    let wrong = || Error::invalid("marker is not one that a page returned.");
    marker.map_or(Ok(0), |text| number(text).ok_or_else(wrong))
}

/// Lists what a reconciliation has found, as a page or all of it as a table.
pub async fn findings(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &["state", "format"])?;
    let wanted = state_of(asked.get("state"), &ObjectState::ALL)?;
    let is_table =
        one_of("format", asked.get("format").unwrap_or("json"), &[(false, "json"), (true, "csv")])?;
    let after = after_of(asked.marker.as_deref())?;
    let page = domain::findings(&state.app.images, &caller.0, &id, (wanted, after, asked.limit)).await?;
    if is_table {
        return Ok(table(state, caller, id.into_inner(), wanted, (asked.limit, page))?);
    }
    let path = format!("/ext/v1/jobs/{id}/findings");
    let next = last_of(&page, asked.limit).map(|number| link_after(&path, &asked, &number.to_string()));
    let findings: Vec<Value> = page.iter().map(|(_, finding)| found(finding)).collect();
    Ok(HttpResponse::Ok().json(json!({"findings": findings, "next": next})))
}

type Numbered = Vec<(i64, Finding)>;

fn table(
    state: Shared,
    caller: Identified,
    job: String,
    wanted: Option<ObjectState>,
    (limit, first): (u32, Numbered),
) -> Result<HttpResponse> {
    let head = csv::rows([COLUMNS])?;
    let name = format!("findings-{}.csv", if is_uuid(&job) { &job } else { "job" });
    let next = last_of(&first, limit);
    let ready = [head, lines(&first)?].concat();
    let start = (Some(ready), next, (state, caller, job));
    let body = stream::try_unfold(start, move |(ready, next, asker)| async move {
        if let Some(bytes) = ready {
            return Ok::<_, Error>(Some((Bytes::from(bytes), (None, next, asker))));
        }
        let Some(after) = next else { return Ok(None) };
        let (state, caller, job) = &asker;
        let page = domain::findings(&state.app.images, &caller.0, job, (wanted, after, limit)).await?;
        Ok(Some((Bytes::from(lines(&page)?), (None, last_of(&page, limit), asker))))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{name}\"")))
        .streaming(body))
}

/// The number of the last finding of a page after which there may be others.
fn last_of(page: &Numbered, limit: u32) -> Option<i64> {
    page.last().filter(|_| page.len() as u64 == u64::from(limit)).map(|(number, _)| *number)
}

fn lines(page: &Numbered) -> Result<Vec<u8>> {
    csv::rows(page.iter().map(|(_, finding)| {
        let row = found(finding);
        COLUMNS.map(|column| csv::harmless(csv::text_of(row.get(column))))
    }))
}

fn aside(aside: &Aside) -> Value {
    json!({
        "id": aside.id,
        "key": aside.name,
        "unfinished": aside.unfinished,
        "bytes": aside.bytes,
        "mtime": aside.modified.map(|time| Timestamp(time).isotime()),
        "reason": aside.reason,
        "state": if aside.state == HELD { "held" } else { "moving" },
        "job_id": aside.job_id,
        "user_id": aside.user_id,
        "created_at": Timestamp(aside.created_at).isotime(),
    })
}

/// Lists the quarantine of a store.
pub async fn quarantine(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &[])?;
    let after = asked.marker.as_deref().unwrap_or_default();
    let page = domain::quarantined(&state.app.images, &caller.0, &id, after, asked.limit).await?;
    let next = next_page(&format!("{PATH}/{id}/quarantine"), &asked, &page, |last| last.id.clone());
    let objects: Vec<Value> = page.iter().map(aside).collect();
    Ok(HttpResponse::Ok().json(json!({"quarantine": objects, "next": next})))
}

/// Brings an object back.
pub async fn restore(
    state: Shared,
    caller: Identified,
    path: Path<(String, String)>,
    _: NoBody,
) -> ApiResult {
    domain::restore(&state.app.images, &caller.0, &path.0, &path.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes an object that is in quarantine.
pub async fn purge(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    domain::purge(&state.app.images, &caller.0, &path.0, &path.1).await?;
    Ok(HttpResponse::NoContent().finish())
}
