//! Objects in quarantine: why, where, since when. Meanwhile a row in the table of blobs reserves the object's name.

use diesel::prelude::*;

use super::{
    Conn, DbError, DbResult, blobs,
    schema::{blobs as ledger, stores::quarantine},
    stored,
};
use crate::model::{
    blob::{Blob, BlobState},
    time::Timestamp,
};

/// An object that is in quarantine, or being moved there.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = quarantine)]
pub struct Aside {
    /// Its id, and that of its row in the ledger.
    pub id: String,
    /// The store.
    pub store: String,
    /// The name that it had there.
    pub name: String,
    /// Whether it was an unfinished file.
    pub unfinished: bool,
    /// By which the store finds it.
    pub place: String,
    /// Bytes, if the store said so.
    pub bytes: Option<i64>,
    /// When it was last written to, in microseconds since 1970 by the store's clock.
    pub modified: Option<i64>,
    /// Why it is in quarantine.
    pub reason: String,
    /// `moving`, `held`.
    pub state: String,
    /// The job that put it there.
    pub job_id: Option<String>,
    /// The user who requested it.
    pub user_id: Option<String>,
    /// By which request.
    pub request_id: Option<String>,
    /// When, in microseconds since 1970.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
}

/// It may be under its name or at its place.
pub const MOVING: &str = "moving";
/// It has been moved.
pub const HELD: &str = "held";

/// What keeps the name of a quarantined object in the ledger. What is unfinished is known by its id or by the name that it
/// is to have, and its row must take neither from others.
fn keeper(aside: &Aside) -> Blob {
    Blob {
        id: aside.id.clone(),
        image_id: String::new(),
        store: aside.store.clone(),
        name: if aside.unfinished { format!("{}.unfinished", aside.name) } else { aside.name.clone() },
        state: BlobState::Quarantined,
        size: aside.bytes,
        holder: String::new(),
        lease_until: Timestamp(0),
        delete_after: Timestamp(0),
        attempts: 0,
    }
}

/// Inserts an object that is about to be moved to quarantine, unless something refers to it by now; returns whether it
/// was inserted. From then on no upload takes its name.
///
/// # Errors
/// [`DbError::Duplicate`] when somebody else takes the name at this moment.
pub fn enter(conn: &mut Conn, aside: &Aside) -> DbResult<bool> {
    let names = [aside.name.clone()];
    if !stored::named(conn, &aside.store, &names)?.is_empty()
        || stored::is_named_elsewhere(conn, &aside.name)?
    {
        return Ok(false);
    }
    blobs::insert(conn, &keeper(aside), Timestamp(aside.created_at))?;
    diesel::insert_into(quarantine::table).values(aside).execute(conn)?;
    Ok(true)
}

/// Records the state of a quarantined object.
///
/// # Errors
/// [`DbError::Stale`] when it is not there any more.
pub fn set_state(conn: &mut Conn, id: &str, state: &str, now: Timestamp) -> DbResult<()> {
    let row = quarantine::table.filter(quarantine::id.eq(id));
    diesel::update(row).set((quarantine::state.eq(state), quarantine::updated_at.eq(now.0))).execute(conn)?;
    find(conn, id)?.map(drop).ok_or_else(|| DbError::stale("quarantined object", id))
}

/// Renews a move to quarantine, or takes over one that nobody has renewed since `seen`; returns whether that is so.
///
/// # Errors
/// Only the database's own.
pub fn renew(conn: &mut Conn, id: &str, seen: i64, now: Timestamp) -> DbResult<bool> {
    let row = quarantine::table
        .filter(quarantine::id.eq(id).and(quarantine::state.eq(MOVING)))
        .filter(quarantine::updated_at.eq(seen));
    Ok(diesel::update(row).set(quarantine::updated_at.eq(now.0)).execute(conn)? == 1)
}

/// Forgets a quarantined object, and what keeps its name.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(quarantine::table.filter(quarantine::id.eq(id))).execute(conn)?;
    let kept =
        ledger::table.filter(ledger::id.eq(id)).filter(ledger::state.eq(BlobState::Quarantined.as_str()));
    diesel::delete(kept).execute(conn)?;
    Ok(())
}

/// One of them.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, id: &str) -> DbResult<Option<Aside>> {
    let row = quarantine::table.filter(quarantine::id.eq(id));
    Ok(row.select(Aside::as_select()).first(conn).optional()?)
}

/// The one that had this name.
///
/// # Errors
/// Only the database's own.
pub fn find_named(conn: &mut Conn, store: &str, name: &str) -> DbResult<Option<Aside>> {
    let row = quarantine::table
        .filter(quarantine::store.eq(store).and(quarantine::name.eq(name)))
        .filter(quarantine::unfinished.eq(false));
    Ok(row.select(Aside::as_select()).first(conn).optional()?)
}

/// Those of a store, from the id after `after` on.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, store: &str, after: &str, count: i64) -> DbResult<Vec<Aside>> {
    Ok(quarantine::table
        .filter(quarantine::store.eq(store).and(quarantine::id.gt(after)))
        .order(quarantine::id)
        .limit(count)
        .select(Aside::as_select())
        .load(conn)?)
}

/// Those that were entered before a time, or whose move was not finished; of any store.
///
/// # Errors
/// Only the database's own.
pub fn due(conn: &mut Conn, before: Timestamp, after: &str, count: i64) -> DbResult<Vec<Aside>> {
    let due = quarantine::created_at.lt(before.0).or(quarantine::state.ne(HELD));
    Ok(quarantine::table
        .filter(quarantine::id.gt(after))
        .filter(due)
        .order(quarantine::id)
        .limit(count)
        .select(Aside::as_select())
        .load(conn)?)
}

/// The number of objects in quarantine in a store.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn, store: &str) -> DbResult<i64> {
    Ok(quarantine::table.filter(quarantine::store.eq(store)).count().get_result(conn)?)
}
