//! Runs a program on untrusted data in confinement: no network, no files except its input and output, limits on
//! processor, memory, output and descriptors, and a process group that ends as a whole and with this process.
//!
//! This program starts itself as `vitrine confine …`; that process drops its rights ([`inside`]) and then executes
//! the program. So nothing unsafe has to be done between fork and exec, and no other tool is needed.

pub mod inside;

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    task::JoinHandle,
};

/// The exit code of a process that could not drop its rights, and did nothing.
pub const NOT_CONFINED: u8 = 125;
/// What a program prints is kept up to this many bytes.
const PRINTED_BYTES_MAX: u64 = 256 * 1024;

/// `[vitrine] converter_confinement`: what happens if the kernel cannot enforce all restrictions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confinement {
    /// Nothing is converted.
    #[default]
    Required,
    /// The converter runs with what can be removed.
    Wanted,
}

impl Confinement {
    /// Reads the value of the option.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "required" => Some(Self::Required),
            "wanted" => Some(Self::Wanted),
            _ => None,
        }
    }
}

/// Resource limits of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Seconds of processor time.
    pub cpu_seconds: u64,
    /// How long it may run.
    pub wall: Duration,
    /// Bytes of address space.
    pub memory: u64,
    /// Bytes of a file that it writes.
    pub file_bytes: u64,
    /// Descriptors.
    pub files: u64,
}

/// What a program may access, and its limits.
#[derive(Clone, Debug)]
pub struct Confined<'a> {
    /// This program, which `vitrine confine` is called of.
    pub helper: &'a Path,
    /// What happens if the kernel cannot enforce it.
    pub confinement: Confinement,
    /// Its limits.
    pub bounds: Bounds,
    /// The file that it reads.
    pub reads: &'a Path,
    /// The file that it writes, which is there already.
    pub writes: Option<&'a Path>,
}

impl Confined<'_> {
    /// Starts a program; `prints` says whether its output is kept.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(&self, program: &str, arguments: &[&str], prints: bool) -> std::io::Result<Running> {
        let bounds = &self.bounds;
        let mut command = Command::new(self.helper);
        command.arg("confine").arg(format!("--parent={}", std::process::id()));
        command
            .arg(format!("--cpu-seconds={}", bounds.cpu_seconds))
            .arg(format!("--memory={}", bounds.memory))
            .arg(format!("--file-bytes={}", bounds.file_bytes))
            .arg(format!("--files={}", bounds.files))
            .arg(option("--reads=", self.reads));
        if let Some(path) = self.writes {
            command.arg(option("--writes=", path));
        }
        if self.confinement == Confinement::Wanted {
            command.arg("--lenient");
        }
        command
            .args(["--", program])
            .args(arguments)
            // The environment of the service has its secrets.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()))
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(if prints { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let (output, complaint) = (child.stdout.take(), child.stderr.take());
        Ok(Running { child, group, output: Printed::of(output), complaint: Printed::of(complaint) })
    }
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(name);
    text.push(path);
    text
}

/// What a program prints.
struct Printed {
    reader: Option<JoinHandle<Vec<u8>>>,
    text: Vec<u8>,
}

impl Printed {
    /// Reads a pipe to its end, and keeps its beginning: one that nobody reads would stop the program.
    fn of(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let reader = pipe.map(|mut pipe| {
            crate::telemetry::spawn(async move {
                let mut text = Vec::new();
                let read = async {
                    (&mut pipe).take(PRINTED_BYTES_MAX).read_to_end(&mut text).await?;
                    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await
                };
                if let Err(error) = read.await {
                    tracing::debug!(%error, "what a program printed could not be read");
                }
                text
            })
        });
        Self { reader, text: Vec::new() }
    }

    /// Waits until nobody prints any more.
    async fn end(&mut self) {
        if let Some(reader) = &mut self.reader {
            self.text = reader.await.unwrap_or_default();
            self.reader = None;
        }
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, or the signal that ended it.
    pub status: ExitStatus,
    /// The beginning of what it printed.
    pub output: Vec<u8>,
    /// The beginning of its complaints.
    pub complaint: Vec<u8>,
}

/// A program under way. It and all that it has started end when this is dropped.
pub struct Running {
    child: Child,
    group: Option<Pid>,
    output: Printed,
    complaint: Printed,
}

impl Running {
    /// Waits for the end, for so long at most; `None` when it, or something that it has started, still runs.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn ended(&mut self, within: Duration) -> std::io::Result<Option<Ended>> {
        let end = async {
            let status = self.child.wait().await?;
            self.output.end().await;
            self.complaint.end().await;
            Ok::<_, std::io::Error>(status)
        };
        let Ok(status) = tokio::time::timeout(within, end).await else { return Ok(None) };
        let status = status?;
        // Its number may be another's from here on.
        self.group = None;
        let (output, complaint) =
            (std::mem::take(&mut self.output.text), std::mem::take(&mut self.complaint.text));
        Ok(Some(Ended { status, output, complaint }))
    }

    /// Ends the program and all that it has started.
    pub fn stop(&mut self) {
        let Some(group) = self.group.take() else { return };
        match killpg(group, Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => tracing::warn!(%error, %group, "a group of processes could not be ended"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How this process starts itself. Its own file may have been replaced by a new version meanwhile.
pub fn own_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that whatever a program has started ends with it, also what does not listen to its end.
    #[tokio::test]
    async fn sec_39_a_program_ends_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let helper = folder.path().join("helper");
        // Takes the place of `vitrine confine`, and leaves a child that holds the pipe open.
        let text = "#!/bin/sh\ntrap '' TERM HUP\nsleep 1000 &\nwait\n";
        std::fs::write(&helper, text).unwrap();
        std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let bounds = Bounds {
            cpu_seconds: 1,
            wall: Duration::from_secs(1),
            memory: 1 << 30,
            file_bytes: 0,
            files: 64,
        };
        let confined = Confined {
            helper: &helper,
            confinement: Confinement::Required,
            bounds,
            reads: folder.path(),
            writes: None,
        };
        let mut running = confined.start("x", &[], true).unwrap();
        assert!(running.ended(Duration::from_millis(1)).await.unwrap().is_none());
        running.stop();
        running.child.wait().await.unwrap();
        // The pipe closes when its last holder is gone.
        let gone = tokio::time::timeout(Duration::from_secs(60), running.output.end()).await;
        gone.expect("the end of all that it started");
    }
}
