//! Usage: intervals in which an image has data, or a consumer a licence; how hours and bytes are counted, and what
//! they cost.

pub mod meter;
pub mod rates;
pub mod sums;

use super::{
    image::{Image, TEXT_CHARS_MAX, Visibility},
    media_group::GROUP_PROPERTY,
    status::Status,
    time::Timestamp,
};

/// The property that names what an image is sold as.
pub const SKU_PROPERTY: &str = "license_sku";

/// The attributes of an image that decide how much is charged; each change ends an interval and begins another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The project that is charged.
    pub project: Option<String>,
    /// Bytes of the data.
    pub bytes: i64,
    /// Bytes of the disk that the data unpacks to; those of the data where that is not known.
    pub virtual_bytes: i64,
    /// The store of each location, in order; empty for a location outside our stores.
    pub stores: Vec<String>,
}

/// The attributes that distinguish lines of a report. A change counts from the hour in which it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The name of the image.
    pub name: Option<String>,
    /// Its media group.
    pub media_group: Option<String>,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// Its SKU.
    pub sku: Option<String>,
    /// Whether everybody may use it.
    pub is_public: bool,
}

/// An image for which something is charged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// The measured facts.
    pub facts: Facts,
    /// As what.
    pub labels: Labels,
}

/// The beginning of a text, as long as a column.
fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// The SKU of an image.
pub fn sku_of(value: Option<&str>) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(short)
}

impl Metered {
    /// What is charged for an image; `None` while it has no usable data.
    pub fn of(image: &Image) -> Option<Self> {
        if !matches!(image.status, Status::Active | Status::Deactivated) {
            return None;
        }
        let property = |name| sku_of(image.property(name).and_then(|p| p.value.as_deref()));
        let bytes = image.size.unwrap_or(0).max(0);
        let mut tags = image.tags.clone();
        tags.sort();
        Some(Self {
            facts: Facts {
                project: image.owner.clone().filter(|owner| !owner.is_empty()),
                bytes,
                virtual_bytes: image.virtual_size.map_or(bytes, |size| size.max(0)),
                stores: image.locations.iter().map(|l| l.store.clone().unwrap_or_default()).collect(),
            },
            labels: Labels {
                name: image.name.clone(),
                media_group: property(GROUP_PROPERTY),
                tags,
                sku: property(SKU_PROPERTY),
                is_public: image.visibility == Visibility::Public,
            },
        })
    }

    /// The reason word for ending one interval and beginning another; `None` if they are equal.
    pub fn differs(&self, next: &Self) -> Option<&'static str> {
        let (old, new) = (&self.facts, &next.facts);
        if old.project != new.project {
            Some("owner")
        } else if (old.bytes, old.virtual_bytes) != (new.bytes, new.virtual_bytes) {
            Some("size")
        } else if old.stores != new.stores {
            Some("stores")
        } else {
            (self.labels != next.labels).then_some("labels")
        }
    }
}

/// One row of the ledger. It is opened and closed and never changed otherwise, but for its labels in the hour in which
/// it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Its place among all.
    pub id: i64,
    /// The image.
    pub image_id: String,
    /// The consumer with a licence of the image, as `type:id`; empty for the image's own storage.
    pub consumer: String,
    /// What is charged.
    pub metered: Metered,
    /// When it was opened.
    pub from: Timestamp,
    /// When it was closed.
    pub to: Option<Timestamp>,
    /// The reason word for its opening.
    pub opened_by: String,
    /// Why it was closed.
    pub closed_by: Option<String>,
}

impl Interval {
    /// Whether it is of a licence.
    pub fn is_license(&self) -> bool {
        !self.consumer.is_empty()
    }
}

/// The opening or closing of an interval, as billers get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number; there are no gaps.
    pub seq: i64,
    /// Whether the interval was closed.
    pub closes: bool,
    /// The interval, as it is now.
    pub interval: Interval,
}
