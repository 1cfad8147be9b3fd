//! The table of blobs: a row exists before the first byte, is `live` in the transaction that adds the location, and
//! `doomed` until the reaper has deleted the data.

use diesel::{dsl::sql, prelude::*, sql_types::BigInt};

use super::{Conn, DbError, DbResult, schema::blobs, statement::Statement};
use crate::model::{
    blob::{Blob, BlobState},
    time::Timestamp,
};

/// How the ledger's names of staging folders begin; what follows names the folder.
pub const STAGING_PREFIX: &str = "os_glance_staging_store@";

/// What stays reserved of a blob that is finished: staged data continues to count.
const OF_THE_STAGED: &str = "CASE WHEN store LIKE 'os_glance_staging_store@%' THEN ";
/// What stays reserved of a blob that is doomed: the bytes of an unfinished one may become more until its writer takes
/// note.
const OF_THE_UNFINISHED: &str = "CASE WHEN state = 'live' THEN 0 ELSE reserved END";

/// Names of holders or blobs that one statement takes.
const NAMES_AT_ONCE: usize = 500;

#[derive(Queryable, Selectable)]
#[diesel(table_name = blobs)]
pub(super) struct BlobRow {
    id: String,
    image_id: String,
    store: String,
    name: String,
    state: String,
    size: Option<i64>,
    holder: String,
    lease_until: i64,
    delete_after: i64,
    attempts: i32,
}

impl BlobRow {
    pub(super) fn into_blob(self) -> DbResult<Blob> {
        Ok(Blob {
            state: BlobState::parse(&self.state)
                .ok_or_else(|| DbError::Other(format!("blob {}: unknown state {:?}", self.id, self.state)))?,
            id: self.id,
            image_id: self.image_id,
            store: self.store,
            name: self.name,
            size: self.size,
            holder: self.holder,
            lease_until: Timestamp(self.lease_until),
            delete_after: Timestamp(self.delete_after),
            attempts: self.attempts,
        })
    }
}

/// Enters a blob that is about to be written.
///
/// # Errors
/// [`DbError::Duplicate`] when the store has another blob of that name.
pub fn insert(conn: &mut Conn, blob: &Blob, now: Timestamp) -> DbResult<()> {
    diesel::insert_into(blobs::table)
        .values((
            blobs::id.eq(&blob.id),
            blobs::image_id.eq(&blob.image_id),
            blobs::store.eq(&blob.store),
            blobs::name.eq(&blob.name),
            blobs::state.eq(blob.state.as_str()),
            blobs::size.eq(blob.size),
            blobs::holder.eq(&blob.holder),
            blobs::lease_until.eq(blob.lease_until.0),
            blobs::delete_after.eq(blob.delete_after.0),
            blobs::attempts.eq(blob.attempts),
            blobs::created_at.eq(now.0),
            blobs::updated_at.eq(now.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whether the store has a row of that name, whatever its state.
///
/// # Errors
/// Only the database's own.
pub fn name_is_taken(conn: &mut Conn, store: &str, name: &str) -> DbResult<bool> {
    let found: Option<String> = blobs::table
        .filter(blobs::store.eq(store))
        .filter(blobs::name.eq(name))
        .select(blobs::id)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Makes a blob that `holder` writes `live`. Its lease ends, because a remaining lease would be renewed for ever once
/// the blob is doomed, and block the reaper. Staged data still counts as reserved; other data counts by the location
/// that this transaction adds.
///
/// # Errors
/// [`DbError::Stale`] when the blob was doomed or taken meanwhile.
pub fn make_live(conn: &mut Conn, id: &str, holder: &str, size: i64, now: Timestamp) -> DbResult<()> {
    let changed = diesel::update(
        blobs::table
            .filter(blobs::id.eq(id))
            .filter(blobs::state.eq(BlobState::Writing.as_str()))
            .filter(blobs::holder.eq(holder)),
    )
    .set((
        blobs::state.eq(BlobState::Live.as_str()),
        blobs::size.eq(Some(size)),
        blobs::reserved.eq(sql::<BigInt>(OF_THE_STAGED).bind::<BigInt, _>(size).sql(" ELSE 0 END")),
        blobs::lease_until.eq(0),
        blobs::updated_at.eq(now.0),
    ))
    .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(DbError::stale("blob", id)) }
}

/// Dooms every blob of an image, and returns how many. A writer's lease stays in force, so that the reaper does not
/// race it.
///
/// # Errors
/// Only the database's own.
pub fn doom_of_image(
    conn: &mut Conn,
    image_id: &str,
    delete_after: Timestamp,
    now: Timestamp,
) -> DbResult<usize> {
    // What is reserved before the state, since MariaDB reads from left to right.
    let doom = Statement::new(&format!("UPDATE blobs SET reserved = {OF_THE_UNFINISHED}, state = "))
        .text(BlobState::Doomed.as_str())
        .sql(", delete_after = ")
        .integer(delete_after.0)
        .sql(", updated_at = ")
        .integer(now.0)
        .sql(" WHERE image_id = ")
        .text(image_id);
    Ok(doom.kept().execute(conn)?)
}

/// Makes a doomed blob `live` again if its time has not come. Returns whether it is live.
///
/// # Errors
/// Only the database's own.
pub fn revive(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<bool> {
    let row = blobs::table
        .filter(blobs::id.eq(id))
        .filter(blobs::state.eq(BlobState::Doomed.as_str()))
        .filter(blobs::delete_after.gt(now.0))
        .filter(blobs::lease_until.lt(now.0));
    let changed = diesel::update(row)
        .set((
            blobs::state.eq(BlobState::Live.as_str()),
            blobs::delete_after.eq(0),
            blobs::attempts.eq(0),
            blobs::updated_at.eq(now.0),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Marks one blob `doomed` and ends its lease, so that the reaper deletes it at `delete_after`.
///
/// # Errors
/// Only the database's own.
pub fn doom(conn: &mut Conn, id: &str, delete_after: Timestamp, now: Timestamp) -> DbResult<()> {
    doom_all(conn, &[id], delete_after, now)
}

/// The same with several blobs.
///
/// # Errors
/// Only the database's own.
pub fn doom_all<T: AsRef<str>>(
    conn: &mut Conn,
    ids: &[T],
    delete_after: Timestamp,
    now: Timestamp,
) -> DbResult<()> {
    for some in ids.chunks(NAMES_AT_ONCE) {
        let some = blobs::table.filter(blobs::id.eq_any(some.iter().map(AsRef::as_ref)));
        diesel::update(some)
            .set((
                // Before the state, since MariaDB reads from left to right.
                blobs::reserved.eq(sql::<BigInt>(OF_THE_UNFINISHED)),
                blobs::state.eq(BlobState::Doomed.as_str()),
                blobs::lease_until.eq(0),
                blobs::delete_after.eq(delete_after.0),
                blobs::updated_at.eq(now.0),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Gives what its holder is writing another name, and returns whether it is still that holder's.
///
/// # Errors
/// Only the database's own.
pub fn rename(conn: &mut Conn, id: &str, holder: &str, name: &str) -> DbResult<bool> {
    let held = blobs::table.filter(blobs::id.eq(id)).filter(blobs::holder.eq(holder));
    let held = held.filter(blobs::state.eq(BlobState::Writing.as_str()));
    Ok(diesel::update(held).set(blobs::name.eq(name)).execute(conn)? == 1)
}

/// Marks the blob that its holder was writing `doomed`, under the name that `blob` has and with a lease until `until`.
/// Returns false, and changes nothing, if the blob no longer belongs to that holder or has become `live`.
///
/// # Errors
/// Only the database's own.
pub fn give_up(conn: &mut Conn, blob: &Blob, until: Timestamp, now: Timestamp) -> DbResult<bool> {
    let changed = diesel::update(
        blobs::table
            .filter(blobs::id.eq(&blob.id))
            .filter(blobs::state.ne(BlobState::Live.as_str()))
            .filter(blobs::holder.eq(&blob.holder))
            .filter(blobs::lease_until.gt(0)),
    )
    .set((
        blobs::name.eq(&blob.name),
        blobs::state.eq(BlobState::Doomed.as_str()),
        blobs::lease_until.eq(until.0),
        blobs::updated_at.eq(now.0),
    ))
    .execute(conn)?;
    Ok(changed == 1)
}

/// Deletes the row of a blob whose data is gone.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(blobs::table.filter(blobs::id.eq(id))).execute(conn)?;
    Ok(())
}

/// Sets the end of every lease of `holders`; answers how many there are.
///
/// # Errors
/// Only the database's own.
pub fn set_leases(conn: &mut Conn, holders: &[String], until: Timestamp) -> DbResult<usize> {
    let mut changed = 0_usize;
    for some in holders.chunks(NAMES_AT_ONCE) {
        let held = blobs::table
            .filter(blobs::holder.eq_any(some))
            .filter(blobs::state.ne(BlobState::Live.as_str()))
            .filter(blobs::lease_until.gt(0));
        let some = diesel::update(held).set(blobs::lease_until.eq(until.0)).execute(conn)?;
        changed = changed.saturating_add(some);
    }
    Ok(changed)
}

/// Whether `holder` still holds the lease on a blob that it writes.
///
/// # Errors
/// Only the database's own.
pub fn holds_lease(conn: &mut Conn, id: &str, holder: &str) -> DbResult<bool> {
    let found: Option<String> = blobs::table
        .filter(blobs::id.eq(id))
        .filter(blobs::holder.eq(holder))
        .filter(blobs::state.eq(BlobState::Writing.as_str()))
        .select(blobs::id)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Ends all leases: only for a process that knows to be alone, before it holds anything.
///
/// # Errors
/// Only the database's own.
pub fn end_leases(conn: &mut Conn) -> DbResult<usize> {
    let held = blobs::table.filter(blobs::lease_until.gt(0));
    Ok(diesel::update(held).set(blobs::lease_until.eq(0)).execute(conn)?)
}

/// Blobs whose writer's lease ran out, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn abandoned(conn: &mut Conn, now: Timestamp, count: i64) -> DbResult<Vec<Blob>> {
    let rows: Vec<BlobRow> = blobs::table
        .filter(blobs::state.eq(BlobState::Writing.as_str()))
        .filter(blobs::lease_until.lt(now.0))
        .select(BlobRow::as_select())
        .limit(count)
        .load(conn)?;
    rows.into_iter().map(BlobRow::into_blob).collect()
}

/// Marks a blob `doomed` whose writer's lease has expired, for the reaper. Returns false, and changes nothing, if it
/// has become `live`, its lease was renewed, or another node was faster.
///
/// # Errors
/// Only the database's own.
pub fn doom_abandoned(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<bool> {
    let abandoned = blobs::table
        .filter(blobs::id.eq(id))
        .filter(blobs::state.eq(BlobState::Writing.as_str()))
        .filter(blobs::lease_until.lt(now.0));
    let changed = diesel::update(abandoned)
        .set((
            blobs::state.eq(BlobState::Doomed.as_str()),
            blobs::lease_until.eq(0),
            blobs::delete_after.eq(0),
            blobs::updated_at.eq(now.0),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Claims doomed blobs without a writer, for `holder` until `until`. Of staged ones only those in the folder `staging`,
/// because this node cannot reach the others.
///
/// # Errors
/// Only the database's own.
pub fn claim_doomed(
    conn: &mut Conn,
    holder: &str,
    staging: &str,
    now: Timestamp,
    until: Timestamp,
    count: i64,
) -> DbResult<Vec<Blob>> {
    let candidates: Vec<BlobRow> = blobs::table
        .filter(blobs::state.eq(BlobState::Doomed.as_str()))
        .filter(blobs::lease_until.lt(now.0))
        .filter(blobs::delete_after.le(now.0))
        .filter(blobs::store.not_like(format!("{STAGING_PREFIX}%")).or(blobs::store.eq(staging)))
        .order(blobs::delete_after)
        .limit(count)
        .select(BlobRow::as_select())
        .load(conn)?;
    let mut claimed = Vec::new();
    for row in candidates {
        let changed = diesel::update(
            blobs::table
                .filter(blobs::id.eq(&row.id))
                .filter(blobs::lease_until.eq(row.lease_until))
                .filter(blobs::state.eq(BlobState::Doomed.as_str())),
        )
        .set((blobs::holder.eq(holder), blobs::lease_until.eq(until.0)))
        .execute(conn)?;
        if changed == 1 {
            claimed.push(row.into_blob()?);
        }
    }
    Ok(claimed)
}

/// Records that the deletion of a doomed blob failed, and when to try again.
///
/// # Errors
/// Only the database's own.
pub fn postpone(conn: &mut Conn, id: &str, again_at: Timestamp, error: &str) -> DbResult<()> {
    diesel::update(blobs::table.filter(blobs::id.eq(id)))
        .set((
            blobs::attempts.eq(blobs::attempts + 1),
            // The trouble is the operator's from here on, not the project's.
            blobs::reserved.eq(0),
            blobs::lease_until.eq(0),
            blobs::delete_after.eq(again_at.0),
            blobs::last_error.eq(Some(error)),
        ))
        .execute(conn)?;
    Ok(())
}

/// The whole ledger of one store, for reconciliation: name, state, id.
///
/// # Errors
/// Only the database's own.
pub fn names_in_store(conn: &mut Conn, store: &str) -> DbResult<Vec<(String, String, String)>> {
    Ok(blobs::table
        .filter(blobs::store.eq(store))
        .select((blobs::name, blobs::state, blobs::id))
        .load(conn)?)
}

/// Marks the blobs that `holder` was writing `doomed` and ends its leases, because it has failed or starts again. Blobs
/// that the deletion of the image has doomed keep the writer's lease until then.
///
/// # Errors
/// Only the database's own.
pub fn doom_writing(conn: &mut Conn, holder: &str, now: Timestamp) -> DbResult<usize> {
    let held = blobs::table
        .filter(blobs::holder.eq(holder))
        .filter(blobs::state.ne(BlobState::Live.as_str()))
        .filter(blobs::lease_until.gt(0));
    Ok(diesel::update(held)
        .set((
            blobs::state.eq(BlobState::Doomed.as_str()),
            blobs::lease_until.eq(0),
            blobs::updated_at.eq(now.0),
        ))
        .execute(conn)?)
}
