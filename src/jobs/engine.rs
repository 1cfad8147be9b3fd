//! The engine: claims jobs, runs them under a lease that it renews, and records their results.
//!
//! When a node dies, another claims its jobs after the leases have expired, and continues from the last recorded
//! step. The number of running jobs is limited, on this node and for each project, and so is the number of waiting
//! ones.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use crate::{
    app::App,
    db::{
        self, DbError,
        jobs::{ClaimLimits, End},
    },
    model::{
        job::{Job, JobStatus},
        notice::task as notice,
        time::Timestamp,
    },
    task::kinds,
    telemetry::{
        self, Context,
        trace::{Kind, Parent, Place, Span},
    },
    work::{Done, Failure, Work, durable::Ending, fault::Fault, queue::progress},
};

/// How often the engine looks without being called.
const PERIOD: Duration = Duration::from_secs(2);
/// How often a job is begun at most.
const ATTEMPTS_MAX: i32 = 5;
/// How long a job waits at least and at most, in seconds, before it looks again for a store that is left alone.
const ABSENCE_SECONDS: (i64, i64) = (2, 60);
/// Attempts at what succeeds within seconds or not at all: with the waits between them, six seconds.
const SOON_ATTEMPTS_MAX: i32 = 3;
/// Attempts after which a job ends even if its image cannot be brought back: with the leases between them, minutes.
const UNDO_ATTEMPTS_MAX: i32 = 30;
/// Expired jobs stay this long in the database, for whoever asks the operator about them.
const KEEP_EXPIRED_SECONDS: i64 = 7 * 24 * 3600;

/// Runs jobs until told to stop; then releases running jobs for other nodes.
pub async fn run(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(app.jobs.at_once.clamp(1, Semaphore::MAX_PERMITS)));
    let most = app.jobs.at_once.saturating_add(app.jobs.waiting).clamp(1, Semaphore::MAX_PERMITS);
    let slots = Arc::new(Semaphore::new(most));
    let (mut running, under_way) = (JoinSet::new(), UnderWay::default());
    loop {
        let free = slots.available_permits().min(places.available_permits());
        match claim(&app, free, under_way.ids()).await {
            Ok(jobs) => {
                for job in jobs {
                    let (app, slots, places) = (Arc::clone(&app), Arc::clone(&slots), Arc::clone(&places));
                    let mine = under_way.begin(&job.id);
                    let (cause, span) = cause(&app, &job);
                    let attempt = async move {
                        let (_mine, _slot) = (mine, slots.acquire_owned().await);
                        execute(&app, places, job, span).await;
                        app.imports.queue.enqueued.notify_one();
                    };
                    cause.enter(|| telemetry::spawn_in(&mut running, attempt));
                }
            }
            Err(error) => tracing::error!(%error, "jobs could not be claimed"),
        }
        tokio::select! {
            _ = stopped.changed() => break,
            () = app.imports.queue.enqueued.notified() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
        while let Some(ended) = running.try_join_next() {
            if let Err(fault) = ended {
                tracing::error!(%fault, "a job broke off; it will be begun again when its lease has run out");
            }
        }
    }
    running.shutdown().await;
}

/// The jobs that this process works on. One whose lease has run out, because the process slept, is among them until the
/// attempt takes note: to claim it again would have two attempts under one name, and nothing would tell them apart.
#[derive(Clone, Default)]
struct UnderWay(Arc<Mutex<BTreeSet<String>>>);

/// One of them, until it is dropped.
struct Mine(UnderWay, String);

impl UnderWay {
    fn begin(&self, id: &str) -> Mine {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        Mine(self.clone(), id.to_owned())
    }

    fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let Self(all, id) = self;
        all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// A job in this node's hands. However that ends, nobody renews its lease afterwards, and what still works on it, a
/// blocking thread perhaps, is told to stop.
struct Held {
    work: Work,
    keeper: JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.work.lose();
        self.keeper.abort();
    }
}

async fn claim(app: &App, free: usize, under_way: Vec<String>) -> Result<Vec<Job>, DbError> {
    if free == 0 {
        return Ok(Vec::new());
    }
    let limits = ClaimLimits {
        count: i64::try_from(free).unwrap_or(1),
        per_owner: app.jobs.per_project,
        affinities: app.affinities.clone(),
        under_way,
    };
    let (node, until, now) = (app.leases().node.clone(), app.leases().end(), app.db.clock.now());
    let notices = app.db.notices.clone();
    app.db
        .write("job.claim", move |conn| {
            db::jobs::delete_expired(conn, now.plus_seconds(-KEEP_EXPIRED_SECONDS), 100)?;
            let claimed = db::jobs::claim(conn, &node, now, until, &limits)?;
            for job in claimed.iter().filter(|job| job.attempts == 1) {
                let begun = || [notice::of("task.processing", job, now)];
                db::notices::tell(conn, (&notices, &job.into()), now, begun)?;
            }
            Ok(claimed)
        })
        .await
}

/// What stands in each line of the log that a job writes, first of all the request that asked for it; and the span of
/// this attempt, in the trace of that request.
fn cause(app: &App, job: &Job) -> (Context, Span) {
    let mut traced = match &app.tracer {
        Some(tracer) => {
            let parent = job.traceparent.as_deref().and_then(|text| Parent::parse(text, None));
            Span::root(tracer, parent, Kind::Consumer, format!("job {}", job.kind.as_str()))
        }
        None => Span::default(),
    };
    for (key, value) in [
        ("vitrine.job.id", Some(&job.id)),
        ("vitrine.image.id", job.image_id.as_ref()),
        ("vitrine.project.id", job.owner.as_ref()),
        ("vitrine.request.id", job.request_id.as_ref()),
    ] {
        if let Some(value) = value.filter(|_| traced.is_open()) {
            traced.set(key, value.clone());
        }
    }
    let span = tracing::info_span!(
        parent: None,
        "job",
        request_id = job.request_id,
        job = job.id,
        kind = job.kind.as_str(),
        image = job.image_id,
        trace_id = traced.place().map(Place::trace_id),
    );
    (Context::of(span, job.request_id.as_deref()).at(traced.place()), traced)
}

/// Runs one claimed job to its end or to its next attempt.
async fn execute(app: &Arc<App>, places: Arc<Semaphore>, job: Job, mut span: Span) {
    let call = telemetry::metrics().job(job.kind.as_str());
    let work = Work::new(app.db.clone(), app.leases(), places, job);
    let keeper = telemetry::spawn(keep_lease(Arc::clone(app), work.clone()));
    let _held = Held { work: work.clone(), keeper };
    let result = attempt(app, &work).await;
    let outcome = outcome(app, &work, &result);
    call.end_as(outcome);
    span.set("vitrine.outcome", outcome);
    if outcome == "failed" {
        // The sentence is for the user, who finds it in the task; it may name what is his alone.
        span.fail(outcome, String::new);
    }
    let recorded = match result {
        Ok(value) => {
            let done = work.progress();
            finish(app, &work, JobStatus::Success, progress(done.bytes, done.total), Some(value)).await
        }
        Err(Failure::Lost) => Ok(()),
        Err(Failure::Away(why)) if may_wait(app, &work) => wait_for_store(app, &work, &why).await,
        Err(Failure::Again(why) | Failure::Away(why)) if work.job.attempts < ATTEMPTS_MAX => {
            postpone(app, &work, &why).await
        }
        Err(Failure::Soon(why)) if work.job.attempts < SOON_ATTEMPTS_MAX => postpone(app, &work, &why).await,
        Err(Failure::Final(why)) => fail(app, &work, why, Ending::Refused(Fault::Conflict)).await,
        Err(Failure::Refused(fault, why)) => fail(app, &work, why, Ending::Refused(fault)).await,
        Err(other) => fail(app, &work, other.to_string(), Ending::GivenUp).await,
    };
    if let Err(error) = recorded {
        tracing::error!(job = %work.job.id, %error, "the end of a job could not be recorded; it will run again");
    }
}

/// Runs a job from where it stands. What an attempt leaves half written is doomed.
async fn attempt(app: &App, work: &Work) -> Done<Value> {
    if work.job.attempts > ATTEMPTS_MAX {
        return Err(Failure::Again("It was begun too often without coming to an end.".to_owned()));
    }
    let result = match (kinds::of(work.job.kind), work.take_place().await) {
        (Ok(kind), Ok(())) => kind.run(&app.imports, work).await,
        (Err(error), _) => Err(error.into()),
        (_, Err(stopped)) => Err(stopped),
    };
    if result.is_err() {
        release(app, work).await;
    }
    result
}

/// Dooms what the attempt was writing.
async fn release(app: &App, work: &Work) {
    let (holder, clock) = (Arc::clone(&work.holder), app.db.clock.clone());
    let doom = move |conn: &mut db::Conn| db::blobs::doom_writing(conn, holder.name(), clock.now());
    match app.db.write("blob.doom_writing", doom).await {
        Ok(0) => {}
        Ok(_) => app.images.doomed.notify_one(),
        Err(error) => {
            tracing::warn!(job = %work.job.id, %error, "unfinished blobs wait for the end of their lease")
        }
    }
}

/// What the figures call the end of an attempt.
fn outcome(app: &App, work: &Work, result: &Done<Value>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(Failure::Lost) => "lost",
        Err(Failure::Away(_)) if may_wait(app, work) => "waits",
        Err(Failure::Again(_) | Failure::Away(_)) if work.job.attempts < ATTEMPTS_MAX => "postponed",
        Err(_) => "failed",
    }
}

/// Brings the image back to where the same call can be made again, and ends the job. While that cannot be done, the job
/// stays as it is, to be begun again when its lease has run out.
async fn fail(app: &App, work: &Work, why: String, ending: Ending) -> Result<(), DbError> {
    let undone = match kinds::of(work.job.kind) {
        Ok(kind) => kind.undo(&app.imports, work, ending).await,
        Err(error) => Err(error.into()),
    };
    let message = match undone {
        Ok(outcome) => format!("{why} {outcome}").trim_end().to_owned(),
        Err(Failure::Lost) => return Ok(()),
        Err(error) => {
            tracing::error!(job = %work.job.id, %error, "an image could not be brought back");
            let may_mend = matches!(error, Failure::Again(_) | Failure::Away(_) | Failure::Soon(_));
            if may_mend && work.job.attempts < UNDO_ATTEMPTS_MAX {
                return Ok(());
            }
            why
        }
    };
    finish(app, work, JobStatus::Failure, message, None).await
}

async fn finish(
    app: &App,
    work: &Work,
    status: JobStatus,
    message: String,
    result: Option<Value>,
) -> Result<(), DbError> {
    let progress = Some(work.progress()).filter(|progress| progress.bytes > 0 || progress.total.is_some());
    let end = End { status, message, result, progress };
    let now = app.db.clock.now();
    let times = (now, now.plus_seconds(app.jobs.kept_seconds));
    let (id, node) = (work.job.id.clone(), app.leases().node.clone());
    let ended =
        Job { status: end.status, updated_at: now, expires_at: Some(times.1), ..Job::clone(&work.job) };
    let teller = app.db.teller(&*work.job);
    app.db
        .write_patiently("job.finish", move |conn| {
            db::jobs::finish(conn, &id, &node, &end, times)?;
            let kind = if end.status == JobStatus::Success { "task.success" } else { "task.failure" };
            teller.tell(conn, |now| [notice::of(kind, &ended, now), notice::run(&ended, now)])
        })
        .await?;
    app.imports.queue.endings.tell(&work.job.id);
    Ok(())
}

async fn postpone(app: &App, work: &Work, why: &str) -> Result<(), DbError> {
    let wait = 1_i64 << work.job.attempts.clamp(0, 10);
    put_off(app, work, (format!("{why} It will be tried again."), wait), true).await
}

/// Until when a job waits for a store that is left alone.
fn waits_until(app: &App, work: &Work) -> Timestamp {
    work.job.created_at.plus_seconds(app.jobs.store_seconds)
}

fn may_wait(app: &App, work: &Work) -> bool {
    app.db.clock.now() < waits_until(app, work)
}

/// Gives a job back until the store that it needs may answer again. That is no attempt: nothing was called.
async fn wait_for_store(app: &App, work: &Work, why: &str) -> Result<(), DbError> {
    let age = app.db.clock.now().0.saturating_sub(work.job.created_at.0) / 1_000_000;
    let wait = (age / 4).clamp(ABSENCE_SECONDS.0, ABSENCE_SECONDS.1);
    let message =
        format!("{why} It is waited for until {} at the longest.", waits_until(app, work).isotime());
    put_off(app, work, (message, wait), false).await
}

/// Gives a job back, to be begun again after this many seconds.
async fn put_off(
    app: &App,
    work: &Work,
    (message, wait): (String, i64),
    counts: bool,
) -> Result<(), DbError> {
    let now = app.db.clock.now();
    let times = (now, now.plus_seconds(wait));
    let (id, node) = (work.job.id.clone(), app.leases().node.clone());
    app.db
        .write("job.postpone", move |conn| db::jobs::postpone(conn, &id, &node, &message, times, counts))
        .await
}

/// Renews the lease and passes on the wish to stop.
async fn keep_lease(app: Arc<App>, work: Work) {
    let mut lease_end = app.leases().end();
    loop {
        tokio::time::sleep(app.leases().beat()).await;
        let (now, until) = (app.db.clock.now(), app.leases().end());
        let (id, node, progress) = (work.job.id.clone(), app.leases().node.clone(), work.progress());
        let renewed = app
            .db
            .write("job.renew", move |conn| db::jobs::renew(conn, &id, &node, until, progress, now))
            .await;
        match renewed {
            Ok(cancel) => {
                lease_end = until;
                if cancel {
                    work.cancel();
                }
            }
            Err(DbError::Stale(_)) => return work.lose(),
            Err(error) => {
                tracing::warn!(job = %work.job.id, %error, "a lease could not be renewed");
                if app.db.clock.now() > lease_end {
                    return work.lose();
                }
            }
        }
    }
}
