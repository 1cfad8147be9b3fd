//! The migrations of the three databases, built into the binary.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::Conn;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const MYSQL: EmbeddedMigrations = embed_migrations!("migrations/mysql");

/// Why the schema cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database has migrations that this binary does not know.
    #[error(
        "the database was written by a newer version of Vitrine (it has migration {0}); use that version or a newer one"
    )]
    Newer(String),
    /// The database refused.
    #[error("the database schema could not be brought up to date: {0}")]
    Failed(String),
}

macro_rules! on_each {
    ($conn:expr, $function:ident) => {
        match $conn {
            Conn::Sqlite(conn) => $function(conn, SQLITE),
            Conn::Postgres(conn) => $function(conn, POSTGRES),
            Conn::Mysql(conn) => $function(conn, MYSQL),
        }
    };
}

/// Applies what is missing and names it.
pub fn run(conn: &mut Conn) -> Result<Vec<String>, MigrateError> {
    refuse_newer(conn)?;
    on_each!(conn, run_on)
}

/// Names what is missing.
///
/// # Errors
/// [`MigrateError::Newer`], or [`MigrateError::Failed`] when the database does not answer.
pub fn pending(conn: &mut Conn) -> Result<Vec<String>, MigrateError> {
    refuse_newer(conn)?;
    on_each!(conn, pending_on)
}

fn refuse_newer(conn: &mut Conn) -> Result<(), MigrateError> {
    match on_each!(conn, unknown_on)? {
        Some(version) => Err(MigrateError::Newer(version)),
        None => Ok(()),
    }
}

fn failed(error: impl std::fmt::Display) -> MigrateError {
    MigrateError::Failed(error.to_string())
}

fn run_on<DB: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
) -> Result<Vec<String>, MigrateError> {
    let applied = conn.run_pending_migrations(migrations).map_err(failed)?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

fn pending_on<DB: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
) -> Result<Vec<String>, MigrateError> {
    let missing = conn.pending_migrations(migrations).map_err(failed)?;
    Ok(missing.iter().map(|m| m.name().to_string()).collect())
}

fn unknown_on<DB: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
) -> Result<Option<String>, MigrateError> {
    use diesel::migration::MigrationSource;
    let known = MigrationSource::<DB>::migrations(&migrations).map_err(failed)?;
    let known: Vec<String> = known.iter().map(|m| m.name().version().to_string()).collect();
    let applied = conn.applied_migrations().map_err(failed)?;
    Ok(applied.iter().map(ToString::to_string).find(|version| !known.contains(version)))
}
