//! The use cases of store administrators.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    RULE,
    guard::{self, Standing},
    job::{Input, NoState, Reconciliation},
    quarantine,
};
use crate::{
    access::{self, targets::CallerTarget},
    blob::Blobs,
    db::{self, Conn, quarantine::Aside, stores::StoreState},
    image::Images,
    model::{
        caller::Caller,
        error::{Error, Result},
        finding::{Finding, ObjectState},
        job::{Job, JobKind},
    },
    store::{NamedStore, health::Report},
    work::{
        Failure,
        queue::{Queue, draft, enter},
    },
};

/// Requires that the caller looks after stores.
///
/// # Errors
/// [`Error::Forbidden`]
pub async fn enforce(images: &Images, caller: &Caller) -> Result<()> {
    match images.access.allowed(caller, RULE, &CallerTarget(caller)).await? {
        true => Ok(()),
        false => Err(access::refused(RULE)),
    }
}

/// A store by its id.
///
/// # Errors
/// [`Error::NotFound`]
pub fn named(images: &Images, id: &str) -> Result<NamedStore> {
    images.stores.get(id).ok_or_else(|| Error::NotFound(format!("There is no store {id}.")))
}

/// A store and what is known of it.
pub struct Known {
    /// The store.
    pub named: NamedStore,
    /// Whether it is the default store.
    pub is_default: bool,
    /// Its health.
    pub report: Report,
    /// Its relation to this database; `None` if it does not answer.
    pub standing: Option<Standing>,
    /// Blobs that images have there.
    pub objects: i64,
    /// Bytes of them.
    pub bytes: i64,
    /// Objects that are in quarantine.
    pub quarantined: i64,
    /// The result of the last reconciliation.
    pub state: Option<StoreState>,
}

/// The record of a store.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::NotFound`]; the database's.
pub async fn show(images: &Images, caller: &Caller, id: &str) -> Result<Known> {
    enforce(images, caller).await?;
    known(images, named(images, id)?).await
}

/// The records of the stores after an id, in the order of the ids.
///
/// # Errors
/// As [`show`].
pub async fn list(images: &Images, caller: &Caller, (after, count): (&str, u32)) -> Result<Vec<Known>> {
    enforce(images, caller).await?;
    let mut stores: Vec<_> = images.stores.iter().filter(|named| named.id.as_str() > after).collect();
    stores.sort_by(|a, b| a.id.cmp(&b.id));
    stores.truncate(count as usize);
    let known = stores.into_iter().map(|named| known(images, named));
    futures::future::join_all(known).await.into_iter().collect()
}

async fn known(images: &Images, named: NamedStore) -> Result<Known> {
    let id = named.id.clone();
    let read = move |conn: &mut Conn| {
        let (objects, bytes) = db::stored::count(conn, &id)?;
        Ok((objects, bytes, db::quarantine::count(conn, &id)?, db::stores::find(conn, &id)?))
    };
    let (objects, bytes, quarantined, state) = images.db.read("store.known", read).await?;
    let standing = guard::standing(&images.db, &named, false).await.ok();
    let report = named.report().await;
    let is_default = images.stores.default_id() == named.id;
    Ok(Known { named, is_default, report, standing, objects, bytes, quarantined, state })
}

/// Asks for a reconciliation. One store is looked through by one at a time.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`]; [`Error::Unavailable`] for a store that is missing, [`Error::Conflict`] for
/// one of others, or that another reconciliation looks through.
pub async fn reconcile(blobs: &Blobs, queue: &Queue, caller: &Caller, input: Input) -> Result<Job> {
    let images = &blobs.images;
    access::mutating(caller)?;
    enforce(images, caller).await?;
    let named = named(images, &input.store)?;
    if !named.capabilities().writes {
        let text = format!("Store {} only reads: it keeps nothing of ours.", named.id);
        return Err(Error::conflict(text).because("not-supported", json!({})));
    }
    for state in &input.quarantine {
        if !named.sets_aside(*state == ObjectState::StaleStaging) {
            let text =
                format!("In store {} nothing that is {} can lie out of the way.", named.id, state.as_str());
            return Err(Error::conflict(text).because("not-supported", json!({})));
        }
    }
    let unanswered = |failure: Failure| Error::Unavailable(failure.to_string());
    match guard::standing(&images.db, &named, true).await.map_err(unanswered)? {
        Standing::Ours | Standing::Markless => {}
        other => return Err(guard::refusal(&named.id, &other)),
    }
    let job = draft::<Reconciliation>(caller, &input, &NoState {}, images.db.clock.now())?;
    let (row, store, notices) = (job.clone(), input.store.clone(), images.db.notices.clone());
    let insert = move |conn: &mut Conn| {
        let state = db::stores::hold(conn, &store, &uuid::Uuid::new_v4().to_string())?;
        let before = state.job_id.map(|id| db::jobs::find(conn, &id)).transpose()?.flatten();
        if let Some(job) = before.filter(|job| !job.status.is_final()) {
            let busy = Error::conflict(format!("Job {} is reconciling store {store} now.", job.id));
            return Err(busy.because("busy", json!({"job_id": job.id})).into());
        }
        db::stores::set_job(conn, &store, &row.id)?;
        enter(conn, &notices, &row)
    };
    images.db.write("store.reconcile", insert).await?;
    queue.enqueued.notify_one();
    Ok(job)
}

/// The findings of a reconciliation after a number.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`] when there is no such job.
pub async fn findings(
    images: &Images,
    caller: &Caller,
    job: &str,
    (state, after, count): (Option<ObjectState>, i64, u32),
) -> Result<Vec<(i64, Finding)>> {
    enforce(images, caller).await?;
    let id = job.to_owned();
    let read = move |conn: &mut Conn| {
        let found = db::jobs::find(conn, &id)?.filter(|job| job.kind == JobKind::Reconciliation);
        let findings = db::stores::findings(conn, &id, state, after, i64::from(count))?;
        Ok(found.map(|_| findings))
    };
    let found = images.db.read("store.findings", read).await?;
    found.ok_or_else(|| Error::NotFound(format!("There is no reconciliation {job}.")))
}

/// The quarantine of a store, after an id.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`]
pub async fn quarantined(
    images: &Images,
    caller: &Caller,
    store: &str,
    after: &str,
    count: u32,
) -> Result<Vec<Aside>> {
    enforce(images, caller).await?;
    let (store, after) = (named(images, store)?.id, after.to_owned());
    let read = move |conn: &mut Conn| db::quarantine::list(conn, &store, &after, i64::from(count));
    Ok(images.db.read("quarantine.list", read).await?)
}

async fn aside(images: &Images, caller: &Caller, store: &str, id: &str) -> Result<(NamedStore, Aside)> {
    access::mutating(caller)?;
    enforce(images, caller).await?;
    let (named, key) = (named(images, store)?, id.to_owned());
    let found = images.db.read("quarantine.find", move |conn| db::quarantine::find(conn, &key)).await?;
    let found = found.filter(|aside| aside.store == store);
    found
        .map(|aside| (named, aside))
        .ok_or_else(|| Error::NotFound(format!("There is no object {id} in quarantine.")))
}

/// Moves an object back from quarantine.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Conflict`] when something else bears its name by now.
pub async fn restore(images: &Images, caller: &Caller, store: &str, id: &str) -> Result<()> {
    let (named, aside) = aside(images, caller, store, id).await?;
    quarantine::restore(&images.db, &named, &aside).await
}

/// Deletes an object in quarantine.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`]
pub async fn purge(images: &Images, caller: &Caller, store: &str, id: &str) -> Result<()> {
    let (named, aside) = aside(images, caller, store, id).await?;
    let purged = quarantine::purge(&images.db, &named, &aside).await;
    purged.map_err(|failure| Error::Unavailable(failure.to_string()))
}

/// How many of each state, by name.
pub fn by_name(state: &StoreState) -> Option<BTreeMap<&'static str, u64>> {
    Some(state.summary()?.into_iter().map(|(state, count)| (state.as_str(), count)).collect())
}
