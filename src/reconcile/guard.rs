//! Whether a store is mounted and belongs to this database: an unmounted store is not compared, and nothing is moved
//! in a store that belongs to another service.

use serde_json::json;

use super::scan::store_fault;
use crate::{
    db::{self, Db},
    model::error::Error,
    store::{NamedStore, StoreErrorKind},
    work::{Done, Failure},
};

/// The relation of a store to this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It bears our mark.
    Ours,
    /// It is of a kind that bears none.
    Markless,
    /// It bore our mark and bears none now, or its place is not there.
    Missing(String),
    /// It bears the mark of another database.
    Theirs(String),
}

/// The relation of a store to this database. A store without a mark gets ours if `arm`, and otherwise counts as
/// markless.
///
/// # Errors
/// [`Failure::Again`] when the store or the database does not answer.
pub async fn standing(db: &Db, named: &NamedStore, arm: bool) -> Done<Standing> {
    if !named.has_yard() {
        return Ok(Standing::Markless);
    }
    let id = named.id.clone();
    let state = match arm {
        true => {
            let mark = uuid::Uuid::new_v4().to_string();
            Some(db.write("store.hold", move |conn| db::stores::hold(conn, &id, &mark)).await?)
        }
        false => db.read("store.find", move |conn| db::stores::find(conn, &id)).await?,
    };
    let Some(state) = state else { return Ok(Standing::Markless) };
    let found = match named.mark((arm && !state.marked).then_some(state.mark.as_str())).await {
        Err(error) if error.kind == StoreErrorKind::Gone => return Ok(Standing::Missing(error.to_string())),
        found => found.map_err(store_fault)?,
    };
    Ok(match found {
        Some(mark) if mark == state.mark => {
            if !state.marked {
                let id = named.id.clone();
                db.write("store.mark", move |conn| db::stores::set_mark(conn, &id, &mark)).await?;
            }
            Standing::Ours
        }
        Some(mark) => Standing::Theirs(mark),
        None if state.marked => Standing::Missing("its mark is not there".to_owned()),
        None => Standing::Markless,
    })
}

/// Requires that a store is mounted and does not belong to another database; marks it if it has no mark.
///
/// # Errors
/// [`Error::Unavailable`] for one that is missing, [`Error::Conflict`] for one of others.
pub async fn require(db: &Db, named: &NamedStore) -> Done<()> {
    match standing(db, named, true).await? {
        Standing::Ours | Standing::Markless => Ok(()),
        other => Err(Failure::Final(refusal(&named.id, &other).to_string())),
    }
}

/// In words why nothing is judged by a store.
pub fn refusal(store: &str, standing: &Standing) -> Error {
    match standing {
        Standing::Theirs(mark) => Error::Conflict(format!(
            "Store {store} bears the mark {mark} of another database: another service may have its data there. If \
             there is none, `vitrine store claim {store}` makes it this one's."
        ))
        .because("store-shared", json!({})),
        Standing::Missing(why) => {
            Error::Unavailable(format!("Store {store} is missing: {why}. Is its file system mounted?"))
                .because("store-missing", json!({}))
        }
        Standing::Ours | Standing::Markless => Error::conflict(format!("Store {store} is there.")),
    }
}

/// Takes over a store, whatever its mark.
///
/// # Errors
/// [`Failure::Again`] when the store or the database does not answer.
pub async fn claim(db: &Db, named: &NamedStore) -> Done<Standing> {
    if let Standing::Theirs(mark) = standing(db, named, true).await? {
        let id = named.id.clone();
        db.write("store.mark", move |conn| db::stores::set_mark(conn, &id, &mark)).await?;
    }
    standing(db, named, true).await
}
