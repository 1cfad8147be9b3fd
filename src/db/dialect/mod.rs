//! What the three databases do differently, one file for each: how a connection is set up, how transactions begin and
//! end, what an error means, and the few expressions that each spells its own way.

mod mysql;
mod postgres;
mod spoken;
mod sqlite;

use diesel::connection::SimpleConnection;

pub(super) use spoken::Dialect;

use super::{conn::Conn, error::DbResult};

/// The dialect of a connection.
pub(super) fn of(conn: &Conn) -> &'static dyn Dialect {
    match conn {
        Conn::Sqlite(_) => &sqlite::Sqlite,
        Conn::Postgres(_) => &postgres::Postgres,
        Conn::Mysql(_) => &mysql::Mysql,
    }
}

/// Runs `body` in a transaction begun by `begin` and ended by `end`. Answers also whether the connection is still good.
pub(super) fn transaction<T>(
    conn: &mut Conn,
    begin: &str,
    end: &str,
    body: impl FnOnce(&mut Conn) -> DbResult<T>,
) -> (DbResult<T>, bool) {
    let done = match conn.batch_execute(begin) {
        Ok(()) => body(conn).and_then(|value| conn.batch_execute(end).map(|()| value).map_err(Into::into)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(value) => (Ok(value), true),
        Err(error) => {
            let (error, good) = of(conn).fail(conn, error);
            (Err(error), good)
        }
    }
}
