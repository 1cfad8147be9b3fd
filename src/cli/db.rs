//! `vitrine db sync | check | version | expand | migrate | contract | backup | restore | purge`: the schema of the
//! database, and its rows as a whole. Only `sync` and its parts change the schema of a database other than the
//! embedded one.

use std::{path::PathBuf, process::ExitCode};

use super::{backup, place::Place};
use crate::{
    db::{self, Conn, Db, DbResult, Phase, Schema, SchemaError},
    model::time::Timestamp,
    server::{StartError, runtime},
};

/// Exit code of `check` when `sync` or `expand` must be run, as in `glance-manage db check`.
const SYNC_NEEDED: u8 = 3;
/// Exit code when `contract` must be run.
const CONTRACT_NEEDED: u8 = 5;
/// Exit code of `check` when the database belongs to a newer version.
const NEWER: u8 = 2;
/// Rows that one transaction drops.
const BATCH: i64 = 500;

/// Commands of `vitrine db`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Bring the schema up to date. Several may run at once; servers may be running.
    Sync {
        #[command(flatten)]
        place: Place,
    },
    /// Check whether the schema matches this version. The exit code is 0 when it does, 3 when `sync` or `expand` must
    /// be run, 5 when `contract` must be run, 2 when the schema is of a newer version, 1 when it cannot be determined.
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Print the version of the schema: its latest migration, or `none`.
    Version {
        #[command(flatten)]
        place: Place,
    },
    /// First part of an upgrade: add what nodes of this version need, while those of the previous version still run.
    Expand {
        #[command(flatten)]
        place: Place,
    },
    /// Second part: convert rows to the format of this version. No version needs that so far.
    Migrate {
        #[command(flatten)]
        place: Place,
    },
    /// Last part: remove what only nodes of the previous version needed, when none of them runs any more.
    Contract {
        #[command(flatten)]
        place: Place,
    },
    /// Write all rows into one file, from one consistent state of the database; servers may be running.
    Backup {
        /// The file, which must not exist yet.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Write the rows of a backup into an empty database of any kind.
    Restore {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Delete old rows: removed memberships and expired jobs.
    Purge {
        #[command(flatten)]
        limits: Limits,
        /// Delete instead the rows of deleted images whose data is gone; their ids are kept, so that none is used
        /// again.
        #[arg(long)]
        images: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// The age and number of rows to delete.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Limits {
    /// Minimum age of a row in days, since its removal or expiry.
    #[arg(long, default_value_t = 30, allow_negative_numbers = true)]
    pub age_in_days: i64,
    /// Maximum number of rows of each table; -1 is all.
    #[arg(long, default_value_t = 100, allow_negative_numbers = true)]
    pub max_rows: i64,
}

/// Runs one of them.
pub fn run(command: Command) -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let result = match command {
        Command::Sync { place } => sync(&place, Phase::Whole).map(done),
        Command::Expand { place } => sync(&place, Phase::Expand).map(done),
        Command::Contract { place } => sync(&place, Phase::Contract).map(done),
        Command::Migrate { place } => migrate(&place).map(done),
        Command::Backup { file, place } => backup::save(&place, &file).map(done),
        Command::Restore { file, place } => backup::restore(&place, &file).map(done),
        Command::Purge { limits, images, place } => purge(&place, limits, images).map(done),
        Command::Check { place } => check(&place),
        Command::Version { place } => version(&place).map(done),
    };
    result.unwrap_or_else(|error| {
        eprintln!("vitrine: {error}");
        ExitCode::FAILURE
    })
}

fn failed(error: SchemaError) -> StartError {
    StartError(error.to_string())
}

/// Applies the missing migrations of a phase, and prints them.
///
/// # Errors
/// [`StartError`], also when the database is of a newer version or the phase is not the next.
pub fn sync(place: &Place, phase: Phase) -> Result<(), StartError> {
    let db = if phase == Phase::Contract { place.connect() } else { place.connect_or_create() }?;
    let applied = db.migrate(phase).map_err(failed)?;
    for name in &applied {
        println!("applied {name}");
    }
    println!("the database schema is up to date");
    Ok(())
}

/// Converts rows; no version needs this so far.
///
/// # Errors
/// [`StartError`] when the schema was not expanded.
pub fn migrate(place: &Place) -> Result<(), StartError> {
    match place.connect()?.schema().map_err(failed)? {
        Schema::Older(_) => Err(StartError("the schema was not expanded; run `db expand` first".to_owned())),
        Schema::Newer(version) | Schema::Expanded(version) => Err(failed(SchemaError::Newer(version))),
        Schema::Current | Schema::Uncontracted(_) => {
            println!("there are no rows to migrate");
            Ok(())
        }
    }
}

/// Checks the schema.
///
/// # Errors
/// [`StartError`] when that cannot be told.
pub fn check(place: &Place) -> Result<ExitCode, StartError> {
    let db: Db = place.connect()?;
    let (text, code) = match db.schema().map_err(failed)? {
        Schema::Current => ("the database schema is up to date".to_owned(), 0),
        Schema::Uncontracted(left) => (
            format!(
                "the database schema still has what {} removes; run `vitrine db contract`",
                left.join(", ")
            ),
            CONTRACT_NEEDED,
        ),
        Schema::Older(missing) => {
            (format!("the database schema lacks {}; run `vitrine db sync`", missing.join(", ")), SYNC_NEEDED)
        }
        Schema::Newer(version) | Schema::Expanded(version) => {
            (SchemaError::Newer(version).to_string(), NEWER)
        }
    };
    println!("{text}");
    Ok(ExitCode::from(code))
}

/// Prints the version of the schema.
///
/// # Errors
/// [`StartError`] when it cannot be read.
pub fn version(place: &Place) -> Result<(), StartError> {
    let version = place.connect()?.schema_version().map_err(failed)?;
    println!("{}", version.as_deref().unwrap_or("none"));
    Ok(())
}

/// Drops old rows, and says how many.
///
/// # Errors
/// [`StartError`], also for an age that is negative or reaches back before 1970, and for fewer than -1 rows.
pub fn purge(place: &Place, limits: Limits, images: bool) -> Result<(), StartError> {
    if limits.age_in_days < 0 || limits.max_rows < -1 {
        return Err(StartError(
            "an age is at least 0, and a number of rows at least -1, which is all".to_owned(),
        ));
    }
    let db = place.open_as_it_is(&place.config()?)?;
    let now = db.clock.now();
    let before = limits.age_in_days.checked_mul(86_400).map(|age| now.plus_seconds(age.saturating_neg()));
    let before = before.filter(|before| before.0 >= 0);
    let before = before.ok_or_else(|| StartError("the age reaches back before 1970".to_owned()))?;
    let runtime = runtime()?;
    let drop_rows = |what: &str, drop_some: fn(&mut Conn, Timestamp, i64, Timestamp) -> DbResult<usize>| {
        let mut dropped = 0_i64;
        loop {
            let count =
                if limits.max_rows < 0 { BATCH } else { BATCH.min(limits.max_rows.saturating_sub(dropped)) };
            let work = db.write("purge", move |conn| drop_some(conn, before, count, now));
            let some = runtime.block_on(work).map_err(|e| StartError(e.to_string()))?;
            dropped = dropped.saturating_add(i64::try_from(some).unwrap_or(i64::MAX));
            if some == 0 || count == 0 {
                println!("{what}: {dropped} rows dropped");
                return Ok::<(), StartError>(());
            }
        }
    };
    if images {
        return drop_rows("images", db::images::forget);
    }
    drop_rows("image_members", |conn, before, count, _| db::purge::members(conn, before, count))?;
    drop_rows("jobs", |conn, before, count, _| db::jobs::delete_expired(conn, before, count))
}
