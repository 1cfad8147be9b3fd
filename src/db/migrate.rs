//! The migrations of the three databases, built into the binary, and who may apply them when.

use diesel::{
    Connection, MysqlConnection, PgConnection, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
    dsl::sql, sql_query, sql_types,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::Conn;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const MYSQL: EmbeddedMigrations = embed_migrations!("migrations/mysql");

/// Names the lock of those who migrate; PostgreSQL keeps one for each database.
const POSTGRES_LOCK: i64 = 0x7669_7472_696e_6501;
/// The same on MySQL, where locks belong to the server: the name of the database is part of it.
const MYSQL_LOCK: &str = "CONCAT('vitrine ', MD5(DATABASE()))";

/// Why the schema cannot be read or brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database has migrations that this binary does not know.
    #[error(
        "the database was written by a newer version of Vitrine (it has migration {0}); use that version or a newer one"
    )]
    Newer(String),
    /// The database refused.
    #[error("the database schema could not be read or brought up to date: {0}")]
    Failed(String),
}

impl From<diesel::result::Error> for SchemaError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// How the schema of a database compares with the one that this binary works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// It is the same.
    Current,
    /// It lacks the migrations named, in order; there may be none at all yet.
    Older(Vec<String>),
    /// It has this migration, which the binary does not know.
    Newer(String),
}

/// Applies what is missing and names it. Of several that do so at once one works; the others wait for it and find
/// nothing left.
///
/// # Errors
/// [`SchemaError::Newer`], or [`SchemaError::Failed`] when the database refuses.
pub fn run(conn: &mut Conn) -> Result<Vec<String>, SchemaError> {
    if let Schema::Newer(version) = compare(conn)? {
        return Err(SchemaError::Newer(version));
    }
    conn.batch_execute(super::dialect::of(conn).lift_limits())?;
    match conn {
        Conn::Sqlite(conn) => run_on_sqlite(conn),
        Conn::Postgres(conn) => run_on_postgres(conn),
        Conn::Mysql(conn) => run_on_mysql(conn),
    }
}

/// Compares the schema with this binary's. Reads only: the database may be open to others, or not ours to change.
///
/// # Errors
/// [`SchemaError::Failed`] when the database does not answer.
pub fn compare(conn: &mut Conn) -> Result<Schema, SchemaError> {
    let applied = applied(conn)?;
    let known = match conn {
        Conn::Sqlite(_) => names::<diesel::sqlite::Sqlite>(&SQLITE),
        Conn::Postgres(_) => names::<diesel::pg::Pg>(&POSTGRES),
        Conn::Mysql(_) => names::<diesel::mysql::Mysql>(&MYSQL),
    }?;
    let is_known = |version: &String| known.iter().any(|(known, _)| known == version);
    if let Some(version) = applied.iter().find(|version| !is_known(version)) {
        return Ok(Schema::Newer(version.clone()));
    }
    let missing: Vec<String> =
        known.into_iter().filter(|(version, _)| !applied.contains(version)).map(|(_, name)| name).collect();
    Ok(if missing.is_empty() { Schema::Current } else { Schema::Older(missing) })
}

/// Versions of the migrations that were applied, the latest last.
///
/// # Errors
/// [`SchemaError::Failed`] when the database does not answer.
pub fn applied(conn: &mut Conn) -> Result<Vec<String>, SchemaError> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        version: String,
    }
    if !has_migrations(conn).map_err(failed)? {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version")
        .load(conn)
        .map_err(failed)?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

fn has_migrations(conn: &mut Conn) -> diesel::QueryResult<bool> {
    let table = "__diesel_schema_migrations";
    match conn {
        Conn::Sqlite(conn) => diesel::select(sql::<sql_types::Bool>(&format!(
            "EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{table}')"
        )))
        .get_result(conn),
        Conn::Postgres(conn) => {
            diesel::select(sql::<sql_types::Bool>(&format!("to_regclass('{table}') IS NOT NULL")))
                .get_result(conn)
        }
        Conn::Mysql(conn) => diesel::select(sql::<sql_types::Bool>(&format!(
            "EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_name = '{table}')"
        )))
        .get_result(conn),
    }
}

fn failed(error: impl std::fmt::Display) -> SchemaError {
    SchemaError::Failed(error.to_string())
}

/// Version and name of each migration, in order.
fn names<DB: diesel::backend::Backend>(
    migrations: &EmbeddedMigrations,
) -> Result<Vec<(String, String)>, SchemaError> {
    use diesel::migration::MigrationSource;
    let known = MigrationSource::<DB>::migrations(migrations).map_err(failed)?;
    let mut names: Vec<(String, String)> =
        known.iter().map(|m| (m.name().version().to_string(), m.name().to_string())).collect();
    names.sort();
    Ok(names)
}

/// All in one transaction, whose lock keeps others out.
fn run_on_sqlite(conn: &mut SqliteConnection) -> Result<Vec<String>, SchemaError> {
    conn.immediate_transaction(|conn| apply(conn, SQLITE))
}

/// All in one transaction, at whose end the lock goes.
fn run_on_postgres(conn: &mut PgConnection) -> Result<Vec<String>, SchemaError> {
    conn.transaction(|conn| {
        sql_query(format!("SELECT pg_advisory_xact_lock({POSTGRES_LOCK})")).execute(conn)?;
        apply(conn, POSTGRES)
    })
}

/// MySQL commits each change of a table by itself, so the lock is one of the connection.
fn run_on_mysql(conn: &mut MysqlConnection) -> Result<Vec<String>, SchemaError> {
    // One that waits long asks again, so that the connection is not taken for dead.
    let take = format!("GET_LOCK({MYSQL_LOCK}, 30)");
    loop {
        let taken: Option<i64> = diesel::select(sql::<sql_types::Nullable<sql_types::BigInt>>(&take))
            .get_result(conn)
            .map_err(failed)?;
        match taken {
            Some(1) => break,
            Some(_) => {}
            None => return Err(failed("the lock of those who migrate could not be taken")),
        }
    }
    let result = apply(conn, MYSQL);
    let released = sql_query(format!("DO RELEASE_LOCK({MYSQL_LOCK})")).execute(conn);
    let applied = result?;
    released.map_err(failed)?;
    Ok(applied)
}

fn apply<DB: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
) -> Result<Vec<String>, SchemaError> {
    let applied = conn.run_pending_migrations(migrations).map_err(failed)?;
    Ok(applied.iter().map(ToString::to_string).collect())
}
