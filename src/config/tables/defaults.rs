//! `[DEFAULT]`: listener, images, quotas, protections, scrubbing and cache
//! (`glance/common/config.py`).

use crate::config::option::Kind::{Bool, Choice, Dict, Float, Int, Size, Text, Word};
use crate::config::option::{ANY_INT, Group, Item, Kind, Opt, Place, at_least, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[
    group(Feature::Listener, LISTENER),
    group(Feature::Http, HTTP),
    group(Feature::Images, IMAGES),
    group(Feature::Locations, LOCATIONS),
    group(Feature::Quotas, QUOTAS),
    group(Feature::Protections, PROTECTIONS),
    group(Feature::DelayedDelete, DELAYED_DELETE),
    group(Feature::Stores, STORES),
    group(Feature::Imports, IMPORTS),
    group(Feature::Cache, CACHE),
    group(Feature::Database, METADEFS),
];

const fn group(feature: Feature, options: &'static [Opt]) -> Group {
    Group { place: Place::Section("DEFAULT"), feature, options }
}

const LISTENER: &[Opt] = &[
    opt("bind_host", Text, "0.0.0.0", "Address to listen on.").must(),
    opt("bind_port", Int(0, 65535), "9292", "Port to listen on.").must(),
    unset("workers", at_least(0), "Threads that serve requests; unset or 0 gives one for each processor.")
        .must(),
    opt(
        "graceful_shutdown_timeout",
        at_least(0),
        "60",
        "Seconds that running requests get to end after SIGTERM; 0 waits for ever.",
    ),
    opt("backlog", at_least(1), "4096", "Connections that may wait to be accepted.")
        .obsolete("connections wait in the system's own queue"),
    opt("http_keepalive", Bool, "true", "Keep a connection open for further requests."),
    opt(
        "client_socket_timeout",
        at_least(0),
        "900",
        "Seconds that a client may keep image data back, or not take what it is sent, before its connection is closed; \
         0 waits for ever. Fewer than 64 bytes for each second count as nothing.",
    )
    .must(),
    opt("max_header_line", at_least(0), "16384", "Bytes that one header line of a request may have.")
        .obsolete("the server bounds the headers of requests itself"),
];

const HTTP: &[Opt] = &[
    unset(
        "public_endpoint",
        Text,
        "URL under which clients reach this service; base of the links in version documents.",
    )
    .must(),
    unset(
        "worker_self_reference_url",
        Text,
        "URL under which this very node can be reached; its name in the image cache.",
    )
    .of(Feature::Cache)
    .must(),
    opt(
        "max_request_id_length",
        at_least(0),
        "64",
        "Characters that a request id sent by a client may have.",
    ),
    opt(
        "allow_anonymous_access",
        Bool,
        "false",
        "Serve requests without a valid token as read-only, with no project and no role.",
    )
    .of(Feature::Anonymous),
];

const IMAGES: &[Opt] = &[
    opt("hashing_algorithm", Text, "sha512", "Algorithm of os_hash_value for data that arrives from now on.")
        .must(),
    opt("limit_param_default", at_least(1), "25", "Images on a page when the request names no limit.").must(),
    opt("api_limit_max", at_least(1), "1000", "Images on a page at most, whatever the request asks for.")
        .must(),
];

const LOCATIONS: &[Opt] = &[
    opt(
        "show_image_direct_url",
        Bool,
        "false",
        "Show where the data of an image lies as direct_url; it tells every reader how the store \
         is laid out.",
    )
    .must(),
    opt(
        "show_multiple_locations",
        Bool,
        "false",
        "Show the locations of an image and let clients change them by PATCH; deprecated, because \
         whoever may change an image may then replace its data.",
    )
    .must(),
    opt("do_secure_hash", Bool, "true", "Read and hash the data of a location that a client adds.")
        .of(Feature::LocationCalls)
        .must(),
    opt("http_retries", ANY_INT, "3", "Attempts to read a location while it is hashed.")
        .of(Feature::LocationCalls),
    unset(
        "metadata_encryption_key",
        Text,
        "AES key of 16, 24 or 32 bytes that location URLs in the database are encrypted with.",
    )
    .must()
    .secret(),
];

const QUOTAS: &[Opt] = &[
    opt(
        "image_size_cap",
        Int(1, 9_223_372_036_854_775_808),
        "1099511627776",
        "Bytes that one image may have.",
    )
    .must(),
    opt(
        "user_storage_quota",
        Size,
        "0",
        "Bytes that the images of one project may take in all, with B, KB, MB, GB or TB; 0 is no \
         limit. Not used with use_keystone_limits.",
    )
    .must(),
    opt(
        "use_keystone_limits",
        Bool,
        "false",
        "Take the limits of each project from Keystone, for which [oslo_limit] says how to ask it, or from the built-in \
         identity.",
    )
    .of(Feature::UnifiedLimits)
    .must(),
    opt("image_member_quota", ANY_INT, "128", "Members of one image at most; a negative number is no limit.")
        .must(),
    opt(
        "image_property_quota",
        ANY_INT,
        "128",
        "Properties of one image at most; a negative number is no limit.",
    )
    .must(),
    opt("image_tag_quota", ANY_INT, "128", "Tags of one image at most; a negative number is no limit.")
        .must(),
    opt(
        "image_location_quota",
        ANY_INT,
        "10",
        "Locations of one image at most; a negative number is no limit.",
    )
    .of(Feature::LocationCalls)
    .must(),
];

const PROTECTIONS: &[Opt] = &[
    unset(
        "property_protection_file",
        Text,
        "File that says which roles or policies may create, read, change and delete which \
         properties.",
    )
    .must(),
    opt(
        "property_protection_rule_format",
        Choice(&["roles", "policies"]),
        "roles",
        "Whether the rules in that file are roles or names of policies.",
    )
    .must(),
];

const METADEFS: &[Opt] = &[unset(
    "metadata_source_path",
    Text,
    "Where `glance-manage db load_metadefs` finds its files; unset, those of /etc/glance/metadefs/ if there are any, else \
     the catalogue that is built in.",
)];

const DELAYED_DELETE: &[Opt] = &[
    opt(
        "delayed_delete",
        Bool,
        "false",
        "Keep the data of deleted images for scrub_time before it is removed.",
    ),
    opt(
        "scrub_time",
        at_least(0),
        "0",
        "Seconds between the deletion of an image and the removal of its data.",
    ),
    opt("scrub_pool_size", at_least(1), "1", "Images whose data is removed at the same time.")
        .obsolete("the reaper removes data as soon as it is due"),
    opt("wakeup_time", at_least(0), "300", "Seconds between two rounds of the removal.")
        .obsolete("the reaper removes data as soon as it is due"),
];

const STORES: &[Opt] =
    &[unset("enabled_backends", Dict, "The stores, as id:type pairs; each has a section named by its id.")
        .must()];

const METHODS: &[&str] = &["glance-direct", "web-download", "copy-image", "glance-download"];

const IMPORTS: &[Opt] = &[
    opt(
        "enabled_import_methods",
        Kind::Bracketed(Item::Choice(METHODS)),
        "[glance-direct, web-download, copy-image]",
        "Import methods that clients may use.",
    )
    .must(),
    opt(
        "node_staging_uri",
        Text,
        "file:///tmp/staging/",
        "Folder of staged uploads when enabled_backends is not set, as a file:// URL.",
    )
    .of(Feature::Staging)
    .must(),
];

const CACHE: &[Opt] = &[
    unset(
        "image_cache_dir",
        Text,
        "Folder of the image cache of this node; no folder, no cache. Downloads go through it with a caching flavor, or without any.",
    )
    .must(),
    opt(
        "image_cache_driver",
        Word(&["centralized_db", "sqlite", "xattr"]),
        "centralized_db",
        "What is told of the cache: with centralized_db the nodes that hold an image, too. Records are in the database.",
    )
    .must(),
    opt("image_cache_max_size", at_least(0), "10737418240", "Bytes that the cache takes at most.").must(),
    opt(
        "image_cache_stall_time",
        at_least(0),
        "86400",
        "Seconds that an incomplete file in the cache may wait for its next bytes.",
    )
    .must(),
    opt("image_cache_sqlite_db", Text, "cache.db", "Name of the database file of the sqlite driver.")
        .obsolete("records are in the database; files without one are looked into and recorded at the start"),
    opt(
        "cache_prefetcher_interval",
        Float(0.0, f64::MAX),
        "300",
        "Seconds between two looks for images that wait to be cached.",
    )
    .obsolete("queued images are fetched at once"),
];
