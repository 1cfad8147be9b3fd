//! Glance's own database, and rows of ours as they come from there or go there. Glance's tables are read and written as
//! they are (`glance/db/sqlalchemy/models.py`), a value of JSON for each column; ours through the same door as backups.

pub mod tables;
pub mod target;

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::Text};

use super::{Conn, DbError, DbResult, backup::Row, dialect, statement::Statement};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The columns that a table has; none when there is no such table.
///
/// # Errors
/// Only the database's own.
pub fn columns(conn: &mut Conn, table: &str) -> DbResult<Vec<String>> {
    let found: Vec<Found> = sql_query(dialect::of(conn).columns(table)).load(conn)?;
    Ok(found.into_iter().map(|found| found.name).collect())
}

/// The names in a list of columns.
pub fn names(columns: &'static str) -> Vec<&'static str> {
    columns.split_whitespace().collect()
}

/// The rows that a statement behind `FROM table` asks for, a value for each column.
///
/// # Errors
/// Only the database's own.
pub fn select(conn: &mut Conn, table: &str, columns: &'static str, rest: Statement) -> DbResult<Vec<Row>> {
    let head = format!("SELECT {} AS line FROM {table} ", dialect::of(conn).json_array(&names(columns)));
    let lines: Vec<Line> = Statement::new(&head).then(rest).load(conn)?;
    let unreadable = |e| DbError::Other(format!("a row of {table} cannot be read: {e}"));
    lines.into_iter().map(|line| serde_json::from_str(&line.line).map_err(unreadable)).collect()
}

/// `column IN (…)`, of texts.
fn among(column: &str, values: &[String]) -> Statement {
    let mut statement = Statement::new(&format!("{column} IN ("));
    for (at, value) in values.iter().enumerate() {
        statement = if at == 0 { statement } else { statement.sql(", ") }.text(value.as_str());
    }
    statement.sql(")")
}
