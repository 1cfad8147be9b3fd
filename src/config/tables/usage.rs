//! `[vitrine]`: how usage is counted.

use crate::config::option::{
    Group,
    Kind::{Bool, Choice, Text},
    Opt, Place, at_least, opt,
};
use crate::config::wired::Feature;
use crate::model::usage::{
    meter::{Basis, Rounding},
    sums::Unit,
};

/// The groups of this file.
pub const GROUPS: &[Group] =
    &[Group { place: Place::Section("vitrine"), feature: Feature::Images, options: USAGE }];

const USAGE: &[Opt] = &[
    opt(
        "usage_basis",
        Choice(&Basis::NAMES),
        "image",
        "What of an image counts in reports of usage: its data once, its data in each store, or the disk that it unpacks to.",
    )
    .must(),
    opt(
        "usage_unit",
        Choice(&Unit::NAMES),
        "GB",
        "What a gigabyte is in reports of usage: 10^9 bytes, or 2^30.",
    )
    .must(),
    opt(
        "usage_hours_per_month",
        Text,
        "730",
        "By how many hours gigabyte-hours are divided to get gigabyte-months; calendar is as many as the month has.",
    )
    .must(),
    opt(
        "usage_rounding",
        Choice(&Rounding::NAMES),
        "clock-hour",
        "How time counts in reports of usage: every hour in UTC that an image is there counts whole, or time as it is.",
    )
    .must(),
    opt("usage_bill_public", Bool, "false", "Whether public images count in reports of usage.").must(),
    opt(
        "usage_min_bytes",
        at_least(0),
        "0",
        "Bytes that an image counts for at least in reports of usage.",
    )
    .must(),
];
