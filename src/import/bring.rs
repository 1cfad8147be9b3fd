//! Brings data into the staging folder, and inspects data that is there.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;

use super::{
    Imports,
    asked::Method,
    parts,
    plan::Plan,
    remote, staged,
    state::{Staged, State},
};
use crate::{
    blob::{
        digests::Digests,
        draft::{Draft, cancel},
        facts::{self, Facts},
        faults::store_fault,
        pour::{Excess, Fault, Limits, Nowhere, Pour, Sink, Source, Written},
        reserve::Reserving,
    },
    image::limits,
    model::{error::Error, image::Image},
    outbound::{Body, FetchError},
    store::{ByteStream, StoreError, StoreErrorKind},
    work::{Done, Failure, Work},
};

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Final(error.to_string())
    }
}

/// A store's failure: it may do better later.
pub fn store_failure(error: &StoreError) -> Failure {
    if let Some(absence) = Failure::of_absence(error) {
        return absence;
    }
    match store_fault(error) {
        Error::Internal { message } => Error::Internal { message }.into(),
        other if error.kind == StoreErrorKind::Gone => Failure::Soon(other.to_string()),
        other => Failure::Again(other.to_string()),
    }
}

/// Makes sure that the data is in this node's staging folder; repeating it when it is does nothing.
pub async fn run(imports: &Imports, work: &Work, plan: &Plan, state: &mut State, image: &Image) -> Done<()> {
    match state.staged.clone() {
        Some(staged) if staged.store == imports.blobs.staging.id() => return Ok(()),
        // Nobody binds the job to the folder any more.
        Some(_) if plan.asked.method.is_staged() && work.job.affinity.is_none() => {
            return Err(Failure::Final(staged::LOST.to_owned()));
        }
        Some(_) if plan.asked.method.is_staged() => {
            return Err(Failure::Again("The staged data is on another node.".to_owned()));
        }
        // What a node that has died had fetched is out of reach: its own reaper removes it one day.
        Some(elsewhere) => {
            *state = State {
                roles: state.roles.clone(),
                remote: state.remote.clone(),
                signer: state.signer.clone(),
                ..State::default()
            };
            state.save(work, "").await?;
            staged::drop_blobs(imports, vec![elsewhere.blob]).await?;
        }
        None => {}
    }
    if let Some(upload) = state.upload.clone() {
        return parts::assemble(imports, work, &upload, state, image).await;
    }
    if plan.asked.method.is_staged() {
        return Err(Failure::Final("The image has no staged data; stage it again.".to_owned()));
    }
    let body = match plan.asked.method {
        Method::GlanceDownload => {
            work.waiting(remote::open(imports, &image.id, &plan.asked, state)).await??
        }
        _ => work.waiting(imports.fetcher.open(plan.asked.uri(), &[])).await??,
    };
    let mut image = image.clone();
    state.apply(&mut image);
    let image = &image;
    let cap = limits::of(&imports.images, image.owner.as_deref()).await?.size_cap();
    let limits = within(cap, body.length)?;
    work.begin_pass(body.length);
    let mut draft = staged::begin(imports, work, image, body.length).await?;
    let facts = receive(imports, work, image, &mut draft, body, limits).await?;
    let size = facts.size;
    state.facts = Some(facts);
    staged::finish(imports, work, &draft.blob, size, state).await
}

/// How many bytes may come: the cap on images.
fn within(cap: u64, promised: Option<u64>) -> Done<Limits> {
    match promised.filter(|size| *size > cap) {
        Some(size) => Err(too_large(size, cap)),
        None => Ok(Limits { cap, ..Limits::NONE }),
    }
}

fn too_large(size: u64, limit: u64) -> Failure {
    Failure::from(Error::TooLarge(format!(
        "The source has {size} bytes or more; at most {limit} bytes may be imported."
    )))
}

/// Data that arrives from the web, for as long as the work may continue.
struct Arriving<'a> {
    work: &'a Work,
    body: Body,
    received: u64,
}

#[async_trait]
impl Source for Arriving<'_> {
    type Error = Failure;

    async fn next(&mut self) -> Done<Option<Bytes>> {
        let chunk = self.work.waiting(self.body.next()).await??;
        self.received = self.received.saturating_add(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
        Ok(chunk)
    }
}

/// Data of a store, until the job is cancelled.
pub struct Reading<'a> {
    /// The work that reads.
    pub work: &'a Work,
    /// The data.
    pub chunks: ByteStream,
}

#[async_trait]
impl Source for Reading<'_> {
    type Error = Failure;

    async fn next(&mut self) -> Done<Option<Bytes>> {
        let next = self.work.waiting(self.chunks.next()).await?;
        next.transpose().map_err(|e| store_failure(&e))
    }
}

/// The job's error for a failure of the data path.
pub fn poured(fault: Fault<Failure>) -> Failure {
    match fault {
        Fault::Source(failure) => failure,
        Fault::Excess(excess) => Error::from(excess).into(),
        Fault::Digest(error) => Error::from(error).into(),
        Fault::Sink(error) => store_failure(&error),
    }
}

/// Moves data from a source to a sink, and says what it is.
pub async fn pour<S: Source<Error = Failure>, K: Sink>(
    imports: &Imports,
    work: &Work,
    image: &Image,
    (source, sink): (&mut S, &mut K),
    limits: Limits,
) -> Result<Facts, Fault<Failure>> {
    let wanted = facts::wanted(&imports.images, image).map_err(|e| Fault::Source(e.into()))?;
    let own = limits::of(&imports.images, image.owner.as_deref()).await;
    let own = own.map_err(|e| Fault::Source(e.into()))?;
    let pour = Pour { sink, digests: Some(Digests::start(&wanted)?), limits, progress: work };
    let measured = pour.run(source).await?.measured.unwrap_or_default();
    Ok(Facts::of(&imports.images, &own, image, measured))
}

async fn receive(
    imports: &Imports,
    work: &Work,
    image: &Image,
    draft: &mut Draft,
    body: Body,
    limits: Limits,
) -> Done<Facts> {
    let mut sink = Written(draft.writer(body.length).await.map_err(|e| store_failure(&e))?);
    let mut source = Arriving { work, body, received: 0 };
    let mut within = Reserving::new(&mut source, draft.reservation(), limits);
    match pour(imports, work, image, (&mut within, &mut sink), limits).await {
        Ok(facts) => {
            draft.commit(sink.0).await.map_err(|e| store_failure(&e))?;
            Ok(facts)
        }
        Err(fault) => {
            cancel(sink.0).await;
            Err(match fault {
                Fault::Excess(Excess::Cap { cap }) => too_large(source.received, cap),
                other => poured(other),
            })
        }
    }
}

/// The properties of the staged data; inspects it unless that was done.
pub async fn examined(imports: &Imports, work: &Work, state: &mut State, image: &Image) -> Done<Facts> {
    if let Some(facts) = state.facts.as_ref().filter(|facts| facts.are_judged_for(image)) {
        return Ok(facts.clone());
    }
    let staged = state.staged.clone().ok_or_else(|| Failure::Again("The staged data is gone.".to_owned()))?;
    let facts = examine(imports, work, image, &staged).await?;
    state.facts = Some(facts.clone());
    state.save(work, "").await?;
    Ok(facts)
}

/// Reads staged data from end to end.
async fn examine(imports: &Imports, work: &Work, image: &Image, staged: &Staged) -> Done<Facts> {
    let staging = &imports.blobs.staging;
    let chunks = staging.store.read(&staging.url(&staged.blob), None).await;
    let mut source = Reading { work, chunks: chunks.map_err(|e| store_failure(&e))? };
    work.begin_pass(Some(staged.size));
    pour(imports, work, image, (&mut source, &mut Nowhere), Limits::NONE).await.map_err(poured)
}
