//! Moves objects into quarantine and back. A record is written before the move and completed after it, so an
//! interrupted move is continued; the blob row that reserves the name keeps uploads away.

use std::time::Duration;

use super::{
    guard::{self, Standing},
    scan::store_fault,
};
use crate::{
    db::{
        self, Db, DbError,
        quarantine::{Aside, HELD, MOVING},
    },
    model::{
        error::{Error, Result},
        finding::Finding,
        job::Job,
    },
    store::{NamedStore, StoreErrorKind, Stores},
    work::{Done, Failure},
};

/// Records that one look takes.
const BATCH: i64 = 100;
/// Seconds after which somebody else continues with a move that was not finished, nor renewed.
const MOVING_SECONDS: i64 = 60;
/// After what time a move is renewed.
const RENEWAL: Duration = Duration::from_secs(20);
/// Why nobody else may go on with a move.
const UNDER_WAY: &str = "The object is being moved to quarantine.";

/// Moves the object of a finding to quarantine, for a job; returns the result as text.
///
/// # Errors
/// [`Failure::Again`] when the store or the database does not answer.
pub async fn put(db: &Db, named: &NamedStore, finding: &Finding, job: &Job) -> Done<String> {
    let (now, id) = (db.clock.now(), uuid::Uuid::new_v4().to_string());
    let day = now.isotime();
    let aside = Aside {
        place: format!("{}/{id}", day.get(..10).unwrap_or("day")),
        id,
        store: named.id.clone(),
        name: finding.name.clone(),
        unfinished: finding.unfinished,
        bytes: finding.bytes.and_then(|bytes| i64::try_from(bytes).ok()),
        modified: finding.modified,
        reason: finding.reason.clone(),
        state: MOVING.to_owned(),
        job_id: Some(job.id.clone()),
        user_id: job.user_id.clone(),
        request_id: job.request_id.clone(),
        created_at: now.0,
        updated_at: now.0,
    };
    let row = aside.clone();
    match db.write("quarantine.enter", move |conn| db::quarantine::enter(conn, &row)).await {
        Ok(true) => {}
        Ok(false) | Err(DbError::Duplicate(_)) => return Ok("kept: something refers to it by now".to_owned()),
        Err(other) => return Err(other.into()),
    }
    match go_on(db, named, &aside, aside.updated_at).await? {
        true => Ok(format!("quarantined as {}", aside.id)),
        false => Ok("gone by itself".to_owned()),
    }
}

/// Requires that a store is there: below a mount point nothing lies anywhere, which says nothing of the records.
async fn require(db: &Db, named: &NamedStore) -> Done<()> {
    match guard::standing(db, named, false).await? {
        Standing::Ours | Standing::Markless => Ok(()),
        other => Err(Failure::Again(guard::refusal(&named.id, &other).to_string())),
    }
}

/// Finishes a move that was interrupted, unless somebody else goes on with it.
async fn take_over(db: &Db, named: &NamedStore, aside: &Aside) -> Done<bool> {
    let seen = if is_stuck(db, aside) { renewed(db, &aside.id, aside.updated_at).await? } else { None };
    match seen {
        Some(seen) => go_on(db, named, aside, seen).await,
        None => Err(Failure::Again(UNDER_WAY.to_owned())),
    }
}

fn is_stuck(db: &Db, aside: &Aside) -> bool {
    aside.updated_at <= db.clock.now().plus_seconds(-MOVING_SECONDS).0
}

/// Says that a move goes on; `None` when it is not ours any more.
async fn renewed(db: &Db, id: &str, seen: i64) -> Done<Option<i64>> {
    let (id, now) = (id.to_owned(), db.clock.now());
    let renew = move |conn: &mut db::Conn| db::quarantine::renew(conn, &id, seen, now);
    Ok(db.write("quarantine.renew", renew).await?.then_some(now.0))
}

/// Moves an object. A large one may take long where that is a copy: nobody else begins meanwhile.
async fn set_aside(db: &Db, named: &NamedStore, aside: &Aside, mut seen: i64) -> Done<bool> {
    let moving = named.set_aside(&aside.name, aside.unfinished, &aside.place);
    tokio::pin!(moving);
    loop {
        tokio::select! {
            moved = &mut moving => return moved.map_err(store_fault),
            () = tokio::time::sleep(RENEWAL) => {}
        }
        match renewed(db, &aside.id, seen).await? {
            Some(now) => seen = now,
            None => return Err(Failure::Again(UNDER_WAY.to_owned())),
        }
    }
}

/// Finishes a move; answers false, and forgets the record, when there is nothing to move.
async fn go_on(db: &Db, named: &NamedStore, aside: &Aside, seen: i64) -> Done<bool> {
    require(db, named).await?;
    let moved = set_aside(db, named, aside, seen).await?;
    let (id, now) = (aside.id.clone(), db.clock.now());
    let record = move |conn: &mut db::Conn| match moved {
        true => db::quarantine::set_state(conn, &id, HELD, now),
        false => db::quarantine::remove(conn, &id),
    };
    db.write("quarantine.moved", record).await?;
    Ok(moved)
}

/// Moves an object back under its name.
///
/// # Errors
/// [`Error::NotFound`] when it does not lie there any more, [`Error::Conflict`] when something else bears the name by
/// now.
pub async fn restore(db: &Db, named: &NamedStore, aside: &Aside) -> Result<()> {
    let failed = |failure: Failure| Error::Unavailable(failure.to_string());
    require(db, named).await.map_err(failed)?;
    if aside.state != HELD && !take_over(db, named, aside).await.map_err(failed)? {
        return Err(gone(aside));
    }
    let back = match named.bring_back(&aside.place, &aside.name, aside.unfinished).await {
        Err(error) if error.kind == StoreErrorKind::Exists => {
            return Err(Error::conflict(format!("Another object has the name {} by now.", aside.name)));
        }
        back => back.map_err(|error| failed(store_fault(error)))?,
    };
    // A restoration before this one may have come as far as that.
    let is_there = back || named.holds(&aside.name).await.is_ok_and(|held| held);
    let id = aside.id.clone();
    db.write("quarantine.remove", move |conn| db::quarantine::remove(conn, &id)).await?;
    if is_there { Ok(()) } else { Err(gone(aside)) }
}

fn gone(aside: &Aside) -> Error {
    Error::NotFound(format!("There is no object {} in quarantine.", aside.id))
}

/// Deletes an object in quarantine for good. An interrupted move is completed first: nothing is ever deleted under its
/// own name.
///
/// # Errors
/// [`Failure::Again`] when the store or the database does not answer.
pub async fn purge(db: &Db, named: &NamedStore, aside: &Aside) -> Done<()> {
    require(db, named).await?;
    if aside.state != HELD && !take_over(db, named, aside).await? {
        return Ok(());
    }
    named.discard(&aside.place).await.map_err(store_fault)?;
    let id = aside.id.clone();
    db.write("quarantine.remove", move |conn| db::quarantine::remove(conn, &id)).await?;
    Ok(())
}

/// Completes interrupted moves, and deletes objects that have been in quarantine for this many seconds. Returns how
/// many were deleted. A store that does not answer does not delay the others.
///
/// # Errors
/// The database's.
pub async fn settle(db: &Db, stores: &Stores, kept_seconds: i64) -> Result<usize> {
    let (mut deleted, mut after) = (0_usize, String::new());
    loop {
        let (now, from) = (db.clock.now(), after.clone());
        let before = now.plus_seconds(kept_seconds.saturating_neg());
        let read = move |conn: &mut db::Conn| db::quarantine::due(conn, before, &from, BATCH);
        let due = db.read("quarantine.due", read).await?;
        let Some(last) = due.last() else { return Ok(deleted) };
        after.clone_from(&last.id);
        for aside in &due {
            let Some(named) = stores.get(&aside.store) else { continue };
            let done = match (aside.state == HELD, aside.created_at < before.0) {
                (_, true) => purge(db, &named, aside).await.map(|()| deleted = deleted.saturating_add(1)),
                (false, false) if is_stuck(db, aside) => take_over(db, &named, aside).await.map(drop),
                (false | true, false) => Ok(()),
            };
            if let Err(error) = done {
                tracing::warn!(id = %aside.id, store = %aside.store, %error, "a quarantined object waits");
            }
        }
    }
}
