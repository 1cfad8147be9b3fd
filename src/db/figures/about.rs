//! What a database server says of itself: version, clock, connections and character set, for `vitrine doctor`.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};

use crate::{
    db::{Conn, DbResult, schema::images, statement::Statement},
    model::time::Timestamp,
};

/// What a database server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// `SQLite`, `PostgreSQL`, `MariaDB` or `MySQL`.
    pub product: &'static str,
    /// Its version, in its own words.
    pub version: String,
    /// The time of its clock.
    pub clock: Timestamp,
    /// Connections that it allows; `None` without such a limit.
    pub connections_max: Option<u32>,
    /// The character set of the database.
    pub charset: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = BigInt)]
    clock: i64,
    #[diesel(sql_type = BigInt)]
    most: i64,
    #[diesel(sql_type = Text)]
    charset: String,
}

const SQLITE: &str = "SELECT sqlite_version() AS version, \
     CAST((julianday('now') - 2440587.5) * 86400000000 AS BIGINT) AS clock, 0 AS most, 'utf8' AS charset";
const POSTGRES: &str = "SELECT CAST(current_setting('server_version') AS TEXT) AS version, \
     CAST(extract(epoch from clock_timestamp()) * 1000000 AS BIGINT) AS clock, \
     CAST(current_setting('max_connections') AS BIGINT) AS most, \
     CAST(current_setting('server_encoding') AS TEXT) AS charset";
const MYSQL: &str = "SELECT CAST(VERSION() AS CHAR(64)) AS version, \
     CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED) AS clock, CAST(@@max_connections AS SIGNED) AS most, \
     CAST(@@character_set_database AS CHAR(64)) AS charset";

/// Asks the server.
///
/// # Errors
/// Only the database's own.
pub fn about(conn: &mut Conn) -> DbResult<About> {
    let sql = match conn {
        Conn::Sqlite(_) => SQLITE,
        Conn::Postgres(_) => POSTGRES,
        Conn::Mysql(_) => MYSQL,
    };
    let row: Row = Statement::new(sql).get_result(conn)?;
    let product = match conn {
        Conn::Sqlite(_) => "SQLite",
        Conn::Postgres(_) => "PostgreSQL",
        Conn::Mysql(_) if row.version.contains("MariaDB") => "MariaDB",
        Conn::Mysql(_) => "MySQL",
    };
    Ok(About {
        product,
        version: row.version,
        clock: Timestamp(row.clock),
        connections_max: u32::try_from(row.most).ok().filter(|most| *most > 0),
        charset: row.charset,
    })
}

/// Whether there is a row of an image, deleted or not.
///
/// # Errors
/// Only the database's own.
pub fn has_image(conn: &mut Conn, id: &str) -> DbResult<bool> {
    let found: Option<String> = images::table.find(id).select(images::id).first(conn).optional()?;
    Ok(found.is_some())
}
