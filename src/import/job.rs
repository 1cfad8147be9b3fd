//! The job of an import: its steps in order, and the way back when one fails.

use serde_json::{Value, json};

use super::{
    FAILED_IMPORT, IMPORTING_TO_STORES, Imports, activate,
    asked::{Asked, Method},
    bring, copy, distribute, legacy,
    plan::{Plan, list_of, stores_in},
    plugins, staged,
    state::State,
};
use crate::{
    blob::facts::Facts,
    db,
    image::query,
    model::{
        error::Error,
        image::Image,
        job::{Job, JobKind},
        status::Status,
        time::Timestamp,
    },
    work::{
        Done, Failure, Work,
        queue::{LOCK_PROPERTY, is_locked_by},
    },
};

/// Reads the input of a job.
fn plan_of(imports: &Imports, job: &Job) -> Done<Plan> {
    if job.kind == JobKind::Import {
        return Ok(legacy::plan(imports, job));
    }
    let unreadable = || Failure::Final("The input of the task is not an import.".to_owned());
    let image_id = job.image_id.clone().ok_or_else(unreadable)?;
    let body = job.input.get("import_req").ok_or_else(unreadable)?;
    let asked = Asked::parse(body, &imports.images.settings.enabled_import_methods)?;
    let named = job.input.get("backend").and_then(Value::as_array);
    let targets: Vec<String> =
        named.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let targets =
        if targets.is_empty() { vec![imports.images.stores.default_id().to_owned()] } else { targets };
    Ok(Plan { image_id, asked, targets })
}

/// Runs the job.
///
/// # Errors
/// [`Failure::Final`] with a reason for the user; the image is back to `queued`, and what was staged is gone.
pub async fn run(imports: &Imports, work: &Work) -> Done<Value> {
    let plan = match plan_of(imports, &work.job) {
        Ok(plan) => plan,
        Err(failure) => return Err(failure),
    };
    if work.job.kind == JobKind::ImageImport {
        let image = query::find_unseen(&imports.images, &plan.image_id).await?;
        // Whoever posts such a task must not disturb what another job writes for the image.
        if image.is_some_and(|image| !is_locked_by(&image, &work.job)) && !State::of(&work.job)?.done {
            return Err(Failure::Final("The image is no longer held by this task.".to_owned()));
        }
    }
    let mut state = State::of(&work.job)?;
    let result = steps(imports, work, &plan, &mut state).await;
    if result.is_err() {
        release(imports, work, &plan.image_id).await?;
    }
    match result {
        Ok(()) => Ok(json!({ "image_id": plan.image_id })),
        Err(Failure::Final(why)) => {
            let outcome = put_back(imports, work, &plan, false).await?;
            Err(Failure::Final(format!("{why} {outcome}").trim_end().to_owned()))
        }
        Err(other) => Err(other),
    }
}

async fn steps(imports: &Imports, work: &Work, plan: &Plan, state: &mut State) -> Done<()> {
    if state.done {
        return Ok(());
    }
    work.check()?;
    release(imports, work, &plan.image_id).await?;
    if work.job.kind == JobKind::Import {
        legacy::create_image(imports, work, plan).await?;
    }
    let mut image = begin(imports, work, plan).await?;
    if plan.asked.method == Method::CopyImage {
        return copy::run(imports, work, plan, state, &image).await;
    }
    bring::run(imports, work, plan, state, &image).await?;
    // What a plug-in has changed, before an attempt that died, is not the source any more.
    if !state.changed && (state.facts.is_some() || plugins::needs_facts(imports)) {
        let mut described = image.clone();
        state.apply(&mut described);
        bring::examined(imports, work, state, &described).await?.check_source(&described)?;
    }
    plugins::run(imports, work, state, &image).await?;
    state.apply(&mut image);
    let staged = state.staged.clone().ok_or_else(|| Failure::Again("The staged data is gone.".to_owned()))?;
    let check = |facts: &Facts| {
        if !state.changed {
            facts.check_source(&image)?;
            if image.size.is_some_and(|size| u64::try_from(size) != Ok(facts.size)) {
                return Err(Failure::Final(
                    "The staged data does not have the size of the image.".to_owned(),
                ));
            }
        }
        if let Some(rejection) = &facts.rejection {
            return Err(Failure::Final(format!("The data was refused: {rejection}.")));
        }
        Ok(facts.check_stored(&image)?)
    };
    let arrived =
        distribute::from_staging(imports, work, plan, &image, &staged, state.facts.clone(), check).await?;
    activate::activate(imports, work, plan, state, arrived).await
}

/// The first step: the image says what is going on. Repeating it changes nothing.
async fn begin(imports: &Imports, work: &Work, plan: &Plan) -> Done<Image> {
    let copies = plan.asked.method == Method::CopyImage;
    let changed = imports
        .images
        .change_for(&work.author(), &plan.image_id, |before: &Image| {
            if !is_locked_by(before, &work.job) {
                return Err(Error::conflict("The image is no longer held by this task."));
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

/// Dooms what this node was writing for the image: a step that failed or is begun again.
async fn release(imports: &Imports, work: &Work, image_id: &str) -> Done<()> {
    let (id, node) = (image_id.to_owned(), work.node.clone());
    let doomed = imports
        .images
        .db
        .write("blob.doom_writing", move |conn| db::blobs::doom_writing(conn, &id, &node, Timestamp::now()))
        .await?;
    if doomed > 0 {
        imports.images.doomed.notify_one();
    }
    Ok(())
}

/// Brings the image back to where the same call can be made again. The engine calls it for jobs that were given up or
/// stopped: data that a client staged is kept. Answers a sentence for the user on where the image stands.
///
/// # Errors
/// [`Failure`] when the database is away.
pub async fn give_up(imports: &Imports, work: &Work) -> Done<&'static str> {
    let plan = plan_of(imports, &work.job)?;
    release(imports, work, &plan.image_id).await?;
    put_back(imports, work, &plan, true).await
}

/// Where the image of a failed import stands.
fn outcome(work: &Work, plan: &Plan, kept: bool) -> &'static str {
    match plan.asked.method {
        _ if work.job.kind == JobKind::Import => "No image was made.",
        Method::CopyImage => "The image is as it was; the copy can be asked for again.",
        Method::GlanceDirect if kept => "The staged data is kept; the import can be asked for again.",
        Method::GlanceDirect => "The image is queued again; its data can be staged anew.",
        Method::WebDownload | Method::GlanceDownload => {
            "The image is queued again; the import can be asked for again."
        }
    }
}

/// `keep`: data that a client staged stays, and the image returns to `uploading`. Answers a sentence for the user.
async fn put_back(imports: &Imports, work: &Work, plan: &Plan, keep: bool) -> Done<&'static str> {
    let key = work.job.id.clone();
    let job = imports.images.db.read("job.find", move |conn| db::jobs::find(conn, &key)).await?;
    let state = State::of(job.as_ref().unwrap_or(&work.job))?;
    let original = state.original.clone().filter(|_| keep);
    if query::find_unseen(&imports.images, &plan.image_id)
        .await?
        .is_some_and(|image| !is_locked_by(&image, &work.job))
    {
        // This was done before; what is staged now is another import's.
        return Ok(outcome(work, plan, keep));
    }
    // The staged data goes first: were the lock let go of before, nobody would know of it any more.
    let kept = original.as_ref().map(|staged| staged.blob.clone());
    let dropped =
        [state.staged.clone(), state.original.clone()].into_iter().flatten().map(|staged| staged.blob);
    let dropped: Vec<String> = dropped.filter(|blob| Some(blob) != kept.as_ref()).collect();
    staged::drop_blobs(imports, dropped).await?;
    let changed = imports
        .images
        .change_for(&work.author(), &plan.image_id, |before: &Image| {
            if !is_locked_by(before, &work.job) {
                return Ok(None);
            }
            let mut after = before.clone();
            after.remove_property(LOCK_PROPERTY);
            after.set_property(IMPORTING_TO_STORES, list_of(imports, &[]));
            after.set_property(FAILED_IMPORT, list_of(imports, &plan.targets));
            if matches!(after.status, Status::Importing | Status::Uploading) {
                (after.size, after.virtual_size) = (None, None);
                (after.checksum, after.os_hash_algo, after.os_hash_value) = (None, None, None);
                after.status = Status::Queued;
                if let Some(original) = &original {
                    after.status = Status::Uploading;
                    after.size = i64::try_from(original.size).ok();
                }
            }
            Ok(Some(after))
        })
        .await;
    let is_there = match changed {
        Err(Error::ImageNotFound(_)) => false,
        other => other.map(|_| true)?,
    };
    // Nothing of the caller's stays with a job that is over, and nothing points to data that is gone.
    State { roles: state.roles, ..State::default() }.save(work, "").await?;
    if work.job.kind == JobKind::Import {
        legacy::remove_image(imports, work, &plan.image_id).await?;
    }
    Ok(if is_there { outcome(work, plan, original.is_some()) } else { "" })
}
