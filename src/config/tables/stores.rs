//! `[glance_store]` and what every store has (`glance_store/_drivers`).

use crate::config::option::Kind::{List, Text};
use crate::config::option::{ANY_INT, Group, Item, Opt, Place, opt, unset};
use crate::config::wired::Feature;

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
