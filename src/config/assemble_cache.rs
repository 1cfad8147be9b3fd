//! The image cache: its options and the effect of the flavor (`glance/sqlite_migration.py`,
//! `glance/image_cache/__init__.py`).

use std::time::Duration;

use super::Loaded;
use super::check::{Finding, Topic};
use super::flavor::Flavor;
use crate::cache::{Driver, Settings};

/// Longest name of a node, in characters.
const URL_CHARS_MAX: usize = 255;

/// Assembles the settings; `None` without a folder.
pub(super) fn cache(loaded: &Loaded, flavor: Flavor, findings: &mut Vec<Finding>) -> Option<Settings> {
    let d = "DEFAULT";
    let bad = |option: &str, reason: &str| {
        Finding::of_option(Topic::Bad, d, option, loaded.origin(d, option), reason)
    };
    let driver = match loaded.string(d, "image_cache_driver").unwrap_or_default().as_str() {
        "sqlite" => Driver::Sqlite,
        "xattr" => Driver::Xattr,
        _ => Driver::CentralizedDb,
    };
    let node_url = loaded.nonempty(d, "worker_self_reference_url");
    let max_size = loaded.u64(d, "image_cache_max_size");
    let stall_seconds = loaded.u64(d, "image_cache_stall_time");
    let Some(dir) = loaded.path(d, "image_cache_dir") else {
        if flavor.caching {
            findings.push(bad("image_cache_dir", "is missing, and [paste_deploy] flavor asks for the cache"));
        }
        return None;
    };
    if node_url.as_ref().is_some_and(|url| url.chars().count() > URL_CHARS_MAX) {
        findings.push(bad("worker_self_reference_url", "has more than 255 characters"));
    }
    let default = Settings::new(dir);
    Some(Settings {
        driver,
        max_size: max_size.unwrap_or(default.max_size),
        // Bytes never follow each other without any time between them.
        stall_time: stall_seconds.map_or(default.stall_time, |seconds| Duration::from_secs(seconds.max(1))),
        node_url,
        // The built-in identity has no flavour; whoever names a folder wants it used.
        serves_downloads: flavor.caching || !flavor.is_set,
        ..default
    })
}
