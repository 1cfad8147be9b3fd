//! What `/metrics` tells of the database: its pool, and numbers of rows.

pub mod about;

use diesel::{
    dsl::count_star,
    prelude::*,
    sql_types::{BigInt, Text},
};

use super::{
    Conn, Db, DbResult, dialect,
    schema::{blobs, jobs},
    statement::Statement,
};

impl Db {
    /// Connections in use, statements that wait for one, and how many connections there may be.
    pub fn occupancy(&self) -> (usize, usize, usize) {
        self.watch.lane().occupancy()
    }
}

/// Jobs by kind and state.
///
/// # Errors
/// Only the database's own.
pub fn jobs(conn: &mut Conn) -> DbResult<Vec<(String, String, i64)>> {
    let by = (jobs::kind, jobs::status);
    Ok(jobs::table.group_by(by).select((jobs::kind, jobs::status, count_star())).load(conn)?)
}

/// Blobs by state.
///
/// # Errors
/// Only the database's own.
pub fn blobs(conn: &mut Conn) -> DbResult<Vec<(String, i64)>> {
    Ok(blobs::table.group_by(blobs::state).select((blobs::state, count_star())).load(conn)?)
}

/// The projects whose images have most bytes, size times number of locations.
///
/// # Errors
/// Only the database's own.
pub fn largest_projects(conn: &mut Conn, count: u32) -> DbResult<Vec<(String, i64)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        project: String,
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let dialect = dialect::of(conn);
    let statement = Statement::new(&format!(
        "SELECT i.owner AS project, {} AS bytes FROM images i JOIN image_locations l ON l.image_id = i.id WHERE {} AND \
         i.owner IS NOT NULL GROUP BY i.owner ORDER BY 2 DESC, 1 LIMIT {count}",
        dialect.sum("i.size"),
        dialect.not_deleted("i"),
    ));
    let rows: Vec<Row> = statement.load(conn)?;
    Ok(rows.into_iter().map(|row| (row.project, row.bytes)).collect())
}
