//! Jobs as rows have them.

use diesel::prelude::*;
use serde_json::Value;

use super::{DbError, DbResult, schema::jobs};
use crate::model::{
    job::{Job, JobKind, JobStatus},
    time::Timestamp,
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = jobs)]
pub(super) struct JobRow {
    pub(super) id: String,
    kind: String,
    pub(super) status: String,
    image_id: Option<String>,
    pub(super) owner: Option<String>,
    user_id: Option<String>,
    request_id: Option<String>,
    traceparent: Option<String>,
    input: String,
    result: Option<String>,
    message: String,
    state: String,
    bytes_done: i64,
    bytes_total: Option<i64>,
    bytes_rate: Option<i64>,
    attempts: i32,
    run_after: i64,
    affinity: Option<String>,
    cancel_requested: bool,
    lease_node: Option<String>,
    pub(super) lease_until: i64,
    expires_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl JobRow {
    pub(super) fn of(job: &Job) -> Self {
        let job = job.clone();
        Self {
            id: job.id,
            kind: job.kind.as_str().to_owned(),
            status: job.status.as_str().to_owned(),
            image_id: job.image_id,
            owner: job.owner,
            user_id: job.user_id,
            request_id: job.request_id,
            traceparent: job.traceparent,
            input: job.input.to_string(),
            result: job.result.map(|r| r.to_string()),
            message: job.message,
            state: job.state.to_string(),
            bytes_done: job.bytes_done,
            bytes_total: job.bytes_total,
            bytes_rate: job.bytes_rate,
            attempts: job.attempts,
            run_after: job.run_after.0,
            affinity: job.affinity,
            cancel_requested: job.cancel_requested,
            lease_node: job.lease_node,
            lease_until: job.lease_until.0,
            expires_at: job.expires_at.map(|t| t.0),
            created_at: job.created_at.0,
            updated_at: job.updated_at.0,
        }
    }

    pub(super) fn into_job(self) -> DbResult<Job> {
        let id = self.id.clone();
        let bad = |what: &str| DbError::Other(format!("job {id}: unreadable {what}"));
        let json = |text: &str, what: &str| serde_json::from_str::<Value>(text).map_err(|_| bad(what));
        Ok(Job {
            kind: JobKind::parse(&self.kind).ok_or_else(|| bad("kind"))?,
            status: JobStatus::parse(&self.status).ok_or_else(|| bad("status"))?,
            input: json(&self.input, "input")?,
            result: self.result.as_deref().map(|r| json(r, "result")).transpose()?,
            state: json(&self.state, "state")?,
            id: self.id,
            image_id: self.image_id,
            owner: self.owner,
            user_id: self.user_id,
            request_id: self.request_id,
            traceparent: self.traceparent,
            message: self.message,
            bytes_done: self.bytes_done,
            bytes_total: self.bytes_total,
            bytes_rate: self.bytes_rate,
            attempts: self.attempts,
            run_after: Timestamp(self.run_after),
            affinity: self.affinity,
            cancel_requested: self.cancel_requested,
            lease_node: self.lease_node,
            lease_until: Timestamp(self.lease_until),
            expires_at: self.expires_at.map(Timestamp),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}
