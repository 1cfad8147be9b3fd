//! What is known about stores, and the findings of reconciliations.

use diesel::prelude::*;

use super::{
    Conn, DbError, DbResult,
    schema::{
        jobs,
        stores::{store_findings, store_states},
    },
};
use crate::model::{
    finding::{Finding, ObjectState, Summary},
    time::Timestamp,
};

/// The record of a store.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = store_states)]
pub struct StoreState {
    /// The store's id.
    pub store: String,
    /// The mark that says that the store is this database's.
    pub mark: String,
    /// Whether the store was seen with its mark.
    pub marked: bool,
    /// The job that looks through it, or did so last.
    pub job_id: Option<String>,
    /// When it was looked through last, in microseconds since 1970.
    pub checked_at: Option<i64>,
    summary: Option<String>,
}

impl StoreState {
    /// The summary of the findings.
    pub fn summary(&self) -> Option<Summary> {
        self.summary.as_deref().and_then(|text| serde_json::from_str(text).ok())
    }
}

/// The record of a store; `None` if it has not been reconciled yet.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, store: &str) -> DbResult<Option<StoreState>> {
    let row = store_states::table.filter(store_states::store.eq(store));
    Ok(row.select(StoreState::as_select()).first(conn).optional()?)
}

/// The record of a store, with this mark if it had none; locked until the transaction ends.
///
/// # Errors
/// [`DbError::Duplicate`] when another node does so at the same moment.
pub fn hold(conn: &mut Conn, store: &str, mark: &str) -> DbResult<StoreState> {
    let row = store_states::table.filter(store_states::store.eq(store));
    // Rows that an update leaves as they are do not count as changed on MariaDB, but are locked all the same.
    diesel::update(row).set(store_states::store.eq(store)).execute(conn)?;
    if let Some(found) = find(conn, store)? {
        return Ok(found);
    }
    let (marked, nothing) = (store_states::marked.eq(false), None::<String>);
    diesel::insert_into(store_states::table)
        .values((store_states::store.eq(store), store_states::mark.eq(mark), marked))
        .execute(conn)?;
    let (store, mark) = (store.to_owned(), mark.to_owned());
    Ok(StoreState { store, mark, marked: false, job_id: nothing.clone(), checked_at: None, summary: nothing })
}

/// Records that the store has a mark.
///
/// # Errors
/// Only the database's own.
pub fn set_mark(conn: &mut Conn, store: &str, mark: &str) -> DbResult<()> {
    diesel::update(store_states::table.filter(store_states::store.eq(store)))
        .set((store_states::mark.eq(mark), store_states::marked.eq(true)))
        .execute(conn)?;
    Ok(())
}

/// Gives a store to a job.
///
/// # Errors
/// Only the database's own.
pub fn set_job(conn: &mut Conn, store: &str, job: &str) -> DbResult<()> {
    diesel::update(store_states::table.filter(store_states::store.eq(store)))
        .set(store_states::job_id.eq(Some(job)))
        .execute(conn)?;
    Ok(())
}

/// Records what was found in all of a store.
///
/// # Errors
/// Only the database's own.
pub fn set_summary(conn: &mut Conn, store: &str, summary: &Summary, now: Timestamp) -> DbResult<()> {
    let text = serde_json::to_string(summary).map_err(|e| DbError::Other(format!("a summary: {e}")))?;
    diesel::update(store_states::table.filter(store_states::store.eq(store)))
        .set((store_states::checked_at.eq(Some(now.0)), store_states::summary.eq(Some(text))))
        .execute(conn)?;
    Ok(())
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = store_findings)]
struct FindingRow {
    job_id: String,
    number: i64,
    state: String,
    name: String,
    unfinished: bool,
    bytes: Option<i64>,
    modified: Option<i64>,
    image_id: Option<String>,
    reason: String,
    outcome: Option<String>,
}

/// Records what a job has found, numbered from `number` on.
///
/// # Errors
/// Only the database's own.
pub fn insert_findings(conn: &mut Conn, job: &str, number: i64, findings: &[Finding]) -> DbResult<()> {
    for (number, finding) in (number..).zip(findings) {
        let row = FindingRow {
            job_id: job.to_owned(),
            number,
            state: finding.state.as_str().to_owned(),
            name: finding.name.clone(),
            unfinished: finding.unfinished,
            bytes: finding.bytes.and_then(|bytes| i64::try_from(bytes).ok()),
            modified: finding.modified,
            image_id: finding.image_id.clone(),
            reason: finding.reason.clone(),
            outcome: finding.outcome.clone(),
        };
        diesel::insert_into(store_findings::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// The findings of a job after a number, in order, up to `count`; of one state if that is given.
///
/// # Errors
/// Only the database's own.
pub fn findings(
    conn: &mut Conn,
    job: &str,
    state: Option<ObjectState>,
    after: i64,
    count: i64,
) -> DbResult<Vec<(i64, Finding)>> {
    let mut query = store_findings::table
        .filter(store_findings::job_id.eq(job).and(store_findings::number.gt(after)))
        .into_boxed();
    if let Some(state) = state {
        query = query.filter(store_findings::state.eq(state.as_str()));
    }
    let rows: Vec<FindingRow> =
        query.order(store_findings::number).limit(count).select(FindingRow::as_select()).load(conn)?;
    let finding = |row: FindingRow| {
        let unknown = || DbError::Other(format!("job {}: unknown state {:?}", row.job_id, row.state));
        let state = ObjectState::parse(&row.state).ok_or_else(unknown)?;
        let finding = Finding {
            state,
            name: row.name,
            unfinished: row.unfinished,
            bytes: row.bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            modified: row.modified,
            image_id: row.image_id,
            blob_id: None,
            reason: row.reason,
            outcome: row.outcome,
        };
        Ok((row.number, finding))
    };
    rows.into_iter().map(finding).collect()
}

/// Deletes the findings of a job that is deleted itself; returns whether there were any.
///
/// # Errors
/// Only the database's own.
pub fn forget_findings(conn: &mut Conn, job: &str) -> DbResult<()> {
    diesel::delete(store_findings::table.filter(store_findings::job_id.eq(job))).execute(conn)?;
    Ok(())
}

/// Forgets the findings of a job that is gone itself; returns whether there were any.
///
/// # Errors
/// Only the database's own.
pub fn forget_findings_of_gone(conn: &mut Conn) -> DbResult<bool> {
    let there = jobs::table.filter(jobs::id.eq(store_findings::job_id));
    let gone: Option<String> = store_findings::table
        .filter(diesel::dsl::not(diesel::dsl::exists(there)))
        .select(store_findings::job_id)
        .first(conn)
        .optional()?;
    match &gone {
        Some(job) => forget_findings(conn, job).map(|()| true),
        None => Ok(false),
    }
}
