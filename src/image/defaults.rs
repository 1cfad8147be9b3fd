//! What images get when they serve for the first time, as the operator has it.

use super::dates;
use crate::model::{bundle::KIND_PROPERTY, image::Image, lint::ISO, status::Status, time::Timestamp};

/// For what an image of a disc is, in launch forms.
const USAGE_PROPERTY: &str = "usage";

/// The properties of ISO images that have none of their own (`iso_image_kind`, `iso_temporary`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IsoDefaults {
    /// `image_kind` is `iso`.
    pub kind: bool,
    /// `usage` is `temporary`.
    pub temporary: bool,
}

/// Sets what an image lacks that becomes public (deprecated after so many seconds) or, as an ISO, gets its data.
pub(super) fn set(
    (public_seconds, iso): (Option<i64>, IsoDefaults),
    before: &Image,
    after: &mut Image,
    now: Timestamp,
) {
    dates::set_default(public_seconds, before, after, now);
    let gets_data = after.status == Status::Active
        && !matches!(before.status, Status::Active | Status::Deactivated)
        && after.disk_format.as_deref() == Some(ISO);
    let wanted = [(iso.kind, KIND_PROPERTY, ISO), (iso.temporary, USAGE_PROPERTY, "temporary")];
    for (_, name, value) in wanted.into_iter().filter(|(is_wanted, ..)| gets_data && *is_wanted) {
        if after.property(name).is_none() {
            after.set_property(name, Some(value.to_owned()));
        }
    }
}
