//! Retention rules.

use diesel::prelude::*;

use super::{Conn, DbError, DbResult, schema::retention_rules};
use crate::model::{retention::Rule, time::Timestamp};

/// A rule with what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The project.
    pub owner: String,
    /// The family; empty for all that have no rule of their own.
    pub family: String,
    /// The rule.
    pub rule: Rule,
    /// When it is applied next.
    pub next_run_at: Timestamp,
    /// The report of the last time, as JSON.
    pub report: Option<String>,
}

type Columns = (String, String, String, i64, Option<String>);

fn read(columns: Columns) -> DbResult<Kept> {
    let (owner, family, rule, next_run_at, report) = columns;
    let rule = serde_json::from_str(&rule)
        .map_err(|e| DbError::Other(format!("the rule of {owner} for {family:?}: {e}")))?;
    Ok(Kept { owner, family, rule, next_run_at: Timestamp(next_run_at), report })
}

/// The rules of a project by family, after one of them, up to `count`.
///
/// # Errors
/// Only the database's own, and a rule that cannot be read.
pub fn list(conn: &mut Conn, owner: &str, after: Option<&str>, count: i64) -> DbResult<Vec<Kept>> {
    let mut query = retention_rules::table.filter(retention_rules::owner.eq(owner)).into_boxed();
    if let Some(after) = after {
        query = query.filter(retention_rules::family.gt(after));
    }
    let rows: Vec<Columns> = query
        .order(retention_rules::family)
        .limit(count)
        .select((
            retention_rules::owner,
            retention_rules::family,
            retention_rules::rule,
            retention_rules::next_run_at,
            retention_rules::report,
        ))
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// One rule.
///
/// # Errors
/// As [`list`].
pub fn find(conn: &mut Conn, owner: &str, family: &str) -> DbResult<Option<Kept>> {
    let row: Option<Columns> = retention_rules::table
        .find((owner, family))
        .select((
            retention_rules::owner,
            retention_rules::family,
            retention_rules::rule,
            retention_rules::next_run_at,
            retention_rules::report,
        ))
        .first(conn)
        .optional()?;
    row.map(read).transpose()
}

/// The families of a project that have a rule of their own.
///
/// # Errors
/// Only the database's own.
pub fn families(conn: &mut Conn, owner: &str) -> DbResult<Vec<String>> {
    let rows = retention_rules::table
        .filter(retention_rules::owner.eq(owner))
        .filter(retention_rules::family.ne(""));
    Ok(rows.select(retention_rules::family).load(conn)?)
}

/// Inserts a rule, replacing the previous one.
///
/// # Errors
/// [`DbError::Retry`] when others do so at the same time.
pub fn put(conn: &mut Conn, kept: &Kept, now: Timestamp) -> DbResult<()> {
    remove(conn, &kept.owner, &kept.family)?;
    let rule = serde_json::to_string(&kept.rule).map_err(|e| DbError::Other(format!("a rule: {e}")))?;
    let row = (
        retention_rules::owner.eq(&kept.owner),
        retention_rules::family.eq(&kept.family),
        retention_rules::rule.eq(rule),
        retention_rules::next_run_at.eq(kept.next_run_at.0),
        retention_rules::report.eq(kept.report.as_deref()),
        retention_rules::updated_at.eq(now.0),
    );
    match diesel::insert_into(retention_rules::table).values(row).execute(conn).map_err(DbError::from) {
        Err(DbError::Duplicate(_)) => Err(DbError::Retry("the rule was set meanwhile".to_owned())),
        other => other.map(drop),
    }
}

/// Removes a rule. Returns whether it was there.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, owner: &str, family: &str) -> DbResult<bool> {
    Ok(diesel::delete(retention_rules::table.find((owner, family))).execute(conn)? > 0)
}

/// Claims a due rule, so that no other node applies it until `again`.
///
/// # Errors
/// As [`list`].
pub fn claim(conn: &mut Conn, now: Timestamp, again: Timestamp) -> DbResult<Option<Kept>> {
    let due: Option<(String, String, i64)> = retention_rules::table
        .filter(retention_rules::next_run_at.le(now.0))
        .order(retention_rules::next_run_at)
        .select((retention_rules::owner, retention_rules::family, retention_rules::next_run_at))
        .first(conn)
        .optional()?;
    let Some((owner, family, at)) = due else { return Ok(None) };
    let row = retention_rules::table
        .filter(retention_rules::owner.eq(&owner))
        .filter(retention_rules::family.eq(&family))
        .filter(retention_rules::next_run_at.eq(at));
    match diesel::update(row).set(retention_rules::next_run_at.eq(again.0)).execute(conn)? {
        0 => Err(DbError::Retry("another node took the rule".to_owned())),
        _ => find(conn, &owner, &family),
    }
}

/// Notes what came of a rule, and when it is applied next.
///
/// # Errors
/// Only the database's own.
pub fn done(conn: &mut Conn, owner: &str, family: &str, report: &str, next: Timestamp) -> DbResult<()> {
    diesel::update(retention_rules::table.find((owner, family)))
        .set((retention_rules::report.eq(report), retention_rules::next_run_at.eq(next.0)))
        .execute(conn)?;
    Ok(())
}
