//! `[key_manager]`, `[barbican]` and `[barbican_service_user]` as the settings of the key manager.

use std::time::Duration;

use super::Loaded;
use super::assemble_keystone::login;
use super::check::{Finding, Topic};
use crate::identity::keystone;
use crate::key_manager::{Interface, KeyManager, Settings};

const SECTION: &str = "barbican";
const SERVICE_USER: &str = "barbican_service_user";
/// What castellan understands by its driver for Barbican: the name, and the class that was written in its place before.
const BARBICAN: [&str; 2] = ["barbican", "castellan.key_manager.barbican_key_manager.BarbicanKeyManager"];

/// Assembles and validates the settings; Barbican itself is not called. `None` if neither it nor the Keystone that knows
/// where it is has an address.
pub(super) fn key_manager(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<Settings> {
    // Read in any case, so that it shows which options have a reader.
    let settings = settings(loaded);
    let backend = loaded.string("key_manager", "backend").unwrap_or_default();
    if !BARBICAN.contains(&backend.as_str()) {
        let origin = loaded.origin("key_manager", "backend");
        let reason = "Barbican is the only key manager that is supported; it is called `barbican`";
        findings.push(Finding::of_option(Topic::Refused, "key_manager", "backend", origin, reason));
    }
    if !loaded.is_set(SECTION, "barbican_endpoint") && !loaded.is_set(SECTION, "auth_endpoint") {
        return None;
    }
    if let Err(error) = KeyManager::open(Some(settings.clone())) {
        let login = loaded.login_section(SERVICE_USER);
        let is_of_login = error.section == SERVICE_USER && loaded.is_set(&login, error.option);
        let section = if is_of_login { &login } else { error.section };
        let origin = loaded.origin(section, error.option);
        findings.push(Finding::of_option(Topic::Bad, section, error.option, origin, error.reason));
    }
    Some(settings)
}

fn settings(loaded: &Loaded) -> Settings {
    let default = Settings::default();
    let text = |option| loaded.nonempty(SECTION, option);
    let user = login(loaded, SERVICE_USER);
    let user = keystone::Settings { www_authenticate_uri: Some(user.auth_url.clone()), ..user };
    Settings {
        endpoint: text("barbican_endpoint"),
        api_version: text("barbican_api_version").unwrap_or(default.api_version),
        auth_endpoint: text("auth_endpoint").unwrap_or(default.auth_endpoint),
        endpoint_type: text("barbican_endpoint_type")
            .and_then(|text| Interface::parse(&text))
            .unwrap_or_default(),
        region_name: text("barbican_region_name"),
        verify_ssl: loaded.bool(SECTION, "verify_ssl"),
        verify_ssl_path: loaded.path(SECTION, "verify_ssl_path"),
        service_user: loaded.bool(SECTION, "send_service_user_token").then_some(user),
        timeout: loaded
            .f64(SECTION, "timeout")
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or(default.timeout),
    }
}
