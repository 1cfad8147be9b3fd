//! Brings data into the staging folder, and looks at data that is there.

use futures::StreamExt;

use super::{
    facts::{self, Facts},
    fetch::{Body, FetchError},
    job::Plan,
    remote,
    request::Method,
    staged,
    state::{Staged, State},
};
use crate::{
    app::App,
    image::upload::{self, store_fault},
    model::{blob::Blob, caller::Caller, error::Error, image::Image},
    store::{NewBlob, StoreError},
    work::{Done, Failure, Work},
};

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Final(error.to_string())
    }
}

/// A store's failure: it may do better later.
pub fn store_failure(error: &StoreError) -> Failure {
    match store_fault(error) {
        Error::Internal { message } => Error::Internal { message }.into(),
        other => Failure::Again(other.to_string()),
    }
}

/// Makes sure that the data is in this node's staging folder; repeating it when it is does nothing.
pub async fn run(app: &App, work: &Work, plan: &Plan, state: &mut State, image: &Image) -> Done<()> {
    match state.staged.clone() {
        Some(staged) if staged.store == app.staging.id() => return Ok(()),
        Some(_) if plan.asked.method == Method::GlanceDirect => {
            return Err(Failure::Again("The staged data is on another node.".to_owned()));
        }
        // What a node that has died had fetched is out of reach: its own reaper removes it one day.
        Some(elsewhere) => {
            *state = State { roles: state.roles.clone(), remote: state.remote.clone(), ..State::default() };
            state.save(app, work, "").await?;
            staged::drop_blobs(app, vec![elsewhere.blob]).await?;
        }
        None => {}
    }
    if plan.asked.method == Method::GlanceDirect {
        return Err(Failure::Final("The image has no staged data; stage it again.".to_owned()));
    }
    let mut body = match plan.asked.method {
        Method::GlanceDownload => work.unless_stopped(remote::open(app, &plan.asked, state)).await??,
        _ => work.unless_stopped(app.fetcher.open(plan.asked.uri(), &[])).await??,
    };
    let mut image = image.clone();
    state.apply(&mut image);
    let image = &image;
    let room = room(app, work, body.length).await?;
    work.begin_pass(body.length);
    let blob = staged::begin(app, &image.id, body.length).await?;
    let facts = receive(app, work, image, &blob, &mut body, room).await?;
    let size = facts.size;
    state.facts = Some(facts);
    staged::finish(app, work, &blob, size, state).await
}

/// Bytes that may come: the cap on images, and what the project may still store.
async fn room(app: &App, work: &Work, declared: Option<u64>) -> Done<u64> {
    let owner = Caller { project_id: work.job.owner.clone(), ..Caller::default() };
    let room = upload::storage_room(app, &owner, declared).await?.unwrap_or(u64::MAX);
    let limit = room.min(app.settings.image_size_cap);
    match declared.filter(|size| *size > limit) {
        Some(size) => Err(too_large(size, limit)),
        None => Ok(limit),
    }
}

fn too_large(size: u64, limit: u64) -> Failure {
    Failure::Final(format!("The source has {size} bytes or more; at most {limit} bytes may be imported."))
}

async fn receive(
    app: &App,
    work: &Work,
    image: &Image,
    blob: &Blob,
    body: &mut Body,
    limit: u64,
) -> Done<Facts> {
    let mut measure = facts::begin(app, image)?;
    let store = &app.staging.store;
    let mut writer = store.writer(&NewBlob::of(blob, body.length)).await.map_err(|e| store_failure(&e))?;
    let copied = async {
        while let Some(chunk) = work.unless_stopped(body.next()).await?? {
            let size = measure.size().saturating_add(chunk.len() as u64);
            if size > limit {
                return Err(too_large(size, limit));
            }
            work.advance(chunk.len());
            measure.feed(chunk.clone()).await.map_err(|e| Error::internal("measuring", e))?;
            writer.write(chunk).await.map_err(|e| store_failure(&e))?;
        }
        writer.sync().await.map_err(|e| store_failure(&e))
    };
    match copied.await {
        Ok(()) => {
            writer.commit().await.map_err(|e| store_failure(&e))?;
            Facts::conclude(app, image, measure).await
        }
        Err(failure) => {
            if let Err(fault) = writer.cancel().await {
                tracing::warn!(%fault, "unfinished staged data could not be removed; the reaper will");
            }
            Err(failure)
        }
    }
}

/// What the staged data is; looks at it unless that was done.
pub async fn examined(app: &App, work: &Work, state: &mut State, image: &Image) -> Done<Facts> {
    if let Some(facts) = &state.facts {
        return Ok(facts.clone());
    }
    let staged = state.staged.clone().ok_or_else(|| Failure::Again("The staged data is gone.".to_owned()))?;
    let facts = examine(app, work, image, &staged).await?;
    state.facts = Some(facts.clone());
    state.save(app, work, "").await?;
    Ok(facts)
}

/// Reads staged data from end to end.
pub async fn examine(app: &App, work: &Work, image: &Image, staged: &Staged) -> Done<Facts> {
    let mut measure = facts::begin(app, image)?;
    let url = app.staging.url(&staged.blob);
    let mut chunks = app.staging.store.read(&url, None).await.map_err(|e| store_failure(&e))?;
    work.begin_pass(Some(staged.size));
    while let Some(chunk) = chunks.next().await {
        work.check()?;
        let chunk = chunk.map_err(|e| store_failure(&e))?;
        work.advance(chunk.len());
        measure.feed(chunk).await.map_err(|e| Error::internal("measuring", e))?;
    }
    Facts::conclude(app, image, measure).await
}
