//! Lists of jobs as tasks: filters, any sort key, keyset pages.

use diesel::{prelude::*, sql_types::Text};

use super::{
    Conn, DbResult,
    job_rows::JobRow,
    jobs::find,
    keyset::{Column, Keyset, Value},
    schema::jobs,
    statement::Statement,
};
use crate::model::{
    job::{Job, JobKind},
    task_list::TaskQuery,
    time::Timestamp,
};

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = Text)]
    id: String,
}

/// [`Job::state_now`] of a row.
const STATE: &str = "CASE WHEN status = 'pending' THEN 'queued' WHEN status = 'success' THEN 'done' \
     WHEN status = 'failure' AND cancel_requested THEN 'cancelled' WHEN status = 'failure' THEN 'failed' \
     WHEN run_after > updated_at THEN 'waiting' ELSE 'running' END";

/// A column by which tasks are sorted or filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Id,
    Kind,
    Status,
    Owner,
    ImageId,
    RequestId,
    UserId,
    State,
    CreatedAt,
    UpdatedAt,
    ExpiresAt,
}

impl Key {
    /// By the name that clients use.
    fn named(name: &str) -> Self {
        match name {
            "id" => Self::Id,
            "type" => Self::Kind,
            "status" => Self::Status,
            "owner" => Self::Owner,
            "image_id" => Self::ImageId,
            "request_id" => Self::RequestId,
            "user_id" => Self::UserId,
            "state" => Self::State,
            "updated_at" => Self::UpdatedAt,
            "expires_at" => Self::ExpiresAt,
            _ => Self::CreatedAt,
        }
    }
}

impl Column for Key {
    type Row = Job;

    fn expression(self) -> String {
        let sql = match self {
            Self::Id => "id",
            // As clients see it: several kinds may be one type.
            Self::Kind => return kinds_as_types(),
            Self::Status => "status",
            Self::Owner => "COALESCE(owner, '')",
            Self::ImageId => "COALESCE(image_id, '')",
            Self::RequestId => "COALESCE(request_id, '')",
            Self::UserId => "COALESCE(user_id, '')",
            Self::State => STATE,
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::ExpiresAt => "COALESCE(expires_at, 0)",
        };
        sql.to_owned()
    }

    fn value(self, job: &Job) -> Value {
        match self {
            Self::Id => Value::text(Some(&job.id)),
            Self::Kind => Value::text(Some(job.kind.task_type())),
            Self::Status => Value::text(Some(job.status.as_str())),
            Self::Owner => Value::text(job.owner.as_deref()),
            Self::ImageId => Value::text(job.image_id.as_deref()),
            Self::RequestId => Value::text(job.request_id.as_deref()),
            Self::UserId => Value::text(job.user_id.as_deref()),
            Self::State => Value::text(Some(job.state_now().as_str())),
            Self::CreatedAt => Value::time(Some(job.created_at)),
            Self::UpdatedAt => Value::time(Some(job.updated_at)),
            Self::ExpiresAt => Value::time(job.expires_at),
        }
    }
}

/// The type of a task by its kind.
fn kinds_as_types() -> String {
    let others = JobKind::ALL.into_iter().filter(|kind| kind.as_str() != kind.task_type());
    let others = others.map(|kind| format!(" WHEN '{}' THEN '{}'", kind.as_str(), kind.task_type()));
    format!("CASE kind{} ELSE kind END", others.collect::<String>())
}

/// A page of jobs that have not expired. `project` limits it to that project's and ownerless ones.
///
/// # Errors
/// Only the database's own.
pub fn list(
    conn: &mut Conn,
    query: &TaskQuery,
    project: Option<&str>,
    after: Option<&Job>,
    now: Timestamp,
) -> DbResult<Vec<Job>> {
    let (key, direction) = query.sort;
    let order = Keyset::new([(Key::named(key), direction), (Key::Id, direction)]);
    let mut statement = Statement::new("SELECT id FROM jobs WHERE (expires_at IS NULL OR expires_at > ")
        .integer(now.0)
        .sql(")");
    if let Some(project) = project {
        statement = statement.sql(" AND (owner IS NULL OR owner = ").text(project).sql(")");
    }
    for (name, value) in &query.filters {
        statement = statement.sql(" AND ").sql(&Key::named(name).expression()).sql(" = ").text(value);
    }
    if let Some(job) = after {
        statement = statement.sql(" AND ").then(order.after(job));
    }
    let statement = statement.sql(&order.order_by()).sql(&format!(" LIMIT {}", query.limit));
    let ids: Vec<Id> = statement.load(conn)?;
    let ids: Vec<String> = ids.into_iter().map(|row| row.id).collect();
    let rows: Vec<JobRow> =
        jobs::table.filter(jobs::id.eq_any(&ids)).select(JobRow::as_select()).load(conn)?;
    let mut found = rows.into_iter().map(JobRow::into_job).collect::<DbResult<Vec<Job>>>()?;
    found.sort_by_key(|job| ids.iter().position(|id| *id == job.id));
    Ok(found)
}

/// Asks one open job to stop. Returns whether it was open.
///
/// # Errors
/// Only the database's own.
pub fn cancel(conn: &mut Conn, id: &str) -> DbResult<bool> {
    let open = find(conn, id)?.is_some_and(|job| !job.status.is_final());
    if open {
        diesel::update(jobs::table.filter(jobs::id.eq(id)))
            .set(jobs::cancel_requested.eq(true))
            .execute(conn)?;
    }
    Ok(open)
}
