//! Puts the pieces of an upload together in the staging folder, as the first step of the job that completes it; and what
//! becomes of the upload when that job fails.

use std::vec::IntoIter;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;

use super::{
    super::{
        FAILED_IMPORT, Imports,
        bring::{pour, poured, store_failure},
        plan::{Plan, list_of},
        staged::{self, LOST},
        state::State,
    },
    expire,
};
use crate::{
    blob::{
        draft::cancel,
        pour::{Limits, Pour, Source, Written},
    },
    db::{self, Conn, DbError},
    image::{change, limits, query},
    model::{error::Error, image::Image, job::written, status::Status, upload::Piece},
    store::ByteStream,
    work::{
        Done, Failure, Work,
        durable::Ending,
        queue::{LOCK_PROPERTY, is_locked_by},
    },
};

/// The pieces of an upload, one after the other.
struct Pieces<'a> {
    imports: &'a Imports,
    work: &'a Work,
    left: IntoIter<Piece>,
    current: Option<ByteStream>,
}

#[async_trait]
impl Source for Pieces<'_> {
    type Error = Failure;

    async fn next(&mut self) -> Done<Option<Bytes>> {
        let staging = &self.imports.blobs.staging;
        loop {
            let chunks = match &mut self.current {
                Some(chunks) => chunks,
                None => {
                    let Some(piece) = self.left.next() else { return Ok(None) };
                    let url = staging.url(&piece.blob_id);
                    let opened = self.work.unless_stopped(staging.store.read(&url, None)).await?;
                    self.current.insert(opened.map_err(|e| store_failure(&e))?)
                }
            };
            match self.work.unless_stopped(chunks.next()).await? {
                Some(chunk) => return chunk.map(Some).map_err(|e| store_failure(&e)),
                None => self.current = None,
            }
        }
    }
}

/// Makes one staged blob of the pieces and measures it, unless it is only staged for an import. It is recorded with that
/// in the job's state; repeating it when that is done does nothing.
///
/// # Errors
/// [`Failure::Final`] when the pieces are out of reach for good; the store's.
pub async fn run(imports: &Imports, work: &Work, id: &str, state: &mut State, image: &Image) -> Done<()> {
    if state.staged.is_some() {
        return Ok(());
    }
    let key = id.to_owned();
    let read = imports.images.db.read("upload.pieces", move |conn| {
        Ok((db::uploads::find(conn, &key)?, db::uploads::pieces(conn, &key)?))
    });
    let (upload, pieces) = read.await?;
    let gone = || Failure::Final("The parts of the upload are gone; upload the data again.".to_owned());
    let upload = upload.ok_or_else(gone)?;
    if upload.place != imports.blobs.staging.id() {
        return Err(match work.job.affinity {
            Some(_) => Failure::Again("The parts of the upload are on another node.".to_owned()),
            None => Failure::Final(LOST.to_owned()),
        });
    }
    let size = Some(upload.size);
    let own = limits::of(&imports.images, image.owner.as_deref()).await?;
    let limits = Limits { declared: size, cap: own.size_cap() };
    work.begin_pass(size);
    let mut draft = staged::begin(imports, work, image, size).await?;
    let mut sink = Written(draft.writer(size).await.map_err(|e| store_failure(&e))?);
    let mut source = Pieces { imports, work, left: pieces.into_iter(), current: None };
    let result = match state.stages {
        true => {
            let pour = Pour { sink: &mut sink, digests: None, limits, progress: work };
            pour.run(&mut source).await.map(|_| None)
        }
        false => pour(imports, work, image, (&mut source, &mut sink), limits).await.map(Some),
    };
    match result {
        Ok(facts) => {
            draft.commit(sink.0).await.map_err(|e| store_failure(&e))?;
            state.facts = facts;
            staged::finish(imports, work, &draft.blob, upload.size, state).await
        }
        Err(fault) => {
            cancel(sink.0).await;
            Err(poured(fault))
        }
    }
}

/// The whole job of an upload that is staged for an import.
///
/// # Errors
/// Those of [`run`], and [`Failure::Cancelled`] when the image is gone.
pub async fn stage(imports: &Imports, work: &Work, id: &str, state: &mut State, plan: &Plan) -> Done<()> {
    let image = query::find_unseen(&imports.images, &plan.image_id).await?;
    let gone = || Failure::Cancelled("the image was deleted".to_owned());
    let image = image.ok_or_else(gone)?;
    run(imports, work, id, state, &image).await?;
    work.check()?;
    let size = state.staged.take().and_then(|staged| i64::try_from(staged.size).ok());
    state.done = true;
    let (job, node, value) = (work.job.clone(), work.node.clone(), written(state)?);
    let (id, image_id, door) = (id.to_owned(), plan.image_id.clone(), imports.images.door(work.author()));
    let finish = move |conn: &mut Conn| {
        let now = door.clock.now();
        db::uploads::end(conn, &id, now)?;
        change::in_txn(conn, &door, &image_id, |_, before| {
            if !is_locked_by(before, &job) || before.status != Status::Uploading {
                return Err(DbError::stale("image", &before.id));
            }
            let mut after = Image { size, ..before.clone() };
            after.remove_property(LOCK_PROPERTY);
            Ok(Some(after))
        })?;
        db::jobs::save_state(conn, &job.id, &node, &value, "", now)
    };
    let result = imports.images.db.write_patiently("upload.finish_stage", finish).await;
    imports.images.doomed.notify_one();
    match result {
        Err(DbError::Domain(Error::ImageNotFound(_))) => Err(gone()),
        other => Ok(other?),
    }
}

/// What becomes of an upload whose job has failed: data that is refused ends it, and the image is queued; else it is open
/// as before, and can be completed again. Can be repeated. Returns a sentence for the user.
///
/// # Errors
/// [`Failure`] when the database is away.
pub async fn undo(
    imports: &Imports,
    work: &Work,
    plan: &Plan,
    (id, state): (&str, &State),
    ending: Ending,
) -> Done<&'static str> {
    let (id, job, refused) = (id.to_owned(), work.job.clone(), ending.fault().is_some());
    let staged = state.staged.clone().map(|staged| staged.blob);
    let (door, seconds) = (imports.images.door(work.author()), imports.settings.upload_seconds);
    let (image_id, failed) = (plan.image_id.clone(), list_of(imports, &plan.targets));
    let fence = work.fence();
    let undo = move |conn: &mut Conn| {
        fence(conn)?;
        let now = door.clock.now();
        let upload = db::uploads::touch(conn, &id, now.plus_seconds(seconds))?;
        let upload = upload.filter(|upload| upload.job_id.as_ref() == Some(&job.id));
        let Some(upload) = upload else { return Ok("") };
        if let Some(blob) = &staged {
            db::blobs::doom(conn, blob, now, now)?;
        }
        let unlocked = change::in_txn(conn, &door, &image_id, |_, before| {
            let mut after = before.clone();
            after.remove_property(LOCK_PROPERTY);
            if refused {
                after.set_property(FAILED_IMPORT, failed.clone());
            }
            Ok(is_locked_by(before, &job).then_some(after))
        });
        match unlocked {
            Err(DbError::Domain(Error::ImageNotFound(_))) => return Ok(""),
            other => other?,
        };
        if refused {
            expire::end(conn, &door, &upload)?;
            return Ok("The image is queued again; its data can be uploaded again.");
        }
        db::uploads::set_job(conn, &upload.id, None)?;
        Ok("The upload is open as before, and can be completed again.")
    };
    let told = imports.images.db.write_patiently("upload.undo", undo).await?;
    imports.images.doomed.notify_one();
    Ok(told)
}
