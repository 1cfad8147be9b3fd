//! `[glance_store]` and the stores of types file, http and rbd (`glance_store/_drivers`).

use crate::config::option::Kind::{Bool, Dict, Int, List, Multi, Text, Word};
use crate::config::option::{ANY_INT, Group, Item, Opt, Place, at_least, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[
    Group { place: Place::Section("glance_store"), feature: Feature::Stores, options: GLANCE_STORE },
    Group { place: Place::EveryStore, feature: Feature::Stores, options: EVERY },
    group("file", Feature::FileStore, FILE),
    group("http", Feature::HttpStore, HTTP),
    group("rbd", Feature::RbdStore, RBD),
];

const fn group(kind: &'static str, feature: Feature, options: &'static [Opt]) -> Group {
    Group { place: Place::Store(kind), feature, options }
}

const SCHEMES: &[&str] = &[
    "file",
    "filesystem",
    "http",
    "https",
    "swift",
    "swift+http",
    "swift+https",
    "swift+config",
    "rbd",
    "cinder",
    "vsphere",
    "s3",
];

const GLANCE_STORE: &[Opt] = &[
    unset("default_backend", Text, "Id of the store that takes data when the request names none.").must(),
    opt("stores", List(Item::Text), "file,http", "Types of stores to use when enabled_backends is not set.")
        .must(),
    opt(
        "default_store",
        Word(SCHEMES),
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

const FILE: &[Opt] = &[
    opt("filesystem_store_datadir", Text, "/var/lib/glance/images", "Folder of the data.").must(),
    unset(
        "filesystem_store_datadirs",
        Multi,
        "Several folders instead, each as path or path:priority; needs filesystem_store_datadir to \
         be empty.",
    )
    .of(Feature::FileStoreTuning)
    .must(),
    unset(
        "filesystem_store_metadata_file",
        Text,
        "JSON file that gives the location metadata of each mount point.",
    )
    .of(Feature::FileStoreTuning)
    .must(),
    opt(
        "filesystem_store_file_perm",
        ANY_INT,
        "0",
        "Mode of the files, in octal digits; 0 leaves it to the umask.",
    )
    .of(Feature::FileStoreTuning)
    .must(),
    opt("filesystem_store_chunk_size", at_least(1), "65536", "Bytes that are read or written at once.")
        .of(Feature::FileStoreTuning)
        .must(),
    opt("filesystem_thin_provisioning", Bool, "false", "Leave holes in place of runs of zeros.")
        .of(Feature::FileStoreTuning)
        .must(),
    opt(
        "filesystem_store_timeout",
        at_least(0),
        "0",
        "Seconds that a call of the file system may take; 0 is no limit.",
    )
    .of(Feature::FileStoreTuning)
    .must(),
    opt("filesystem_store_thread_pool_size", at_least(1), "10", "Threads for calls with a limit of time.")
        .of(Feature::FileStoreTuning)
        .must(),
    opt(
        "filesystem_store_threadpool_threshold",
        Int(0, 100),
        "75",
        "Percentage of busy threads above which a warning is logged.",
    )
    .of(Feature::FileStoreTuning)
    .must(),
];

const HTTP: &[Opt] = &[
    unset(
        "https_ca_certificates_file",
        Text,
        "Certificates that servers are checked against; https_insecure is then not looked at.",
    )
    .must(),
    opt("https_insecure", Bool, "true", "Do not check the certificates of servers.").must(),
    opt("http_proxy_information", Dict, "", "Proxies by scheme, as http:host:port.").must(),
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
