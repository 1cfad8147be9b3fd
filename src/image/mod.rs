//! Images: create, list, show, change, share, delete; `change` makes every change.
//!
//! A use case is one function whose steps are consecutive lines; it takes the [`Images`] and the caller first. It
//! knows no HTTP and no SQL. `blob/` handles data.

pub mod actions;
pub mod attach;
pub mod bin;
pub mod bounds;
mod bundle_disks;
pub mod bundles;
pub mod change;
pub mod consumers;
mod cooldown;
pub mod create;
mod dates;
mod defaults;
pub mod delete;
pub mod delete_preview;
mod door;
pub mod downloads;
pub mod expected;
pub mod families;
pub mod from_store;
pub mod group_names;
pub mod in_use;
pub mod keys;
pub mod lifecycle;
pub mod limits;
pub mod locations;
pub mod media_groups;
pub mod members;
pub mod placement;
pub mod publish;
pub mod query;
pub mod queued;
pub mod readers;
pub mod retention;
pub mod sent;
pub mod signature;
pub mod slugs;
pub mod tags;
mod told;
mod turns;
pub mod update;
pub mod validate;

use std::sync::Arc;

use tokio::sync::Notify;

pub use defaults::IsoDefaults;
pub use downloads::Downloads;
pub use sent::Sends;
pub use turns::Turns;

use crate::{
    access::{Access, unified::Unified},
    db::Db,
    key_manager::KeyManager,
    model::{
        consumer::InUse, image::Location, image_schema::ImageSchema, lifecycle::Obsolete, limits::Limits,
        lint::Validation,
    },
    store::Stores,
};

/// The handles for use cases about images. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    /// The database.
    pub db: Db,
    /// Where the bytes are.
    pub stores: Arc<Stores>,
    /// Authorisation.
    pub access: Access,
    /// The limits that the identity service keeps.
    pub unified: Unified,
    /// The operator's settings.
    pub settings: Arc<Settings>,
    /// The image schema.
    pub schema: Arc<ImageSchema>,
    /// Tells the reaper that there is something to delete.
    pub doomed: Arc<Notify>,
    /// The queue for changes of one image.
    pub turns: Turns,
    /// Downloads that have ended.
    pub sends: Sends,
    /// When images were last downloaded.
    pub downloads: Downloads,
    /// Where users keep certificates and keys.
    pub key_manager: KeyManager,
    /// The media groups that only administrators find in lists.
    pub hidden_groups: Arc<group_names::Hidden>,
}

/// The operator's settings about images; names and defaults are Glance's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[image_format] disk_formats`
    pub disk_formats: Vec<String>,
    /// `[image_format] container_formats`
    pub container_formats: Vec<String>,
    /// The rules that check uploads against the disk format.
    pub format_rules: crate::format::Rules,
    /// `hashing_algorithm`: the secure hash.
    pub hashing_algorithm: String,
    /// `[vitrine] legacy_checksum`: data gets an MD5 as well.
    pub legacy_checksum: bool,
    /// `image_size_cap`: bytes of one image at most.
    pub image_size_cap: u64,
    /// `user_storage_quota`: bytes that one project may keep; `None` is unlimited.
    pub user_storage_quota: Option<u64>,
    /// `image_property_quota`; negative is unlimited.
    pub image_property_quota: i64,
    /// `image_tag_quota`; negative is unlimited.
    pub image_tag_quota: i64,
    /// `image_member_quota`; negative is unlimited.
    pub image_member_quota: i64,
    /// `delayed_delete`: deleted data stays for `scrub_time_seconds`.
    pub delayed_delete: bool,
    /// `scrub_time`: how long deleted data stays when `delayed_delete` is on.
    pub scrub_time_seconds: i64,
    /// Seconds for which deleted images can come back, where `delayed_delete` does not keep them for longer; 0 is not.
    pub trash_seconds: i64,
    /// `show_image_direct_url`
    pub show_image_direct_url: bool,
    /// `show_multiple_locations`
    pub show_multiple_locations: bool,
    /// `image_location_quota`; negative is unlimited.
    pub image_location_quota: i64,
    /// `do_secure_hash`: added locations are hashed.
    pub do_secure_hash: bool,
    /// `http_retries`: tries of hashing a location.
    pub http_retries: u32,
    /// Queued images that one project may have; `None` is unlimited.
    pub queued_max: Option<u32>,
    /// Seconds after which an unchanged queued image is deleted; `None` is never.
    pub queued_seconds: Option<i64>,
    /// `[vitrine] scrub_mib_per_second`, in bytes: how fast all data is read and compared; `None` is never.
    pub scrub_pace: Option<u64>,
    /// `[vitrine] orphan_grace_hours`, in seconds: how long an unreferenced object is left alone.
    pub orphan_grace_seconds: i64,
    /// `[vitrine] quarantine_days`, in seconds: how long quarantined objects are kept.
    pub quarantine_seconds: i64,
    /// `[vitrine] in_use_delete`
    pub in_use: InUse,
    /// `[vitrine] protect_cooldown_hours`, in seconds: how long an image that was protected cannot be deleted; 0 is not.
    pub cooldown_seconds: i64,
    /// The limits of projects without limits of their own.
    pub limits: Limits,
    /// `[vitrine] obsolete_images`
    pub obsolete: Obsolete,
    /// `[vitrine] media_groups_strict`: images can only be put into groups that there are.
    pub media_groups_strict: bool,
    /// `[vitrine] iso_image_kind`, `iso_temporary`
    pub iso: IsoDefaults,
    /// `[vitrine] validate_properties`
    pub validation: Validation,
    /// `[vitrine] encryption_key_consumers`: images are users of the keys that they are encrypted with.
    pub encryption_key_consumers: bool,
    /// Seconds after which images for everybody are deprecated; `None` is never.
    pub public_seconds: Option<i64>,
    /// `[vitrine] verify_downloads`
    pub verify_downloads: VerifyDownloads,
    /// How large records and pages may be.
    pub bounds: bounds::Bounds,
    /// `enabled_import_methods`
    pub enabled_import_methods: Vec<String>,
}

/// Which data is checked against the hash and size of its image while it is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifyDownloads {
    /// Data that this service did not write itself.
    #[default]
    Locations,
    /// All data.
    All,
    /// None.
    None,
}

impl VerifyDownloads {
    /// Reads the value of the option.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "locations" => Some(Self::Locations),
            "all" => Some(Self::All),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// Whether data at this location is checked against its image.
    pub fn concerns(self, location: &Location) -> bool {
        match self {
            Self::Locations => location.blob_id.is_none(),
            Self::All => true,
            Self::None => false,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Self {
            disk_formats: texts(&[
                "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop",
            ]),
            container_formats: texts(&["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"]),
            format_rules: crate::format::Rules::default(),
            hashing_algorithm: "sha512".to_owned(),
            legacy_checksum: true,
            image_size_cap: 1 << 40,
            user_storage_quota: None,
            image_property_quota: 128,
            image_tag_quota: 128,
            image_member_quota: 128,
            delayed_delete: false,
            scrub_time_seconds: 0,
            trash_seconds: 0,
            show_image_direct_url: false,
            show_multiple_locations: false,
            image_location_quota: 10,
            do_secure_hash: true,
            http_retries: 3,
            queued_max: None,
            queued_seconds: None,
            scrub_pace: None,
            orphan_grace_seconds: 24 * 3600,
            quarantine_seconds: 14 * 24 * 3600,
            in_use: InUse::default(),
            cooldown_seconds: 0,
            limits: Limits::default(),
            obsolete: Obsolete::default(),
            media_groups_strict: false,
            iso: IsoDefaults::default(),
            validation: Validation::default(),
            encryption_key_consumers: false,
            public_seconds: None,
            verify_downloads: VerifyDownloads::default(),
            bounds: bounds::Bounds::default(),
            enabled_import_methods: texts(&["glance-direct", "web-download", "copy-image"]),
        }
    }
}
