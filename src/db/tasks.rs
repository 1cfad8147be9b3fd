//! Lists of jobs as tasks: filters, any sort key, keyset pages.

use diesel::{prelude::*, sql_types::Text};

use super::{
    Conn, DbResult,
    jobs::{JobRow, find},
    schema::jobs,
    statement::Statement,
};
use crate::model::{job::Job, list::Direction, task_list::TaskQuery, time::Timestamp};

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = Text)]
    id: String,
}

/// The column behind a sort key, and whether it holds texts. Absent values sort as empty ones.
fn column(key: &str) -> (&'static str, bool) {
    match key {
        "id" => ("id", true),
        "type" => ("kind", true),
        "status" => ("status", true),
        "owner" => ("COALESCE(owner, '')", true),
        "image_id" => ("image_id", true),
        "request_id" => ("request_id", true),
        "user_id" => ("user_id", true),
        "updated_at" => ("updated_at", false),
        "expires_at" => ("COALESCE(expires_at, 0)", false),
        _ => ("created_at", false),
    }
}

fn bind(statement: Statement, key: &str, job: &Job) -> Statement {
    match key {
        "id" => statement.text(&job.id),
        "type" => statement.text(job.kind.as_str()),
        "status" => statement.text(job.status.as_str()),
        "owner" => statement.text(job.owner.clone().unwrap_or_default()),
        "updated_at" => statement.integer(job.updated_at.0),
        "expires_at" => statement.integer(job.expires_at.map_or(0, |t| t.0)),
        _ => statement.integer(job.created_at.0),
    }
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
    let (comparison, order) = match direction {
        Direction::Asc => (">", "ASC"),
        Direction::Desc => ("<", "DESC"),
    };
    let sorted_by = column(key).0;
    let mut statement = Statement::new("SELECT id FROM jobs WHERE (expires_at IS NULL OR expires_at > ")
        .integer(now.0)
        .sql(")");
    if let Some(project) = project {
        statement = statement.sql(" AND (owner IS NULL OR owner = ").text(project).sql(")");
    }
    for (name, value) in &query.filters {
        statement = statement.sql(" AND ").sql(column(name).0).sql(" = ").text(value);
    }
    if let Some(job) = after {
        statement = statement.sql(&format!(" AND ({sorted_by} {comparison} "));
        statement = bind(statement, key, job).sql(&format!(" OR ({sorted_by} = "));
        statement = bind(statement, key, job).sql(&format!(" AND id {comparison} ")).text(&job.id).sql("))");
    }
    let statement =
        statement.sql(&format!(" ORDER BY {sorted_by} {order}, id {order} LIMIT {}", query.limit));
    let ids: Vec<Id> = statement.load(conn)?;
    let ids: Vec<String> = ids.into_iter().map(|row| row.id).collect();
    let rows: Vec<JobRow> =
        jobs::table.filter(jobs::id.eq_any(&ids)).select(JobRow::as_select()).load(conn)?;
    let mut found = rows.into_iter().map(JobRow::into_job).collect::<DbResult<Vec<Job>>>()?;
    found.sort_by_key(|job| ids.iter().position(|id| *id == job.id));
    Ok(found)
}

/// Asks one open job to stop. Answers whether it was open.
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
