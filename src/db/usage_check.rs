//! Compares the usage ledger with the images.

use std::collections::HashMap;

use diesel::{
    dsl::{exists, not},
    prelude::*,
};

use super::{
    Conn, DbResult,
    images::{ImageRow, load_parts},
    schema::images,
    usage::IntervalRow,
    usage_tables::usage_intervals,
};
use crate::model::{status::Status, usage::Metered};

/// An image, and what is wrong with its intervals.
pub type Fault = (String, String);

/// Errors in the intervals of up to `count` images after an id. Also returns the last image, if there may be more.
///
/// # Errors
/// Only the database's own.
pub fn images(conn: &mut Conn, after: &str, count: i64) -> DbResult<(Vec<Fault>, Option<String>)> {
    let rows: Vec<ImageRow> = images::table
        .filter(images::id.gt(after))
        .filter(images::deleted.eq(false))
        .filter(images::status.eq_any([Status::Active.as_str(), Status::Deactivated.as_str()]))
        .order(images::id)
        .limit(count)
        .select(ImageRow::as_select())
        .load(conn)?;
    let last = rows.last().filter(|_| rows.len() as i64 == count).map(|row| row.id.clone());
    let found = load_parts(conn, rows)?;
    let ids: Vec<&String> = found.iter().map(|image| &image.id).collect();
    let open: Vec<IntervalRow> = usage_intervals::table
        .filter(usage_intervals::image_id.eq_any(ids))
        .filter(usage_intervals::consumer.eq(""))
        .filter(usage_intervals::to_ts.is_null())
        .select(IntervalRow::as_select())
        .load(conn)?;
    let mut intervals: HashMap<String, Vec<Metered>> = HashMap::new();
    for row in open {
        let interval = row.into_interval()?;
        intervals.entry(interval.image_id).or_default().push(interval.metered);
    }
    let mut faults = Vec::new();
    for image in found {
        let Some(metered) = Metered::of(&image) else { continue };
        let fault = match intervals.remove(&image.id).unwrap_or_default().as_slice() {
            [one] => one.differs(&metered).map(|why| format!("its open interval has another {why}")),
            [] => Some("no interval of it is open".to_owned()),
            several => Some(format!("{} intervals of it are open", several.len())),
        };
        faults.extend(fault.map(|fault| (image.id, fault)));
    }
    Ok((faults, last))
}

/// Up to `count` images without data that have an open interval.
///
/// # Errors
/// Only the database's own.
pub fn strays(conn: &mut Conn, count: i64) -> DbResult<Vec<Fault>> {
    let charged = images::table
        .filter(images::id.eq(usage_intervals::image_id))
        .filter(images::deleted.eq(false))
        .filter(images::status.eq_any([Status::Active.as_str(), Status::Deactivated.as_str()]));
    let found: Vec<String> = usage_intervals::table
        .filter(usage_intervals::to_ts.is_null())
        .filter(usage_intervals::consumer.eq(""))
        .filter(not(exists(charged)))
        .limit(count)
        .select(usage_intervals::image_id)
        .load(conn)?;
    Ok(found.into_iter().map(|id| (id, "an interval of it is open, and it has no data".to_owned())).collect())
}
