//! Rows as JSON values, for tables without a Rust type: reading and writing them.

use std::borrow::Borrow;

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::Text};
use serde_json::Value;

use super::{Conn, DbError, DbResult, dialect, statement::Statement};

/// Values that one statement writes at most: SQLite takes 32,766.
const VALUES_AT_ONCE: usize = 30_000;

/// A row, value by value in the order of the columns.
pub type Row = Vec<Value>;

/// A column as its database describes it.
#[derive(QueryableByName)]
pub struct Described {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Its type, in capitals.
    #[diesel(sql_type = Text)]
    pub kind: String,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The columns that a table has; none when there is no such table.
///
/// # Errors
/// Only the database's own.
pub fn described(conn: &mut Conn, table: &str) -> DbResult<Vec<Described>> {
    Ok(sql_query(dialect::of(conn).columns(table)).load(conn)?)
}

/// The rows that a statement behind `FROM table` asks for, a value for each column.
///
/// # Errors
/// Only the database's own.
pub fn select(conn: &mut Conn, table: &str, columns: &[&str], rest: Statement) -> DbResult<Vec<Row>> {
    let head = format!("SELECT {} AS line FROM {table} ", dialect::of(conn).json_array(columns));
    let lines: Vec<Line> = Statement::new(&head).then(rest).load(conn)?;
    let unreadable = |e| DbError::Other(format!("a row of {table} cannot be read: {e}"));
    lines.into_iter().map(|line| serde_json::from_str(&line.line).map_err(unreadable)).collect()
}

/// Appends a value that is bound.
pub fn bound(statement: Statement, value: &Value) -> Statement {
    match value {
        Value::String(text) => statement.text(text.as_str()),
        Value::Bool(value) => statement.boolean(*value),
        Value::Number(number) => statement.integer(number.as_i64().unwrap_or_default()),
        _ => statement.sql("NULL"),
    }
}

/// Writes rows of a table. A column's name may be followed by a colon and a PostgreSQL type, if a text is not converted
/// to it automatically.
///
/// # Errors
/// Only the database's own.
pub fn insert<R: Borrow<Row>>(conn: &mut Conn, table: &str, columns: &[&str], rows: &[R]) -> DbResult<()> {
    let dialect = dialect::of(conn);
    let (mut names, mut casts) = (Vec::new(), Vec::new());
    for column in columns {
        let (name, kind) = column.split_once(':').unwrap_or((column, ""));
        names.push(name);
        casts.push(dialect.cast(kind).unwrap_or_default());
    }
    let head = format!("INSERT INTO {table} ({}) {}VALUES ", names.join(", "), dialect.with_own_keys());
    let at_once = VALUES_AT_ONCE.checked_div(columns.len()).unwrap_or(1).max(1);
    for rows in rows.chunks(at_once) {
        let mut statement = Statement::new(&head);
        for (at, row) in rows.iter().enumerate() {
            statement = statement.sql(if at == 0 { "(" } else { ", (" });
            let row: &Row = row.borrow();
            for (at, (value, cast)) in row.iter().zip(&casts).enumerate() {
                statement = bound(if at == 0 { statement } else { statement.sql(", ") }, value).sql(cast);
            }
            statement = statement.sql(")");
        }
        statement.execute(conn)?;
    }
    Ok(())
}

/// Has the database number new rows of a table after those that were written with their numbers.
///
/// # Errors
/// Only the database's own.
pub fn renumber(conn: &mut Conn, table: &str, key: &str) -> DbResult<()> {
    if let Some(sql) = dialect::of(conn).renumber(table, key) {
        sql_query(sql).execute(conn)?;
    }
    Ok(())
}

/// Whether a table has no row.
///
/// # Errors
/// Only the database's own.
pub fn is_empty(conn: &mut Conn, table: &str) -> DbResult<bool> {
    let found: Vec<Line> = sql_query(format!("SELECT 'x' AS line FROM {table} LIMIT 1")).load(conn)?;
    Ok(found.is_empty())
}
