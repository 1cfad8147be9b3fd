//! The migrations of the three databases, built into the binary, and the rules for applying them.

use diesel::{
    Connection, MysqlConnection, PgConnection, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
    dsl::sql, sql_query, sql_types,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, sort_keys};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const MYSQL: EmbeddedMigrations = embed_migrations!("migrations/mysql");

/// Names the lock of those who migrate; PostgreSQL keeps one for each database.
const POSTGRES_LOCK: i64 = 0x7669_7472_696e_6501;
/// The same on MySQL, where locks belong to the server: the name of the database is part of it.
const MYSQL_LOCK: &str = "CONCAT('vitrine ', MD5(DATABASE()))";

/// How MySQL says that transactions are in the way; how often, and after what pause, a migration is tried again then.
const IN_THE_WAY: [&str; 2] = ["Lock wait timeout exceeded", "Deadlock found"];
const TRIES: u32 = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// Why the schema cannot be read or brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database has migrations that this binary does not know.
    #[error(
        "the database was written by a newer version of Vitrine (it has migration {0}); use that version or a newer one"
    )]
    Newer(String),
    /// The tables are another program's.
    #[error(
        "this is Glance's own database; give [database] connection another one, and take over what is here with \
         `vitrine import-glance --from`"
    )]
    Foreign,
    /// The parts of upgrades do not come in this order.
    #[error("{0}")]
    Order(String),
    /// The database refused.
    #[error("the database schema could not be read or brought up to date: {0}")]
    Failed(String),
}

impl From<diesel::result::Error> for SchemaError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// How the schema of a database compares with this binary's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// It is the same.
    Current,
    /// It has all that the binary needs, and what only the version before needs: these migrations would remove it.
    Uncontracted(Vec<String>),
    /// It has all that the binary needs, and what a newer version added: this migration, and others perhaps.
    Expanded(String),
    /// It lacks the migrations named, in order; there may be none at all yet.
    Older(Vec<String>),
    /// It has this migration, which the binary does not know.
    Newer(String),
}

/// Parts of an upgrade. The last digit of a migration's version gives its part: `8` only adds, so nodes of the previous
/// version continue; `9` removes what only they needed. All others require every node to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// All of it.
    Whole,
    /// What must be there before nodes of this version start.
    Expand,
    /// What can be removed once no node of the version before runs.
    Contract,
}

fn adds(version: &str) -> bool {
    version.ends_with('8')
}

fn removes(version: &str) -> bool {
    version.ends_with('9')
}

/// Applies the missing migrations and returns their names. Concurrent calls wait for the first one and find nothing
/// left.
///
/// # Errors
/// [`SchemaError::Newer`], [`SchemaError::Order`], or [`SchemaError::Failed`] when the database refuses.
pub fn run(conn: &mut Conn, phase: Phase) -> Result<Vec<String>, SchemaError> {
    if let Schema::Newer(version) | Schema::Expanded(version) = compare(conn)? {
        return Err(SchemaError::Newer(version));
    }
    prepare(conn)?;
    let applied = match conn {
        Conn::Sqlite(conn) => run_on_sqlite(conn, phase),
        Conn::Postgres(conn) => run_on_postgres(conn, phase),
        Conn::Mysql(conn) => run_on_mysql(conn, phase),
    }?;
    if phase != Phase::Contract {
        // A takeover that died may have left them out.
        sort_keys::make(conn).map_err(failed)?;
    }
    Ok(applied)
}

/// Requires that the tables be nobody else's, and lets statements take as long as they need.
fn prepare(conn: &mut Conn) -> Result<(), SchemaError> {
    if has_table(conn, "alembic_version").map_err(failed)? {
        return Err(SchemaError::Foreign);
    }
    Ok(conn.batch_execute(super::dialect::of(conn).lift_limits())?)
}

/// Applies what leads to a version, for rows that were written at that version. Nobody else may be at work.
///
/// # Errors
/// [`SchemaError::Newer`] when the version is not known, [`SchemaError::Foreign`] for Glance's database,
/// [`SchemaError::Failed`] when the database refuses.
pub fn run_to(conn: &mut Conn, version: &str) -> Result<(), SchemaError> {
    prepare(conn)?;
    match conn {
        Conn::Sqlite(conn) => apply_to(conn, SQLITE, version),
        Conn::Postgres(conn) => apply_to(conn, POSTGRES, version),
        Conn::Mysql(conn) => apply_to(conn, MYSQL, version),
    }
}

fn apply_to<DB: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
    version: &str,
) -> Result<(), SchemaError> {
    let pending = conn.pending_migrations(migrations).map_err(failed)?;
    let place = pending.iter().position(|migration| migration.name().version().to_string() == version);
    let last = place.ok_or_else(|| SchemaError::Newer(version.to_owned()))?;
    for migration in pending.iter().take(last.saturating_add(1)) {
        conn.run_migration(migration.as_ref()).map_err(failed)?;
    }
    Ok(())
}

/// Compares the schema with this binary's. Only reads, because the database may be in use, or belong to somebody else.
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
    Ok(judge(&applied, known))
}

/// Compares what was applied with what is known, by version and name.
fn judge(applied: &[String], known: Vec<(String, String)>) -> Schema {
    let unknown: Vec<_> = applied.iter().filter(|v| !known.iter().any(|(known, _)| known == *v)).collect();
    if let Some(version) = unknown.iter().find(|version| !adds(version)) {
        return Schema::Newer((*version).clone());
    }
    let missing = known.into_iter().filter(|(version, _)| !applied.contains(version));
    let (removing, needed): (Vec<_>, Vec<_>) = missing.partition(|(version, _)| removes(version));
    let names = |list: Vec<(String, String)>| list.into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    match (needed.is_empty(), unknown.last(), removing.is_empty()) {
        (false, ..) => Schema::Older(names(needed)),
        (_, Some(version), _) => Schema::Expanded((*version).clone()),
        (_, None, false) => Schema::Uncontracted(names(removing)),
        (_, None, true) => Schema::Current,
    }
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
    if !has_table(conn, "__diesel_schema_migrations").map_err(failed)? {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version")
        .load(conn)
        .map_err(failed)?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

fn has_table(conn: &mut Conn, table: &str) -> diesel::QueryResult<bool> {
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
fn run_on_sqlite(conn: &mut SqliteConnection, phase: Phase) -> Result<Vec<String>, SchemaError> {
    conn.immediate_transaction(|conn| apply(conn, SQLITE, phase))
}

/// All in one transaction, at whose end the lock goes.
fn run_on_postgres(conn: &mut PgConnection, phase: Phase) -> Result<Vec<String>, SchemaError> {
    conn.transaction(|conn| {
        sql_query(format!("SELECT pg_advisory_xact_lock({POSTGRES_LOCK})")).execute(conn)?;
        apply(conn, POSTGRES, phase)
    })
}

/// MySQL commits each change of a table by itself, so the lock is one of the connection.
fn run_on_mysql(conn: &mut MysqlConnection, phase: Phase) -> Result<Vec<String>, SchemaError> {
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
    let result = apply(conn, MYSQL, phase);
    let released = sql_query(format!("DO RELEASE_LOCK({MYSQL_LOCK})")).execute(conn);
    let applied = result?;
    released.map_err(failed)?;
    Ok(applied)
}

fn apply<DB: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
    phase: Phase,
) -> Result<Vec<String>, SchemaError> {
    let pending = conn.pending_migrations(migrations).map_err(failed)?;
    let all: Vec<(String, String)> =
        pending.iter().map(|m| (m.name().version().to_string(), m.name().to_string())).collect();
    check_order(&all, phase)?;
    let mut applied = Vec::new();
    for (migration, (version, name)) in pending.iter().zip(all) {
        let is_due = match phase {
            Phase::Whole => true,
            Phase::Expand => !removes(&version),
            Phase::Contract => removes(&version),
        };
        if is_due {
            patiently(|| conn.run_migration(migration.as_ref()).map(drop)).map_err(failed)?;
            applied.push(name);
        }
    }
    Ok(applied)
}

/// Tries again while transactions under way are in the way of a change of a table: MySQL does not see that they wait for
/// each other where one waits for the table and the other for a row. What a migration changed before stays there, so those
/// that change tables in use can be repeated.
fn patiently<E: std::fmt::Display>(mut change: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    for _ in 0..TRIES {
        match change() {
            Err(error) if IN_THE_WAY.iter().any(|text| error.to_string().contains(text)) => {
                std::thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
    change()
}

/// One part of an upgrade may not overtake another: what is to be removed may be in the way of what a later version
/// adds, and something needed may still have to come from it.
fn check_order(pending: &[(String, String)], phase: Phase) -> Result<(), SchemaError> {
    let first = |wanted: fn(&str) -> bool| pending.iter().position(|(version, _)| wanted(version));
    let last = |wanted: fn(&str) -> bool| pending.iter().rposition(|(version, _)| wanted(version));
    let needed = |version: &str| !removes(version);
    match phase {
        Phase::Expand
            if first(removes).is_some_and(|first| last(needed).is_some_and(|last| first < last)) =>
        {
            Err(SchemaError::Order(
                "the upgrade before this one was not finished; run `db contract` of that version first"
                    .to_owned(),
            ))
        }
        Phase::Contract if first(needed).is_some() => {
            Err(SchemaError::Order("the schema was not expanded; run `db expand` first".to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(versions: &[&str]) -> Vec<(String, String)> {
        versions.iter().map(|version| ((*version).to_owned(), format!("{version}_x"))).collect()
    }

    fn versions(list: &[&str]) -> Vec<String> {
        list.iter().map(|version| (*version).to_owned()).collect()
    }

    /// Proves what each version of the binary makes of each schema: 1 wants a stop, 8 adds, 9 removes.
    #[test]
    fn schemas_are_judged_by_what_they_lack_and_have() {
        let named = |list: &[&str]| list.iter().map(|version| format!("{version}_x")).collect::<Vec<_>>();
        for (applied, of_binary, expected) in [
            (&["01", "08", "09"][..], &["01", "08", "09"][..], Schema::Current),
            (&[], &["01", "08", "09"], Schema::Older(named(&["01", "08"]))),
            (&["01"], &["01", "08"], Schema::Older(named(&["08"]))),
            (&["01", "08"], &["01", "08", "09"], Schema::Uncontracted(named(&["09"]))),
            (&["01", "08"], &["01"], Schema::Expanded("08".to_owned())),
            (&["01", "08", "18"], &["01"], Schema::Expanded("18".to_owned())),
            (&["01", "08", "09"], &["01"], Schema::Newer("09".to_owned())),
            (&["01", "11"], &["01"], Schema::Newer("11".to_owned())),
            (&["08"], &["01"], Schema::Older(named(&["01"]))),
        ] {
            assert_eq!(judge(&versions(applied), known(of_binary)), expected, "{applied:?} {of_binary:?}");
        }
    }

    /// Proves that neither part of an upgrade overtakes the other.
    #[test]
    fn parts_of_upgrades_keep_their_order() {
        for (pending, phase, is_allowed) in [
            (&["08", "09"][..], Phase::Expand, true),
            (&["09", "18"], Phase::Expand, false),
            (&["09"], Phase::Expand, true),
            (&["09"], Phase::Contract, true),
            (&["08", "09"], Phase::Contract, false),
            (&[], Phase::Contract, true),
            (&["09", "18"], Phase::Whole, true),
        ] {
            assert_eq!(check_order(&known(pending), phase).is_ok(), is_allowed, "{pending:?} {phase:?}");
        }
    }
}
