//! `[oslo_policy]` and the property protections.

use std::path::PathBuf;

use super::Loaded;
use super::check::{Finding, Topic};
use crate::access::protection::{Protections, RuleFormat};
use crate::policy::{RemoteContentType, Settings};

/// The profile in which few may have data fetched from other networks.
pub(super) const HARDENED: &str = "hardened";

/// Assembles the options of the policy room, with relative names found beside the configuration.
pub(super) fn policy(loaded: &Loaded) -> Settings {
    let s = "oslo_policy";
    let default = Settings::default();
    let place = |name: PathBuf| loaded.place_of(&name);
    Settings {
        policy_file: loaded.path(s, "policy_file").map(place).unwrap_or_default(),
        policy_dirs: loaded
            .list(s, "policy_dirs")
            .into_iter()
            .filter(|dir| !dir.is_empty())
            .map(|dir| place(PathBuf::from(dir)))
            .collect(),
        policy_default_rule: loaded.nonempty(s, "policy_default_rule").unwrap_or(default.policy_default_rule),
        enforce_new_defaults: loaded.bool(s, "enforce_new_defaults"),
        enforce_scope: loaded.bool(s, "enforce_scope"),
        hardened: loaded.string("vitrine", "profile").as_deref() == Some(HARDENED),
        remote_content_type: match loaded.nonempty(s, "remote_content_type").as_deref() {
            Some("application/json") => RemoteContentType::Json,
            _ => RemoteContentType::Form,
        },
        remote_timeout: loaded.f64(s, "remote_timeout").unwrap_or(default.remote_timeout),
        remote_ssl_verify_server_crt: loaded.bool(s, "remote_ssl_verify_server_crt"),
        remote_ssl_ca_crt_file: loaded.path(s, "remote_ssl_ca_crt_file"),
        remote_ssl_client_crt_file: loaded.path(s, "remote_ssl_client_crt_file"),
        remote_ssl_client_key_file: loaded.path(s, "remote_ssl_client_key_file"),
    }
}

/// Reads the property protection file, if one is named (`glance/common/property_utils.py`). A missing or invalid file
/// stops the start, because continuing would protect nothing.
pub(super) fn protections(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<Protections> {
    let (section, option) = ("DEFAULT", "property_protection_file");
    let format = match loaded.string(section, "property_protection_rule_format").as_deref() {
        Some("policies") => RuleFormat::Policies,
        _ => RuleFormat::Roles,
    };
    let name = loaded.path(section, option)?;
    let path = loaded.place_of(&name);
    let read = std::fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"));
    match read.and_then(|text| Protections::parse(&text, format)) {
        Ok(protections) => Some(protections),
        Err(error) => {
            let reason = format!("{}: {error}", path.display());
            let origin = loaded.origin(section, option);
            findings.push(Finding::of_option(Topic::Bad, section, option, origin, reason));
            None
        }
    }
}
