//! `[healthcheck]`: its backends, each with its options (`oslo_middleware/healthcheck/opts.py`).

use std::{collections::BTreeMap, path::PathBuf};

use super::Loaded;
use super::assemble_imports::{bad, networks};
use super::check::Finding;
use crate::api::health::{Check, Settings};

const SECTION: &str = "healthcheck";
const BY_FILE: &str = "disable_by_file";
const BY_PORT: &str = "disable_by_files_ports";
const ENABLE: &str = "enable_by_files";

/// Assembles the settings.
pub(super) fn health(loaded: &Loaded, findings: &mut Vec<Finding>) -> Settings {
    let mut names = loaded.list(SECTION, "backends");
    names.retain(|name| !name.is_empty());
    let has = |name: &str| names.iter().any(|backend| backend == name);
    if has(BY_FILE) && has(ENABLE) {
        let reason = format!("{BY_FILE} and {ENABLE} exclude each other");
        findings.push(bad(loaded, SECTION, "backends", reason));
    }
    let (file, by_port, wanted) =
        (loaded.path(SECTION, "disable_by_file_path"), ports(loaded, findings), paths(loaded));
    let mut checks = Vec::new();
    for name in &names {
        checks.push(match name.as_str() {
            BY_FILE => Check::DisableByFile(file.clone()),
            BY_PORT => Check::DisableByFilesPorts(by_port.clone()),
            ENABLE => Check::EnableByFiles(wanted.clone()),
            other => {
                let reason = format!("`{other}` is no backend; there are {BY_FILE}, {BY_PORT} and {ENABLE}");
                findings.push(bad(loaded, SECTION, "backends", reason));
                continue;
            }
        });
    }
    Settings {
        checks,
        detailed: loaded.bool(SECTION, "detailed"),
        allowed_sources: networks(loaded, SECTION, "allowed_source_ranges", findings),
        ignore_proxied: loaded.bool(SECTION, "ignore_proxied_requests"),
    }
}

fn paths(loaded: &Loaded) -> Vec<PathBuf> {
    let mut paths = loaded.list(SECTION, "enable_by_file_paths");
    paths.retain(|path| !path.is_empty());
    paths.into_iter().map(PathBuf::from).collect()
}

/// Each item is `PORT:PATH`; of two for one port the later one counts.
fn ports(loaded: &Loaded, findings: &mut Vec<Finding>) -> BTreeMap<u16, PathBuf> {
    let option = "disable_by_file_paths";
    let mut ports = BTreeMap::new();
    for item in loaded.list(SECTION, option).iter().map(|item| item.trim()).filter(|item| !item.is_empty()) {
        match item.split_once(':').and_then(|(port, path)| Some((port.trim().parse().ok()?, path))) {
            Some((port, path)) => drop(ports.insert(port, PathBuf::from(path.trim()))),
            None => findings.push(bad(loaded, SECTION, option, format!("`{item}` is not PORT:PATH"))),
        }
    }
    ports
}
