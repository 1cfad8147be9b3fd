//! The folder in which one test process keeps everything, and the watchdog that removes it afterwards.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// Waits for its standard input to end, which the kernel does for it however the tests end (panic and SIGKILL
/// included), then stops the database servers and removes the folder.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
read -r nothing
if [ -f "$1/postgres/data/postmaster.pid" ]; then
    read -r server < "$1/postgres/data/postmaster.pid"
    kill -QUIT "$server"
    while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
fi
if [ -f "$1/mariadb/pid" ]; then
    read -r server < "$1/mariadb/pid"
    kill -KILL "$server"
    while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
fi
rm -rf "$1"
"#;

struct Scratch {
    folder: PathBuf,
    /// Holds the pipe for as long as the process lives.
    _watchdog: Child,
}

static SCRATCH: OnceLock<Scratch> = OnceLock::new();

/// The folder of this test process.
pub fn root() -> &'static Path {
    let scratch = SCRATCH.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("vitrine-tests-").tempdir().unwrap().keep();
        // The user `postgres` must be able to walk through.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Scratch { folder, _watchdog: watchdog }
    });
    &scratch.folder
}

/// A folder that goes with its owner.
pub fn scratch_folder() -> tempfile::TempDir {
    tempfile::tempdir_in(root()).unwrap()
}
