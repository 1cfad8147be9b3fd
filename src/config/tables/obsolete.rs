//! Options and sections that deployments still set and that have no effect, with the reason.

use crate::config::option::{Group, Opt, Place, gone};
use crate::config::wired::Feature;

/// The groups of this file. The feature is of no account: each option is obsolete by itself.
pub const GROUPS: &[Group] = &[
    group("DEFAULT", DEFAULTS),
    group("oslo_reports", REPORTS),
    group("audit_middleware_notifications", AUDIT),
];

const fn group(section: &'static str, options: &'static [Opt]) -> Group {
    Group { place: Place::Section(section), feature: Feature::Http, options }
}

const REGISTRY: &str = "the registry was removed from Glance";
const V1: &str = "the version 1 API was removed; version 2 is always on";
const SECTION: &str = "options of stores have no effect in [DEFAULT]; write it in the store's \
                       section";
const PYTHON: &str = "it belongs to a Python debugger or server";
const SCRUBBER: &str = "data of deleted images is removed by the service itself";
const EVENTLET: &str = "it belongs to the server that Glance 2026.2 removed";

const DEFAULTS: &[Opt] = &[
    gone("digest_algorithm", "nothing is signed with it"),
    gone("pydev_worker_debug_host", PYTHON),
    gone("pydev_worker_debug_port", PYTHON),
    gone("tcp_keepidle", EVENTLET),
    gone("http_pool_size", EVENTLET),
    gone("cert_file", "Glance removed it; [vitrine] tls_cert_file has the API speak TLS itself"),
    gone("key_file", "Glance removed it; [vitrine] tls_key_file has the API speak TLS itself"),
    gone("ca_file", "Glance removed it; [vitrine] tls_client_ca_file has the API ask for certificates"),
    gone("secure_proxy_ssl_header", "[oslo_middleware] enable_proxy_headers_parsing replaces it"),
    gone("cinder_catalog_info", SECTION),
    gone("cinder_endpoint_template", SECTION),
    gone("filesystem_store_datadir", SECTION),
    gone("default_store", SECTION),
    gone("scrubber_datadir", SCRUBBER),
    gone("cleanup_scrubber", SCRUBBER),
    gone("cleanup_scrubber_time", SCRUBBER),
    gone("daemon", SCRUBBER),
    gone("restore", SCRUBBER),
    gone("verbose", "INFO is always logged; debug adds more"),
    gone("db_enforce_mysql_charset", "our tables choose their own character set"),
    gone("sql_connection", "[database] connection replaces it").secret(),
    gone("sql_idle_timeout", "[database] connection_recycle_time replaces it"),
    gone("data_api", "the database is read directly"),
    gone("registry_host", REGISTRY),
    gone("registry_port", REGISTRY),
    gone("registry_client_protocol", REGISTRY),
    gone("registry_client_timeout", REGISTRY),
    gone("registry_client_key_file", REGISTRY),
    gone("registry_client_cert_file", REGISTRY),
    gone("registry_client_ca_file", REGISTRY),
    gone("registry_client_insecure", REGISTRY),
    gone("use_user_token", REGISTRY),
    gone("admin_user", REGISTRY),
    gone("admin_password", REGISTRY).secret(),
    gone("admin_tenant_name", REGISTRY),
    gone("auth_url", REGISTRY),
    gone("auth_region", REGISTRY),
    gone("auth_strategy", REGISTRY),
    gone("send_identity_headers", REGISTRY),
    gone("enable_v1_api", V1),
    gone("enable_v2_api", V1),
    gone("enable_v1_registry", V1),
    gone("enable_v2_registry", V1),
    gone("owner_is_tenant", "images are always owned by projects"),
    gone("admin_role", "policy rule context_is_admin replaces it"),
    gone("enforce_secure_rbac", "[oslo_policy] enforce_new_defaults replaces it"),
    gone("allow_additional_image_properties", "removed; properties are always allowed"),
    gone("location_strategy", "removed; the weight of each store replaces it"),
    gone("store_type_preference", "removed; the weight of each store replaces it"),
    gone("policy_file", "[oslo_policy] policy_file replaces it"),
    gone("notification_driver", "[oslo_messaging_notifications] driver replaces it"),
    gone("lock_path", "what needs a lock is locked in the database"),
];

const NO_REPORTS: &str = "there are no reports of Python's threads";

const REPORTS: &[Opt] = &[
    gone("log_dir", NO_REPORTS),
    gone("file_event_handler", NO_REPORTS),
    gone("file_event_handler_interval", NO_REPORTS),
];

const NO_AUDIT: &str = "Glance's pipelines have no audit filter";

const AUDIT: &[Opt] = &[
    gone("use_oslo_messaging", NO_AUDIT),
    gone("driver", NO_AUDIT),
    gone("topics", NO_AUDIT),
    gone("transport_url", NO_AUDIT).secret(),
];
