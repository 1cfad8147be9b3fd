//! The size limit of the cache: the least recently used copies are removed to make room.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Cache, failed};
use crate::{
    model::{error::Result, time::Timestamp},
    store::cache::CacheFolder,
};

/// Room that is kept for a copy until this is dropped.
pub(super) struct Room {
    bytes: u64,
    reserved: Arc<AtomicU64>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.reserved.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// A copy that may have to leave.
struct Candidate {
    name: String,
    size: u64,
    last_accessed: Timestamp,
}

impl Cache {
    /// Makes room for `bytes` and keeps it; `None` when there cannot be that much. With everything that is being
    /// written, the cache then stays within `image_cache_max_size`.
    pub(super) async fn make_room(&self, bytes: u64) -> Result<Option<Room>> {
        let _changes = self.changes.lock().await;
        let promised = self.reserved().saturating_add(bytes);
        let Some(left) = self.settings.max_size.checked_sub(promised) else { return Ok(None) };
        let invalid = self.folder.run(|folder| folder.invalid_bytes()).await.map_err(failed)?;
        let invalid = if invalid > 0 && self.size().await?.saturating_add(invalid) > left {
            self.folder.run(CacheFolder::clean_invalid).await.map_err(failed)?;
            0
        } else {
            invalid
        };
        self.shrink(left.saturating_sub(invalid)).await?;
        self.reserved.fetch_add(bytes, Ordering::AcqRel);
        Ok(Some(Room { bytes, reserved: Arc::clone(&self.reserved) }))
    }

    /// Bytes of all copies.
    async fn size(&self) -> Result<u64> {
        let files = self.folder.run(CacheFolder::entries).await.map_err(failed)?;
        Ok(files.iter().fold(0, |sum, file| sum.saturating_add(file.size)))
    }

    /// Brings the cache down to `image_cache_max_size`; answers how many copies, and how many bytes, had to go
    /// (`ImageCache.prune`).
    ///
    /// # Errors
    /// Those of the disk and the database.
    pub async fn prune(&self) -> Result<(u64, u64)> {
        let _changes = self.changes.lock().await;
        self.shrink(self.settings.max_size).await
    }

    /// Drops copies until they have at most `bytes` together. For who holds the lock.
    async fn shrink(&self, bytes: u64) -> Result<(u64, u64)> {
        let mut size = self.size().await?;
        let (mut count, mut dropped) = (0_u64, 0_u64);
        if size <= bytes {
            return Ok((count, dropped));
        }
        for copy in self.candidates().await? {
            if size <= bytes {
                break;
            }
            self.drop_locked(&copy.name).await?;
            tracing::info!(image = %copy.name, size = copy.size, "dropped from the cache to make room");
            size = size.saturating_sub(copy.size);
            count = count.saturating_add(1);
            dropped = dropped.saturating_add(copy.size);
        }
        Ok((count, dropped))
    }

    /// Every copy, the least recently used first. A file without a record was used when it was written.
    async fn candidates(&self) -> Result<Vec<Candidate>> {
        let files = self.folder.run(CacheFolder::entries).await.map_err(failed)?;
        let records = self.list().await?;
        let used: HashMap<_, _> =
            records.into_iter().map(|record| (record.image_id, record.last_accessed)).collect();
        let mut copies: Vec<_> = files
            .into_iter()
            .map(|file| Candidate {
                last_accessed: used.get(&file.name).copied().unwrap_or(file.modified),
                name: file.name,
                size: file.size,
            })
            .collect();
        copies.sort_by(|a, b| (a.last_accessed, &a.name).cmp(&(b.last_accessed, &b.name)));
        Ok(copies)
    }
}
