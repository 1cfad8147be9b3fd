//! The import job: its steps in order, and the recovery when one fails.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    FAILED_IMPORT, IMPORTING_TO_STORES, Imports, activate, apart,
    asked::Method,
    bring, copy, distribute, parts,
    plan::{Input, Plan, list_of, stores_in},
    plugins, signed,
    state::State,
    wish,
};
use crate::{
    blob::facts::Facts,
    db::{self, Conn, DbResult},
    image::{
        change::{self, Door},
        expected, query,
    },
    model::{
        error::Error,
        image::Image,
        job::{Job, JobKind, written},
        status::Status,
    },
    work::{
        Done, Failure, Work,
        durable::{Again, Durable, Ending},
        queue::{LOCK_PROPERTY, is_locked_by},
    },
};

/// The steps of an import whose data comes from elsewhere: into the staging folder, through the plug-ins and what the
/// stores want of it, to the stores.
pub const FETCHED: [&str; 3] = ["fetch", "prepare", "store"];
/// Those of one whose data is staged.
const PREPARED: &[&str] = FETCHED.split_at(1).1;
/// Those of one whose data is in a store.
const WRITTEN: &[&str] = FETCHED.split_at(2).1;

/// How many of the steps are over.
pub fn steps_done(steps: &[&str], state: &State) -> usize {
    let open = match (&state.staged, state.prepared || state.apart.is_some()) {
        (_, true) => "store",
        (Some(_), false) => "prepare",
        (None, false) => "fetch",
    };
    steps.iter().position(|step| *step == open).unwrap_or(0)
}

/// The job of `POST /v2/images/{id}/import`.
pub struct ImageImport;

#[async_trait]
impl Durable for ImageImport {
    const KIND: JobKind = JobKind::ImageImport;
    type Parts = Imports;
    type Input = Input;
    type State = State;

    fn steps(input: &Input) -> &'static [&'static str] {
        match input.import_req.method {
            Method::WebDownload | Method::GlanceDownload => &FETCHED,
            Method::GlanceDirect | Method::Upload => PREPARED,
            Method::CopyImage => WRITTEN,
        }
    }

    fn steps_done(input: &Input, state: &State) -> usize {
        steps_done(Self::steps(input), state)
    }

    async fn run(imports: &Imports, work: &Work, input: Input, mut state: State) -> Done<Value> {
        let plan = input.plan(imports);
        let image = query::find_unseen(&imports.images, &plan.image_id).await?;
        if image.is_some_and(|image| !is_locked_by(&image, &work.job)) && !state.done {
            return Err(Failure::Final("The image is no longer held by this task.".to_owned()));
        }
        steps(imports, work, &plan, &mut state).await?;
        Ok(json!({ "image_id": plan.image_id }))
    }

    async fn undo(
        imports: &Imports,
        work: &Work,
        input: Input,
        state: State,
        ending: Ending,
    ) -> Done<&'static str> {
        put_back(imports, work, &input.plan(imports), state, ending).await
    }

    fn retry(conn: &mut Conn, _: &Job, input: &Input, state: &State) -> DbResult<Again<State>> {
        let method = input.import_req.method;
        let mut state =
            State { roles: state.roles.clone(), signer: state.signer.clone(), ..State::default() };
        let mut affinity = None;
        match method {
            Method::GlanceDownload => {
                let why = "The token of this import is gone; its user must ask for it again.";
                return Err(Error::conflict(why).into());
            }
            Method::GlanceDirect => {
                let blob = db::staging_places::staged_of(conn, &input.image_id)?;
                let blob = blob.ok_or_else(|| Error::conflict("The staged data is gone; stage it again."))?;
                affinity = Some(blob.store.clone());
                state.start_from(&blob);
            }
            Method::Upload => {
                return Err(Error::conflict("The data of this upload is gone; upload it again.").into());
            }
            Method::WebDownload | Method::CopyImage => {}
        }
        Ok(Again { from: method.starts_from(), state, affinity })
    }
}

/// Runs the steps from the recorded state on.
///
/// # Errors
/// [`Failure::Final`] or [`Failure::Refused`], with a reason for the user.
pub async fn steps(imports: &Imports, work: &Work, plan: &Plan, state: &mut State) -> Done<()> {
    if state.done {
        return Ok(());
    }
    work.check()?;
    if let Some(upload) = state.upload.clone().filter(|_| state.stages) {
        return parts::stage(imports, work, &upload, state, plan).await;
    }
    let mut image = begin(imports, work, plan).await?;
    if plan.asked.method == Method::CopyImage {
        return copy::run(imports, work, plan, state, &image).await;
    }
    if plan.asked.method == Method::WebDownload {
        expected::add_fragment(&mut image, plan.asked.uri())?;
    }
    if let Some(text) = &state.expected {
        expected::add(&mut image, "The upload", expected::parse("hash", text)?)?;
    }
    if apart::is_under_way(imports, work, state).await? {
        return apart::run(imports, work, plan, state, &image).await;
    }
    // What cannot be verified need not come.
    signed::verifier(imports, work, plan, state, &image).await?;
    bring::run(imports, work, plan, state, &image).await?;
    let mut described = image.clone();
    state.apply(&mut described);
    let wish = wish::format(imports, &described, &plan.targets)?;
    let is_converted =
        plugins::needs_facts(imports) || wish::conversion(&described, wish.as_deref()).is_some();
    // What a plug-in has changed, before an attempt that died, is not the source any more.
    if !state.changed && (state.facts.is_some() || is_converted) {
        bring::examined(imports, work, state, &described).await?.check_source(&described)?;
    }
    if plan.asked.method != Method::Upload {
        plugins::run(imports, work, state, &image, &plan.targets).await?;
    }
    if state.apart.is_some() {
        return apart::run(imports, work, plan, state, &image).await;
    }
    let verifier = signed::before_conversion(imports, work, plan, state, &image).await?;
    wish::grant(imports, work, plan, state, &image).await?;
    state.apply(&mut image);
    let suffice =
        |facts: &Facts| verifier.as_ref().is_none_or(|verifier| verifier.is_measured(&facts.hashes));
    state.facts.take_if(|facts| !facts.are_judged_for(&image) || !suffice(facts));
    if !state.prepared {
        state.prepared = true;
        state.save(work, "").await?;
    }
    let staged = state.staged.clone().ok_or_else(|| Failure::Again("The staged data is gone.".to_owned()))?;
    let check = |facts: &Facts| {
        verifier.as_ref().map_or(Ok(()), |verifier| verifier.check(&facts.hashes))?;
        if !state.changed {
            facts.check_source(&image)?;
            if image.size.is_some_and(|size| u64::try_from(size) != Ok(facts.size)) {
                return Err(Failure::Final(
                    "The staged data does not have the size of the image.".to_owned(),
                ));
            }
        }
        if let Some(rejection) = &facts.rejection {
            return Err(refused(format!("The data was refused: {rejection}.")));
        }
        Ok(facts.check_stored(&image)?)
    };
    let arrived =
        distribute::from_staging(imports, work, plan, &image, &staged, state.facts.clone(), check).await?;
    activate::activate(imports, work, plan, state, arrived).await
}

fn refused(why: String) -> Failure {
    Error::UnsupportedMediaType(why).into()
}

/// The first step: the image says what is going on. Repeating it changes nothing.
async fn begin(imports: &Imports, work: &Work, plan: &Plan) -> Done<Image> {
    let copies = plan.asked.method == Method::CopyImage;
    let author = work.author();
    let unified = imports.images.unified.of(author.project_id.as_deref()).await?;
    let mut door = Door { unified, ..imports.images.door(author) };
    let several = imports.images.stores.multiple;
    door.moved.prepared = plan.targets.iter().map(|id| several.then(|| id.clone())).collect();
    let changed = imports
        .images
        .change_by(&door, &plan.image_id, |before: &Image| {
            if !is_locked_by(before, &work.job) {
                return Err(Error::conflict("The image is no longer held by this task."));
            }
            if plan.asked.method == Method::Upload {
                // It stays `saving`, as in any upload.
                let is_saving = before.status == Status::Saving;
                let conflict = || Error::conflict(format!("The image is {} now.", before.status));
                return is_saving.then_some(None).ok_or_else(conflict);
            }
            let mut after = before.clone();
            if !copies && after.status != Status::Importing {
                if !after.status.may_become(Status::Importing) {
                    return Err(Error::conflict(format!("The image is {} now.", after.status)));
                }
                after.status = Status::Importing;
            }
            after.set_property(IMPORTING_TO_STORES, list_of(imports, &plan.targets));
            let mut failed = stores_in(before, FAILED_IMPORT);
            if work.job.attempts <= 1 {
                failed.retain(|store| !plan.targets.contains(store));
            }
            after.set_property(FAILED_IMPORT, list_of(imports, &failed));
            Ok((after != *before).then_some(after))
        })
        .await;
    match changed {
        Err(Error::ImageNotFound(_)) => Err(Failure::Cancelled("the image was deleted".to_owned())),
        other => Ok(other?),
    }
}

/// Where the image of a failed import stands.
fn outcome(plan: &Plan, kept: bool) -> &'static str {
    match plan.asked.method {
        Method::CopyImage => "The image is as it was; the copy can be asked for again.",
        Method::GlanceDirect if kept => "The staged data is kept; the import can be asked for again.",
        Method::GlanceDirect => "The image is queued again; its data can be staged anew.",
        Method::WebDownload | Method::GlanceDownload => {
            "The image is queued again; the import can be asked for again."
        }
        Method::Upload => "The image is queued again; its data can be uploaded again.",
    }
}

/// Returns the image to a state in which the same call can be made again: data that a client staged is kept if it is
/// good. Returns a sentence for the user.
///
/// # Errors
/// [`Failure`] when the database is away.
pub async fn put_back(
    imports: &Imports,
    work: &Work,
    plan: &Plan,
    state: State,
    ending: Ending,
) -> Done<&'static str> {
    if let Some(upload) = &state.upload {
        let told = parts::undo(imports, work, plan, (upload, &state), ending).await?;
        forgotten(&state, ending).save(work, "").await?;
        return Ok(told);
    }
    // They are known by the state alone.
    apart::remove(imports, work, &state).await?;
    let is_upload = plan.asked.method == Method::Upload;
    let original = state.original.clone().filter(|_| ending == Ending::GivenUp && !is_upload);
    let kept = original.as_ref().map(|staged| staged.blob.clone());
    let archive = state.apart.as_ref().map(|apart| apart.archive.clone());
    let dropped = [state.staged.clone(), state.original.clone(), archive];
    let dropped = dropped.into_iter().flatten().map(|staged| staged.blob);
    let dropped: Vec<String> = dropped.filter(|blob| Some(blob) != kept.as_ref()).collect();
    let told = outcome(plan, original.is_some());
    let (idle, failed) = (list_of(imports, &[]), list_of(imports, &plan.targets));
    let returned = move |before: &Image| {
        let mut after = before.clone();
        after.remove_property(LOCK_PROPERTY);
        if !is_upload {
            after.set_property(IMPORTING_TO_STORES, idle.clone());
        }
        after.set_property(FAILED_IMPORT, failed.clone());
        if matches!(after.status, Status::Importing | Status::Uploading)
            || is_upload && after.status == Status::Saving
        {
            (after.size, after.virtual_size) = (None, None);
            (after.checksum, after.os_hash_algo, after.os_hash_value) = (None, None, None);
            after.status = Status::Queued;
            if let Some(original) = &original {
                after.status = Status::Uploading;
                after.size = i64::try_from(original.size).ok();
            }
        }
        after
    };
    let (job, node, value) = (work.job.clone(), work.node.clone(), written(&forgotten(&state, ending))?);
    let (door, image_id) = (imports.images.door(work.author()), plan.image_id.clone());
    let put_back = move |conn: &mut Conn| {
        let now = door.clock.now();
        // First, so that a node changes nothing whose job is another's now.
        db::jobs::save_state(conn, &job.id, &node, &value, "", now)?;
        let image = db::images::find(conn, &image_id)?;
        if image.as_ref().is_some_and(|image| !is_locked_by(image, &job)) {
            // This was done before; what is staged now is another import's.
            return Ok("");
        }
        dropped.iter().try_for_each(|id| db::blobs::doom(conn, id, now, now))?;
        if image.is_none() {
            return Ok("");
        }
        change::in_txn(conn, &door, &image_id, |_, before| Ok(Some(returned(before))))?;
        Ok(told)
    };
    let told = imports.images.db.write_patiently("import.put_back", put_back).await?;
    imports.images.doomed.notify_one();
    Ok(told)
}

/// Nothing of the caller's stays with a job that is over, and nothing points to data that is gone.
fn forgotten(state: &State, ending: Ending) -> State {
    let (roles, signer) = (state.roles.clone(), state.signer.clone());
    State { roles, signer, fault: ending.fault(), ..State::default() }
}
