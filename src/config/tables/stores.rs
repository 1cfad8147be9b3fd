//! `[glance_store]`, what every store has, and the stores of type rbd (`glance_store/_drivers`).

use crate::config::option::Kind::{Bool, List, Text};
use crate::config::option::{ANY_INT, Group, Item, Opt, Place, at_least, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[
    Group { place: Place::Section("glance_store"), feature: Feature::Stores, options: GLANCE_STORE },
    Group { place: Place::EveryStore, feature: Feature::Stores, options: EVERY },
];

/// Stores of type rbd.
pub const RBD_GROUPS: &[Group] = &[group("rbd", Feature::RbdStore, RBD)];

const fn group(kind: &'static str, feature: Feature, options: &'static [Opt]) -> Group {
    Group { place: Place::Store(kind), feature, options }
}

const GLANCE_STORE: &[Opt] = &[
    unset("default_backend", Text, "Id of the store that takes data when the request names none.").must(),
    opt("stores", List(Item::Text), "file,http", "Types of stores to use when enabled_backends is not set.")
        .must(),
    opt(
        "default_store",
        Text,
        "file",
        "Scheme of the store that takes data when enabled_backends is not set.",
    )
    .must(),
];

const EVERY: &[Opt] = &[
    unset("store_description", Text, "What clients are told about the store.").must(),
    opt(
        "weight",
        ANY_INT,
        "0",
        "Preference for reading: the heaviest store that has the image is read first.",
    )
    .must(),
];

const RBD: &[Opt] = &[
    opt("rbd_store_chunk_size", at_least(1), "8", "MiB of each object of an image.").must(),
    opt("rbd_store_pool", Text, "images", "Pool of the images.").must(),
    unset("rbd_store_user", Text, "Ceph user to connect as.").must(),
    opt("rbd_store_ceph_conf", Text, "", "Ceph's configuration file; empty lets Ceph's library find it.")
        .must(),
    opt(
        "rados_connect_timeout",
        ANY_INT,
        "-1",
        "Seconds that Ceph may take to answer; a negative number leaves it to Ceph.",
    )
    .must(),
    opt("rbd_thin_provisioning", Bool, "false", "Do not write runs of zeros.").must(),
];
