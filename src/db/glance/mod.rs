//! Glance's own database, and our rows that come from there or go there. Glance's tables are read and written
//! unchanged (`glance/db/sqlalchemy/models.py`), with a JSON value for each column; our own with the functions used
//! by backups.

pub mod back;
pub mod tables;
pub mod target;

use std::borrow::Borrow;

use super::{
    Conn, DbResult,
    rows::{self, Row},
    statement::Statement,
};

/// A table and its columns.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in the order of the values of a row, as [`rows::insert`] takes them.
    pub columns: &'static str,
}

/// The names of the columns that a table has; none when there is no such table.
///
/// # Errors
/// Only the database's own.
pub fn columns(conn: &mut Conn, table: &str) -> DbResult<Vec<String>> {
    Ok(rows::described(conn, table)?.into_iter().map(|found| found.name).collect())
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
    rows::select(conn, table, &names(columns), rest)
}

/// Writes rows.
///
/// # Errors
/// Only the database's own.
pub fn insert<R: Borrow<Row>>(conn: &mut Conn, table: Table, found: &[R]) -> DbResult<()> {
    if found.is_empty() { Ok(()) } else { rows::insert(conn, table.name, &names(table.columns), found) }
}

/// Removes the rows of a table that one of its columns has among these values.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, table: &str, column: &str, values: &[String]) -> DbResult<()> {
    if values.is_empty() {
        return Ok(());
    }
    Statement::new(&format!("DELETE FROM {table} WHERE ")).then(among(column, values)).execute_on(conn)
}

/// Removes all rows of a table.
///
/// # Errors
/// Only the database's own.
pub fn clear(conn: &mut Conn, table: &str) -> DbResult<()> {
    Statement::new(&format!("DELETE FROM {table}")).execute_on(conn)
}

/// `column IN (…)`, of texts.
fn among(column: &str, values: &[String]) -> Statement {
    let mut statement = Statement::new(&format!("{column} IN ("));
    for (at, value) in values.iter().enumerate() {
        statement = if at == 0 { statement } else { statement.sql(", ") }.text(value.as_str());
    }
    statement.sql(")")
}
