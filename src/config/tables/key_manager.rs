//! `[key_manager]` and `[barbican]` (castellan's options).

use crate::config::option::Kind::{Bool, Choice, Text};
use crate::config::option::{Group, Opt, Place, at_least, float_at_least, gone, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[group("key_manager", KEY_MANAGER), group("barbican", BARBICAN)];

const fn group(section: &'static str, options: &'static [Opt]) -> Group {
    Group { place: Place::Section(section), feature: Feature::KeyManager, options }
}

const ONE_MANAGER: &str = "Barbican is reached with the caller's own token";

const KEY_MANAGER: &[Opt] = &[
    opt("backend", Text, "barbican", "Which key manager holds keys and certificates.")
        .alias(&[(None, "api_class")]),
    gone("auth_type", ONE_MANAGER),
    gone("auth_url", ONE_MANAGER),
    gone("token", ONE_MANAGER).secret(),
    gone("username", ONE_MANAGER),
    gone("password", ONE_MANAGER).secret(),
];

const BARBICAN: &[Opt] = &[
    unset("barbican_endpoint", Text, "URL of Barbican; the catalog gives it otherwise."),
    opt(
        "barbican_endpoint_type",
        Choice(&["public", "internal", "admin"]),
        "public",
        "Interface of Barbican in the catalog.",
    ),
    unset("barbican_region_name", Text, "Region of Barbican in the catalog."),
    unset("barbican_api_version", Text, "Version of Barbican's API."),
    opt("auth_endpoint", Text, "http://localhost/identity/v3", "URL of Keystone."),
    opt("verify_ssl", Bool, "true", "Check Barbican's certificate."),
    unset("verify_ssl_path", Text, "Certificates that Barbican's one is checked against."),
    opt(
        "send_service_user_token",
        Bool,
        "false",
        "Send the token of [barbican_service_user] along with the caller's.",
    ),
    opt("number_of_retries", at_least(0), "60", "Looks for a key that is not ready yet."),
    opt("retry_delay", at_least(0), "1", "Seconds between two such looks."),
    unset("cafile", Text, "Certificates that Barbican's one is checked against."),
    unset("certfile", Text, "Client certificate to show to Barbican."),
    unset("keyfile", Text, "Key of that client certificate."),
    opt("insecure", Bool, "false", "Do not check Barbican's certificate."),
    unset("timeout", float_at_least(0.0), "Seconds that a request to Barbican may take."),
];
