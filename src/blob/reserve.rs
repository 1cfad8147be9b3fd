//! Reservations in a project's storage quota, or under its limits in the identity service, for data that is being
//! received: all of it if the size is known, otherwise in steps ahead of the data. A reservation is part of the blob's row, so it ends with the row, whoever
//! removes it.

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    faults::gone,
    pour::{Limits, Source},
};
use crate::{
    access::{quota::Allowance, unified::Claim},
    db::{self, Conn, Db, DbError, DbResult},
    model::blob::Blob,
};

/// Bytes reserved before the first byte of data of unknown size.
const FIRST_STEP: u64 = 1 << 20;
/// Bytes reserved at once at most: as much as has come, up to so many.
const LONGEST_STEP: u64 = 64 << 20;
/// The same of a claim, whose limit is so coarse that little must be reserved in vain.
const FIRST_STEP_OF_CLAIM: u64 = 16 << 10;

/// The reservation of a blob.
#[derive(Clone)]
pub struct Reservation {
    db: Db,
    asked: Asked,
    blob: Blob,
    bytes: u64,
    /// At how many bytes the ledger was last asked.
    looked: u64,
}

/// The space that a blob requests.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The quota that it is checked against; without one nothing is reserved.
    pub allowance: Option<Allowance>,
    /// The limit in the identity service that it is checked against.
    pub claim: Option<Claim>,
    /// Whether the blob counts as the project's own: else it is another's, and counted for this question only.
    pub own: bool,
    /// Bytes, if known.
    pub size: Option<u64>,
}

impl Asked {
    fn is_limited(&self) -> bool {
        self.allowance.is_some() || self.claim.is_some()
    }

    /// Bytes to reserve beyond so many that have come.
    fn step(&self, received: u64) -> u64 {
        match self.claim {
            Some(_) => (received / 2).clamp(FIRST_STEP_OF_CLAIM, LONGEST_STEP),
            None => received.clamp(FIRST_STEP, LONGEST_STEP),
        }
    }

    /// Reserves room for a blob that was just entered: for its size, or for a first step. Answers for how many bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge) when the size does not fit, or there is no room at all.
    pub fn begin(&self, conn: &mut Conn, blob: &Blob) -> DbResult<u64> {
        let first = if self.claim.is_some() { FIRST_STEP_OF_CLAIM } else { FIRST_STEP };
        let (needed, wanted) = self.size.map_or((1, first), |size| (size, size));
        self.grant(conn, blob, 0, needed, wanted)
    }

    /// Extends what is reserved for a blob from `have` bytes to `wanted`, at the limit to fewer, but not below `needed`. It
    /// is written first and counted then: of an image under import not every byte that is reserved counts.
    fn grant(&self, conn: &mut Conn, blob: &Blob, have: u64, needed: u64, wanted: u64) -> DbResult<u64> {
        if let Some(claim) = &self.claim {
            db::quota::reserve(conn, &blob.id, wanted)?;
            return claim.admit(conn, &blob.image_id, wanted).map(|()| wanted);
        }
        let Some(allowance) = &self.allowance else { return Ok(wanted) };
        db::quota::reserve(conn, &blob.id, wanted)?;
        let excess = allowance.excess(conn, if self.own { 0 } else { wanted })?;
        let bytes = wanted.saturating_sub(excess).max(have);
        if bytes < needed {
            return Err(allowance.refusal().into());
        }
        if bytes < wanted {
            db::quota::reserve(conn, &blob.id, bytes)?;
        }
        Ok(bytes)
    }
}

impl Reservation {
    /// What [`Asked::begin`] reserved.
    pub(super) fn new(db: Db, asked: Asked, blob: Blob, bytes: u64) -> Self {
        let bytes = if asked.is_limited() { bytes } else { u64::MAX };
        Self { db, asked, blob, bytes, looked: 0 }
    }

    /// Ensures that space for `size` bytes in all is reserved, of `most` expected ones, and checks now and then that
    /// the blob still belongs to its holder.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::model::error::Error::TooLarge) over the quota, [`Error::Gone`](crate::model::error::Error::Gone) when the blob is not its holder's any more.
    pub async fn cover(&mut self, size: u64, most: u64) -> DbResult<()> {
        if size > self.bytes {
            let step = self.asked.step(size);
            self.extend(size, size.saturating_add(step).min(most)).await?;
        } else if size > self.looked.saturating_add(LONGEST_STEP) {
            let blob = self.blob.clone();
            let held = move |conn: &mut Conn| db::blobs::holds_lease(conn, &blob.id, &blob.holder);
            if !self.db.read("blob.holds_lease", held).await? {
                return Err(gone(&self.blob).into());
            }
        } else {
            return Ok(());
        }
        self.looked = size;
        Ok(())
    }

    /// Makes sure that there is room for as much as possible of `size` bytes in all; answers for how many.
    ///
    /// # Errors
    /// As [`Reservation::cover`], over the quota when there is no room at all.
    pub async fn cover_up_to(&mut self, size: u64) -> DbResult<u64> {
        if size > self.bytes {
            self.extend(self.bytes.max(1), size).await?;
        }
        Ok(self.bytes.min(size))
    }

    async fn extend(&mut self, needed: u64, wanted: u64) -> DbResult<()> {
        let (blob, asked, have, clock) =
            (self.blob.clone(), self.asked.clone(), self.bytes, self.db.clock.clone());
        let extend = move |conn: &mut Conn| {
            db::quota::hold(conn, &blob.id, &blob.holder, clock.now())?;
            match asked.grant(conn, &blob, have, needed, wanted) {
                // Of two that are too much together the first to be refused makes room for the other at once.
                Err(DbError::Domain(refusal)) if asked.claim.is_some() => {
                    db::quota::reserve(conn, &blob.id, 0)?;
                    Ok(Err(refusal))
                }
                other => other.map(Ok),
            }
        };
        self.bytes = match self.db.write("blob.reserve", extend).await {
            Err(DbError::Stale(_)) => return Err(gone(&self.blob).into()),
            other => other??,
        };
        Ok(())
    }
}

/// A source whose bytes are reserved before they are passed on. Bytes beyond the limits are passed on without, because
/// the loop refuses them.
pub struct Reserving<'a, S> {
    source: &'a mut S,
    reservation: Reservation,
    received: u64,
    most: u64,
}

impl<'a, S> Reserving<'a, S> {
    /// Watches a source that is poured within these limits.
    pub fn new(source: &'a mut S, reservation: Reservation, limits: Limits) -> Self {
        let most = limits.declared.unwrap_or(u64::MAX).min(limits.cap);
        Self { source, reservation, received: 0, most }
    }
}

#[async_trait]
impl<S> Source for Reserving<'_, S>
where
    S: Source,
    S::Error: From<DbError>,
{
    type Error = S::Error;

    async fn next(&mut self) -> Result<Option<Bytes>, Self::Error> {
        let chunk = self.source.next().await?;
        let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.received = self.received.saturating_add(length);
        if self.received <= self.most {
            self.reservation.cover(self.received, self.most).await?;
        }
        Ok(chunk)
    }
}
