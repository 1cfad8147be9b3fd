//! One connection type for the three databases.

use diesel::{MysqlConnection, PgConnection, SqliteConnection};

/// A connection to one of the three databases.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// The embedded default.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
    /// MySQL and MariaDB.
    Mysql(MysqlConnection),
}
