//! `[vitrine]`: what becomes of images, and what they may be.

use crate::config::option::Kind::{Bool, Choice};
use crate::config::option::{Group, Opt, Place, at_least, opt};
use crate::config::wired::Feature;
use crate::model::{lifecycle::Obsolete, lint::Validation};

/// The group of this file.
pub const GROUPS: &[Group] =
    &[Group { place: Place::Section("vitrine"), feature: Feature::Images, options: LIVES }];

const LIVES: &[Opt] = &[
    opt(
        "trash_days",
        at_least(0),
        "0",
        "Days for which a deleted image can be brought back; 0 is none. With delayed_delete it can be for scrub_time, if that \
         is longer.",
    )
    .must(),
    opt(
        "protect_cooldown_hours",
        at_least(0),
        "0",
        "Hours for which an image cannot be deleted yet after `protected` was cleared; 0 is none, as in Glance.",
    )
    .must(),
    opt(
        "obsolete_images",
        Choice(&Obsolete::NAMES),
        "retire",
        "What becomes of an image when the date in its property obsolete_at has come: it is retired, so that those who have \
         something made from it keep it, or deactivated.",
    )
    .must(),
    opt(
        "media_groups_strict",
        Bool,
        "false",
        "Whether the property media_group of an image must be the name of a media group; if not, any text is taken.",
    )
    .must(),
    opt(
        "iso_image_kind",
        Bool,
        "false",
        "Whether an image whose disk_format is iso gets the property image_kind=iso with its data, if it has no image_kind.",
    )
    .must(),
    opt(
        "iso_temporary",
        Bool,
        "false",
        "Whether an image whose disk_format is iso gets the property usage=temporary with its data, if it has no usage. Launch \
         forms can tell by it that servers boot from the disc for a while; the service does nothing by it.",
    )
    .must(),
    opt(
        "validate_properties",
        Choice(&Validation::NAMES),
        "warn",
        "How values that the metadata definitions do not know are treated, in properties that describe virtual hardware \
         (hw_disk_bus, hw_firmware_type, hw_rescue_device …): `warn` accepts them, as Glance does, and lists them in GET \
         /ext/v1/images/{id}/lint; `strict` refuses them.",
    )
    .must(),
    opt(
        "scrub_mib_per_second",
        at_least(0),
        "0",
        "MiB in a second that one node reads of all data in the stores, once a day at most, to compare it with the hashes \
         of the images and to repair what is damaged from another store's copy; 0 is never. `vitrine scrub` does so at once.",
    )
    .must(),
];
