//! The usage ledger: intervals that are opened and closed in the transactions that change images and consumers.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::{
    Conn, DbError, DbResult,
    images::{ImageRow, load_parts},
    rows::{self, Row},
    schema::{image_properties, images},
    statement::Statement,
    usage_tables::usage_intervals,
};
use crate::model::{
    consumer::{Consumer, ConsumerKind},
    image::Image,
    status::Status,
    time::Timestamp,
    usage::{Facts, Interval, Labels, Metered, SKU_PROPERTY, meter::hour_of, sku_of},
};

/// In `pending`: the opening has no number yet.
pub(super) const OPENING: i64 = 1;
/// In `pending`: the closing has none.
pub(super) const CLOSING: i64 = 2;

/// In `opened_by`: the image got its data.
pub(super) const ACTIVATED: &str = "activated";

/// One row of `usage_intervals`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = usage_intervals)]
pub(super) struct IntervalRow {
    id: i64,
    image_id: String,
    consumer: String,
    project_id: Option<String>,
    bytes: i64,
    virtual_bytes: i64,
    stores: String,
    image_name: Option<String>,
    media_group: Option<String>,
    tags: String,
    sku: Option<String>,
    is_public: bool,
    from_ts: i64,
    to_ts: Option<i64>,
    opened_by: String,
    closed_by: Option<String>,
}

impl IntervalRow {
    pub(super) fn into_interval(self) -> DbResult<Interval> {
        let texts = |text: &str| -> DbResult<Vec<String>> {
            serde_json::from_str(text).map_err(|e| DbError::Other(format!("usage interval {}: {e}", self.id)))
        };
        let (stores, mut tags) = (texts(&self.stores)?, texts(&self.tags)?);
        tags.sort();
        Ok(Interval {
            id: self.id,
            image_id: self.image_id,
            consumer: self.consumer,
            metered: Metered {
                facts: Facts {
                    project: self.project_id,
                    bytes: self.bytes,
                    virtual_bytes: self.virtual_bytes,
                    stores,
                },
                labels: Labels {
                    name: self.image_name,
                    media_group: self.media_group,
                    tags,
                    sku: self.sku,
                    is_public: self.is_public,
                },
            },
            from: Timestamp(self.from_ts),
            to: self.to_ts.map(Timestamp),
            opened_by: self.opened_by,
            closed_by: self.closed_by,
        })
    }
}

fn array(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

fn open(conn: &mut Conn, of: (&str, &str), metered: &Metered, from: Timestamp, why: &str) -> DbResult<()> {
    let (facts, labels) = (&metered.facts, &metered.labels);
    diesel::insert_into(usage_intervals::table)
        .values((
            usage_intervals::image_id.eq(of.0),
            usage_intervals::consumer.eq(of.1),
            usage_intervals::project_id.eq(facts.project.as_deref()),
            usage_intervals::bytes.eq(facts.bytes),
            usage_intervals::virtual_bytes.eq(facts.virtual_bytes),
            usage_intervals::stores.eq(array(&facts.stores)),
            usage_intervals::image_name.eq(labels.name.as_deref()),
            usage_intervals::media_group.eq(labels.media_group.as_deref()),
            usage_intervals::tags.eq(array(&labels.tags)),
            usage_intervals::sku.eq(labels.sku.as_deref()),
            usage_intervals::is_public.eq(labels.is_public),
            usage_intervals::from_ts.eq(from.0),
            usage_intervals::opened_by.eq(why),
            usage_intervals::pending.eq(OPENING),
        ))
        .execute(conn)?;
    Ok(())
}

/// Closes what is open of an image, or of one of its consumers, not before it was opened.
fn close(conn: &mut Conn, image: &str, consumer: Option<&str>, to: Timestamp, why: &str) -> DbResult<()> {
    let statement = Statement::new("UPDATE usage_intervals SET to_ts = CASE WHEN from_ts > ")
        .integer(to.0)
        .sql(" THEN from_ts ELSE ")
        .integer(to.0)
        .sql(" END, closed_by = ")
        .text(why)
        .sql(&format!(", pending = pending + {CLOSING} WHERE image_id = "))
        .text(image)
        .sql(" AND to_ts IS NULL");
    let statement = match consumer {
        Some(consumer) => statement.sql(" AND consumer = ").text(consumer),
        None => statement,
    };
    statement.kept().execute(conn)?;
    Ok(())
}

/// The interval that is open: its id and when it was opened.
fn open_one(conn: &mut Conn, image: &str, consumer: &str) -> DbResult<Option<(i64, Timestamp)>> {
    let found: Option<(i64, i64)> = usage_intervals::table
        .filter(usage_intervals::image_id.eq(image))
        .filter(usage_intervals::consumer.eq(consumer))
        .filter(usage_intervals::to_ts.is_null())
        .order(usage_intervals::id.desc())
        .select((usage_intervals::id, usage_intervals::from_ts))
        .first(conn)
        .optional()?;
    Ok(found.map(|(id, from)| (id, Timestamp(from))))
}

/// When the last interval was closed.
fn last_end(conn: &mut Conn, image: &str) -> DbResult<Option<i64>> {
    let last = usage_intervals::table
        .filter(usage_intervals::image_id.eq(image))
        .filter(usage_intervals::consumer.eq(""))
        .order(usage_intervals::id.desc())
        .select(usage_intervals::to_ts)
        .first::<Option<i64>>(conn)
        .optional()?;
    Ok(last.flatten())
}

/// Writes down what a change of an image means. To be called in its transaction, when it has been saved.
///
/// # Errors
/// Only the database's own.
pub fn record(conn: &mut Conn, before: &Image, after: &Image, now: Timestamp) -> DbResult<()> {
    let id = &before.id;
    match (Metered::of(before), Metered::of(after)) {
        // Consumers may be told of before there is data.
        (None, None) if after.status == Status::Deleted && before.property(SKU_PROPERTY).is_some() => {
            close(conn, id, None, now, "deleted")
        }
        (None, None) => Ok(()),
        (None, Some(new)) => {
            // Only what was deleted and comes back has been here before.
            let was_deleted = matches!(before.status, Status::PendingDelete | Status::Deleted);
            let last = if was_deleted { last_end(conn, id)? } else { None };
            let why = if last.is_some() { "restored" } else { ACTIVATED };
            open(conn, (id, ""), &new, Timestamp(now.0.max(last.unwrap_or(now.0))), why)
        }
        (Some(_), None) => close(conn, id, None, now, "deleted"),
        (Some(old), Some(new)) => match old.differs(&new) {
            None => Ok(()),
            Some(why) => turn(conn, (id, ""), &new, why, now),
        },
    }
}

/// Closes an interval and opens the next at the same moment; what only has other labels in the hour in which it was
/// opened gets them in place, so that nobody makes more than a row an hour by changing them.
fn turn(conn: &mut Conn, of: (&str, &str), new: &Metered, why: &str, now: Timestamp) -> DbResult<()> {
    let Some((id, from)) = open_one(conn, of.0, of.1)? else { return open(conn, of, new, now, "found") };
    let now = now.max(from);
    if why == "labels" && hour_of(from) == hour_of(now) {
        let labels = &new.labels;
        diesel::update(usage_intervals::table.filter(usage_intervals::id.eq(id)))
            .set((
                usage_intervals::image_name.eq(labels.name.as_deref()),
                usage_intervals::media_group.eq(labels.media_group.as_deref()),
                usage_intervals::tags.eq(array(&labels.tags)),
                usage_intervals::sku.eq(labels.sku.as_deref()),
                usage_intervals::is_public.eq(labels.is_public),
            ))
            .execute(conn)?;
        return Ok(());
    }
    close(conn, of.0, Some(of.1), now, why)?;
    open(conn, of, new, now, why)
}

/// Reconciles the ledger with images that were written directly: one open interval for each image with data, none for
/// others.
///
/// # Errors
/// Only the database's own.
pub fn settle(conn: &mut Conn, ids: &[String], now: Timestamp) -> DbResult<()> {
    let rows: Vec<ImageRow> = images::table
        .filter(images::id.eq_any(ids))
        .filter(images::deleted.eq(false))
        .select(ImageRow::as_select())
        .load(conn)?;
    let found = load_parts(conn, rows)?;
    let known: Vec<(String, String, Option<i64>)> = usage_intervals::table
        .filter(usage_intervals::image_id.eq_any(ids))
        .order(usage_intervals::id)
        .select((usage_intervals::image_id, usage_intervals::consumer, usage_intervals::to_ts))
        .load(conn)?;
    // Of each image, when its last interval ended; of the image itself, and for closing also of licences.
    let (mut ends, mut open_ones) = (HashMap::new(), HashSet::new());
    for (id, consumer, to) in &known {
        if consumer.is_empty() {
            ends.insert(id, *to);
        }
        if to.is_none() {
            open_ones.insert(id);
        }
    }
    let mut charged = HashSet::new();
    let mut fresh: Vec<Row> = Vec::new();
    for image in &found {
        let Some(metered) = Metered::of(image) else { continue };
        charged.insert(&image.id);
        match ends.get(&image.id) {
            Some(None) => {
                let old = open_metered(conn, &image.id, "")?.unwrap_or_default();
                if let Some(why) = old.differs(&metered) {
                    turn(conn, (&image.id, ""), &metered, why, now)?;
                }
            }
            last => {
                let from = image.created_at.0.max(last.copied().flatten().unwrap_or(i64::MIN));
                fresh.push(row(&image.id, &metered, from));
            }
        }
    }
    for id in open_ones.difference(&charged) {
        close(conn, id, None, now, "deleted")?;
    }
    rows::insert(conn, "usage_intervals", &COLUMNS, &fresh)
}

/// The columns of [`row`].
const COLUMNS: [&str; 14] = [
    "image_id",
    "consumer",
    "project_id",
    "bytes",
    "virtual_bytes",
    "stores",
    "image_name",
    "media_group",
    "tags",
    "sku",
    "is_public",
    "from_ts",
    "opened_by",
    "pending",
];

/// An interval of an image that was found, to be written with others.
fn row(id: &str, metered: &Metered, from: i64) -> Row {
    let (facts, labels) = (&metered.facts, &metered.labels);
    vec![
        id.into(),
        "".into(),
        facts.project.clone().into(),
        facts.bytes.into(),
        facts.virtual_bytes.into(),
        array(&facts.stores).into(),
        labels.name.clone().into(),
        labels.media_group.clone().into(),
        array(&labels.tags).into(),
        labels.sku.clone().into(),
        labels.is_public.into(),
        from.into(),
        "found".into(),
        OPENING.into(),
    ]
}

/// What the open interval says.
fn open_metered(conn: &mut Conn, image: &str, consumer: &str) -> DbResult<Option<Metered>> {
    let row: Option<IntervalRow> = usage_intervals::table
        .filter(usage_intervals::image_id.eq(image))
        .filter(usage_intervals::consumer.eq(consumer))
        .filter(usage_intervals::to_ts.is_null())
        .order(usage_intervals::id.desc())
        .select(IntervalRow::as_select())
        .first(conn)
        .optional()?;
    Ok(row.map(IntervalRow::into_interval).transpose()?.map(|interval| interval.metered))
}

/// A consumer as the ledger names it.
fn consumer_key(kind: ConsumerKind, id: &str) -> String {
    format!("{}:{id}", kind.as_str())
}

/// Opens an interval for a new consumer of a licensed image. It is charged under the SKU that the image has then, for
/// as long as it exists. Call it in the transaction that inserts the consumer.
///
/// # Errors
/// Only the database's own.
pub(super) fn license(conn: &mut Conn, consumer: &Consumer, is_new: bool, now: Timestamp) -> DbResult<()> {
    let (image, key) = (&consumer.image_id, consumer_key(consumer.kind, &consumer.id));
    if is_new {
        let Some((name, sku)) = sold_as(conn, image)? else { return Ok(()) };
        let labels = Labels { name, sku: Some(sku), ..Labels::default() };
        let facts = Facts { project: consumer.project_id.clone(), ..Facts::default() };
        return open(conn, (image, &key), &Metered { facts, labels }, now, "consumer");
    }
    // One that was there before the image had a licence has none.
    let Some(old) = open_metered(conn, image, &key)? else { return Ok(()) };
    let mut new = old.clone();
    new.facts.project.clone_from(&consumer.project_id);
    match old.differs(&new) {
        None => Ok(()),
        Some(why) => turn(conn, (image, &key), &new, why, now),
    }
}

/// The name of an image that has a licence, and as what it is sold.
fn sold_as(conn: &mut Conn, image: &str) -> DbResult<Option<(Option<String>, String)>> {
    let value: Option<Option<String>> = image_properties::table
        .filter(image_properties::image_id.eq(image))
        .filter(image_properties::name.eq(SKU_PROPERTY))
        .select(image_properties::value)
        .first(conn)
        .optional()?;
    let Some(sku) = sku_of(value.flatten().as_deref()) else { return Ok(None) };
    let name = images::table.filter(images::id.eq(image)).select(images::name).first(conn).optional()?;
    Ok(Some((name.flatten(), sku)))
}

/// Closes the interval of a removed consumer, in the same way.
///
/// # Errors
/// Only the database's own.
pub(super) fn end_license(
    conn: &mut Conn,
    image: &str,
    kind: ConsumerKind,
    id: &str,
    now: Timestamp,
) -> DbResult<()> {
    close(conn, image, Some(&consumer_key(kind, id)), now, "gone")
}
