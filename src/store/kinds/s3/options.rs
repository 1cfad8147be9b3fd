//! The options of an S3 store (`glance_store/_drivers/s3.py`).

use std::{fmt, sync::Arc, time::Duration};

use super::address;
use crate::{
    outbound::Authorities,
    store::backend::{self, Declared, Form, Kind, NamedBy, Options},
};

/// The S3 store.
pub static KIND: Kind = Kind {
    name: "s3",
    schemes: &address::SCHEMES,
    named_by: NamedBy::Services,
    writes: true,
    options: OPTIONS,
    read,
};

pub(super) const HOST: &str = "s3_store_host";
pub(super) const REGION: &str = "s3_store_region_name";
pub(super) const ACCESS: &str = "s3_store_access_key";
pub(super) const SECRET: &str = "s3_store_secret_key";
pub(super) const BUCKET: &str = "s3_store_bucket";
const CREATE: &str = "s3_store_create_bucket_on_put";
pub(super) const STYLE: &str = "s3_store_bucket_url_format";
const LARGE: &str = "s3_store_large_object_size";
const PART: &str = "s3_store_large_object_chunk_size";
const PARALLEL: &str = "s3_store_thread_pools";
const AUTHORITIES: &str = "s3_store_cacert";
const BUFFERS: &str = "vitrine_s3_buffers";
const PATIENCE: &str = "vitrine_s3_patience";

/// Why Glance's switches for the checksums of boto3 have no effect.
const CHECKED: &str =
    "each request is verified by the server, and needs no checksums that some servers do not know";
/// Bytes in a MiB.
pub(super) const MIB: u64 = 1 << 20;

const OPTIONS: &[Declared] = &[
    Declared::unset(HOST, Form::Text, "Server, with http:// or https:// before it; without, http."),
    Declared::new(
        REGION,
        Form::Text,
        "",
        "Region to sign requests for; by default what a host of Amazon's says.",
    ),
    Declared::unset(ACCESS, Form::Text, "Access key.").secret(),
    Declared::unset(SECRET, Form::Text, "Secret key.").secret(),
    Declared::unset(BUCKET, Form::Text, "Bucket of the images."),
    Declared::new(CREATE, Form::Bool, "false", "Create the bucket if it is missing."),
    Declared::new(STYLE, Form::Text, "auto", "Where the bucket stands in URLs: auto, virtual or path."),
    Declared::new(
        LARGE,
        Form::Int(0, 1 << 40),
        "100",
        "MiB from which an image is uploaded in parts; one that is larger than a part is in any case.",
    ),
    Declared::new(
        PART,
        Form::Int(5, 5120),
        "10",
        "MiB of each part; more where the image would not fit into 10,000 parts.",
    ),
    Declared::new(
        PARALLEL,
        Form::Int(1, 1024),
        "10",
        "Parts of an image that are uploaded at the same time.",
    ),
    Declared::new(AUTHORITIES, Form::Text, "", "Certificates that the server's one is checked against."),
    Declared::new("s3_store_enable_data_integrity_protection", Form::Bool, "false", CHECKED)
        .obsolete(CHECKED),
    Declared::new("s3_store_request_checksum_calculation", Form::Text, "when_required", CHECKED)
        .obsolete(CHECKED),
    Declared::new("s3_store_response_checksum_validation", Form::Text, "when_required", CHECKED)
        .obsolete(CHECKED),
    Declared::new(
        BUFFERS,
        Form::Size,
        "512MB",
        "Memory for the parts of all images that are written, half of it for one project at most.",
    ),
    Declared::new(
        PATIENCE,
        Form::Int(1, 3600),
        "25",
        "Seconds for which a request that fails is tried again.",
    ),
];

/// Options of an S3 store.
#[derive(Clone)]
pub struct Settings {
    /// Server, bucket and region; without them it cannot be opened.
    pub address: Option<address::Address>,
    /// Access key and secret key; without them it cannot be opened.
    pub keys: Option<(String, String)>,
    /// Whether the bucket is created when it is missing.
    pub creates_bucket: bool,
    /// Bytes from which an image is uploaded in parts.
    pub large: u64,
    /// Bytes of a part.
    pub part: u64,
    /// Parts of one image that are sent at once.
    pub parallel: usize,
    /// Whom the server's certificate must be of; without, those that the system trusts.
    pub authorities: Option<Authorities>,
    /// Bytes of all parts that are held at once.
    pub buffers: u64,
    /// How long a request is retried.
    pub patience: Duration,
    /// Bytes of the largest object that is copied in one request.
    pub copied_at_once: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: None,
            keys: None,
            creates_bucket: false,
            large: 100 * MIB,
            part: 10 * MIB,
            parallel: 10,
            authorities: None,
            buffers: 512 * MIB,
            patience: Duration::from_secs(25),
            copied_at_once: 5 << 30,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("address", &self.address).finish_non_exhaustive()
    }
}

fn read(options: &mut dyn Options) -> Arc<dyn backend::Settings> {
    let defaults = Settings::default();
    let mut settings = Settings {
        address: address::read(options, [HOST, REGION, BUCKET, STYLE]),
        keys: options.text(ACCESS).zip(options.text(SECRET)),
        creates_bucket: options.bool(CREATE),
        large: options.u64(LARGE).map_or(defaults.large, |mib| mib.saturating_mul(MIB)),
        part: options.u64(PART).map_or(defaults.part, |mib| mib.saturating_mul(MIB)),
        parallel: options.u64(PARALLEL).and_then(|n| usize::try_from(n).ok()).unwrap_or(defaults.parallel),
        buffers: options.u64(BUFFERS).unwrap_or(defaults.buffers),
        patience: options.u64(PATIENCE).map_or(defaults.patience, Duration::from_secs),
        ..defaults
    };
    if let Some(path) = options.path(AUTHORITIES) {
        let pem = std::fs::read(&path).map_err(|error| format!("cannot be read: {error}"));
        match pem.and_then(|pem| Authorities::from_pem(&pem)) {
            Ok(authorities) => settings.authorities = Some(authorities),
            Err(reason) => options.refuse(AUTHORITIES, format!("{} {reason}", path.display())),
        }
    }
    Arc::new(settings)
}
