//! The keys that encrypt secrets in other rows, in generations; all nodes share them.

use diesel::{dsl::max, prelude::*};

use super::{Conn, DbResult, schema::sealing_keys};
use crate::model::time::Timestamp;

/// Keys that are read at most; they are replaced once a month, and kept for some months after that.
const LIST_MAX: i64 = 100;

/// One row of `sealing_keys`.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = sealing_keys)]
pub struct KeyRow {
    /// Counted from 1; sealed texts name it.
    pub generation: i64,
    /// The key in base64.
    pub secret: String,
    /// Microseconds since 1970 UTC.
    pub created_at: i64,
    /// Microseconds since 1970 UTC at which another took its place; `None` is the key that seals.
    pub replaced_at: Option<i64>,
}

impl std::fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRow").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// All keys, the latest generation first.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn) -> DbResult<Vec<KeyRow>> {
    Ok(sealing_keys::table
        .order(sealing_keys::generation.desc())
        .limit(LIST_MAX)
        .select(KeyRow::as_select())
        .load(conn)?)
}

/// Inserts a key after generation `latest` (0: there is none), unless there is a later one, and deletes keys that were
/// replaced before `limit`. Returns all keys.
///
/// # Errors
/// [`DbError::Duplicate`](crate::db::DbError::Duplicate) when another node does so at the same moment.
pub fn succeed(
    conn: &mut Conn,
    latest: i64,
    secret: &str,
    (now, limit): (Timestamp, Timestamp),
) -> DbResult<Vec<KeyRow>> {
    let found: Option<i64> = sealing_keys::table.select(max(sealing_keys::generation)).first(conn)?;
    if found.unwrap_or_default() == latest {
        diesel::update(sealing_keys::table.filter(sealing_keys::replaced_at.is_null()))
            .set(sealing_keys::replaced_at.eq(Some(now.0)))
            .execute(conn)?;
        diesel::delete(sealing_keys::table.filter(sealing_keys::replaced_at.lt(limit.0))).execute(conn)?;
        let key = KeyRow {
            generation: latest.saturating_add(1),
            secret: secret.to_owned(),
            created_at: now.0,
            replaced_at: None,
        };
        diesel::insert_into(sealing_keys::table).values(key).execute(conn)?;
    }
    list(conn)
}
