//! The keys that sign tokens, in generations; all nodes share them.

use diesel::{dsl::max, prelude::*};

use crate::{
    db::{Conn, DbResult, schema::identity_keys},
    model::time::Timestamp,
};

/// Keys that are read at most; they are replaced once a month, and kept for some days after that.
const LIST_MAX: i64 = 1000;

/// One row of `identity_keys`.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = identity_keys)]
pub struct KeyRow {
    /// Counted from 1.
    pub generation: i64,
    /// Its name in the header of a token.
    pub kid: String,
    /// PKCS#8 in PEM.
    pub private_key: String,
    /// Microseconds since 1970 UTC.
    pub created_at: i64,
    /// Microseconds since 1970 UTC at which another took its place; `None` is the key that signs.
    pub replaced_at: Option<i64>,
}

impl std::fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRow").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A key that is not in the database yet.
#[derive(Clone)]
pub struct NewKey {
    /// Its name in the header of a token.
    pub kid: String,
    /// PKCS#8 in PEM.
    pub private_key: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All keys, the latest generation first.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn) -> DbResult<Vec<KeyRow>> {
    Ok(identity_keys::table
        .order(identity_keys::generation.desc())
        .limit(LIST_MAX)
        .select(KeyRow::as_select())
        .load(conn)?)
}

/// Inserts a key after generation `latest` (0: there is none), so that it signs from now on. Returns whether it did:
/// not if there is a later one.
///
/// # Errors
/// [`DbError::Duplicate`](crate::db::DbError::Duplicate) when another node does so at the same moment.
pub fn succeed(conn: &mut Conn, latest: i64, key: &NewKey, now: Timestamp) -> DbResult<bool> {
    if latest_generation(conn)? != latest {
        return Ok(false);
    }
    diesel::update(identity_keys::table.filter(identity_keys::replaced_at.is_null()))
        .set(identity_keys::replaced_at.eq(Some(now.0)))
        .execute(conn)?;
    insert(conn, latest.saturating_add(1), key, None)?;
    Ok(true)
}

/// Inserts a key that was created before keys were rows, unless it exists. It signs if `signs` and there is no other
/// key.
///
/// # Errors
/// [`DbError::Duplicate`](crate::db::DbError::Duplicate) when another node adds a key at the same moment.
pub fn take_in(conn: &mut Conn, key: &NewKey, signs: bool, now: Timestamp) -> DbResult<()> {
    let is_here =
        identity_keys::table.filter(identity_keys::kid.eq(&key.kid)).count().get_result::<i64>(conn)? > 0;
    if is_here {
        return Ok(());
    }
    let has_signer =
        identity_keys::table.filter(identity_keys::replaced_at.is_null()).count().get_result::<i64>(conn)?
            > 0;
    let next = latest_generation(conn)?.saturating_add(1);
    insert(conn, next, key, (has_signer || !signs).then_some(now.0))
}

/// Forgets keys that were replaced before `limit`. Returns how many.
///
/// # Errors
/// Only the database's own.
pub fn prune(conn: &mut Conn, limit: Timestamp) -> DbResult<usize> {
    Ok(diesel::delete(identity_keys::table.filter(identity_keys::replaced_at.lt(limit.0))).execute(conn)?)
}

fn latest_generation(conn: &mut Conn) -> DbResult<i64> {
    let latest: Option<i64> = identity_keys::table.select(max(identity_keys::generation)).first(conn)?;
    Ok(latest.unwrap_or_default())
}

fn insert(conn: &mut Conn, generation: i64, key: &NewKey, replaced_at: Option<i64>) -> DbResult<()> {
    diesel::insert_into(identity_keys::table)
        .values(KeyRow {
            generation,
            kid: key.kid.clone(),
            private_key: key.private_key.clone(),
            created_at: key.created_at.0,
            replaced_at,
        })
        .execute(conn)?;
    Ok(())
}
