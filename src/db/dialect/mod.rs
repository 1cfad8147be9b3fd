//! The differences between the three databases, one file for each: how a connection is set up, how transactions begin
//! and end, the classification of errors, and the few expressions that each writes differently.

mod mysql;
mod postgres;
mod spoken;
mod sqlite;

use diesel::connection::SimpleConnection;

pub(super) use spoken::Dialect;

use super::{
    conn::Conn,
    error::{DbError, DbResult},
};

/// The dialect of a connection.
pub(super) fn of(conn: &Conn) -> &'static dyn Dialect {
    match conn {
        Conn::Sqlite(_) => &sqlite::Sqlite,
        Conn::Postgres(_) => &postgres::Postgres,
        Conn::Mysql(_) => &mysql::Mysql,
    }
}

/// Runs `body` in a transaction begun by `begin` and ended by `end`. Returns also whether the connection is still good.
pub(super) fn transaction<T>(
    conn: &mut Conn,
    begin: &str,
    end: &str,
    body: impl FnOnce(&mut Conn) -> DbResult<T>,
) -> (DbResult<T>, bool) {
    if let Err(error) = conn.batch_execute(begin) {
        return undone(conn, error.into());
    }
    match body(conn).and_then(|value| conn.batch_execute(end).map(|()| value).map_err(Into::into)) {
        Ok(value) => (Ok(value), true),
        Err(error) => {
            let (error, good) = of(conn).fail(conn, error);
            (Err(error), good)
        }
    }
}

/// Runs `body`, which is one statement that changes nothing. Returns also whether the connection is still good.
pub(super) fn alone<T>(conn: &mut Conn, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> (DbResult<T>, bool) {
    match body(conn) {
        Ok(value) => (Ok(value), true),
        Err(error) => undone(conn, error),
    }
}

/// The failure of what has changed nothing. Where it is that of the connection, which was cut while it lay in the pool,
/// another may do.
fn undone<T>(conn: &mut Conn, error: DbError) -> (DbResult<T>, bool) {
    match of(conn).fail(conn, error) {
        (error, true) => (Err(error), true),
        (error, false) => (Err(DbError::Elsewhere(error.to_string())), false),
    }
}
