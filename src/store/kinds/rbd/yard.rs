//! The quarantine of a pool, images whose names begin with `.quarantine.`, and the mark of its owner, which the pool keeps
//! in its metadata.
//!
//! An image is moved by another name, which takes one step: its data, its snapshots and its clones stay as they are.

use std::{io, sync::Arc};

use async_trait::async_trait;
use nix::libc;

use super::{
    RbdStore,
    ceph::{Pool, image::Image},
    failed::is,
    names::exists,
    url::{check_name, part_of},
};
use crate::{
    model::time::Timestamp,
    store::{StoreResult, Yard, yard::aside},
};

/// By which key the pool keeps its mark.
const MARK: &str = "vitrine_store_id";
/// How the names of images begin that are made to see what time it is.
const CLOCK: &str = ".clock.";
/// Bits of the size of an object in such an image, the usual ones.
const CLOCK_ORDER: i32 = 22;

/// The name of an image while it is, or is not, finished.
fn now_named(name: &str, unfinished: bool) -> StoreResult<String> {
    check_name(name)?;
    Ok(if unfinished { part_of(name) } else { name.to_owned() })
}

/// What time it is for the cluster, as an image says that is made for it.
fn clock(pool: &Arc<Pool>, name: &str) -> io::Result<i64> {
    pool.create(name, 0, 0, CLOCK_ORDER)?;
    let times = Image::read_only(pool, name, None).and_then(|image| image.times());
    pool.remove(name)?;
    times.map(|(made, _)| made)
}

/// Gives an image another name, which nothing may have. Returns whether it has that name now.
fn give_name(pool: &Arc<Pool>, from: &str, to: &str) -> io::Result<bool> {
    match (exists(pool, from)?, exists(pool, to)?) {
        (false, is_there) => Ok(is_there),
        (true, true) => Err(io::Error::from_raw_os_error(libc::EEXIST)),
        (true, false) => match pool.rename(from, to) {
            // Its answer may have been lost.
            Err(error) if !exists(pool, to)? => Err(error),
            _ => Ok(true),
        },
    }
}

#[async_trait]
impl Yard for RbdStore {
    async fn mark(&self, own: Option<&str>) -> StoreResult<Option<String>> {
        let own = own.map(str::to_owned);
        let marked = move |pool: &Arc<Pool>| match (pool.told(MARK)?, own) {
            (None, Some(own)) => {
                pool.tell(MARK, &own)?;
                pool.told(MARK)
            }
            (found, _) => Ok(found),
        };
        self.0.names(MARK, marked).await
    }

    async fn time(&self) -> StoreResult<Timestamp> {
        let name = format!("{CLOCK}{}", uuid::Uuid::new_v4());
        let place = name.clone();
        self.0.names(&place, move |pool| clock(pool, &name)).await.map(Timestamp)
    }

    async fn modified(&self, name: &str, unfinished: bool) -> StoreResult<Option<Timestamp>> {
        let Ok(wanted) = now_named(name, unfinished) else { return Ok(None) };
        let look = move |pool: &Arc<Pool>| match Image::read_only(pool, &wanted, None) {
            Ok(image) => image.times().map(|(made, written)| Some(made.max(written))),
            Err(error) if is(&error, libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        };
        Ok(self.0.names(name, look).await?.map(Timestamp))
    }

    async fn is_plain(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        let wanted = name.to_owned();
        self.0.names(name, move |pool| exists(pool, &wanted)).await
    }

    async fn set_aside(&self, name: &str, unfinished: bool, key: &str) -> StoreResult<bool> {
        let (from, to) = (now_named(name, unfinished)?, aside(key)?);
        self.0.names(name, move |pool| give_name(pool, &from, &to)).await
    }

    async fn bring_back(&self, key: &str, name: &str, unfinished: bool) -> StoreResult<bool> {
        let (from, to) = (aside(key)?, now_named(name, unfinished)?);
        let back = move |pool: &Arc<Pool>| {
            if exists(pool, &from)? { give_name(pool, &from, &to) } else { Ok(false) }
        };
        self.0.names(name, back).await
    }

    async fn discard(&self, key: &str) -> StoreResult<()> {
        let name = aside(key)?;
        self.0.remove(&name.clone(), vec![name]).await
    }
}
