//! The command names that deployment tools call: the binary acts as Glance's program of the name by which it was
//! called, with its arguments and exit codes (`glance/cmd/`).

mod cache;
mod cache_manage;
mod common;
mod manage;
mod metadefs;
mod purge;
pub mod remote;
mod replicator;
mod scrubber;
mod serve;
mod status;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::server::StartError;

/// A program: its arguments, its own name first, to its exit code.
type Main = fn(Vec<OsString>) -> ExitCode;

/// Every name, and what it runs. `make install` makes a link for each.
const PROGRAMS: &[(&str, Main)] = &[
    ("glance-api", serve::api),
    ("glance-cache-cleaner", cache::cleaner),
    ("glance-cache-manage", cache_manage::run),
    ("glance-cache-prefetcher", cache::prefetcher),
    ("glance-cache-pruner", cache::pruner),
    ("glance-manage", manage::run),
    ("glance-replicator", replicator::run),
    ("glance-scrubber", scrubber::run),
    ("glance-status", status::run),
    ("glance-wsgi-api", serve::wsgi),
];

/// Arguments of `vitrine links`.
#[derive(Debug, clap::Args)]
pub struct Links {
    /// Folder of the links; what is there by such a name stays.
    folder: PathBuf,
    /// What they lead to; the file of this process when it is not given.
    #[arg(long)]
    to: Option<PathBuf>,
}

/// Makes the links.
///
/// # Errors
/// [`StartError`] when one cannot be made, or something else is there by its name.
pub fn link(links: &Links) -> Result<(), StartError> {
    let failed = |what: &Path, error: std::io::Error| StartError(format!("{}: {error}", what.display()));
    let program = match &links.to {
        Some(path) => path.clone(),
        None => std::env::current_exe().map_err(|e| failed(&links.folder, e))?,
    };
    for (name, _) in PROGRAMS {
        let link = links.folder.join(name);
        if std::fs::read_link(&link).is_ok_and(|target| target == program) {
            continue;
        }
        std::os::unix::fs::symlink(&program, &link).map_err(|e| failed(&link, e))?;
        println!("{}", link.display());
    }
    Ok(())
}

/// Runs the program of Glance's that the first argument names; `None` when it names another.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let name = Path::new(arguments.first()?).file_name()?.to_str()?;
    let (_, main) = PROGRAMS.iter().find(|(known, _)| *known == name)?;
    Some(main(arguments.to_vec()))
}
