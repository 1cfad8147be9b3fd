//! `glance-manage db load_metadefs | unload_metadefs | export_metadefs`: the same as `vitrine metadefs`, with Glance's
//! arguments and its places for files (`glance/db/sqlalchemy/metadata.py`).

use std::path::{Path, PathBuf};

use crate::{
    cli::{
        metadefs::{Command, LoadArguments, run},
        place::Place,
    },
    metadef::catalogue::Mode,
    server::StartError,
};

/// Where Glance's packages put its files.
const USUAL: &str = "/etc/glance/metadefs/";

/// Arguments of `db load_metadefs`.
#[derive(Debug, clap::Args)]
pub struct Load {
    /// A file, or a folder of them; else `[DEFAULT] metadata_source_path`.
    #[arg(long)]
    pub path: Option<PathBuf>,
    /// Add to namespaces that are there what they lack.
    #[arg(long)]
    pub merge: bool,
    /// With --merge: bring what they have up to date, too.
    #[arg(long = "prefer_new")]
    pub prefer_new: bool,
    /// With --merge: delete existing namespaces, and load them again.
    #[arg(long)]
    pub overwrite: bool,
}

impl Load {
    /// What happens to namespaces that are there; `None` when the arguments contradict each other.
    fn mode(&self) -> Option<Mode> {
        match (self.merge, self.prefer_new, self.overwrite) {
            (false, false, false) => Some(Mode::Skip),
            (true, false, false) => Some(Mode::Merge),
            (true, true, false) => Some(Mode::PreferNew),
            (true, false, true) => Some(Mode::Replace),
            _ => None,
        }
    }
}

/// Loads files. Contradictory arguments and unreadable files are reported but are not errors, as in Glance.
///
/// # Errors
/// [`StartError`] when the database cannot be used.
pub fn load(load: Load, place: Place) -> Result<(), StartError> {
    let Some(mode) = load.mode() else {
        eprintln!("--prefer_new and --overwrite need --merge, and exclude each other; nothing was loaded");
        return Ok(());
    };
    let path = match load.path {
        Some(path) => Some(path),
        None => place.config()?.metadata_source_path.or_else(usual),
    };
    drop(place.open()?);
    if let Err(error) = run(Command::Load(LoadArguments::new(path, mode, place))) {
        eprintln!("ERROR: {error}");
    }
    Ok(())
}

/// The files of Glance's package; without them the catalogue of this program is loaded, which is the same.
fn usual() -> Option<PathBuf> {
    let has_files = std::fs::read_dir(USUAL).is_ok_and(|mut entries| {
        entries
            .any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "json")))
    });
    has_files.then(|| Path::new(USUAL).to_owned())
}

/// Removes all definitions.
///
/// # Errors
/// [`StartError`]
pub fn unload(place: Place) -> Result<(), StartError> {
    run(Command::Unload { place })
}

/// Writes all definitions into a folder.
///
/// # Errors
/// [`StartError`]
pub fn export(path: Option<PathBuf>, place: Place) -> Result<(), StartError> {
    let path = match path {
        Some(path) => path,
        None => place.config()?.metadata_source_path.unwrap_or_else(|| USUAL.into()),
    };
    run(Command::Export { path, place })
}
