//! `[keystone_authtoken]`, `[oslo_limit]` and the options of a service user that they share (`keystonemiddleware/auth_token/_opts.py`, `keystoneauth1/loading`).

use crate::config::option::Kind::{Bool, Choice, Int, List, Text, Word};
use crate::config::option::{ANY_INT, Group, Item, Opt, Place, at_least, gone, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[
    group("keystone_authtoken", Feature::Keystone, AUTHTOKEN),
    group("keystone_authtoken", Feature::Memcached, MEMCACHED),
    group("oslo_limit", Feature::UnifiedLimits, LIMIT),
    group("vitrine", Feature::UnifiedLimits, LIMITS_KEPT),
    Group { place: Place::Login, feature: Feature::Keystone, options: LOGIN },
];

/// The sections that hold a login of their own, and the feature that each login serves.
pub const LOGIN_SECTIONS: &[(&str, Feature)] = &[
    ("keystone_authtoken", Feature::Keystone),
    ("oslo_limit", Feature::UnifiedLimits),
    ("barbican_service_user", Feature::KeyManager),
];

const fn group(section: &'static str, feature: Feature, options: &'static [Opt]) -> Group {
    Group { place: Place::Section(section), feature, options }
}

const PLUGINS: &[&str] = &["password", "v3password", "v3applicationcredential"];
const SESSION: &str = "it tunes Python's HTTP session and has no counterpart";
const RETRIES: &str = "while Keystone does not answer, the last known limits are used";
const VERSION: &str = "only version 3 of the identity API is spoken";

const LOGIN: &[Opt] = &[
    unset("auth_type", Choice(PLUGINS), "How the service user logs in.")
        .alias(&[(None, "auth_plugin")])
        .must(),
    unset("auth_section", Text, "Section that holds the login options, if it is another one."),
    unset("auth_url", Text, "URL of Keystone to log in at.").must(),
    unset("username", Text, "Name of the service user.")
        .alias(&[(None, "user_name"), (None, "user-name")])
        .must(),
    unset("user_id", Text, "Id of the service user.").must(),
    unset("user_domain_id", Text, "Id of the service user's domain.").must(),
    unset("user_domain_name", Text, "Name of the service user's domain.").must(),
    unset("password", Text, "Password of the service user.").must().secret(),
    unset("project_id", Text, "Id of the project to log in to.")
        .alias(&[(None, "tenant_id"), (None, "tenant-id")])
        .must(),
    unset("project_name", Text, "Name of the project to log in to.")
        .alias(&[(None, "tenant_name"), (None, "tenant-name")])
        .must(),
    unset("project_domain_id", Text, "Id of that project's domain.").must(),
    unset("project_domain_name", Text, "Name of that project's domain.").must(),
    unset("domain_id", Text, "Id of the domain to log in to."),
    unset("domain_name", Text, "Name of the domain to log in to."),
    unset("default_domain_id", Text, "Id of the domain of user and project where none is given.").must(),
    unset("default_domain_name", Text, "Name of the domain of user and project where none is given.").must(),
    unset("system_scope", Text, "`all` logs in to the system.").must(),
    unset("trust_id", Text, "Id of a trust to use.").must(),
    unset("application_credential_id", Text, "Id of an application credential to log in with.").must(),
    unset(
        "application_credential_name",
        Text,
        "Name of that application credential, when the user is named as well.",
    ),
    unset("application_credential_secret", Text, "Secret of that application credential.").must().secret(),
    unset("cafile", Text, "Certificates that Keystone's one is checked against.").must(),
    unset("certfile", Text, "Client certificate to show to Keystone.").must(),
    unset("keyfile", Text, "Key of that client certificate.").must(),
    opt("insecure", Bool, "false", "Do not check Keystone's certificate.").must(),
    unset("region_name", Text, "Region whose endpoints are used.").must(),
    gone("timeout", "requests to Keystone have bounds of their own"),
    gone("collect_timing", SESSION),
    gone("split_loggers", SESSION),
    gone("tls_ciphers", SESSION),
    gone("tls_min_version", SESSION),
];

const AUTHTOKEN: &[Opt] = &[
    unset("www_authenticate_uri", Text, "URL of Keystone that an answer 401 names to clients.").must(),
    opt(
        "interface",
        Text,
        "internal",
        "Which of Keystone's endpoints validates tokens: internal, admin or public.",
    )
    .must(),
    unset("http_connect_timeout", at_least(0), "Seconds that a connection to Keystone may take to open.")
        .must(),
    opt(
        "http_request_max_retries",
        at_least(0),
        "3",
        "Further attempts to reach Keystone when it does not answer.",
    )
    .must(),
    gone("delay_auth_decision", "Glance's pipelines always leave the decision about a token to the service"),
    opt(
        "token_cache_time",
        ANY_INT,
        "300",
        "Seconds that a validated token is remembered; -1 remembers none.",
    )
    .must(),
    opt("include_service_catalog", Bool, "true", "Ask Keystone for the catalog along with a token.").must(),
    opt("service_token_roles", List(Item::Text), "service", "Roles of which a service token must have one.")
        .must(),
    opt("service_token_roles_required", Bool, "true", "Refuse service tokens that have none of these roles.")
        .must(),
    unset(
        "service_type",
        Text,
        "Type of this service; needed to check access rules of application credentials.",
    )
    .must(),
    gone("enforce_token_bind", "tokens are not bound to anything any more"),
    gone("cache", "it names an object of a Python server"),
    gone("auth_version", VERSION),
    gone("auth_uri", "removed; www_authenticate_uri replaces it"),
    gone("identity_uri", "removed; auth_url replaces it"),
    gone("auth_host", "removed; auth_url replaces it"),
    gone("auth_port", "removed; auth_url replaces it"),
    gone("auth_protocol", "removed; auth_url replaces it"),
    gone("auth_admin_prefix", "removed; auth_url replaces it"),
    gone("admin_user", "removed; username replaces it"),
    gone("admin_password", "removed; password replaces it").secret(),
    gone("admin_tenant_name", "removed; project_name replaces it"),
    gone("admin_token", "removed; log in with username and password").secret(),
    gone("signing_dir", "removed; tokens are validated by Keystone"),
    gone("hash_algorithms", "removed; tokens are validated by Keystone"),
    gone("check_revocations_for_cached", "removed; token_cache_time bounds the cache"),
];

const ADVANCED: &str = "connections to memcached are always kept in a pool";

const MEMCACHED: &[Opt] = &[
    unset(
        "memcached_servers",
        List(Item::Text),
        "Servers that nodes share validated tokens in, as host:port; each process keeps its own besides.",
    )
    .alias(&[(None, "memcache_servers")])
    .must(),
    opt(
        "memcache_security_strategy",
        Word(&["none", "mac", "encrypt"]),
        "None",
        "How tokens in memcached are protected; without it whoever can write there can be anybody.",
    ),
    unset("memcache_secret_key", Text, "Key of that protection.").secret(),
    opt("memcache_tls_enabled", Bool, "false", "Speak TLS with memcached."),
    unset("memcache_tls_cafile", Text, "Certificates that memcached's one is checked against."),
    unset("memcache_tls_certfile", Text, "Client certificate to show to memcached."),
    unset("memcache_tls_keyfile", Text, "Key of that client certificate."),
    unset("memcache_tls_allowed_ciphers", Text, "Ciphers to offer to memcached."),
    opt("memcache_sasl_enabled", Bool, "false", "Log in to memcached."),
    unset("memcache_username", Text, "User to log in to memcached as."),
    unset("memcache_password", Text, "Password of that user.").secret(),
    opt("memcache_use_advanced_pool", Bool, "true", ADVANCED).obsolete(ADVANCED),
    opt("memcache_pool_dead_retry", ANY_INT, "300", "Seconds until a dead memcached server is tried again."),
    opt("memcache_pool_maxsize", ANY_INT, "10", "Connections to each memcached server at most."),
    opt("memcache_pool_socket_timeout", ANY_INT, "3", "Seconds that memcached may take to answer."),
    opt(
        "memcache_pool_unused_timeout",
        ANY_INT,
        "60",
        "Seconds after which an idle connection to memcached is closed.",
    ),
    opt(
        "memcache_pool_conn_get_timeout",
        ANY_INT,
        "10",
        "Seconds to wait for a free connection to memcached.",
    ),
];

/// For how long what Keystone said of limits counts.
const LIMITS_KEPT: &[Opt] = &[
    opt("limits_cache_seconds", Int(0, 86_400), "30", "Seconds for which limits from Keystone are used."),
    opt(
        "limits_last_known_seconds",
        Int(0, 604_800),
        "3600",
        "The same while Keystone does not answer; later requests that need limits fail.",
    ),
];

const LIMIT: &[Opt] = &[
    unset("endpoint_id", Text, "Id of this service's endpoint in Keystone.").must(),
    unset("endpoint_service_type", Text, "Type of this service, to find its endpoint.").must(),
    unset("endpoint_service_name", Text, "Name of this service, to find its endpoint.").must(),
    unset("endpoint_region_name", Text, "Region of that endpoint.").must(),
    opt(
        "endpoint_interface",
        Choice(&["public", "publicURL", "internal", "internalURL", "admin", "adminURL"]),
        "public",
        "Interface of that endpoint.",
    )
    .must(),
    unset("endpoint_override", Text, "URL of Keystone to use instead of the catalog's.").must(),
    unset(
        "valid_interfaces",
        List(Item::Text),
        "Interface of Keystone to use, public unless one is named; of several the first.",
    )
    .must(),
    unset("connect_retries", at_least(0), "Further attempts to connect to Keystone."),
    gone("service_type", "Keystone is found in the catalog by its own type"),
    gone("service_name", "Keystone is found in the catalog by its own type"),
    gone("connect_retry_delay", RETRIES),
    gone("status_code_retries", RETRIES),
    gone("status_code_retry_delay", RETRIES),
    gone("retriable_status_codes", RETRIES),
    gone("interface", "valid_interfaces replaces it"),
    gone("version", VERSION),
    gone("min_version", VERSION),
    gone("max_version", VERSION),
];
