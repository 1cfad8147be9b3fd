//! Reconciles files and records: after a crash, after a migration from Glance, after images were deleted elsewhere.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{Cache, failed, fill::Wanted};
use crate::{
    blob::pour::{Chunks, Fault, Limits, Nowhere, Pour},
    db,
    model::{error::Result, status::Status},
    store::{
        cache::{CacheFolder, Held},
        file::{CHUNK_BYTES, chunks},
    },
};

impl Cache {
    /// Deletes copies of deleted images, records without a file and abandoned incomplete files; records files without a
    /// record, if they match their images.
    ///
    /// # Errors
    /// Those of the disk and the database.
    pub async fn sweep(&self) -> Result<()> {
        for stray in self.drop_remains().await? {
            self.adopt(stray).await?;
        }
        Ok(())
    }

    /// Drops what cannot be used; answers files without a record.
    async fn drop_remains(&self) -> Result<Vec<Held>> {
        // Files and records change under this lock only, so what is there now belongs together.
        let _changes = self.changes.lock().await;
        let files = self.folder.run(|folder| {
            // Copies that wait for bytes too long end by themselves.
            folder.clean_incomplete(Duration::MAX)?;
            folder.entries()
        });
        let files = files.await.map_err(failed)?;
        let records: HashMap<_, _> =
            self.list().await?.into_iter().map(|record| (record.image_id.clone(), record)).collect();
        let mut ids: HashSet<String> = files.iter().map(|file| file.name.clone()).collect();
        for id in records.keys().filter(|id| !ids.contains(*id)) {
            tracing::warn!(image = %id, "the cache has lost a file; its record is dropped");
            self.drop_locked(id).await?;
        }
        let asked: Vec<String> = ids.drain().collect();
        let alive = self.db.read("cache.alive", move |conn| db::cached_images::alive(conn, &asked)).await?;
        let alive: HashSet<String> = alive.into_iter().collect();
        let mut strays = Vec::new();
        for file in files {
            if !alive.contains(&file.name) {
                tracing::info!(image = %file.name, "dropped from the cache: the image is gone");
                self.drop_locked(&file.name).await?;
                continue;
            }
            match records.get(&file.name) {
                None => strays.push(file),
                Some(record) if u64::try_from(record.size) != Ok(file.size) => {
                    tracing::warn!(image = %file.name, "a file in the cache has another size than its record");
                    self.drop_locked(&file.name).await?;
                }
                Some(_) => {}
            }
        }
        Ok(strays)
    }

    /// Records a file, or drops it when it is not what its image says.
    async fn adopt(&self, stray: Held) -> Result<()> {
        let id = stray.name.clone();
        let image = self.db.read("cache.adopt", move |conn| db::images::find(conn, &id)).await?;
        let image = image.filter(|image| image.status == Status::Active);
        let wanted = image.as_ref().map(|image| {
            let size = image.size.and_then(|size| u64::try_from(size).ok());
            Wanted::of(image, size.unwrap_or(stray.size))
        });
        // Without a hash nobody can tell whether these are the data that the image has now.
        let Some(wanted) = wanted.filter(|wanted| wanted.data.is_hashed() && wanted.data.size == stray.size)
        else {
            tracing::warn!(image = %stray.name, "a file in the cache is of no use; it is dropped");
            return self.drop_copy(&stray.name).await;
        };
        if !self.passes(&wanted).await? {
            tracing::warn!(image = %stray.name, "a file in the cache is not what its image says; it is dropped");
            return self.drop_copy(&stray.name).await;
        }
        let _changes = self.changes.lock().await;
        let name = stray.name.clone();
        let is_there = self.folder.run(move |folder| Ok(folder.open_entry(&name)?.is_some()));
        if is_there.await.map_err(failed)? {
            self.record_copy(wanted.record(stray.modified)).await?;
            tracing::info!(image = %stray.name, "a file in the cache was recorded");
        }
        Ok(())
    }

    /// Reads a file from end to end and checks it against its image.
    async fn passes(&self, wanted: &Wanted) -> Result<bool> {
        let (name, place) = (wanted.id.clone(), wanted.id.clone());
        let opened = self.folder.run(move |folder| folder.open_entry(&name)).await.map_err(failed)?;
        let Some((file, size)) = opened else { return Ok(false) };
        let digests = Some(wanted.data.digests()?);
        let pour = Pour { sink: &mut Nowhere, digests, limits: Limits::NONE, progress: &() };
        match pour.run(&mut Chunks(chunks(file, place, size, None, CHUNK_BYTES))).await {
            Ok(poured) => Ok(wanted.data.is_met_by(&poured.measured.unwrap_or_default().hashes)),
            Err(Fault::Source(error) | Fault::Sink(error)) => Err(failed(error)),
            Err(Fault::Digest(error)) => Err(error.into()),
            Err(Fault::Excess(excess)) => Err(excess.into()),
        }
    }

    /// Removes invalid data and the remains of failed copies (`ImageCache.clean`).
    ///
    /// # Errors
    /// The disk's.
    pub async fn clean(&self) -> Result<()> {
        let _changes = self.changes.lock().await;
        let stall = self.settings.stall_time;
        let clean = move |folder: &CacheFolder| {
            let (invalid, incomplete) = (folder.clean_invalid()?, folder.clean_incomplete(stall)?);
            tracing::info!(invalid, incomplete, "files were removed from the cache");
            Ok(())
        };
        self.folder.run(clean).await.map_err(failed)
    }
}
