//! The quarantine of a bucket, objects whose names begin with `.quarantine.`, and the mark of its owner.
//!
//! An object is moved by a copy that the server makes, and then its deletion: it is at both places when that is
//! interrupted, and the next attempt deletes what was copied. What is unfinished has no name that it could be copied
//! from, and stays.

use async_trait::async_trait;
use object_store::{ObjectStore, PutMode, PutOptions};

use super::{
    S3Store,
    address::MARK,
    bucket::{Bucket, Found, check_name, path_of},
    copy::duplicate,
    fault::{Fault, classified},
    writer::taken,
};
use crate::{
    model::time::Timestamp,
    store::{StoreError, StoreErrorKind, StoreResult, Yard, yard::aside},
};

/// Bytes of a mark at most.
const MARK_BYTES_MAX: u64 = 256;

fn unfinished_stays(name: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, name, "what is unfinished cannot lie out of the way")
}

#[async_trait]
impl Yard for S3Store {
    async fn mark(&self, own: Option<&str>) -> StoreResult<Option<String>> {
        let found = match self.bucket.marked().await {
            // It is created with the first object.
            Err(error) if error.kind == StoreErrorKind::Gone && self.is_to_be_created() => None,
            found => found?,
        };
        let Some(own) = own.filter(|_| found.is_none()) else { return Ok(found) };
        self.have_bucket().await?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.bucket.objects.put_opts(&path_of(MARK)?, own.to_owned().into(), options).await;
        match put.map_err(|error| classified(self.bucket.place_of(MARK), &error)) {
            Err(error) if error.kind != StoreErrorKind::Exists => Err(error),
            // Somebody else may have been faster.
            _ => self.bucket.marked().await,
        }
    }

    async fn time(&self) -> StoreResult<Timestamp> {
        let place = self.bucket.place_of("");
        self.bucket.calls.time().await.map_err(|fault| match fault.kind() {
            StoreErrorKind::NotFound => StoreError::new(StoreErrorKind::Gone, place, fault),
            _ => fault.at(place),
        })
    }

    async fn modified(&self, _: &str, _: bool) -> StoreResult<Option<Timestamp>> {
        Ok(None)
    }

    async fn is_plain(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        Ok(self.bucket.look(name).await?.is_some())
    }

    async fn set_aside(&self, name: &str, unfinished: bool, key: &str) -> StoreResult<bool> {
        check_name(name)?;
        if unfinished {
            return Err(unfinished_stays(name));
        }
        let aside = aside(key)?;
        // An attempt that died may have left pieces of a copy.
        self.bucket.abort_all(&aside).await?;
        self.bucket.give_name(name, &aside, |there, found| there.size == found.size).await
    }

    async fn bring_back(&self, key: &str, name: &str, unfinished: bool) -> StoreResult<bool> {
        check_name(name)?;
        if unfinished {
            return Err(unfinished_stays(name));
        }
        let aside = aside(key)?;
        match self.bucket.look(&aside).await? {
            Some(_) => self.bucket.give_name(&aside, name, is_copy).await,
            None => Ok(false),
        }
    }

    async fn discard(&self, key: &str) -> StoreResult<()> {
        let aside = aside(key)?;
        self.bucket.abort_all(&aside).await?;
        self.bucket.take_away(&aside).await
    }
}

impl Bucket {
    /// The mark that the bucket has.
    async fn marked(&self) -> StoreResult<Option<String>> {
        let place = self.place_of(MARK);
        let failed = |error: &object_store::Error| classified(place.clone(), error);
        let found = match self.objects.get_opts(&path_of(MARK)?, object_store::GetOptions::default()).await {
            Ok(found) => found,
            Err(error) => {
                let error = failed(&error);
                return if error.kind == StoreErrorKind::NotFound { Ok(None) } else { Err(error) };
            }
        };
        if found.meta.size > MARK_BYTES_MAX {
            return Err(StoreError::new(StoreErrorKind::Io, place, "it is no mark of a store"));
        }
        let bytes = found.bytes().await.map_err(|error| failed(&error))?;
        Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    /// Gives an object another name, which nothing else may have. What is there under that name is left by an earlier attempt
    /// if `is_copy` says so. Returns whether it is there.
    async fn give_name(
        &self,
        from: &str,
        to: &str,
        is_copy: impl Fn(&Found, &Found) -> bool + Send,
    ) -> StoreResult<bool> {
        let (found, there) = (self.look(from).await?, self.look(to).await?);
        let Some(found) = found else { return Ok(there.is_some()) };
        match there {
            None => duplicate(self, from, to).await?,
            Some(there) if is_copy(&there, &found) => {}
            Some(_) => return Err(taken(self.place_of(to))),
        }
        // Whoever has written to it since has not been copied.
        if self.look(from).await?.as_ref() != Some(&found) {
            return Err(Fault::Corrupt.at(self.place_of(from)));
        }
        self.take_away(from).await?;
        Ok(true)
    }

    async fn take_away(&self, name: &str) -> StoreResult<()> {
        let deleted = object_store::ObjectStoreExt::delete(&self.objects, &path_of(name)?).await;
        match deleted.map_err(|error| classified(self.place_of(name), &error)) {
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Whether one object is a copy of another for sure.
fn is_copy(one: &Found, other: &Found) -> bool {
    one.etag.is_some() && one == other
}
