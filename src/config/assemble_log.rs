//! The log (`oslo_log/log.py`).

use std::time::Duration;

use tracing::Level;

use super::Loaded;
use super::assemble_imports::bad;
use super::check::Finding;
use crate::telemetry::log;

const SECTION: &str = "DEFAULT";

/// Assembles the settings.
pub(super) fn log(loaded: &Loaded, findings: &mut Vec<Finding>) -> log::Settings {
    let name = loaded.path(SECTION, "log_file");
    let file = match (loaded.path(SECTION, "log_dir"), name) {
        (Some(dir), name) => Some(dir.join(name.unwrap_or_else(|| "glance-api.log".into()))),
        (None, name) => name,
    };
    let journal = loaded.bool(SECTION, "use_journal");
    let syslog = syslog(loaded, findings);
    let is_alone = file.is_none() && !journal && syslog.is_none();
    log::Settings {
        debug: loaded.bool(SECTION, "debug"),
        levels: loaded.list(SECTION, "default_log_levels"),
        json: loaded.bool(SECTION, "use_json"),
        stderr: loaded.bool(SECTION, "use_stderr") || is_alone,
        file,
        journal,
        syslog,
        limit: limit(loaded),
    }
}

fn syslog(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<u8> {
    let option = "syslog_log_facility";
    let name = loaded.string(SECTION, option).unwrap_or_default();
    if !loaded.bool(SECTION, "use_syslog") {
        return None;
    }
    let facility = log::facility(&name);
    if facility.is_none() {
        let reason = format!("`{name}` is no facility of syslog; LOG_USER and LOG_LOCAL0 are some");
        findings.push(bad(loaded, SECTION, option, reason));
    }
    facility
}

fn limit(loaded: &Loaded) -> Option<log::Limit> {
    let interval = loaded.i64(SECTION, "rate_limit_interval").and_then(|seconds| u64::try_from(seconds).ok());
    let burst = loaded.i64(SECTION, "rate_limit_burst").and_then(|lines| u64::try_from(lines).ok());
    let except =
        match loaded.string(SECTION, "rate_limit_except_level").unwrap_or_default().to_lowercase().as_str() {
            // Nothing here is above it.
            "critical" => None,
            "error" => Some(Level::ERROR),
            "warning" => Some(Level::WARN),
            "info" => Some(Level::INFO),
            "debug" => Some(Level::DEBUG),
            _ => None,
        };
    match (interval?, burst?) {
        (0, _) | (_, 0) => None,
        (interval, burst) => Some(log::Limit { interval: Duration::from_secs(interval), burst, except }),
    }
}
