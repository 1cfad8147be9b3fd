//! Opens the database for the server and for commands. An SQLite database, which belongs to one node, is upgraded;
//! the schema of a shared one must be as `vitrine db sync` left it.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::{
    awaited::{self, Starting},
    error::{StartError, failed},
    options::Options,
};
use crate::db::{self, Db, Phase, Schema, SchemaError};

/// Opens the database of `settings`, or the embedded one in `data_dir` with `limits`, which is created if it does not
/// exist. Blocking.
///
/// # Errors
/// [`StartError`], also when the schema is not the one that this version works on.
pub fn open(settings: Option<&db::Settings>, limits: db::Limits, data_dir: &Path) -> Result<Db, StartError> {
    let db = connect(settings, limits, data_dir)?;
    match settings {
        Some(settings) if settings.is_shared() => require_current(&db, SYNC)?,
        _ => drop(db.migrate(Phase::Whole).map_err(|e| StartError(e.to_string()))?),
    }
    Ok(db)
}

/// What to do about a schema that is too old.
const SYNC: &str = "run `vitrine db sync` with the same configuration first";

/// As [`open`] for a server: one that waits for the database answers meanwhile at its place.
///
/// # Errors
/// As [`open`].
pub fn open_at(place: awaited::Place, options: &Options) -> Result<(Db, Option<Starting>), StartError> {
    match &options.database {
        Some(settings) if settings.is_shared() => {
            awaited::open(settings, Some(place), |db| Ok(judge(&db.schema()?, SYNC)))
        }
        settings => Ok((open(settings.as_ref(), options.database_limits, &options.data_dir)?, None)),
    }
}

/// As [`open`], whatever the schema is.
///
/// # Errors
/// [`StartError`] when it cannot be reached.
pub fn connect(
    settings: Option<&db::Settings>,
    limits: db::Limits,
    data_dir: &Path,
) -> Result<Db, StartError> {
    match settings {
        Some(settings) if settings.is_shared() => {
            return awaited::open(settings, None, |_| Ok(Ok(()))).map(|(db, _)| db);
        }
        Some(settings) => Db::open(settings),
        None => {
            let file = embedded(data_dir);
            // SQLite gives its other files the mode of this one.
            private_file(&file).map_err(|e| failed(&format!("cannot use {}", file.display()), e))?;
            let connection = format!("sqlite:{}", file.display());
            Db::open(&db::Settings { connection, limits, ..db::Settings::default() })
        }
    }
    .map_err(StartError)
}

/// The file of the embedded database.
pub fn embedded(data_dir: &Path) -> PathBuf {
    data_dir.join("vitrine.sqlite")
}

/// Requires the schema that this version works on; `remedy` says what to do about an older one.
///
/// # Errors
/// [`StartError`] when it is another.
pub fn require_current(db: &Db, remedy: &str) -> Result<(), StartError> {
    judge(&db.schema().map_err(|e| StartError(e.to_string()))?, remedy)
}

fn judge(schema: &Schema, remedy: &str) -> Result<(), StartError> {
    match schema {
        Schema::Current => Ok(()),
        Schema::Uncontracted(_) => {
            tracing::info!(
                "the upgrade is not finished; run `db contract` when no node of the version before runs"
            );
            Ok(())
        }
        Schema::Expanded(version) => {
            tracing::warn!(
                version,
                "the schema was expanded for a newer version of Vitrine, which is to replace this one"
            );
            Ok(())
        }
        Schema::Older(missing) => Err(StartError(format!(
            "the database schema is older than this version of Vitrine (it lacks {}); {remedy}",
            missing.join(", ")
        ))),
        Schema::Newer(version) => Err(StartError(SchemaError::Newer(version.clone()).to_string())),
    }
}

/// Opens a file for writing; a new one is readable by its owner only, because it may contain password hashes and keys.
pub fn private_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().append(true).create(true).mode(0o600).open(path)
}
