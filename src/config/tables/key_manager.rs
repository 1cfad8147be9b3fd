//! `[key_manager]` and `[barbican]` (castellan's options).

use crate::config::option::Kind::{Bool, Choice, Text};
use crate::config::option::{Group, Opt, Place, float_at_least, gone, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] =
    &[group("key_manager", KEY_MANAGER), group("barbican", BARBICAN), group("vitrine", OWN)];

const fn group(section: &'static str, options: &'static [Opt]) -> Group {
    Group { place: Place::Section(section), feature: Feature::KeyManager, options }
}

const TLS: &str = "castellan does not pass it on either; verify_ssl and verify_ssl_path are what counts";
const NO_ORDERS: &str = "no keys are ordered here, so none is waited for";
const ONE_MANAGER: &str = "Barbican is reached with the caller's own token";

/// Those of Vitrine alone.
const OWN: &[Opt] = &[opt(
    "encryption_key_consumers",
    Bool,
    "false",
    "Register images as users of the keys in Barbican that their property os_encrypt_key_id names.",
)];

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
    unset("barbican_endpoint", Text, "URL of Barbican, without a version; the catalog gives it otherwise."),
    opt(
        "barbican_endpoint_type",
        Choice(&["public", "internal", "admin"]),
        "public",
        "Interface of Barbican in the catalog.",
    ),
    unset("barbican_region_name", Text, "Region of Barbican in the catalog."),
    unset("barbican_api_version", Choice(&["v1"]), "Version of Barbican's API."),
    opt(
        "auth_endpoint",
        Text,
        "http://localhost/identity/v3",
        "URL of the Keystone whose catalog has Barbican; used where it is written.",
    ),
    opt("verify_ssl", Bool, "true", "Check Barbican's certificate."),
    unset("verify_ssl_path", Text, "Certificates that Barbican's one is checked against."),
    opt(
        "send_service_user_token",
        Bool,
        "false",
        "Send the token of [barbican_service_user] along with the caller's.",
    ),
    gone("number_of_retries", NO_ORDERS),
    gone("retry_delay", NO_ORDERS),
    gone("cafile", TLS),
    gone("certfile", TLS),
    gone("keyfile", TLS),
    gone("insecure", TLS),
    unset(
        "timeout",
        float_at_least(0.0),
        "Seconds that a use of Barbican may take; 30 unless it is written.",
    ),
];
