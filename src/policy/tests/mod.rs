//! Tests of the room: the language against oslo.policy itself, files, remote checks and tools.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod defaults;
mod language;
mod reload;
mod remote;
mod tools;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;

/// A directory for policy files, and settings that point into it.
struct Files {
    dir: TempDir,
    settings: Settings,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let policy_file = dir.path().join("policy.yaml");
        let policy_dirs = vec![dir.path().join("policy.d")];
        Self { dir, settings: Settings { policy_file, policy_dirs, ..Settings::default() } }
    }

    fn with(text: &str) -> Self {
        let files = Self::new();
        files.write("policy.yaml", text, 1);
        files
    }

    /// Writes a file whose modification time is `minute`, so that no test depends on the clock.
    fn write(&self, name: &str, text: &str, minute: u64) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        touch(&path, minute);
        path
    }

    fn enforcer(&self) -> Enforcer {
        Enforcer::new(self.settings.clone()).unwrap()
    }
}

fn touch(path: &Path, minute: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 60 * minute);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn caller(project: &str, roles: &[&str]) -> Caller {
    Caller {
        user_id: Some("u".to_owned()),
        project_id: Some(project.to_owned()),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        is_admin_project: true,
        ..Caller::default()
    }
}

fn image(owner: &str, visibility: &str) -> MapTarget {
    let member: Option<&str> = None;
    let target = MapTarget::new().with("project_id", owner).with("owner", owner);
    target.with("visibility", visibility.to_owned()).with("member_id", member)
}
