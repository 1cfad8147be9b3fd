//! Sections of the libraries and of the API's outer layers: database, policy, middleware, formats.

use crate::config::option::Kind::{Bool, Choice, Int, List, Multi, Text};
use crate::config::option::{ANY_INT, Group, Item, Opt, Place, at_least, float_at_least, gone, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[
    group("database", Feature::Database, DATABASE),
    group("paste_deploy", Feature::Http, PASTE),
    group("oslo_policy", Feature::Policy, POLICY),
    group("oslo_middleware", Feature::Http, MIDDLEWARE),
    group("cors", Feature::Cors, CORS),
    group("healthcheck", Feature::Healthcheck, HEALTHCHECK),
    group("image_format", Feature::Formats, FORMATS),
    group("oslo_concurrency", Feature::Tasks, CONCURRENCY),
];

const fn group(section: &'static str, feature: Feature, options: &'static [Opt]) -> Group {
    Group { place: Place::Section(section), feature, options }
}

const DRIVER: &str = "it belongs to Python's database library and has no counterpart";
const NDB: &str = "tables are made for InnoDB; NDB has other types and limits";
const RECONNECT: &str = "every statement on a lost connection is reported, and the connection is \
                         replaced; statements are repeated only where that is safe";

const DATABASE: &[Opt] = &[
    unset(
        "connection",
        Text,
        "URL of the database: sqlite, postgresql or mysql, with or without a Python driver's name \
         (mysql+pymysql). PostgreSQL takes libpq's options; MySQL takes charset, ssl_ca, ssl_cert, ssl_key, \
         ssl_verify_cert, ssl_verify_identity and unix_socket, and read_default_file with read_default_group, a file \
         of MySQL's clients, for ssl-ca, ssl-cert and ssl-key. With ssl_ca the server's certificate is checked, with \
         ssl_verify_identity the name in it too; with ssl-ca of a file both are.",
    )
    .must()
    .secret(),
    opt(
        "max_pool_size",
        at_least(0),
        "5",
        "Connections that are kept open when nobody uses them; 0 is no limit. There are never more than 200 in all.",
    )
    .must(),
    opt(
        "max_overflow",
        at_least(-1),
        "50",
        "Further connections that are opened when all are in use, and closed afterwards; -1 is no limit.",
    )
    .must(),
    unset(
        "pool_timeout",
        at_least(0),
        "Seconds that the end of an upload or an import waits for a connection; unset is 30. \
         Requests wait for database_wait in [vitrine].",
    )
    .must(),
    opt(
        "connection_recycle_time",
        at_least(-1),
        "3600",
        "Seconds after which a connection is replaced; -1 keeps it.",
    )
    .must(),
    opt(
        "max_retries",
        at_least(-1),
        "10",
        "Attempts to reach the database at the start, of a command too; -1 tries for ever, 0 once. Meanwhile a server \
         answers 503.",
    )
    .must(),
    opt("retry_interval", at_least(0), "10", "Seconds between two such attempts.").must(),
    opt("connection_parameters", Text, "", "Parameters appended to the URL: name=value, joined by &.").must(),
    opt(
        "mysql_sql_mode",
        Text,
        "TRADITIONAL",
        "SQL mode of each MySQL session; empty takes the server's own. STRICT_ALL_TABLES and PIPES_AS_CONCAT are added, \
         and modes that would change what statements mean are refused.",
    ),
    unset(
        "mysql_wsrep_sync_wait",
        Int(0, 15),
        "wsrep_sync_wait of each session, for Galera: which statements wait until the node has what other nodes wrote. \
         Unset leaves it to the server.",
    ),
    opt(
        "connection_debug",
        Int(0, 100),
        "0",
        "From 50 on each statement is logged at level INFO and target sql, without the values that are bound to it.",
    ),
    opt("db_max_retries", at_least(-1), "20", RECONNECT).obsolete(RECONNECT),
    opt("db_retry_interval", ANY_INT, "1", RECONNECT).obsolete(RECONNECT),
    opt("db_inc_retry_interval", Bool, "true", RECONNECT).obsolete(RECONNECT),
    opt("db_max_retry_interval", ANY_INT, "10", RECONNECT).obsolete(RECONNECT),
    opt("use_db_reconnect", Bool, "false", RECONNECT).obsolete(RECONNECT),
    gone("slave_connection", "everything is read from the first database, as in Glance").secret(),
    gone("connection_trace", "there is no Python whose calls statements could name; connection_debug logs them"),
    gone("asyncio_connection", DRIVER).secret(),
    gone("asyncio_slave_connection", DRIVER).secret(),
    gone("backend", DRIVER),
    opt("mysql_enable_ndb", Bool, "false", NDB).refused(NDB),
    gone("sqlite_synchronous", "SQLite always writes durably"),
    gone("synchronous_reader", "everything is read from the first database, which has what was written"),
    gone("min_pool_size", "removed from OpenStack; the pool starts empty"),
    gone("idle_timeout", "the earlier name of connection_recycle_time, removed"),
];

/// The pipelines of `etc/glance-api-paste.ini`.
const FLAVORS: &[&str] =
    &["", "caching", "cachemanagement", "keystone", "keystone+caching", "keystone+cachemanagement"];

const PASTE: &[Opt] = &[
    unset(
        "flavor",
        Choice(FLAVORS),
        "Who may call and what is cached: keystone asks for tokens, caching fills the image cache, \
         cachemanagement adds its old calls. Empty lets everybody in as an administrator; unset, the built-in identity asks for tokens.",
    )
    .must(),
    gone("config_file", "the flavors are built in; a paste file is not read"),
];

const POLICY: &[Opt] = &[
    opt(
        "policy_file",
        Text,
        "policy.yaml",
        "File of rules that replace the built-in ones; a relative name is looked for beside the \
         configuration.",
    )
    .must(),
    opt(
        "policy_dirs",
        Multi,
        "policy.d",
        "Folder of further files of rules, read in the order of their names.",
    )
    .must(),
    opt("policy_default_rule", Text, "default", "Rule that stands in for one that is not defined.").must(),
    opt(
        "enforce_new_defaults",
        Bool,
        "true",
        "Use today's default rules alone; false also admits whom the earlier defaults admitted.",
    )
    .must(),
    opt(
        "enforce_scope",
        Bool,
        "true",
        "Refuse tokens whose scope is not the rule's; removed from OpenStack, where it is always so.",
    ),
    opt(
        "remote_content_type",
        Choice(&["application/x-www-form-urlencoded", "application/json"]),
        "application/x-www-form-urlencoded",
        "How rules that ask another server encode the question.",
    ),
    opt("remote_timeout", float_at_least(0.0), "60", "Seconds that such a server may take."),
    opt("remote_ssl_verify_server_crt", Bool, "false", "Check the certificate of such a server."),
    unset("remote_ssl_ca_crt_file", Text, "Certificates that it is checked against."),
    unset("remote_ssl_client_crt_file", Text, "Client certificate to show to it."),
    unset("remote_ssl_client_key_file", Text, "Key of that client certificate."),
];

const MIDDLEWARE: &[Opt] = &[
    opt(
        "enable_proxy_headers_parsing",
        Bool,
        "false",
        "Believe Forwarded and X-Forwarded-* headers; only behind a proxy that sets them.",
    )
    .must(),
    gone("max_request_body_size", "Glance's pipelines do not use it"),
    gone("http_basic_auth_user_file", "Glance's pipelines do not use it"),
    gone("secure_proxy_ssl_header", "removed; enable_proxy_headers_parsing replaces it"),
];

const CORS: &[Opt] = &[
    unset(
        "allowed_origin",
        List(Item::Text),
        "Origins whose pages may call this service; `*` is all. Unset turns CORS off.",
    )
    .must(),
    opt("allow_credentials", Bool, "true", "Let those pages send credentials.").must(),
    opt(
        "expose_headers",
        List(Item::Text),
        "X-Image-Meta-Checksum,X-Auth-Token,X-Subject-Token,X-Service-Token,\
         X-OpenStack-Request-ID",
        "Response headers that those pages may read.",
    )
    .must(),
    opt("max_age", at_least(0), "3600", "Seconds that a browser may remember a preflight.").must(),
    opt("allow_methods", List(Item::Text), "GET,PUT,POST,DELETE,PATCH", "Methods that those pages may use.")
        .must(),
    opt(
        "allow_headers",
        List(Item::Text),
        "Content-MD5,X-Image-Meta-Checksum,X-Storage-Token,Accept-Encoding,X-Auth-Token,\
         X-Identity-Status,X-Roles,X-Service-Catalog,X-User-Id,X-Tenant-Id,X-OpenStack-Request-ID",
        "Request headers that those pages may send.",
    )
    .must(),
];

const HEALTHCHECK: &[Opt] = &[
    opt(
        "backends",
        List(Item::Text),
        "disable_by_file",
        "Checks behind /healthcheck: disable_by_file, disable_by_files_ports, enable_by_files (not together with the \
         first).",
    )
    .must(),
    opt(
        "disable_by_file_path",
        Text,
        "/etc/glance/healthcheck_disable",
        "disable_by_file: while this file exists, /healthcheck answers 503.",
    )
    .must(),
    opt(
        "disable_by_file_paths",
        List(Item::Text),
        "",
        "disable_by_files_ports: the same file for each port that is listened on, as PORT:PATH.",
    )
    .must(),
    opt(
        "enable_by_file_paths",
        List(Item::Text),
        "",
        "enable_by_files: while one of these files is missing, /healthcheck answers 503.",
    )
    .must(),
    opt("detailed", Bool, "false", "Say in HTML and JSON what each check has found, the time and the platform.")
        .must(),
    opt(
        "allowed_source_ranges",
        List(Item::Text),
        "",
        "Networks from which /healthcheck may be asked; all others find nothing there. Empty is everybody.",
    )
    .must(),
    opt("ignore_proxied_requests", Bool, "false", "Requests with X-Forwarded-* headers find nothing there.").must(),
    gone("path", "the route is always /healthcheck"),
    gone("ignore_path", "it is no option of this section; what is to be checked is in backends"),
];

const FORMATS: &[Opt] = &[
    opt(
        "disk_formats",
        List(Item::Text),
        "ami,ari,aki,vhd,vhdx,vmdk,raw,qcow2,vdi,iso,ploop",
        "Values that disk_format may take.",
    )
    .alias(&[(Some("DEFAULT"), "disk_formats")])
    .must(),
    opt(
        "container_formats",
        List(Item::Text),
        "ami,ari,aki,bare,ovf,ova,docker,compressed",
        "Values that container_format may take.",
    )
    .alias(&[(Some("DEFAULT"), "container_formats")])
    .must(),
    opt(
        "vmdk_allowed_types",
        List(Item::Text),
        "streamOptimized,monolithicSparse",
        "Subformats of VMDK that a conversion accepts; an empty list accepts none.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "require_image_format_match",
        Bool,
        "true",
        "Refuse data whose format is not the declared disk_format.",
    )
    .must(),
    opt(
        "gpt_safety_checks_nonfatal",
        List(Item::Text),
        "",
        "Checks of GPT disks whose failure is forgiven: mbr, gptmbr.",
    )
    .must(),
];

const CONCURRENCY: &[Opt] = &[
    unset("lock_path", Text, "Folder of locks shared by the processes of a host; one process needs none.")
        .must()
        .obsolete("what needs a lock is locked in the database"),
    gone("disable_process_locking", "what needs a lock is locked in the database"),
];
