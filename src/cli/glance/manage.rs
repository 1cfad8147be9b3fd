//! `glance-manage`: the database, in both of its spellings, `db sync` and `db_sync` (`glance/cmd/manage.py`).

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use super::{
    common::{Common, ended, parsed},
    metadefs::{self, Load},
    purge,
};
use crate::{
    cli::{db, place::Place},
    config::Program,
    db::Phase,
    server::StartError,
};

static MANAGE: Program = Program { reads: &["glance-api", "glance-manage"], is_service: false };

/// Look after the database of the image service.
#[derive(Debug, Parser)]
#[command(name = "glance-manage", version, infer_long_args = true, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Category,
}

#[derive(Debug, Subcommand)]
enum Category {
    /// Commands about the database.
    #[command(subcommand)]
    Db(Action),
    #[command(flatten)]
    Legacy(Legacy),
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
enum Action {
    /// Print the version of the schema.
    Version,
    /// Say whether the schema is up to date: the exit code is 0 when it is, 3 when it is to be expanded, 5 when it is to be
    /// contracted.
    Check,
    /// Bring the schema up to date.
    Sync(Version),
    /// The same.
    Upgrade(Version),
    /// Nothing: the schema is under version control from its first table on.
    VersionControl(Version),
    /// First part of an upgrade without a pause.
    Expand,
    /// Second part of an upgrade without a pause.
    Migrate,
    /// Last part of an upgrade without a pause.
    Contract,
    /// Load metadata definitions from files.
    LoadMetadefs(Load),
    /// Remove all metadata definitions.
    UnloadMetadefs,
    /// Write all metadata definitions into files.
    ExportMetadefs {
        /// Folder of the files.
        #[arg(long)]
        path: Option<PathBuf>,
    },
    /// Drop old rows of what was deleted, but of images.
    Purge(purge::Limits),
    /// Drop old rows of deleted images.
    PurgeImagesTable(purge::ImageLimits),
}

#[derive(Debug, clap::Args)]
struct Version {
    /// Which version; there is only one, the latest.
    #[arg(long)]
    version: Option<String>,
    /// Words that Glance takes and does not look at.
    #[arg(hide = true)]
    words: Vec<String>,
}

impl Version {
    fn of(version: Option<String>) -> Self {
        Self { version, words: Vec::new() }
    }
}

/// The earlier spellings, whose arguments have no names.
#[derive(Debug, Subcommand)]
enum Legacy {
    #[command(name = "db_version", hide = true)]
    Version,
    #[command(name = "db_check", hide = true)]
    Check,
    #[command(name = "db_sync", hide = true)]
    Sync { version: Option<String> },
    #[command(name = "db_upgrade", hide = true)]
    Upgrade { version: Option<String> },
    #[command(name = "db_version_control", hide = true)]
    VersionControl { version: Option<String> },
    #[command(name = "db_expand", hide = true)]
    Expand,
    #[command(name = "db_migrate", hide = true)]
    Migrate,
    #[command(name = "db_contract", hide = true)]
    Contract,
    #[command(name = "db_load_metadefs", hide = true)]
    LoadMetadefs {
        path: Option<PathBuf>,
        merge: Option<String>,
        prefer_new: Option<String>,
        overwrite: Option<String>,
    },
    #[command(name = "db_unload_metadefs", hide = true)]
    UnloadMetadefs,
    #[command(name = "db_export_metadefs", hide = true)]
    ExportMetadefs { path: Option<PathBuf> },
}

impl From<Legacy> for Action {
    fn from(legacy: Legacy) -> Self {
        match legacy {
            Legacy::Version => Self::Version,
            Legacy::Check => Self::Check,
            Legacy::Sync { version } => Self::Sync(Version::of(version)),
            Legacy::Upgrade { version } => Self::Upgrade(Version::of(version)),
            Legacy::VersionControl { version } => Self::VersionControl(Version::of(version)),
            Legacy::Expand => Self::Expand,
            Legacy::Migrate => Self::Migrate,
            Legacy::Contract => Self::Contract,
            // Any text says yes, as in Glance.
            Legacy::LoadMetadefs { path, merge, prefer_new, overwrite } => Self::LoadMetadefs(Load {
                path,
                merge: merge.is_some_and(|text| !text.is_empty()),
                prefer_new: prefer_new.is_some_and(|text| !text.is_empty()),
                overwrite: overwrite.is_some_and(|text| !text.is_empty()),
            }),
            Legacy::UnloadMetadefs => Self::UnloadMetadefs,
            Legacy::ExportMetadefs { path } => Self::ExportMetadefs { path },
        }
    }
}

/// Runs it.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Arguments = parsed(arguments);
    let action = match arguments.command {
        Category::Db(action) => action,
        Category::Legacy(legacy) => legacy.into(),
    };
    match arguments.common.place_of_tool(&MANAGE).and_then(|place| act(action, place)) {
        Ok(code) => code,
        Err(error) => ended(Err(error)),
    }
}

fn act(action: Action, place: Place) -> Result<ExitCode, StartError> {
    let done = |()| ExitCode::SUCCESS;
    match action {
        Action::Version => db::version(&place).map(done),
        Action::Check => db::check(&place),
        Action::Sync(version) | Action::Upgrade(version) => sync(&place, version),
        Action::Expand => db::sync(&place, Phase::Expand).map(done),
        Action::Migrate => db::migrate(&place).map(done),
        Action::Contract => db::sync(&place, Phase::Contract).map(done),
        Action::VersionControl(_) => {
            println!("nothing to do: the schema is under version control from its first table on");
            Ok(ExitCode::SUCCESS)
        }
        Action::LoadMetadefs(load) => metadefs::load(load, place).map(done),
        Action::UnloadMetadefs => metadefs::unload(place).map(done),
        Action::ExportMetadefs { path } => metadefs::export(path, place).map(done),
        Action::Purge(limits) => db::purge(&place, limits.try_into()?, false).map(done),
        Action::PurgeImagesTable(limits) => db::purge(&place, limits.try_into()?, true).map(done),
    }
}

fn sync(place: &Place, version: Version) -> Result<ExitCode, StartError> {
    for word in version.version.iter().chain(&version.words).filter(|word| *word != "heads") {
        eprintln!("the version {word} is not looked at: the schema is brought to the latest");
    }
    db::sync(place, Phase::Whole).map(|()| ExitCode::SUCCESS)
}
