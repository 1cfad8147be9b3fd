//! The operator's settings about imports; names and defaults are Glance's.

use std::{path::PathBuf, time::Duration};

use super::confine::{self, Confinement};
use crate::outbound::{Filter, Patience};

/// Plug-ins that work on staged data (`[image_import_opts] image_import_plugins`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// `inject_image_metadata`
    InjectMetadata,
    /// `image_decompression`
    Decompression,
    /// `image_conversion`
    Conversion,
    /// `ovf_process`
    OvfProcess,
}

impl Plugin {
    /// Parses a configured name; `no_op` is none.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "inject_image_metadata" => Some(Self::InjectMetadata),
            "image_decompression" => Some(Self::Decompression),
            "image_conversion" => Some(Self::Conversion),
            "ovf_process" => Some(Self::OvfProcess),
            _ => None,
        }
    }
}

/// The operator's settings about imports.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[import_filtering_opts]`
    pub filter: Filter,
    /// Time limits for a source.
    pub patience: Patience,
    /// `[image_import_opts] image_import_plugins`, in this order.
    pub plugins: Vec<Plugin>,
    /// `[inject_metadata_properties] inject`
    pub inject: Vec<(String, String)>,
    /// `[inject_metadata_properties] ignore_user_roles`, in lower case.
    pub ignore_user_roles: Vec<String>,
    /// `[glance_download_properties] extra_properties`: prefixes of the properties that `glance-download` takes over.
    pub extra_properties: Vec<String>,
    /// `[image_conversion] output_format`: `raw`, `qcow2` or `vmdk`.
    pub output_format: String,
    /// `[image_format] vmdk_allowed_types`
    pub vmdk_allowed_types: Vec<String>,
    /// Decompressed data may be this many times as large as the compressed…
    pub expansion_max: u64,
    /// … or this many bytes, whichever is more.
    pub expansion_free: u64,
    /// `[vitrine] decompression_memory`: bytes that the decoders of this node use together.
    pub decompression_memory: u64,
    /// `[vitrine] ova_bundles`: an OVA with several disks becomes a bundle.
    pub ova_bundles: bool,
    /// `[vitrine] conversions_at_once`: converters that run on this node at the same time.
    pub conversions_at_once: usize,
    /// `[vitrine] conversion_wait`: how long an upload waits for its conversion.
    pub conversion_wait: Duration,
    /// How often it looks whether another node has ended that.
    pub conversion_look: Duration,
    /// `[vitrine] upload_ttl`: seconds after its last byte for which an upload in parts is kept.
    pub upload_seconds: i64,
    /// `[vitrine] open_uploads_per_project`: uploads in parts.
    pub uploads_max: u64,
    /// `[vitrine] open_upload_bytes_per_project`: their sizes together.
    pub upload_bytes_max: u64,
    /// How long the completion of an upload in parts is waited for.
    pub completion_wait: Duration,
    /// `[vitrine] converter_confinement`
    pub confinement: Confinement,
    /// The program that is called with `confine`: this one.
    pub confine_helper: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            patience: Patience::default(),
            plugins: Vec::new(),
            inject: Vec::new(),
            ignore_user_roles: vec!["admin".to_owned()],
            extra_properties: ["hw_", "trait:", "os_distro", "os_secure_boot", "os_type"]
                .map(str::to_owned)
                .to_vec(),
            output_format: "raw".to_owned(),
            vmdk_allowed_types: vec!["streamOptimized".to_owned(), "monolithicSparse".to_owned()],
            expansion_max: 1000,
            expansion_free: 1 << 30,
            decompression_memory: 256 << 20,
            ova_bundles: false,
            conversions_at_once: 2,
            conversion_wait: Duration::from_secs(10),
            conversion_look: Duration::from_secs(2),
            upload_seconds: 24 * 3600,
            uploads_max: 32,
            upload_bytes_max: 2 << 40,
            completion_wait: Duration::from_secs(1),
            confinement: Confinement::default(),
            confine_helper: confine::own_program(),
        }
    }
}
