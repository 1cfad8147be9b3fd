//! `[glance_store]` and what every store has (`glance_store/_drivers`).

use crate::config::option::Kind::{Choice, List, Text};
use crate::config::option::{ANY_INT, Group, Item, Opt, Place, opt, unset};
use crate::config::wired::Feature;
use crate::model::consumer::InUse;

/// The groups of this file.
pub const GROUPS: &[Group] = &[
    Group { place: Place::Section("glance_store"), feature: Feature::Stores, options: GLANCE_STORE },
    Group { place: Place::EveryStore, feature: Feature::Stores, options: EVERY },
];

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
    DISK_FORMAT,
    IN_USE_DELETE,
];

const IN_USE_DELETE: Opt = unset(
    "vitrine_in_use_delete",
    Choice(&InUse::NAMES),
    "What DELETE does with an image in use that has data in the store, in the place of [vitrine] in_use_delete. Of several \
     stores the strictest counts.",
)
.must();

const DISK_FORMAT: Opt = unset(
    "vitrine_disk_format",
    Choice(&["qcow2", "raw", "vmdk"]),
    "Format in which the store keeps disks: whatever is uploaded, imported or copied into it in another one is converted \
     first, or refused. Images that are no disks, as isos and archives, are kept as they are.",
)
.must();

const EVERY: &[Opt] = &[
    unset("store_description", Text, "What clients are told about the store.").must(),
    opt(
        "weight",
        ANY_INT,
        "0",
        "Preference for reading: the heaviest store that has the image is read first.",
    )
    .must(),
    DISK_FORMAT,
    IN_USE_DELETE,
];
