//! Usage as JSON and as a table.

use std::collections::{BTreeSet, HashMap};

use num_bigint::BigInt;
use serde_json::{Map, Number, Value, json};

use super::csv::{harmless, rows};
use crate::{
    model::{
        error::Result,
        time::Timestamp,
        usage::{
            Interval,
            meter::{HOUR, Share},
            rates::shown,
            sums::{Unit, rounded, trimmed, written},
        },
    },
    usage::{Line, Report, Section, Total, Version},
};

/// The columns of the table.
const COLUMNS: [&str; 17] = [
    "section",
    "project_id",
    "project_name",
    "image_id",
    "image_name",
    "sku",
    "tags",
    "gb",
    "hours",
    "gb_month",
    "rate",
    "amount",
    "first_hour",
    "last_hour",
    "store",
    "media_group",
    "byte_seconds",
];

/// A decimal as a number of JSON; nothing is counted on with it.
fn number(text: &str) -> Value {
    text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

fn gigabytes(bytes: i128, unit: Unit) -> String {
    trimmed(&rounded(&bytes.into(), &unit.bytes().into(), 6), 6)
}

/// Whole where it is, and else with six decimals.
fn hours(time: &BigInt) -> String {
    trimmed(&rounded(time, &HOUR.into(), 6), 6)
}

fn hours_value(time: &BigInt) -> Value {
    let text = hours(time);
    text.parse::<i64>().map_or_else(|_| number(&text), Value::from)
}

/// Exact: what is counted in microseconds has six decimals.
fn seconds(time: &BigInt) -> String {
    trimmed(time, 6)
}

fn time(time: Option<Timestamp>) -> Value {
    time.map(Timestamp::isotime).into()
}

fn line(line: &Line, unit: Unit, is_license: bool) -> Value {
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| drop(view.insert(name.to_owned(), value));
    put("project_id", line.project.clone().into());
    put("image_id", line.image.clone().into());
    put("image_name", line.image_name.clone().into());
    put("store", line.store.clone().into());
    put("media_group", line.media_group.clone().into());
    put("sku", line.sku.clone().into());
    put("tags", line.tags.clone().into());
    put("hours", hours_value(&line.time));
    if !is_license {
        put("gb", line.bytes.map_or(Value::Null, |bytes| number(&gigabytes(bytes, unit))));
        put("bytes", line.bytes.and_then(|bytes| i64::try_from(bytes).ok()).into());
        put("gb_month", number(&written(&line.months, 6)));
        put("byte_seconds", seconds(&line.byte_time).into());
    }
    put("rate", line.rate.map(shown).into());
    put("amount", line.amount.as_ref().map(|amount| written(amount, 4)).into());
    put("first_hour", time(line.first_hour));
    put("last_hour", time(line.last_hour));
    put("from", time(line.from));
    put("to", time(line.to));
    view.into()
}

fn total(total: &Total, is_license: bool, has_rates: bool) -> Value {
    let amount = has_rates.then(|| written(&total.amount, 4));
    match is_license {
        true => json!({"hours": hours_value(&total.time), "amount": amount}),
        false => json!({
            "hours": hours_value(&total.time),
            "gb_month": number(&written(&total.months, 6)),
            "byte_seconds": seconds(&total.byte_time),
            "amount": amount,
        }),
    }
}

/// A report as JSON.
pub fn report(report: &Report) -> Value {
    let (unit, has_rates) = (report.settings.unit, report.currency.is_some());
    let section = |section: &Section, is_license: bool| {
        let lines: Vec<Value> = section.lines.iter().map(|l| line(l, unit, is_license)).collect();
        json!({"lines": lines, "total": total(&section.total, is_license, has_rates)})
    };
    json!({
        "from": report.period.from.isotime(),
        "to": report.period.to.isotime(),
        "unit": unit.as_str(),
        "hours_per_month": report.settings.month.shown(),
        "currency": report.currency,
        "sections": {"images": section(&report.images, false), "licenses": section(&report.licenses, true)},
    })
}

fn cells(section: &str, line: &Line, (unit, names): (Unit, &HashMap<String, String>)) -> Vec<String> {
    let text = |text: &Option<String>| harmless(text.clone().unwrap_or_default());
    let hour = |time: Option<Timestamp>| time.map(Timestamp::isotime).unwrap_or_default();
    let is_license = section == "licenses";
    let of_bytes = |text: String| if is_license { String::new() } else { text };
    vec![
        section.to_owned(),
        text(&line.project),
        text(&line.project.as_ref().and_then(|project| names.get(project)).cloned()),
        text(&line.image),
        text(&line.image_name),
        text(&line.sku),
        harmless(line.tags.join(",")),
        line.bytes.map(|bytes| gigabytes(bytes, unit)).unwrap_or_default(),
        hours(&line.time),
        of_bytes(written(&line.months, 6)),
        line.rate.map(shown).unwrap_or_default(),
        line.amount.as_ref().map(|amount| written(amount, 4)).unwrap_or_default(),
        hour(line.first_hour),
        hour(line.last_hour),
        text(&line.store),
        text(&line.media_group),
        of_bytes(seconds(&line.byte_time)),
    ]
}

/// The projects that a report names.
pub fn projects(report: &Report) -> Vec<String> {
    let lines = report.images.lines.iter().chain(&report.licenses.lines);
    let projects: BTreeSet<&String> = lines.filter_map(|line| line.project.as_ref()).collect();
    projects.into_iter().cloned().collect()
}

/// A report as a table, with the names of projects by their ids.
///
/// # Errors
/// Only those of the writer of tables.
pub fn table(report: &Report, names: &HashMap<String, String>) -> Result<Vec<u8>> {
    let with = (report.settings.unit, names);
    let head = std::iter::once(COLUMNS.map(str::to_owned).to_vec());
    let images = report.images.lines.iter().map(|line| cells("images", line, with));
    rows(head.chain(images).chain(report.licenses.lines.iter().map(|line| cells("licenses", line, with))))
}

/// An hour of an image.
pub fn hour(share: &Share) -> Value {
    let Interval { image_id, metered, .. } = &*share.interval;
    let labels = &metered.labels;
    let length = BigInt::from(share.span.length());
    json!({
        "hour": crate::model::usage::meter::hour_of(share.span.from).isotime(),
        "project_id": metered.facts.project,
        "image_id": image_id,
        "image_name": labels.name,
        "store": (!share.store.is_empty()).then_some(&share.store),
        "media_group": labels.media_group,
        "tags": labels.tags,
        "sku": labels.sku,
        "bytes": i64::try_from(share.bytes).unwrap_or(i64::MAX),
        "hours": hours_value(&length),
        "byte_seconds": seconds(&(length * share.bytes)),
    })
}

/// The opening or closing of an interval: what is known when it is opened, and the rest when it is closed.
pub fn interval(interval: &Interval, closes: bool) -> Value {
    let (facts, labels) = (&interval.metered.facts, &interval.metered.labels);
    json!({
        "id": interval.id.to_string(),
        "section": if interval.is_license() { "licenses" } else { "images" },
        "image_id": interval.image_id,
        "image_name": labels.name,
        "consumer": interval.is_license().then_some(&interval.consumer),
        "project_id": facts.project,
        "bytes": facts.bytes,
        "virtual_bytes": facts.virtual_bytes,
        "stores": facts.stores,
        "media_group": labels.media_group,
        "tags": labels.tags,
        "sku": labels.sku,
        "public": labels.is_public,
        "from": interval.from.isotime_micros(),
        "to": closes.then(|| interval.to.map(Timestamp::isotime_micros)),
        "opened_by": interval.opened_by,
        "closed_by": if closes { interval.closed_by.clone() } else { None },
    })
}

/// A version of the rates.
pub fn version(version: &Version) -> Value {
    let mut view = Map::new();
    view.insert("valid_from".to_owned(), version.valid_from.isotime().into());
    view.extend(version.rates.document());
    view.insert("user_id".to_owned(), version.user_id.clone().into());
    view.insert("created_at".to_owned(), version.created_at.isotime().into());
    view.into()
}
