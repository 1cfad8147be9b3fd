//! `/ext/v1/usage`: usage of projects and its cost.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::{
    page::{Asked, link_after, next_page, only},
    usage_table as table,
};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, Shared},
        query::pairs,
    },
    model::{
        error::{Error, Result},
        image::TEXT_CHARS_MAX,
        time::Timestamp,
        usage::{
            meter::{Span, hour_of},
            rates::Rates,
        },
    },
    usage::{Filter, Group, Place},
};

const HOURS_PATH: &str = "/ext/v1/usage/image-hours";
const EVENTS_PATH: &str = "/ext/v1/usage/events";
const NOW_PATH: &str = "/ext/v1/usage/now";
/// Years that times may have, so that nothing is counted at the ends of the calendar.
const YEARS: [&str; 2] = ["1970-01-01T00:00:00", "3000-01-01T00:00:00"];

/// A point in time in a parameter or member.
fn time_of(name: &str, text: &str) -> Result<Timestamp> {
    let wrong = || Error::invalid(format!("{name} must be a time as 2026-11-01T00:00Z, not {text:?}."));
    let time = Timestamp::parse_iso(text).ok_or_else(wrong)?;
    let [first, last] = YEARS.map(|year| Timestamp::parse_iso(year).unwrap_or_default());
    if time < first || time > last { Err(wrong()) } else { Ok(time) }
}

/// The value of a parameter, of bounded length.
fn text_of(asked: &[(String, String)], name: &str) -> Result<Option<String>> {
    let Some((_, text)) = asked.iter().find(|(other, _)| other == name) else { return Ok(None) };
    if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX {
        return Err(Error::invalid(format!("{name} must have 1 to {TEXT_CHARS_MAX} characters.")));
    }
    Ok(Some(text.clone()))
}

fn needed(asked: &[(String, String)], name: &str) -> Result<Timestamp> {
    let text = text_of(asked, name)?;
    time_of(name, &text.ok_or_else(|| Error::invalid(format!("{name} is needed.")))?)
}

/// Reports a period.
pub async fn report(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let pairs = pairs(request.query_string())?;
    only(
        &pairs,
        &["from", "to", "group", "project", "image", "tag", "media_group", "store", "sku", "format"],
    )?;
    let period = Span { from: needed(&pairs, "from")?, to: needed(&pairs, "to")? };
    let group = match text_of(&pairs, "group")? {
        None => Group::default(),
        Some(text) => Group::parse(&text).ok_or_else(|| {
            Error::invalid(format!("group must be one of {}, not {text:?}.", Group::NAMES.join(", ")))
        })?,
    };
    let is_table = match text_of(&pairs, "format")?.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(text) => return Err(Error::invalid(format!("format must be json or csv, not {text:?}.")).into()),
    };
    let text = |name| text_of(&pairs, name);
    let filter = Filter {
        project: text("project")?,
        image: text("image")?,
        tag: text("tag")?,
        media_group: text("media_group")?,
        store: text("store")?,
        sku: text("sku")?,
    };
    let report = state.app.usage.report(&caller.0, period, group, filter).await?;
    if !is_table {
        return Ok(HttpResponse::Ok().json(table::report(&report)));
    }
    let names = state.identity.project_names(table::projects(&report)).await;
    let day = |time: Timestamp| time.isotime().get(..10).unwrap_or_default().to_owned();
    let name = format!("usage-{}-{}.csv", day(period.from), day(period.to));
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{name}\"")))
        .body(table::table(&report, &names)?))
}

/// Says what is charged for now.
pub async fn now(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &["project"])?;
    let past = match &asked.marker {
        None => 0,
        Some(marker) => {
            marker.parse::<usize>().map_err(|_| Error::invalid("marker is not one that a page returned."))?
        }
    };
    let all = state.app.usage.present(&caller.0, text_of(&asked.rest, "project")?).await?;
    let count = all.len();
    let page = all.into_iter().skip(past).take(asked.limit as usize);
    let projects: Vec<Value> = page
        .map(|(project, of)| {
            let bytes = i64::try_from(of.bytes).unwrap_or(i64::MAX);
            json!({"project_id": project, "images": of.count, "bytes": bytes})
        })
        .collect();
    let end = past.saturating_add(projects.len());
    let next = (end < count).then(|| link_after(NOW_PATH, &asked, &end.to_string()));
    Ok(HttpResponse::Ok().json(json!({"projects": projects, "next": next})))
}

/// Lists the hours of images, for billers.
pub async fn hours(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &["from", "to", "project"])?;
    let whole = |name: &str, time: Timestamp| match hour_of(time) == time {
        true => Ok(time),
        false => Err(Error::invalid(format!("{name} must be a whole hour in UTC."))),
    };
    let from = || whole("from", needed(&asked.rest, "from")?);
    let place = match &asked.marker {
        None => Place { hour: from()?, image: None },
        Some(marker) => {
            Place::parse(marker).ok_or_else(|| Error::invalid("marker is not one that a page returned."))?
        }
    };
    let until = match text_of(&asked.rest, "to")? {
        None => None,
        Some(text) => Some(whole("to", time_of("to", &text)?)?),
    };
    let project = text_of(&asked.rest, "project")?;
    let found = state.app.usage.hours(&caller.0, project, place, until, asked.limit).await?;
    let marker = found.place.shown();
    let next = found.has_more.then(|| link_after(HOURS_PATH, &asked, &marker));
    let hours: Vec<Value> = found.shares.iter().map(table::hour).collect();
    Ok(HttpResponse::Ok().json(json!({"image_hours": hours, "next": next, "marker": marker})))
}

/// Lists the openings and closings of intervals, for billers.
pub async fn events(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &["since"])?;
    let since = asked.marker.as_deref().or(asked.get("since")).unwrap_or("0");
    let is_number = since.bytes().all(|b| b.is_ascii_digit());
    let after = since.parse::<i64>().ok().filter(|_| is_number);
    let after = after
        .ok_or_else(|| Error::invalid(format!("since must be the number of an event, not {since:?}.")))?;
    let found = state.app.usage.entries(&caller.0, after, asked.limit).await?;
    let next = next_page(EVENTS_PATH, &asked, &found, |last| last.seq.to_string());
    let events: Vec<Value> = found
        .iter()
        .map(|entry| {
            json!({
                "seq": entry.seq,
                "type": if entry.closes { "closed" } else { "opened" },
                "interval": table::interval(&entry.interval, entry.closes),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"events": events, "next": next})))
}

/// Lists all rates by the time from which they hold.
pub async fn rates(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    only(&pairs(request.query_string())?, &[])?;
    let versions = state.app.usage.rates(&caller.0).await?;
    let versions: Vec<Value> = versions.iter().map(table::version).collect();
    Ok(HttpResponse::Ok().json(json!({"rates": versions})))
}

/// Sets the rates from a time on.
pub async fn set_rates(state: Shared, caller: Identified, request: HttpRequest, body: JsonBody) -> ApiResult {
    only(&pairs(request.query_string())?, &[])?;
    let (rates, valid_from) = body
        .read(|value| {
            let object = value.as_object().ok_or_else(|| Error::invalid("An object is expected."))?;
            let known = ["currency", "default", "projects", "skus", "licenses", "valid_from"];
            if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
                return Err(Error::invalid(format!("There is no member {name:?} here.")));
            }
            let valid_from = match object.get("valid_from") {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(time_of("valid_from", text)?),
                Some(_) => return Err(Error::invalid("valid_from must be a text.")),
            };
            Ok((Rates::read(object)?, valid_from))
        })
        .await?;
    let set = state.app.usage.set_rates(&caller.0, rates, valid_from).await?;
    Ok(HttpResponse::Ok().json(json!({"rates": table::version(&set)})))
}
