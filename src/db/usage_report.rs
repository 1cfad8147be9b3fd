//! Reads of the usage ledger, the sequence numbers of its entries for billing systems, and the rates.

use diesel::{
    dsl::{max, min},
    prelude::*,
};

use super::{
    Conn, DbError, DbResult,
    usage::{ACTIVATED, CLOSING, IntervalRow, OPENING},
    usage_tables::{usage_entries, usage_intervals, usage_rates},
};
use crate::model::{
    time::Timestamp,
    usage::{Entry, Interval, meter::Span},
};

/// Where a walk through the ledger is: image, consumer, interval.
pub type Place = (String, String, i64);

/// Which intervals are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of one project alone.
    pub project: Option<String>,
    /// Of one image alone.
    pub image: Option<String>,
    /// Of these images alone, a page of a list at most.
    pub images: Option<Vec<String>>,
    /// Whether licences are wanted as well.
    pub has_licenses: bool,
}

/// Intervals that were open in a span, those of an image and consumer one after the other in the order in which they were
/// opened, after a place in that order, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn page(
    conn: &mut Conn,
    wanted: &Wanted,
    span: Span,
    after: Option<&Place>,
    count: i64,
) -> DbResult<Vec<Interval>> {
    let mut query = usage_intervals::table
        .filter(usage_intervals::from_ts.lt(span.to.0))
        .filter(usage_intervals::to_ts.is_null().or(usage_intervals::to_ts.ge(span.from.0)))
        .into_boxed();
    if let Some(project) = &wanted.project {
        query = query.filter(usage_intervals::project_id.eq(project));
    }
    if let Some(image) = &wanted.image {
        query = query.filter(usage_intervals::image_id.eq(image));
    }
    if let Some(images) = &wanted.images {
        query = query.filter(usage_intervals::image_id.eq_any(images.clone()));
    }
    if !wanted.has_licenses {
        query = query.filter(usage_intervals::consumer.eq(""));
    }
    if let Some((image, consumer, id)) = after {
        let of_consumer = usage_intervals::consumer.eq(consumer).and(usage_intervals::id.gt(id));
        let of_image =
            usage_intervals::image_id.eq(image).and(usage_intervals::consumer.gt(consumer).or(of_consumer));
        query = query
            .filter(usage_intervals::image_id.ge(image))
            .filter(usage_intervals::image_id.gt(image).or(of_image));
    }
    let rows: Vec<IntervalRow> = query
        .order((usage_intervals::image_id, usage_intervals::consumer, usage_intervals::id))
        .limit(count)
        .select(IntervalRow::as_select())
        .load(conn)?;
    rows.into_iter().map(IntervalRow::into_interval).collect()
}

/// When each of these images got its data first, as far as that was seen: of what was there before the ledger it is
/// unknown.
///
/// # Errors
/// Only the database's own.
pub fn activations(conn: &mut Conn, images: &[String]) -> DbResult<Vec<(String, Timestamp)>> {
    let firsts: Vec<Option<i64>> = usage_intervals::table
        .filter(usage_intervals::image_id.eq_any(images))
        .filter(usage_intervals::consumer.eq(""))
        .group_by(usage_intervals::image_id)
        .select(min(usage_intervals::id))
        .load(conn)?;
    let firsts: Vec<i64> = firsts.into_iter().flatten().collect();
    let rows: Vec<(String, i64)> = usage_intervals::table
        .filter(usage_intervals::id.eq_any(firsts))
        .filter(usage_intervals::opened_by.eq(ACTIVATED))
        .select((usage_intervals::image_id, usage_intervals::from_ts))
        .load(conn)?;
    Ok(rows.into_iter().map(|(image, from)| (image, Timestamp(from))).collect())
}

/// When the first interval begins from a time on.
///
/// # Errors
/// Only the database's own.
pub fn next_start(conn: &mut Conn, wanted: &Wanted, from: Timestamp) -> DbResult<Option<Timestamp>> {
    let mut query = usage_intervals::table
        .filter(usage_intervals::from_ts.ge(from.0))
        .filter(usage_intervals::consumer.eq(""))
        .into_boxed();
    if let Some(project) = &wanted.project {
        query = query.filter(usage_intervals::project_id.eq(project));
    }
    let first: Option<i64> = query.select(min(usage_intervals::from_ts)).first(conn)?;
    Ok(first.map(Timestamp))
}

/// Whether there are entries without a number.
///
/// # Errors
/// Only the database's own.
pub fn has_unnumbered(conn: &mut Conn) -> DbResult<bool> {
    let found = usage_intervals::table
        .filter(usage_intervals::pending.gt(0))
        .select(usage_intervals::id)
        .first::<i64>(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Numbers the entries of up to `count` unnumbered intervals, in the order in which these were opened. Later commits
/// get higher numbers, so a reader of the numbers misses nothing.
///
/// # Errors
/// [`DbError::Retry`] when somebody else numbers.
pub fn number(conn: &mut Conn, count: i64) -> DbResult<usize> {
    let last: Option<i64> = usage_entries::table.select(max(usage_entries::seq)).first(conn)?;
    let found: Vec<(i64, i64)> = usage_intervals::table
        .filter(usage_intervals::pending.gt(0))
        .order(usage_intervals::id)
        .limit(count)
        .select((usage_intervals::id, usage_intervals::pending))
        .load(conn)?;
    let mut seq = last.unwrap_or(0);
    let mut numbered = 0_usize;
    for (id, pending) in found {
        // Not what was closed or numbered since.
        let row = usage_intervals::table
            .filter(usage_intervals::id.eq(id))
            .filter(usage_intervals::pending.eq(pending));
        if diesel::update(row).set(usage_intervals::pending.eq(0)).execute(conn)? != 1 {
            continue;
        }
        for (bit, closes) in [(OPENING, false), (CLOSING, true)] {
            if pending & bit == 0 {
                continue;
            }
            seq = seq.saturating_add(1);
            let entry = (
                usage_entries::seq.eq(seq),
                usage_entries::interval_id.eq(id),
                usage_entries::closes.eq(closes),
            );
            diesel::insert_into(usage_entries::table).values(entry).execute(conn).map_err(|error| {
                match DbError::from(error) {
                    DbError::Duplicate(_) => DbError::Retry("somebody else numbers".to_owned()),
                    other => other,
                }
            })?;
            numbered = numbered.saturating_add(1);
        }
    }
    Ok(numbered)
}

/// The entries after a number, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn entries(conn: &mut Conn, after: i64, count: i64) -> DbResult<Vec<Entry>> {
    let rows: Vec<(i64, bool, IntervalRow)> = usage_entries::table
        .inner_join(usage_intervals::table.on(usage_intervals::id.eq(usage_entries::interval_id)))
        .filter(usage_entries::seq.gt(after))
        .order(usage_entries::seq)
        .limit(count)
        .select((usage_entries::seq, usage_entries::closes, IntervalRow::as_select()))
        .load(conn)?;
    rows.into_iter()
        .map(|(seq, closes, row)| Ok(Entry { seq, closes, interval: row.into_interval()? }))
        .collect()
}

/// One version of the rates.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = usage_rates)]
pub struct RatesRow {
    /// Its place among all.
    pub id: i64,
    /// From when on it holds, in microseconds since 1970.
    pub valid_from: i64,
    /// JSON.
    pub document: String,
    /// The user who set it.
    pub user_id: Option<String>,
    /// When, in microseconds since 1970.
    pub created_at: i64,
}

/// All versions of the rates, in the order in which they hold; of two from one time the later one last.
///
/// # Errors
/// Only the database's own.
pub fn rates(conn: &mut Conn) -> DbResult<Vec<RatesRow>> {
    Ok(usage_rates::table
        .order((usage_rates::valid_from, usage_rates::id))
        .select(RatesRow::as_select())
        .load(conn)?)
}

/// Enters a version of the rates.
///
/// # Errors
/// Only the database's own.
pub fn add_rates(
    conn: &mut Conn,
    valid_from: Timestamp,
    document: &str,
    user: Option<&str>,
    now: Timestamp,
) -> DbResult<()> {
    diesel::insert_into(usage_rates::table)
        .values((
            usage_rates::valid_from.eq(valid_from.0),
            usage_rates::document.eq(document),
            usage_rates::user_id.eq(user),
            usage_rates::created_at.eq(now.0),
        ))
        .execute(conn)?;
    Ok(())
}
