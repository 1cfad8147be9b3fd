//! Writes damaged data of a store anew, from a copy in another one: under a name of its own, because what bears the
//! name of the damaged data may be somebody's download; then the location leads to it, in one transaction with the end
//! of the damaged blob.

use super::{Outcome, Scrubber, is_met, pace::Paced};
use crate::{
    access::unified::Counts,
    blob::{
        draft::{BeginFault, Draft, NewDraft, cancel_after},
        pour::{Fault, Limits, Pour, Written},
        verify::Expected,
    },
    db::{self, DbError},
    image::{change, readers},
    model::{
        event::Author,
        image::{ATTENTION_PROPERTY, Image, Location, in_store},
        lifecycle::text,
        unified::Resource,
    },
    store::StoreUrl,
};

impl Scrubber {
    /// Gives the store of a damaged location a copy of what is at a good one.
    pub(super) async fn repaired(&self, image: &Image, damaged: &Location, good: &Location) -> Outcome {
        match self.repair(image, damaged, good).await {
            Ok(()) => Outcome::Repaired,
            Err(why) => Outcome::Failed(why),
        }
    }

    async fn repair(&self, image: &Image, damaged: &Location, good: &Location) -> Result<(), String> {
        let store = self.store(damaged)?;
        if !store.capabilities().writes {
            return Err("its store cannot be written".to_owned());
        }
        let new = NewDraft {
            image_id: &image.id,
            owner: image.owner.as_deref(),
            // The image keeps as much as before.
            payer: None,
            store: &store,
            name: None,
            caller: None,
            size: Some(image.size_bytes()),
            holder: None,
            // Nor is anything new counted.
            counts: Counts { resource: Resource::SizeTotal, binding: false },
            prepares: None,
        };
        let mut draft = self.blobs.begin(new).await.map_err(|fault| match fault {
            BeginFault::Store(error) => error.to_string(),
            BeginFault::Db(error) => error.to_string(),
        })?;
        let written = match self.write(image, good, &mut draft).await {
            Ok(url) => self.lead(image, damaged, &draft, url).await,
            Err(why) => Err(why),
        };
        if let Err(why) = written {
            if let Err(error) = draft.doom().await {
                tracing::warn!(%error, blob = %draft.blob.id, "what was written in vain stays for the reaper");
            }
            self.blobs.images.doomed.notify_one();
            return Err(why);
        }
        readers::admit(&self.blobs.images, &image.id).await;
        Ok(())
    }

    /// Copies the good data, which is measured once more on the way.
    async fn write(&self, image: &Image, good: &Location, draft: &mut Draft) -> Result<StoreUrl, String> {
        let expected = Expected::of(image, image.size_bytes());
        let chunks = self.store(good)?.read(&good.url, None).await.map_err(|e| e.to_string())?;
        let digests = expected.digests().map_err(|e| e.to_string())?;
        let writer = draft.writer(Some(expected.size)).await.map_err(|e| e.to_string())?;
        let limits = Limits { declared: Some(expected.size), ..Limits::NONE };
        let (mut sink, mut source) = (Written(writer), Paced { chunks, pace: &self.pace, bytes: 0 });
        let pour = Pour { sink: &mut sink, digests: Some(digests), limits, progress: &() };
        let why = match pour.run(&mut source).await {
            Ok(poured) if is_met(&expected, &poured) => {
                return draft.commit(sink.0).await.map_err(|e| e.to_string());
            }
            Ok(_) | Err(Fault::Excess(_)) => "the good copy changed while it was read".to_owned(),
            Err(Fault::Source(error)) => error.to_string(),
            Err(Fault::Digest(error)) => error.to_string(),
            Err(Fault::Sink(error)) => {
                cancel_after(sink.0, Some(error.kind)).await;
                return Err(error.to_string());
            }
        };
        cancel_after(sink.0, None).await;
        Err(why)
    }

    /// Lets the location lead to the new blob. The damaged one is doomed with that, and the reaper deletes it.
    async fn lead(
        &self,
        image: &Image,
        damaged: &Location,
        draft: &Draft,
        url: StoreUrl,
    ) -> Result<(), String> {
        let images = &self.blobs.images;
        let (door, id, blob) = (images.door(Author::service()), image.id.clone(), draft.blob.clone());
        let (size, about) = (image.size_bytes(), in_store(&draft.blob.store));
        let (old, new) =
            (damaged.blob_id.clone(), Location { id: damaged.id.clone(), ..draft.location(url) });
        let lead = move |conn: &mut db::Conn| {
            change::in_txn(conn, &door, &id, |conn, before| {
                let mut after = before.clone();
                let place = after.locations.iter_mut().find(|one| one.blob_id == old);
                let Some(place) = place else { return Err(DbError::stale("image", &before.id)) };
                *place = new.clone();
                // What was said of another store is still true.
                if text(&after, ATTENTION_PROPERTY).is_some_and(|said| said.contains(&about)) {
                    after.remove_property(ATTENTION_PROPERTY);
                }
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                db::blobs::make_live(conn, &blob.id, &blob.holder, size, door.clock.now())?;
                Ok(Some(after))
            })
        };
        images.db.write_patiently("scrub.repair", lead).await.map_err(|e| e.to_string())?;
        images.doomed.notify_one();
        Ok(())
    }
}
