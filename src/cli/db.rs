//! `vitrine db sync | check | version`: the schema of the database. `sync` is the only one who changes that of a
//! database which is not the embedded one.

use std::process::ExitCode;

use super::place::Place;
use crate::{
    db::{Db, Schema, SchemaError},
    server::StartError,
};

/// What `check` answers when `sync` has something to do, as `glance-manage db check` does when tables are to grow.
const SYNC_NEEDED: u8 = 3;
/// What `check` answers when the database belongs to a newer version.
const NEWER: u8 = 2;

/// Commands of `vitrine db`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Bring the schema up to date. Several may run at once; servers may be running.
    Sync {
        #[command(flatten)]
        place: Place,
    },
    /// Say whether the schema fits this version. The exit code is 0 when it does, 3 when `sync` is to be run, 2 when
    /// the schema is of a newer version, 1 when that cannot be told.
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Print the version of the schema: its latest migration, or `none`.
    Version {
        #[command(flatten)]
        place: Place,
    },
}

/// Runs one of them.
pub fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Sync { place } => sync(&place),
        Command::Check { place } => check(&place),
        Command::Version { place } => version(&place),
    };
    result.unwrap_or_else(|error| {
        eprintln!("vitrine: {error}");
        ExitCode::FAILURE
    })
}

fn failed(error: SchemaError) -> StartError {
    StartError(error.to_string())
}

fn sync(place: &Place) -> Result<ExitCode, StartError> {
    let applied = place.connect_or_create()?.migrate().map_err(failed)?;
    for name in &applied {
        println!("applied {name}");
    }
    println!("the database schema is up to date");
    Ok(ExitCode::SUCCESS)
}

fn check(place: &Place) -> Result<ExitCode, StartError> {
    let db: Db = place.connect()?;
    let (text, code) = match db.schema().map_err(failed)? {
        Schema::Current => ("the database schema is up to date".to_owned(), 0),
        Schema::Older(missing) => {
            (format!("the database schema lacks {}; run `vitrine db sync`", missing.join(", ")), SYNC_NEEDED)
        }
        Schema::Newer(version) => (SchemaError::Newer(version).to_string(), NEWER),
    };
    println!("{text}");
    Ok(ExitCode::from(code))
}

fn version(place: &Place) -> Result<ExitCode, StartError> {
    let version = place.connect()?.schema_version().map_err(failed)?;
    println!("{}", version.as_deref().unwrap_or("none"));
    Ok(ExitCode::SUCCESS)
}
