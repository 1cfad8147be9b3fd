//! Deletes objects that no row refers to, on an operator's request or where only this service writes.

use std::time::Duration;

use super::{
    judge::is_name_of_its_own,
    scan::{Scan, Wanted},
};
use crate::{
    db::{self, Db, DbError},
    model::{
        blob::{Blob, BlobState},
        error::{Error, Result},
        finding::{Finding, ObjectState},
        image::is_uuid,
    },
    store::{NamedStore, UNFINISHED, staging::Staging},
    work::Failure,
};

/// For how long, in seconds, nobody else takes up a deletion that [`delete`] has begun.
const DELETION_SECONDS: i64 = 60;

/// A file that nothing in the database knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// Its name in the store.
    pub name: String,
    /// Whether it is an unfinished file.
    pub unfinished: bool,
}

impl Orphan {
    /// The file of a finding, if nothing knows it, however new it is and whatever it is called.
    pub fn of(finding: &Finding) -> Option<Self> {
        use ObjectState::{Foreign, Orphan, StaleStaging, Young};
        let is_unknown = matches!(finding.state, Foreign | Orphan | StaleStaging | Young);
        let (name, unfinished) = (finding.name.clone(), finding.unfinished);
        (is_unknown && finding.blob_id.is_none()).then_some(Self { name, unfinished })
    }
}

/// What the row of an unfinished blob is called that nothing knows: no other blob has such a name.
fn unfinished(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

/// Deletes a file without a row; returns whether it did. A blob row for the deletion is inserted first, so that no
/// upload takes the name meanwhile, and the reaper retries after a failure.
///
/// # Errors
/// [`Error::Unavailable`] when the store or the database cannot be changed.
pub async fn delete(db: &Db, named: &NamedStore, orphan: &Orphan) -> Result<bool> {
    let now = db.clock.now();
    let image = orphan.name.get(..36).filter(|id| is_uuid(id)).unwrap_or_default();
    let fresh = uuid::Uuid::new_v4().to_string();
    let (id, name) = match orphan.unfinished {
        true if is_name_of_its_own(&orphan.name) => (fresh, unfinished(&orphan.name)),
        true => (orphan.name.clone(), unfinished(&orphan.name)),
        false => (fresh, orphan.name.clone()),
    };
    if !is_uuid(&id) {
        return Ok(false);
    }
    let blob = Blob {
        id,
        image_id: image.to_owned(),
        store: named.id.clone(),
        name,
        state: BlobState::Doomed,
        size: None,
        holder: uuid::Uuid::new_v4().to_string(),
        lease_until: now.plus_seconds(DELETION_SECONDS),
        delete_after: now,
        attempts: 0,
    };
    let row = blob.clone();
    match db.write("reconcile.doom", move |conn| db::blobs::insert(conn, &row, now)).await {
        Ok(()) => {}
        // Somebody knows it by now.
        Err(DbError::Duplicate(_)) => return Ok(false),
        Err(other) => return Err(other.into()),
    }
    named.delete(&blob.id, &blob.name).await.map_err(|e| Error::Unavailable(e.to_string()))?;
    db.write("reconcile.remove", move |conn| db::blobs::remove(conn, &blob.id)).await?;
    Ok(true)
}

/// Deletes files in the staging folder that have no row and have not been written to for a while: remains of a database
/// that was reset, or of another service (`glance/housekeeping.py: StagingStoreCleaner`). As there, only files named
/// after a UUID are deleted, and none named after an existing image. Returns how many.
///
/// # Errors
/// [`Error::Unavailable`] when the folder or the database cannot be read.
pub async fn clean_staging(db: &Db, staging: &Staging, untouched: Duration) -> Result<usize> {
    let failed = |failure: Failure| Error::Unavailable(failure.to_string());
    let folder = staging.folder().to_owned();
    let scan = Scan::begin(db, &staging.store, folder, Wanted::default(), &|| Ok(()));
    let (mut deleted, mut scan) = (0_usize, scan.await.map_err(failed)?);
    loop {
        let batch = scan.next().await.map_err(failed)?;
        if batch.is_empty() {
            return Ok(deleted);
        }
        for orphan in batch.iter().filter_map(Orphan::of) {
            if is_stale(db, staging, &orphan, untouched).await? && delete(db, &staging.store, &orphan).await?
            {
                tracing::warn!(file = orphan.name, "stale staged data that nothing knows was deleted");
                deleted = deleted.saturating_add(1);
            }
        }
    }
}

/// Whether a staged file is named after a UUID that is no image's, and nobody has written to it for a while.
async fn is_stale(db: &Db, staging: &Staging, orphan: &Orphan, untouched: Duration) -> Result<bool> {
    let stem = orphan.name.split('.').next().unwrap_or_default().to_owned();
    if !is_uuid(&stem) {
        return Ok(false);
    }
    let modified = staging.modified(&orphan.name, orphan.unfinished).await;
    let modified = modified.map_err(|e| Error::Unavailable(e.to_string()))?;
    let stale = modified.and_then(|then| then.elapsed().ok()).is_some_and(|age| age >= untouched);
    Ok(stale && db.read("image.find", move |conn| db::images::find(conn, &stem)).await?.is_none())
}
