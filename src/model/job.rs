//! Jobs: their kinds and their states. Glance's tasks are these rows.

use serde::Serialize;
use serde_json::Value;

use super::{
    error::{Error, Result},
    time::Timestamp,
};

/// Kind of a job; the text is Glance's task type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Adds a location to a queued image and hashes its data.
    LocationImport,
    /// Brings data into an image by an import method.
    ImageImport,
    /// Finds the hashes that an active image lacks.
    HashCalculation,
    /// The deprecated task of `POST /v2/tasks`: creates an image and imports into it.
    Import,
    /// Looks through a store, and does something about what it finds.
    Reconciliation,
    /// Makes an image of what lies in a store.
    Adoption,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::LocationImport,
        Self::ImageImport,
        Self::HashCalculation,
        Self::Import,
        Self::Reconciliation,
        Self::Adoption,
    ];

    /// The name in the database and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LocationImport => "location_import",
            Self::ImageImport => "api_image_import",
            Self::HashCalculation => "hash_calculation",
            Self::Import => "import",
            Self::Reconciliation => "store_reconcile",
            Self::Adoption => "store_adopt",
        }
    }

    /// The task type in the API: Glance's schema of tasks, which clients check answers against, has no other for what
    /// reads a location.
    pub fn task_type(self) -> &'static str {
        match self {
            Self::HashCalculation | Self::Reconciliation | Self::Adoption => Self::LocationImport.as_str(),
            other => other.as_str(),
        }
    }

    /// Reads a task type.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }
}

/// The state of a job; the text is Glance's task status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// Nobody has begun it.
    Pending,
    /// A node works on it, or did when its lease ran out.
    Processing,
    /// Done.
    Success,
    /// Given up; the message says why.
    Failure,
}

impl JobStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Processing, Self::Success, Self::Failure];

    /// The task status in the API, and the name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    /// Reads a task status.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failure)
    }
}

/// The state of a job, more finely than Glance's task status tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Nobody has begun it.
    Queued,
    /// A node works on it.
    Running,
    /// It failed for now and is tried again later.
    Waiting,
    /// Done.
    Done,
    /// Given up.
    Failed,
    /// Somebody had it stop.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Waiting, Self::Done, Self::Failed, Self::Cancelled];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// How far a pass over data has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes handled.
    pub bytes: i64,
    /// Bytes in all, if known.
    pub total: Option<i64>,
    /// Bytes a second of late, once some have moved.
    pub rate: Option<i64>,
}

/// One piece of durable work.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// UUID; the task's id.
    pub id: String,
    /// The kind of job.
    pub kind: JobKind,
    /// Its state.
    pub status: JobStatus,
    /// The image it works on.
    pub image_id: Option<String>,
    /// Project of the requester.
    pub owner: Option<String>,
    /// User who requested it.
    pub user_id: Option<String>,
    /// The request that created it.
    pub request_id: Option<String>,
    /// The place of that request in a trace, as W3C Trace Context writes it.
    pub traceparent: Option<String>,
    /// The input, as the API shows it.
    pub input: Value,
    /// The result, as the API shows it.
    pub result: Option<Value>,
    /// Progress, or why it failed and what to do.
    pub message: String,
    /// The finished steps, for the node that continues.
    pub state: Value,
    /// Bytes handled so far.
    pub bytes_done: i64,
    /// Bytes in all, if known.
    pub bytes_total: Option<i64>,
    /// Bytes a second while it runs, if bytes have moved.
    pub bytes_rate: Option<i64>,
    /// How often it was begun.
    pub attempts: i32,
    /// Not to be begun before.
    pub run_after: Timestamp,
    /// The only place where it can be done (a folder that others do not reach).
    pub affinity: Option<String>,
    /// Whether cancellation was requested.
    pub cancel_requested: bool,
    /// The node that works on it.
    pub lease_node: Option<String>,
    /// When that node's lease expires.
    pub lease_until: Timestamp,
    /// When a finished job leaves the lists.
    pub expires_at: Option<Timestamp>,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Job {
    /// Its state; `db/tasks.rs` says the same in SQL.
    pub fn state_now(&self) -> JobState {
        match self.status {
            JobStatus::Pending => JobState::Queued,
            JobStatus::Processing if self.run_after > self.updated_at => JobState::Waiting,
            JobStatus::Processing => JobState::Running,
            JobStatus::Success => JobState::Done,
            JobStatus::Failure if self.cancel_requested => JobState::Cancelled,
            JobStatus::Failure => JobState::Failed,
        }
    }

    /// Bytes a second, and seconds left at that rate, while it runs and as far as that is known.
    pub fn pace_now(&self) -> (Option<i64>, Option<i64>) {
        let rate = self.bytes_rate.filter(|_| self.state_now() == JobState::Running);
        let left = self.bytes_total.map(|total| total.saturating_sub(self.bytes_done).max(0));
        let eta = left.zip(rate.filter(|rate| *rate > 0)).map(|(left, rate)| {
            // Rounded up: it is not done within less.
            left.saturating_add(rate - 1) / rate
        });
        (rate, eta)
    }
}

/// Writes an input or a state as rows keep it.
///
/// # Errors
/// [`Error::Internal`]
pub fn written<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::internal("a job", e))
}
