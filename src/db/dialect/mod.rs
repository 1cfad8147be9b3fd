//! What the three databases do differently, one file for each: how a connection is set up, how transactions begin and
//! end, what an error means, and the few expressions that each spells its own way.

mod mysql;
mod postgres;
mod sqlite;

use diesel::{QueryResult, connection::SimpleConnection, result::Error as DieselError};

use super::{Conn, DbError, DbResult};

/// One of the three databases.
pub(super) trait Dialect: Sync {
    /// Prepares a fresh connection.
    fn set_up(&self, conn: &mut Conn) -> QueryResult<()>;

    /// Begins a transaction that sees one state of the database and changes nothing.
    fn begin_read(&self) -> &'static str;

    /// Begins a transaction that may change something.
    fn begin_write(&self) -> &'static str;

    /// Ends a transaction that went wrong, and says what `error` means and whether the connection is still good.
    fn fail(&self, conn: &mut Conn, error: DbError) -> (DbError, bool);

    /// The sum of an expression over all rows as a 64-bit integer, 0 without any.
    fn sum(&self, expression: &str) -> String {
        format!("CAST(COALESCE(SUM({expression}), 0) AS BIGINT)")
    }

    /// The condition that an image is not deleted, spelled so that the database uses the indexes made for it.
    fn not_deleted(&self, images: &str) -> String {
        format!("NOT {images}.deleted")
    }

    /// The condition that a boolean column is false, spelled likewise.
    fn is_false(&self, column: &str) -> String {
        format!("{column} = FALSE")
    }
}

/// The dialect of a connection.
pub(super) fn of(conn: &Conn) -> &'static dyn Dialect {
    match conn {
        Conn::Sqlite(_) => &sqlite::Sqlite,
        Conn::Postgres(_) => &postgres::Postgres,
        Conn::Mysql(_) => &mysql::Mysql,
    }
}

/// The message of an error that the driver has no kind for; others are judged without looking at the connection.
fn unknown(error: &DbError) -> Option<&dyn diesel::result::DatabaseErrorInformation> {
    match error {
        DbError::Driver(DieselError::DatabaseError(_, info)) => Some(&**info),
        _ => None,
    }
}

/// What an error means that nothing is known of.
fn fault(error: DbError) -> DbError {
    match error {
        DbError::Driver(error) => DbError::Other(error.to_string()),
        known => known,
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
