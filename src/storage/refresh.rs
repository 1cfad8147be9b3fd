//! Has this node use the storages and rules that the database has now.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::future::join_all;

use super::{
    Storages, given,
    held::{Held, Opened},
    kind_of, purpose,
};
use crate::{
    db::{self, Conn},
    model::{
        error::{Error, Result},
        storage::Storage,
    },
    store::{NamedStore, given::Given, opening, opening::Opener},
    telemetry,
    work::seal::{Sealed, Seals},
};

/// How long a storage may take to open.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Takes up what has changed in the database. Returns whether anything had. What is under way goes on with the stores that
/// it has; a storage whose options are the same stays open.
///
/// # Errors
/// The database's.
pub async fn refresh(storages: &Storages) -> Result<bool> {
    let mut held = storages.held.lock().await;
    let read = |conn: &mut Conn| Ok((db::storages::list(conn)?, db::placement::list(conn)?));
    let (rows, rules) = storages.images.db.read("storages.all", read).await?;
    if rows == held.storages && rules == held.rules && !held.is_due() {
        return Ok(false);
    }
    let mut openings = Vec::with_capacity(rows.len());
    for row in &rows {
        // What is held stays as it is until the end: whoever asked for this may go away meanwhile.
        let known = held.storages.iter().find(|known| known.id == row.id).cloned();
        let opened = held.opened.get(&row.id).cloned();
        openings.push(async move { (row.id.clone(), open(storages, row, known.zip(opened)).await) });
    }
    // Together: one that hangs is waited for, and should not delay the others.
    let opened: BTreeMap<String, Opened> =
        join_all(openings).await.into_iter().filter_map(|(id, opened)| Some((id, opened?))).collect();
    let list = opened.values().map(|opened| opened.named.clone()).collect();
    storages.images.stores.take_up(list, rules.clone());
    *held = Held { storages: rows, rules, opened };
    Ok(true)
}

/// A storage as its row says, opened anew where it has to be. `None` where the configuration has a store of its id.
async fn open(storages: &Storages, row: &Storage, before: Option<(Storage, Opened)>) -> Option<Opened> {
    if storages.images.stores.is_configured(&row.id) {
        tracing::error!(store = %row.id, "a storage is left out, because a configured store has its id");
        return None;
    }
    let kind = kind_of(&row.kind)?;
    let same = |known: &Storage| {
        (&known.kind, &known.options, &known.sealed) == (&row.kind, &row.options, &row.sealed)
            && known.created_at == row.created_at
    };
    let before = match before {
        Some((known, opened)) if same(&known) && !opened.is_due() => {
            return Some(Opened { named: opening::named(row, opened.named), ..opened });
        }
        // One of the same id that was made anew is another.
        Some((known, opened)) if known.created_at == row.created_at && opened.named.fault.is_none() => {
            Some(opened.named)
        }
        _ => None,
    };
    let result = match storages.given(row).await {
        Ok(Ok(given)) => try_open(storages, row, given).await,
        Ok(Err(reason)) => Err(reason),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(named) => Some(Opened { named, failed: None }),
        Err(reason) => {
            tracing::error!(store = %row.id, reason, "a storage cannot be opened; it is tried again");
            let named = match before {
                Some(named) => opening::named(row, named),
                None => opening::Opener::absent(row, kind, &reason),
            };
            Some(Opened { named, failed: Some(Instant::now()) })
        }
    }
}

/// Opens a storage for a look at it, as a server does; whoever looks bounds the time.
///
/// # Errors
/// A sentence for the operator.
pub async fn look(
    seals: &Seals,
    opener: &Opener,
    storage: &Storage,
) -> std::result::Result<NamedStore, String> {
    let given = given(seals, storage).await.map_err(|error| error.to_string())??;
    let (opener, storage) = (opener.clone(), storage.clone());
    telemetry::blocking(move || opener.open(&storage, given)).await.map_err(|fault| fault.to_string())?
}

/// Opens a storage, which takes no longer than it may. One that hangs keeps a thread: it is not opened once more until that
/// one is free.
pub(super) async fn try_open(
    storages: &Storages,
    storage: &Storage,
    given: Given,
) -> std::result::Result<NamedStore, String> {
    let (opener, storage) = (storages.opener.clone(), storage.clone());
    let Some(turn) = storages.openings.begin(&storage.id) else {
        return Err("earlier attempts to open storages still hang".to_owned());
    };
    let opening = telemetry::blocking(move || {
        let _turn = turn;
        opener.open(&storage, given)
    });
    match tokio::time::timeout(PATIENCE, opening).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(_) => Err(format!("it did not open within {} seconds", PATIENCE.as_secs())),
    }
}

/// Encrypts secret options again whose keys are old, so that they can be decrypted for as long as they are kept.
///
/// # Errors
/// The database's, and those of the library.
pub async fn renew_seals(storages: &Storages) -> Result<()> {
    let db = &storages.images.db;
    for storage in db.read("storages.list", db::storages::list).await? {
        let Some(before) = storage.sealed else { continue };
        let again = storages.seals.renewed(&Sealed::of_text(&before), &purpose(&storage.id)).await?;
        if let Some(again) = again {
            let set =
                move |conn: &mut Conn| db::storages::set_sealed(conn, &storage.id, &before, again.text());
            db.write("storages.set_sealed", set).await.map_err(Error::from)?;
        }
    }
    Ok(())
}
