//! An image: its record, its properties, and the limits of its fields.

use std::{collections::HashSet, fmt};

use serde_json::{Map, Value};

use super::{
    properties::{Properties, Property},
    status::Status,
    store_url::{StoreUrl, is_sealed},
    time::Timestamp,
};

/// Maximum length of an id in storage; a longer id in a path is not found (`glance/db/sqlalchemy/api.py:
/// _check_image_id`).
pub const ID_CHARS_MAX: usize = 36;
/// Longest name, owner, property name, tag and member id, in characters.
pub const TEXT_CHARS_MAX: usize = 255;
/// Largest `min_disk` and `min_ram`.
pub const INTEGER_MAX: i64 = 2_147_483_647;
/// Prefix of properties that belong to the service itself; tested without a further underscore as Glance does.
pub const SYSTEM_PROPERTY_PREFIX: &str = "os_glance";
/// Names the job that holds an image; set while an import or a location is under way.
pub const LOCK_PROPERTY: &str = "os_glance_import_task";
/// Properties that are the service's to write: whoever else does is refused, unless an operator's protections speak.
pub const WRITTEN_BY_SERVICE: [&str; 7] = [
    "content_format",
    "image_set",
    "image_set_index",
    "copied_from_region",
    "copied_from_id",
    "replica_key",
    ATTENTION_PROPERTY,
];
/// What is wrong with the data of an image, for those who can do something about it.
pub const ATTENTION_PROPERTY: &str = "needs_attention";

/// How that names the store, by which it is known whose data it is about.
pub fn in_store(store: &str) -> String {
    format!(" in store {store}: ")
}

/// Stores that an import could not write, comma-separated.
pub const FAILED_IMPORT: &str = "os_glance_failed_import";
/// Stores that an import is still to write, comma-separated.
pub const IMPORTING_TO_STORES: &str = "os_glance_importing_to_stores";
/// System properties that no response shows (`glance/api/v2/images.py: ResponseSerializer`).
pub const HIDDEN_PROPERTIES: [&str; 3] =
    ["os_glance_stage_host", "os_glance_hash_op_host", super::consumer::DELETE_UNUSED_PROPERTY];

/// Visibility of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Everyone sees it, in lists too.
    Public,
    /// Everyone may use it by id; others' lists leave it out by default.
    Community,
    /// The owner and its members see it.
    Shared,
    /// Only the owner sees it.
    Private,
}

impl Visibility {
    /// Every visibility.
    pub const ALL: [Self; 4] = [Self::Public, Self::Community, Self::Shared, Self::Private];

    /// The name that the API and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Community => "community",
            Self::Shared => "shared",
            Self::Private => "private",
        }
    }

    /// Reads a visibility by its API name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == text)
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the data of an image is.
#[derive(Clone, PartialEq)]
pub struct Location {
    /// Id of the row.
    pub id: String,
    /// URL in the form of the store's scheme, whole; [`StoreUrl`] is for showing it.
    pub url: String,
    /// Free metadata; `store` names the store when several are configured.
    pub metadata: Map<String, Value>,
    /// The configured store that serves it, if any.
    pub store: Option<String>,
    /// Id of the blob row, if the data is ours: we wrote it, or took it over with its location, and then both have one
    /// id (`Blob::adopted`).
    pub blob_id: Option<String>,
}

impl Location {
    /// Whether its URL is encrypted and the key does not open it, so that nobody knows where its data is.
    pub fn is_sealed(&self) -> bool {
        is_sealed(&self.url)
    }

    /// Why no store serves it, where none does.
    pub fn unserved(&self) -> &'static str {
        match self.is_sealed() {
            true => "its URL cannot be decrypted with the metadata_encryption_key",
            false => "its store is not configured here",
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location")
            .field("id", &self.id)
            .field("url", &StoreUrl::new(self.url.as_str()))
            .field("store", &self.store)
            .field("blob_id", &self.blob_id)
            .finish_non_exhaustive()
    }
}

/// The record of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// UUID text; compared case-sensitively.
    pub id: String,
    /// Counter of changes; a save names the revision that it read.
    pub revision: i64,
    /// Name, free and not unique.
    pub name: Option<String>,
    /// Project that owns it.
    pub owner: Option<String>,
    /// Its visibility.
    pub visibility: Visibility,
    /// Its status.
    pub status: Status,
    /// One of the configured disk formats.
    pub disk_format: Option<String>,
    /// One of the configured container formats.
    pub container_format: Option<String>,
    /// Size of the data in bytes.
    pub size: Option<i64>,
    /// Size of the disk that the data unpacks to, in bytes.
    pub virtual_size: Option<i64>,
    /// MD5 of the data, 32 hex digits.
    pub checksum: Option<String>,
    /// Name of the algorithm behind `os_hash_value`.
    pub os_hash_algo: Option<String>,
    /// Secure hash of the data in hex.
    pub os_hash_value: Option<String>,
    /// Gigabytes of disk that an instance needs at least.
    pub min_disk: i64,
    /// Megabytes of memory that an instance needs at least.
    pub min_ram: i64,
    /// Refuses deletion.
    pub protected: bool,
    /// Leaves it out of default lists.
    pub os_hidden: bool,
    /// When it was created; never changes.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Custom properties in insertion order.
    pub properties: Properties,
    /// Tags without duplicates.
    pub tags: Vec<String>,
    /// Where the data is, in order.
    pub locations: Vec<Location>,
    /// The caller's project when the image is seen through its membership; Glance's `member` attribute.
    pub member: Option<String>,
}

impl Image {
    /// The value of a custom property; `None` if it is absent.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.get(name)
    }

    /// Sets a custom property, keeping the position of an existing one.
    pub fn set_property(&mut self, name: &str, value: Option<String>) {
        self.properties.set(name.to_owned(), value);
    }

    /// Removes a custom property; returns whether it was there.
    pub fn remove_property(&mut self, name: &str) -> bool {
        self.properties.remove(name)
    }

    /// Adds a tag unless the image has it already.
    pub fn add_tag(&mut self, tag: &str) {
        if !self.tags.iter().any(|t| t == tag) {
            self.tags.push(tag.to_owned());
        }
    }

    /// Gives the image these tags and no others; of equal ones the first counts.
    pub fn set_tags(&mut self, tags: Vec<String>) {
        let mut seen = HashSet::new();
        self.tags = tags.into_iter().filter(|tag| seen.insert(tag.clone())).collect();
    }

    /// Size of the data in bytes; 0 without data.
    pub fn size_bytes(&self) -> u64 {
        self.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
    }

    /// Whether its data is on its way, so that it counts as one that is being uploaded
    /// (`glance/db/sqlalchemy/api.py: _image_get_uploading_count_by_owner`).
    pub fn is_uploading(&self) -> bool {
        let importing = self.property(IMPORTING_TO_STORES).and_then(|property| property.value.as_deref());
        matches!(self.status, Status::Saving | Status::Uploading | Status::Importing)
            || self.status != Status::Deleted && importing.is_some_and(|stores| !stores.is_empty())
    }

    /// Bytes that the image counts for in its project's storage quota: those of the data at each location.
    pub fn stored_bytes(&self) -> u64 {
        self.size_bytes().saturating_mul(self.locations.len() as u64)
    }

    /// Bytes of all that has no bound of its own: properties, tags, and locations with their metadata.
    pub fn variable_bytes(&self) -> usize {
        let of = |property: &Property| {
            property.name.len().saturating_add(property.value.as_deref().map_or(0, str::len))
        };
        let properties = self.properties.iter().map(of);
        let locations = self
            .locations
            .iter()
            .map(|l| l.url.len().saturating_add(Value::Object(l.metadata.clone()).to_string().len()));
        properties.chain(self.tags.iter().map(String::len)).chain(locations).fold(0, usize::saturating_add)
    }

    /// Custom properties that count against `image_property_quota`.
    pub fn counted_properties(&self) -> usize {
        self.properties.iter().filter(|p| !p.name.starts_with(SYSTEM_PROPERTY_PREFIX)).count()
    }
}

/// Whether `text` has a character outside the basic multilingual plane, which Glance refuses in most
/// places (`glance/common/utils.py: no_4byte_params`).
pub fn has_supplementary_character(text: &str) -> bool {
    text.chars().any(|c| u32::from(c) > 0xFFFF)
}

/// Whether `text` has the form of a UUID: 8-4-4-4-12 hex digits of either case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}
