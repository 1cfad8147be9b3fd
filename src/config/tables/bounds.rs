//! `[vitrine]`: limits on what callers can make the service do.

use crate::config::option::{Group, Kind::Int, Opt, Place, at_least, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] =
    &[Group { place: Place::Section("vitrine"), feature: Feature::Http, options: BOUNDS }];

const BOUNDS: &[Opt] = &[
    opt(
        "request_timeout",
        at_least(1),
        "30",
        "Seconds that a client may take for the head of a request, and again for a body of JSON. Image data has \
         client_socket_timeout.",
    )
    .must(),
    unset(
        "max_connections",
        at_least(1),
        "Connections at once. Unset, it is what the limit on open descriptors (ulimit -Hn) has room for, 16384 at most. \
         Beside them 64 may wait for a request, and /healthcheck is always answered.",
    )
    .must(),
    unset(
        "max_connections_per_address",
        at_least(1),
        "The same of one address, or of one /64 of IPv6; unset, half of them. A proxy is one address: behind one, give \
         it as many as there are.",
    )
    .must(),
    opt(
        "max_transfers",
        at_least(1),
        "4096",
        "Uploads and downloads at once; never more than three quarters of the connections.",
    )
    .must(),
    opt(
        "max_transfers_per_project",
        at_least(1),
        "2048",
        "Uploads and downloads of one project at once; never more than half of max_transfers.",
    )
    .must(),
    opt(
        "jobs_waiting",
        at_least(0),
        "112",
        "Imports and other jobs of one node that may wait for other servers' data, beside the task_pool_threads that work.",
    )
    .of(Feature::Tasks)
    .must(),
    opt(
        "upload_ttl",
        Int(60, 31_536_000),
        "86400",
        "Seconds after its last byte after which an upload in parts (/ext/v1/uploads) is given up, and its image queued.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "open_uploads_per_project",
        at_least(0),
        "32",
        "Uploads in parts of one project that may be open at once.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "open_upload_bytes_per_project",
        at_least(0),
        "2199023255552",
        "Bytes that the open uploads in parts of one project may have together; the staging folder needs as much, and for \
         each that is being completed its size again.",
    )
    .of(Feature::Imports)
    .must(),
];
