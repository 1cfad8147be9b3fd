//! The storage that projects use. It is counted from rows each time, so there is no counter that could drift. Code
//! that counts in order to add something locks the project's account first, so that nobody else adds meanwhile.

use diesel::{prelude::*, sql_types::BigInt};

use super::{Conn, DbError, DbResult, blobs::STAGING_PREFIX, dialect, schema::blobs, statement::Statement};
use crate::model::{blob::BlobState, time::Timestamp};

/// Locks the account of a project until the transaction ends. Must be the last lock: a transaction that holds it must
/// wait for nothing else, or deadlocks are possible.
///
/// # Errors
/// Only the database's own.
pub fn lock(conn: &mut Conn, project: &str) -> DbResult<()> {
    if let Some(otherwise) = dialect::of(conn).on_known_account() {
        let insert =
            Statement::new("INSERT INTO quota_accounts (project_id) VALUES (").text(project).sql(") ");
        insert.sql(otherwise).execute(conn)?;
    }
    Ok(())
}

/// Bytes that a project's images occupy in stores, size times number of locations (`glance/db/sqlalchemy/api.py:
/// user_get_storage_usage`), plus reservations. For an image under import, staged data and data in stores are the same:
/// the larger counts. A single statement, because data that changes from reserved to stored between two would be
/// missed.
///
/// # Errors
/// Only the database's own.
pub fn stored(conn: &mut Conn, project: &str) -> DbResult<u64> {
    #[derive(QueryableByName)]
    struct Usage {
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let dialect = dialect::of(conn);
    let (doomed, staged) = (BlobState::Doomed.as_str(), format!("b.store LIKE '{STAGING_PREFIX}%'"));
    let part = |aggregate: &str, condition: &str, name: &str| {
        format!("{aggregate}(CASE WHEN {condition} THEN b.reserved ELSE 0 END) AS {name}")
    };
    let parts = [
        part("MAX", &format!("b.state <> '{doomed}' AND {staged}"), "staged"),
        part("SUM", &format!("b.state <> '{doomed}' AND NOT ({staged})"), "written"),
        part("SUM", &format!("b.state = '{doomed}'"), "doomed"),
    ];
    let statement = Statement::new(&format!(
        "SELECT (SELECT {} FROM images i JOIN image_locations l ON l.image_id = i.id WHERE {} AND i.owner = ",
        dialect.sum("i.size"),
        dialect.not_deleted("i"),
    ))
    .text(project)
    .sql(&format!(
        ") + (SELECT {} FROM (SELECT {} FROM blobs b JOIN images i ON i.id = b.image_id WHERE b.reserved > 0 \
         AND i.owner = ",
        dialect.sum("CASE WHEN p.staged > p.written THEN p.staged ELSE p.written END + p.doomed"),
        parts.join(", "),
    ))
    .text(project)
    .sql(" GROUP BY b.image_id) p) AS bytes");
    let usage: Vec<Usage> = statement.load(conn)?;
    Ok(usage.first().and_then(|usage| u64::try_from(usage.bytes).ok()).unwrap_or(0))
}

/// Requires that `holder` still writes a blob, and locks it until the transaction ends.
///
/// # Errors
/// [`DbError::Stale`] when the blob was doomed or taken meanwhile.
pub fn hold(conn: &mut Conn, id: &str, holder: &str, now: Timestamp) -> DbResult<()> {
    let held = blobs::table
        .filter(blobs::id.eq(id))
        .filter(blobs::holder.eq(holder))
        .filter(blobs::state.eq(BlobState::Writing.as_str()));
    match diesel::update(held).set(blobs::updated_at.eq(now.0)).execute(conn)? {
        // A database that counts changes only sees none in a time that stays the same.
        0 if !super::blobs::holds_lease(conn, id, holder)? => Err(DbError::stale("blob", id)),
        _ => Ok(()),
    }
}

/// Reserves `bytes` for a blob, in all.
///
/// # Errors
/// Only the database's own.
pub fn reserve(conn: &mut Conn, id: &str, bytes: u64) -> DbResult<()> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    diesel::update(blobs::table.filter(blobs::id.eq(id))).set(blobs::reserved.eq(bytes)).execute(conn)?;
    Ok(())
}
