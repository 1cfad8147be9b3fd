//! `vitrine jobs list | show | cancel | retry`: manages jobs directly in the database.

use std::io::Write;

use clap::Subcommand;
use serde_json::{Value, json};

use super::place::Place;
use crate::{
    db::{Db, DbError},
    model::{job::Job, time::Timestamp},
    server::StartError,
    task,
    work::queue::message,
};

/// Jobs that `list` shows at most.
const LIST_MAX: u32 = 1000;

/// Commands of `vitrine jobs`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List jobs, newest first.
    List {
        /// Only those in this status: pending, processing, success or failure.
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Show everything about one job, as JSON.
    Show {
        /// Id of the job.
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Cancel a job; its image returns to a state in which the same call can be made again.
    Cancel {
        /// Id of the job.
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Repeat a failed job.
    Retry {
        /// Id of the failed job.
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Runs one of them.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn run(command: Command) -> Result<(), StartError> {
    let text = match command {
        Command::List { status, place } => list(&place.open()?, status)?,
        Command::Show { id, place } => format!("{:#}\n", shown(&find(&place.open()?, &id)?)),
        Command::Cancel { id, place } => {
            let db = place.open()?;
            find(&db, &id)?;
            let key = id.clone();
            if !db.write_blocking(|conn| crate::db::tasks::cancel(conn, &key)).map_err(failed)? {
                return Err(StartError(format!("job {id} is over; there is nothing to stop")));
            }
            format!("job {id} was asked to stop; a server does so within seconds\n")
        }
        Command::Retry { id, place } => {
            let db = place.open()?;
            let old = find(&db, &id)?;
            let new = db
                .write_blocking(|conn| task::retry(conn, (&db.clock, &db.notices), &old))
                .map_err(failed)?;
            format!("job {new} does what job {id} was to do\n")
        }
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| StartError(e.to_string()))
}

fn failed(error: DbError) -> StartError {
    StartError(error.to_string())
}

fn find(db: &Db, id: &str) -> Result<Job, StartError> {
    let job = db.write_blocking(|conn| crate::db::jobs::find(conn, id)).map_err(failed)?;
    job.ok_or_else(|| StartError(format!("there is no job {id}; `vitrine jobs list` shows those there are")))
}

fn list(db: &Db, status: Option<String>) -> Result<String, StartError> {
    let query = task::query_of_operator(status, LIST_MAX).map_err(|e| StartError(e.to_string()))?;
    let jobs = db
        .write_blocking(|conn| crate::db::tasks::list(conn, &query, None, None, Timestamp(0)))
        .map_err(failed)?;
    let mut text = String::new();
    for job in jobs {
        let image = job.image_id.as_deref().unwrap_or("-");
        let created = job.created_at.isotime();
        let (kind, status, message) = (job.kind.as_str(), job.status.as_str(), message(&job));
        text.push_str(&format!("{}  {created}  {kind:<16}  {status:<10}  {image}  {message}\n", job.id));
    }
    Ok(text)
}

fn shown(job: &Job) -> Value {
    let mut state = job.state.clone();
    if let Some(object) = state.as_object_mut() {
        // It carries a token.
        object.remove("remote");
    }
    json!({
        "id": job.id,
        "type": job.kind.as_str(),
        "status": job.status.as_str(),
        "image_id": job.image_id,
        "owner": job.owner,
        "user_id": job.user_id,
        "request_id": job.request_id,
        "input": job.input,
        "result": job.result,
        "message": job.message,
        "state": state,
        "bytes_done": job.bytes_done,
        "bytes_total": job.bytes_total,
        "bytes_rate": job.bytes_rate,
        "attempts": job.attempts,
        "run_after": job.run_after.isotime(),
        "affinity": job.affinity,
        "cancel_requested": job.cancel_requested,
        "lease_node": job.lease_node,
        "lease_until": job.lease_until.isotime(),
        "expires_at": job.expires_at.map(|t| t.isotime()),
        "created_at": job.created_at.isotime(),
        "updated_at": job.updated_at.isotime(),
    })
}
