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

/// What `check` answers when `sync` or `expand` has something to do, as `glance-manage db check` does when tables are to
/// grow.
const SYNC_NEEDED: u8 = 3;
/// What it answers when `contract` has something left to remove.
const CONTRACT_NEEDED: u8 = 5;
/// What `check` answers when the database belongs to a newer version.
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
    /// Say whether the schema fits this version. The exit code is 0 when it does, 3 when `sync` or `expand` is to be run, 5
    /// when `contract` is, 2 when the schema is of a newer version, 1 when that cannot be told.
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Print the version of the schema: its latest migration, or `none`.
    Version {
        #[command(flatten)]
        place: Place,
    },
    /// First part of an upgrade: add what nodes of this version need, while those of the version before still run.
    Expand {
        #[command(flatten)]
        place: Place,
    },
    /// Second part: bring rows into the form that this version writes. No version needs that so far.
    Migrate {
        #[command(flatten)]
        place: Place,
    },
    /// Last part: remove what only nodes of the version before needed, when none of them runs any more.
    Contract {
        #[command(flatten)]
        place: Place,
    },
    /// Write all rows into one file, from one state of the database; servers may be running.
    Backup {
        /// The file, which must not be there yet.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Write the rows of such a file into an empty database of any kind.
    Restore {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Drop rows that only tell of what was there once: memberships that were taken back, jobs whose time is over.
    Purge {
        #[command(flatten)]
        limits: Limits,
        /// Drop the rows of deleted images whose data is gone instead; their ids are kept, so that none is used again.
        #[arg(long)]
        images: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// What is old enough to be dropped, and how much of it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Limits {
    /// Days for which a row has had nothing more to say.
    #[arg(long, default_value_t = 30, allow_negative_numbers = true)]
    pub age_in_days: i64,
    /// Rows of each table at most; -1 is all.
    #[arg(long, default_value_t = 100, allow_negative_numbers = true)]
    pub max_rows: i64,
}

/// Runs one of them.
pub fn run(command: Command) -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let result = match command {
        Command::Sync { place } => sync(&place.without_encryption(), Phase::Whole).map(done),
        Command::Expand { place } => sync(&place.without_encryption(), Phase::Expand).map(done),
        Command::Contract { place } => sync(&place.without_encryption(), Phase::Contract).map(done),
        Command::Migrate { place } => migrate(&place.without_encryption()).map(done),
        Command::Backup { file, place } => backup::save(&place, &file).map(done),
        Command::Restore { file, place } => backup::restore(&place, &file).map(done),
        Command::Purge { limits, images, place } => purge(&place, limits, images).map(done),
        Command::Check { place } => check(&place.without_encryption()),
        Command::Version { place } => version(&place.without_encryption()).map(done),
    };
    result.unwrap_or_else(|error| {
        eprintln!("vitrine: {error}");
        ExitCode::FAILURE
    })
}

fn failed(error: SchemaError) -> StartError {
    StartError(error.to_string())
}

/// Applies what is missing of a phase, and says what that was.
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

/// Moves rows, of which no version so far has any to move.
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

/// Returns whether the schema fits.
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
