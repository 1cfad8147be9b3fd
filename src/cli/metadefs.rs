//! `vitrine metadefs load | unload | export`: the same as `glance-manage db_load_metadefs` and its siblings, with the
//! same files (`glance/cmd/manage.py: DbCommands.load_metadefs`).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Subcommand;

use super::place::Place;
use crate::{
    metadef::catalogue::{self, Mode, Report},
    model::metadef::file::{self, NamespaceFile},
    server::StartError,
};

/// Commands of `vitrine metadefs`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load namespaces; existing ones are unchanged, unless an option says otherwise.
    Load(LoadArguments),
    /// Remove every namespace and every resource type.
    Unload {
        #[command(flatten)]
        place: Place,
    },
    /// Write each namespace into a file that `load` and Glance read.
    Export {
        /// Folder to write to; it is created when it is missing, and files of the same names are replaced.
        #[arg(default_value = "metadefs")]
        path: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

/// Arguments of `vitrine metadefs load`.
#[derive(Debug, clap::Args)]
pub struct LoadArguments {
    /// A JSON file, or a folder of *.json files; the built-in catalogue when none is given.
    path: Option<PathBuf>,
    /// Add missing parts to existing namespaces.
    #[arg(long, conflicts_with_all = ["replace", "prefer_new"])]
    merge: bool,
    /// Delete existing namespaces with all their parts, and load them again.
    #[arg(long, conflicts_with = "prefer_new")]
    replace: bool,
    /// Add missing parts to existing namespaces, and update their other parts.
    #[arg(long)]
    prefer_new: bool,
    #[command(flatten)]
    place: Place,
}

impl LoadArguments {
    /// Files, or the built-in catalogue, and what happens to existing namespaces.
    pub fn new(path: Option<PathBuf>, mode: Mode, place: Place) -> Self {
        let (merge, prefer_new, replace) =
            (mode == Mode::Merge, mode == Mode::PreferNew, mode == Mode::Replace);
        Self { path, merge, replace, prefer_new, place }
    }

    fn mode(&self) -> Mode {
        match (self.merge, self.prefer_new, self.replace) {
            (_, _, true) => Mode::Replace,
            (_, true, _) => Mode::PreferNew,
            (true, _, _) => Mode::Merge,
            (false, false, false) => Mode::Skip,
        }
    }
}

fn failed(what: impl std::fmt::Display, why: impl std::fmt::Display) -> StartError {
    StartError(format!("{what}: {why}"))
}

/// Runs one of the commands.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn run(command: Command) -> Result<(), StartError> {
    match command {
        Command::Load(arguments) => load(arguments),
        Command::Unload { place } => {
            let count = catalogue::unload(&place.open()?).map_err(|e| failed("unload", e))?;
            println!("removed {count} namespaces");
            Ok(())
        }
        Command::Export { path, place } => export(place, &path),
    }
}

fn load(arguments: LoadArguments) -> Result<(), StartError> {
    let mode = arguments.mode();
    let (files, faults) = match &arguments.path {
        None => (catalogue::shipped().map_err(|e| failed("the shipped catalogue", e))?, Vec::new()),
        Some(path) => read(path)?,
    };
    for fault in &faults {
        eprintln!("vitrine: {fault}");
    }
    if files.is_empty() {
        return Err(StartError("nothing was loaded".to_owned()));
    }
    let report = catalogue::load(&arguments.place.open()?, &files, mode).map_err(|e| failed("load", e))?;
    println!("{}", sentence(report));
    match faults.len() {
        0 => Ok(()),
        1 => Err(StartError("1 file was left out; the others were loaded".to_owned())),
        several => Err(StartError(format!("{several} files were left out; the others were loaded"))),
    }
}

/// What a load did, without what it did not do.
fn sentence(report: Report) -> String {
    let parts = [
        (report.added, "added"),
        (report.merged, "merged"),
        (report.updated, "merged and brought up to date"),
        (report.replaced, "replaced"),
        (report.skipped, "left as they were"),
    ];
    let all: usize = parts.iter().map(|(count, _)| count).sum();
    let done: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let noun = if all == 1 { "namespace" } else { "namespaces" };
    format!("{all} {noun}: {}", done.join(", "))
}

/// Reads one file, or every `*.json` of a folder in the order of their names; also says which of them cannot be
/// used and why.
fn read(path: &Path) -> Result<(Vec<NamespaceFile>, Vec<String>), StartError> {
    let unreadable = |e: std::io::Error| failed(path.display(), e);
    let mut paths = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let found = entry.map_err(unreadable)?.path();
            if found.extension().is_some_and(|extension| extension == "json") {
                paths.push(found);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(failed(path.display(), "there is no *.json in this folder"));
        }
    } else {
        paths.push(path.to_owned());
    }
    let (mut files, mut faults) = (Vec::<NamespaceFile>::new(), Vec::new());
    let mut origin: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in paths {
        let parsed = fs::read_to_string(&path).map_err(|e| e.to_string()).and_then(|text| file::parse(&text));
        let usable = parsed.and_then(|file| match origin.get(&file.fields.namespace) {
            Some(first) => Err(format!("{} defines {}, too", first.display(), file.fields.namespace)),
            None => Ok(file),
        });
        match usable {
            Ok(file) => {
                origin.insert(file.fields.namespace.clone(), path);
                files.push(file);
            }
            Err(fault) => faults.push(format!("{}: {fault}", path.display())),
        }
    }
    Ok((files, faults))
}

fn export(place: Place, folder: &Path) -> Result<(), StartError> {
    let files = catalogue::export(&place.open()?).map_err(|e| failed("export", e))?;
    if folder.is_file() {
        return Err(failed(folder.display(), "this is a file; name a folder to write to"));
    }
    fs::create_dir_all(folder).map_err(|e| failed(folder.display(), e))?;
    for (name, text) in &files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|e| failed(path.display(), e))?;
    }
    println!("{} files written to {}", files.len(), folder.display());
    Ok(())
}
