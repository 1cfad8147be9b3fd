//! The job of an import: its steps in order, and the way back when one fails.

use serde_json::{Value, json};

use super::{
    FAILED_IMPORT, IMPORTING_TO_STORES, activate, bring, copy, distribute,
    facts::Facts,
    legacy, plugins,
    request::{Asked, Method},
    staged,
    state::State,
};
use crate::{
    app::App,
    db,
    image::system::{self, LOCK_PROPERTY},
    model::{
        error::Error,
        image::Image,
        job::{Job, JobKind},
        status::Status,
        time::Timestamp,
    },
    work::{Done, Failure, Work},
};

/// What a job is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The image.
    pub image_id: String,
    /// As it was asked for.
    pub asked: Asked,
    /// Stores to write.
    pub targets: Vec<String>,
}

impl Plan {
    /// Reads the input of a job.
    fn of(app: &App, job: &Job) -> Done<Self> {
        if job.kind == JobKind::Import {
            return Ok(legacy::plan(app, job));
        }
        let unreadable = || Failure::Final("The input of the task is not an import.".to_owned());
        let image_id = job.image_id.clone().ok_or_else(unreadable)?;
        let body = job.input.get("import_req").ok_or_else(unreadable)?;
        let asked = Asked::parse(body, &app.settings.enabled_import_methods)?;
        let named = job.input.get("backend").and_then(Value::as_array);
        let targets: Vec<String> =
            named.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let targets = if targets.is_empty() { vec![app.stores.default_id().to_owned()] } else { targets };
        Ok(Self { image_id, asked, targets })
    }
}

/// Runs the job.
///
/// # Errors
/// [`Failure::Final`] with a reason for the user; the image is back to `queued`, and what was staged is gone.
pub async fn run(app: &App, work: &Work) -> Done<Value> {
    let plan = match Plan::of(app, &work.job) {
        Ok(plan) => plan,
        Err(failure) => return Err(failure),
    };
    let mut state = State::of(&work.job)?;
    let result = steps(app, work, &plan, &mut state).await;
    if result.is_err() {
        release(app, &plan.image_id).await?;
    }
    match result {
        Ok(()) => Ok(json!({ "image_id": plan.image_id })),
        Err(Failure::Final(why)) => {
            let outcome = put_back(app, work, &plan, false).await?;
            Err(Failure::Final(format!("{why} {outcome}").trim_end().to_owned()))
        }
        Err(other) => Err(other),
    }
}

async fn steps(app: &App, work: &Work, plan: &Plan, state: &mut State) -> Done<()> {
    if state.done {
        return Ok(());
    }
    work.check()?;
    release(app, &plan.image_id).await?;
    if work.job.kind == JobKind::Import {
        legacy::create_image(app, work, plan).await?;
    }
    let mut image = begin(app, work, plan).await?;
    if plan.asked.method == Method::CopyImage {
        return copy::run(app, work, plan, state, &image).await;
    }
    bring::run(app, work, plan, state, &image).await?;
    // What a plug-in has changed, before an attempt that died, is not the source any more.
    if !state.changed && (state.facts.is_some() || plugins::needs_facts(app)) {
        let mut described = image.clone();
        state.apply(&mut described);
        bring::examined(app, work, state, &described).await?.check_source(&described)?;
    }
    plugins::run(app, work, state, &image).await?;
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
        facts.check_stored(&image)
    };
    let delivered =
        distribute::from_staging(app, work, plan, &image, &staged, state.facts.clone(), check).await?;
    activate::activate(app, work, plan, state, delivered).await
}

/// What the lock on an image says.
pub fn is_locked_by(image: &Image, job: &Job) -> bool {
    image.property(LOCK_PROPERTY).and_then(|p| p.value.as_deref()) == Some(job.id.as_str())
}

/// A list of stores as a property shows it; store ids are no part of the API of a single store.
pub fn list_of(app: &App, stores: &[String]) -> Option<String> {
    Some(if app.stores.multiple { stores.join(",") } else { String::new() })
}

/// The first step: the image says what is going on. Repeating it changes nothing.
async fn begin(app: &App, work: &Work, plan: &Plan) -> Done<Image> {
    let copies = plan.asked.method == Method::CopyImage;
    let changed = system::change(app, &plan.image_id, |before| {
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
        after.set_property(IMPORTING_TO_STORES, list_of(app, &plan.targets));
        let failed = before.property(FAILED_IMPORT).and_then(|p| p.value.clone()).unwrap_or_default();
        let failed: Vec<String> = failed
            .split(',')
            .filter(|s| !s.is_empty() && !plan.targets.iter().any(|t| t == s))
            .map(str::to_owned)
            .collect();
        after.set_property(FAILED_IMPORT, list_of(app, &failed));
        Ok((after != *before).then_some(after))
    })
    .await?;
    changed.ok_or_else(|| Failure::Cancelled("the image was deleted".to_owned()))
}

/// Dooms what this node was writing for the image: a step that failed or is begun again.
async fn release(app: &App, image_id: &str) -> Done<()> {
    let (id, node) = (image_id.to_owned(), app.node.clone());
    let doomed = app
        .db
        .write("blob.doom_writing", move |conn| db::blobs::doom_writing(conn, &id, &node, Timestamp::now()))
        .await?;
    if doomed > 0 {
        app.doomed.notify_one();
    }
    Ok(())
}

/// Brings the image back to where the same call can be made again. The engine calls it for jobs that were given up or
/// stopped: data that a client staged is kept. Answers a sentence for the user on where the image stands.
///
/// # Errors
/// [`Failure`] when the database is away.
pub async fn give_up(app: &App, work: &Work) -> Done<&'static str> {
    let plan = Plan::of(app, &work.job)?;
    release(app, &plan.image_id).await?;
    put_back(app, work, &plan, true).await
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
async fn put_back(app: &App, work: &Work, plan: &Plan, keep: bool) -> Done<&'static str> {
    let key = work.job.id.clone();
    let job = app.db.read("job.find", move |conn| db::jobs::find(conn, &key)).await?;
    let state = State::of(job.as_ref().unwrap_or(&work.job))?;
    let original = state.original.clone().filter(|_| keep);
    if system::find(app, &plan.image_id).await?.is_some_and(|image| !is_locked_by(&image, &work.job)) {
        // This was done before; what is staged now is another import's.
        return Ok(outcome(work, plan, keep));
    }
    // The staged data goes first: were the lock let go of before, nobody would know of it any more.
    let kept = original.as_ref().map(|staged| staged.blob.clone());
    let dropped =
        [state.staged.clone(), state.original.clone()].into_iter().flatten().map(|staged| staged.blob);
    let dropped: Vec<String> = dropped.filter(|blob| Some(blob) != kept.as_ref()).collect();
    staged::drop_blobs(app, dropped).await?;
    let changed = system::change(app, &plan.image_id, |before| {
        if !is_locked_by(before, &work.job) {
            return Ok(None);
        }
        let mut after = before.clone();
        after.remove_property(LOCK_PROPERTY);
        after.set_property(IMPORTING_TO_STORES, list_of(app, &[]));
        after.set_property(FAILED_IMPORT, list_of(app, &plan.targets));
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
    .await?;
    // Nothing of the caller's stays with a job that is over, and nothing points to data that is gone.
    State { roles: state.roles, ..State::default() }.save(app, work, "").await?;
    if work.job.kind == JobKind::Import {
        legacy::remove_image(app, &plan.image_id).await?;
    }
    Ok(if changed.is_some() { outcome(work, plan, original.is_some()) } else { "" })
}
