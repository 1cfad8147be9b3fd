//! The figures of the process, under the names that Prometheus's own libraries use, and of the build.

use std::{
    fs,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
};

use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage},
    time::TimeVal,
};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::catalogue::Book;

type Seconds = Gauge<f64, AtomicU64>;

/// What is known of the process.
pub(super) struct Process {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    descriptors: Gauge,
    descriptors_max: Gauge,
    threads: Gauge,
    started: Seconds,
    looking: Mutex<()>,
}

impl Process {
    pub fn new(book: &mut Book) -> Self {
        let process = Self {
            cpu: Counter::default(),
            resident: Gauge::default(),
            descriptors: Gauge::default(),
            descriptors_max: Gauge::default(),
            threads: Gauge::default(),
            started: Seconds::default(),
            looking: Mutex::default(),
        };
        book.one(
            "process_cpu_seconds",
            "counter",
            "Seconds of processor time, user and system",
            process.cpu.clone(),
        );
        book.one(
            "process_resident_memory_bytes",
            "gauge",
            "Bytes of memory in use",
            process.resident.clone(),
        );
        book.one("process_open_fds", "gauge", "Open descriptors", process.descriptors.clone());
        book.one("process_max_fds", "gauge", "Descriptors that may be open", process.descriptors_max.clone());
        book.one("process_threads", "gauge", "Threads", process.threads.clone());
        book.one(
            "process_start_time_seconds",
            "gauge",
            "When the process began, in seconds since 1970",
            process.started.clone(),
        );
        process
    }

    /// Looks at the process now. Blocking.
    pub fn look(&self) {
        // Two at once would both add the time since the last look.
        let _turn = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is that of the folder.
            let open = open.count().saturating_sub(1);
            self.descriptors.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
        if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            self.descriptors_max.set(i64::try_from(soft).unwrap_or(i64::MAX));
        }
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let now = seconds(usage.user_time()) + seconds(usage.system_time());
            self.cpu.inc_by((now - self.cpu.get()).max(0.0));
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| -> Option<i64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse().ok()
        };
        if let Some(kib) = field("VmRSS") {
            self.resident.set(kib.saturating_mul(1024));
        }
        if let Some(threads) = field("Threads") {
            self.threads.set(threads);
        }
        if let Some(started) = started() {
            self.started.set(started);
        }
    }
}

#[allow(clippy::cast_precision_loss)] // far from the bounds
fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// Seconds since 1970 (`proc_pid_stat(5)`, field 22, and `btime` of `proc_stat(5)`).
fn started() -> Option<f64> {
    // The unit of the kernel for programs, on all machines.
    const TICKS: f64 = 100.0;
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may have spaces; what follows begins with field 3.
    let (_, rest) = text.rsplit_once(')')?;
    let ticks: f64 = rest.split_whitespace().nth(19)?.parse().ok()?;
    let text = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())?;
    Some(boot + ticks / TICKS)
}
