//! Room on the file systems of the data folder, the staging folder, the cache and the log. Stores tell theirs themselves.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::{case::Case, finding::Finding};
use crate::{config::Config, server::stores::staging_folder, store::health::gibibytes, telemetry};

const GIB: u64 = 1 << 30;
/// Less room than this is little…
const FREE_MIN: u64 = GIB;
/// … and so is this part of the whole, unless it is as much as this.
const FREE_PART: u64 = 50;
const FREE_ENOUGH: u64 = 20 * GIB;
/// Fewer files than this can be made is few.
const FILES_MIN: u64 = 10_000;

/// A file system, as far as it matters.
#[derive(Clone, Copy, Debug)]
struct Room {
    free: u64,
    total: u64,
    /// Files that can be made; `None` where their number has no limit.
    files: Option<u64>,
    read_only: bool,
}

/// Looks at them.
pub async fn look(case: &Case) -> Vec<Finding> {
    let config = match case.config() {
        Ok(config) => config,
        Err(finding) => return vec![finding],
    };
    let places = places(case, config);
    match telemetry::blocking(move || of_places(places)).await {
        Ok(findings) => findings,
        Err(fault) => vec![Finding::skipped(fault)],
    }
}

fn places(case: &Case, config: &Config) -> Vec<(&'static str, PathBuf)> {
    let mut places = vec![
        ("data folder", case.folder.clone()),
        ("staging folder", staging_folder(&config.stores, &case.folder)),
    ];
    places.extend(config.cache.as_ref().map(|cache| ("cache", cache.dir.clone())));
    let log = config.log.file.as_ref().and_then(|file| file.parent());
    places.extend(log.map(|folder| ("folder of the log", folder.to_owned())));
    places
}

/// Those that are there, each file system once.
fn of_places(places: Vec<(&'static str, PathBuf)>) -> Vec<Finding> {
    let (mut findings, mut seen) = (Vec::new(), Vec::new());
    for (name, folder) in places {
        let Ok(about) = fs::metadata(&folder) else { continue };
        if seen.contains(&about.dev()) {
            continue;
        }
        seen.push(about.dev());
        match statvfs(&folder) {
            Ok(found) => {
                let size = found.fragment_size();
                findings.extend(judge(
                    name,
                    &folder,
                    Room {
                        free: found.blocks_available().saturating_mul(size),
                        total: found.blocks().saturating_mul(size),
                        files: (found.files() > 0).then(|| found.files_available()),
                        read_only: found.flags().contains(FsFlags::ST_RDONLY),
                    },
                ));
            }
            Err(error) => findings.push(Finding::skipped(format!("{}: {}", folder.display(), error.desc()))),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::skipped("none of the folders is there yet"));
    }
    findings
}

fn judge(name: &str, folder: &Path, room: Room) -> Vec<Finding> {
    let shown = format!("the {name} {}", folder.display());
    let sizes = format!("{} free of {}", gibibytes(room.free), gibibytes(room.total));
    let mut findings = Vec::new();
    if room.read_only {
        findings.push(Finding::failure(
            "disk-read-only",
            format!("{shown} is on a file system that is mounted read-only"),
            "A file system becomes so after an error of its disk: see dmesg. Else mount it with rw.",
        ));
    }
    if room.free < FREE_MIN || room.free < room.total / FREE_PART && room.free < FREE_ENOUGH {
        findings.push(Finding::warning(
            "disk-full",
            format!("there is little room in {shown}: {sizes}"),
            "Make room, or move the folder: uploads and imports fail when there is none.",
        ));
    }
    if let Some(files) = room.files.filter(|files| *files < FILES_MIN) {
        findings.push(Finding::warning(
            "disk-files-full",
            format!("no more than {files} further files fit into {shown}, whatever their size"),
            "Remove files there, or make the file system with more inodes.",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(format!("{shown}: {sizes}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves at which sizes there is little room, that a large disk may be nearly full, and that each fault is told.
    #[test]
    fn room_is_judged() {
        let room = Room { free: 50 * GIB, total: 100 * GIB, files: Some(1_000_000), read_only: false };
        for (room, ids) in [
            (room, vec![""]),
            (Room { files: None, ..room }, vec![""]),
            (Room { free: GIB - 1, total: GIB, ..room }, vec!["disk-full"]),
            (Room { free: GIB, total: 10 * GIB, ..room }, vec![""]),
            (Room { free: 2 * GIB - 1, ..room }, vec!["disk-full"]),
            (Room { free: 20 * GIB, total: 10_000 * GIB, ..room }, vec![""]),
            (Room { files: Some(9_999), ..room }, vec!["disk-files-full"]),
            (
                Room { free: 0, files: Some(0), read_only: true, ..room },
                vec!["disk-read-only", "disk-full", "disk-files-full"],
            ),
        ] {
            let found: Vec<_> = judge("place", Path::new("/x"), room).iter().map(|f| f.id).collect();
            assert_eq!(found, ids, "{room:?}");
        }
    }
}
