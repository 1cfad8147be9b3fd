//! The data folder, the files with secrets, and the user who looks at them.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};

use super::{case::Case, finding::Finding};
use crate::{config::Config, telemetry};

/// Modes: readable by all, and what others may do with a folder.
const OTHERS_READ: u32 = 0o004;
const OTHERS_PASS: u32 = 0o001;
const OTHERS: u32 = 0o007;

/// Looks at them.
pub async fn look(case: &Case) -> Vec<Finding> {
    let config = match case.config() {
        Ok(config) => config,
        Err(finding) => return vec![finding],
    };
    let (folder, secrets) = (case.folder.clone(), secrets(case, config));
    let looked = telemetry::blocking(move || {
        let mut findings = of_folder(&folder);
        findings.extend(of_secrets(&secrets));
        findings
    });
    match looked.await {
        Ok(findings) => findings,
        Err(fault) => vec![Finding::skipped(fault)],
    }
}

/// The files that nobody else may read.
fn secrets(case: &Case, config: &Config) -> BTreeSet<PathBuf> {
    let mut files = case.loaded.secret_files();
    files.extend(["clouds.yaml", "vitrine.sqlite"].map(|name| case.folder.join(name)));
    files.extend(case.database_file(config));
    files.extend(config.listen.tls.as_ref().map(|tls| tls.key.clone()));
    files.extend(config.keystone.as_ref().and_then(|keystone| keystone.keyfile.clone()));
    files
}

fn of_folder(folder: &Path) -> Vec<Finding> {
    let shown = folder.display();
    let me = fs::metadata("/proc/self").map(|about| about.uid()).unwrap_or_default();
    let about = match fs::metadata(folder) {
        Ok(about) => about,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return vec![Finding::note(
                "data-folder-missing",
                format!("there is no data folder {shown} yet"),
                "A server makes it at its first start. If one has run here, name its folder with --data-dir, or run this \
                 where it was started.",
            )];
        }
        Err(error) => {
            return vec![Finding::failure(
                "data-folder-unusable",
                format!("the data folder {shown} cannot be looked at: {error}"),
                "Run this as the user that the service runs as.",
            )];
        }
    };
    let mut findings: Vec<_> = judge_user((me, &name_of(me)), (about.uid(), &name_of(about.uid())), folder)
        .into_iter()
        .chain(judge_mode(about.mode(), folder))
        .collect();
    if let Err(error) = access(folder, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK) {
        findings.push(Finding::failure(
            "data-folder-unusable",
            format!(
                "user {} cannot read and write in the data folder {shown}: {}",
                name_of(me),
                error.desc()
            ),
            format!("If that is the user of the service: chown -R {0}: {shown}", name_of(me)),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(format!("the data folder {shown} belongs to {} alone", name_of(me))));
    }
    findings
}

/// Whether this user, by number and name, is the one that a folder belongs to.
fn judge_user((me, my_name): (u32, &str), (owner, name): (u32, &str), folder: &Path) -> Option<Finding> {
    let shown = folder.display();
    (me != owner).then(|| {
        Finding::warning(
            "another-user",
            format!("the data folder {shown} belongs to {name}, and this looks as {my_name}"),
            format!(
                "What this can read and write says nothing of the service: sudo -u {name} vitrine doctor"
            ),
        )
    })
}

fn judge_mode(mode: u32, folder: &Path) -> Option<Finding> {
    let shown = folder.display();
    (mode & OTHERS != 0).then(|| {
        Finding::warning(
            "data-folder-open",
            format!(
                "the data folder {shown} is open to every user of this machine (mode {:04o})",
                mode & 0o7777
            ),
            format!("chmod o= {shown}"),
        )
    })
}

fn of_secrets(files: &BTreeSet<PathBuf>) -> Vec<Finding> {
    let (mut findings, mut closed) = (Vec::new(), 0_usize);
    for file in files.iter().filter(|file| file.is_file()) {
        if is_exposed(file) {
            let shown = file.display();
            findings.push(Finding::warning(
                "secret-world-readable",
                format!("every user of this machine can read {shown}, which holds secrets"),
                format!("chmod o= {shown}"),
            ));
        } else {
            closed = closed.saturating_add(1);
        }
    }
    if findings.is_empty() && closed > 0 {
        findings.push(Finding::ok(format!("files with secrets: {closed}, none readable by everybody")));
    }
    findings
}

/// Whether every user may read a file, and pass all folders on the way there.
fn is_exposed(file: &Path) -> bool {
    let Ok(file) = file.canonicalize() else { return false };
    let may = |path: &Path, bit: u32| fs::metadata(path).is_ok_and(|about| about.mode() & bit != 0);
    may(&file, OTHERS_READ) && file.ancestors().skip(1).all(|folder| may(folder, OTHERS_PASS))
}

/// The name of a user, or its number if it has none here.
fn name_of(user: u32) -> String {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| user.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;

    /// Proves that a file counts as readable by all only where all may get at it.
    #[test]
    fn files_are_exposed_by_their_folders_too() {
        let root = tempfile::tempdir().unwrap();
        let (folder, file) = (root.path().join("a"), root.path().join("a/file"));
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "x").unwrap();
        for (root_mode, folder_mode, file_mode, exposed) in [
            (0o755, 0o755, 0o644, true),
            (0o755, 0o711, 0o604, true),
            (0o755, 0o755, 0o640, false),
            (0o755, 0o750, 0o644, false),
            (0o700, 0o755, 0o644, false),
        ] {
            for (path, mode) in [(root.path(), root_mode), (&folder, folder_mode), (&file, file_mode)] {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
            assert_eq!(is_exposed(&file), exposed, "{root_mode:o} {folder_mode:o} {file_mode:o}");
        }
    }

    /// Proves whose folder is another's, and which mode is open to others.
    #[test]
    fn folders_are_judged() {
        let folder = Path::new("/data");
        assert_eq!(judge_user((7, "a"), (7, "a"), folder), None);
        assert_eq!(judge_user((0, "root"), (7, "a"), folder).unwrap().id, "another-user");
        assert_eq!(judge_mode(0o40750, folder), None);
        let open = judge_mode(0o40755, folder).unwrap();
        assert_eq!((open.id, open.what.contains("mode 0755")), ("data-folder-open", true));
    }
}
