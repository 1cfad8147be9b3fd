//! What decides about images by their media groups: which of them lists leave out, and which an image may be in.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    db::{self, Conn, Db, DbResult},
    model::{
        error::{Error, Result},
        image::Image,
        lifecycle,
        media_group::GROUP_PROPERTY,
    },
};

/// For how long a node goes by what it knows of hidden groups. Another node may have changed them.
const FRESH: Duration = Duration::from_secs(1);

/// What a node knows of the groups that are not visible: lists would else begin with one more statement.
#[derive(Debug, Default)]
pub struct Hidden(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Changes of groups that this node has made: what was read before one is not kept after it.
    changes: u64,
    names: Option<(Instant, Arc<[String]>)>,
}

impl Hidden {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Their names, at most a second old.
    ///
    /// # Errors
    /// The database's.
    pub async fn names(&self, db: &Db) -> Result<Arc<[String]>> {
        let began = Instant::now();
        let changes = {
            let known = self.known();
            match &known.names {
                Some((at, names)) if began.duration_since(*at) < FRESH => return Ok(Arc::clone(names)),
                _ => known.changes,
            }
        };
        let names: Arc<[String]> = db.read("media_group.hidden", db::media_groups::hidden).await?.into();
        let mut known = self.known();
        if known.changes == changes {
            known.names = Some((began, Arc::clone(&names)));
        }
        Ok(names)
    }

    /// Has the next list look anew, since this node has changed groups.
    pub(super) fn forget(&self) {
        let mut known = self.known();
        known.changes = known.changes.wrapping_add(1);
        known.names = None;
    }
}

/// Requires that an image is in no group that there is not, where it comes to be in one.
pub(super) fn check(conn: &mut Conn, strict: bool, before: Option<&Image>, after: &Image) -> DbResult<()> {
    let was = before.and_then(|before| lifecycle::text(before, GROUP_PROPERTY));
    let Some(name) = lifecycle::text(after, GROUP_PROPERTY).filter(|name| strict && Some(*name) != was)
    else {
        return Ok(());
    };
    match db::media_groups::find(conn, name)? {
        Some(_) => Ok(()),
        None => Err(Error::invalid(format!("There is no media group {name:?}.")).into()),
    }
}
