//! The operator's settings about imports; names and defaults are Glance's.

use std::time::Duration;

use ipnet::IpNet;

/// Plug-ins that work on staged data (`[image_import_opts] image_import_plugins`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// `inject_image_metadata`
    InjectMetadata,
    /// `image_decompression`
    Decompression,
    /// `image_conversion`
    Conversion,
}

impl Plugin {
    /// Reads the name in the configuration; `no_op` is none.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "inject_image_metadata" => Some(Self::InjectMetadata),
            "image_decompression" => Some(Self::Decompression),
            "image_conversion" => Some(Self::Conversion),
            _ => None,
        }
    }
}

/// `[import_filtering_opts]`: at each level a list of what is allowed, unless empty, makes the other irrelevant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation
pub struct Filter {
    pub allowed_schemes: Vec<String>,
    pub disallowed_schemes: Vec<String>,
    /// Also trusted: their addresses need not be on the public Internet.
    pub allowed_hosts: Vec<String>,
    pub disallowed_hosts: Vec<String>,
    pub allowed_ports: Vec<u16>,
    pub disallowed_ports: Vec<u16>,
    /// Networks that are not on the public Internet and may be fetched from all the same.
    pub allowed_networks: Vec<IpNet>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            allowed_schemes: vec!["http".to_owned(), "https".to_owned()],
            disallowed_schemes: Vec::new(),
            allowed_hosts: Vec::new(),
            disallowed_hosts: Vec::new(),
            allowed_ports: vec![80, 443],
            disallowed_ports: Vec::new(),
            allowed_networks: Vec::new(),
        }
    }
}

/// How long a source may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To accept a connection.
    pub connect: Duration,
    /// To begin its answer.
    pub first_byte: Duration,
    /// To send the next [`Patience::pace_bytes`].
    pub idle: Duration,
    /// Bytes that must come within [`Patience::idle`], unless the data ends.
    pub pace_bytes: u64,
    /// For everything.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            pace_bytes: 64 * 1024,
            total: Duration::from_secs(24 * 3600),
        }
    }
}

/// The operator's settings about imports.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[import_filtering_opts]`
    pub filter: Filter,
    /// How long a source may take.
    pub patience: Patience,
    /// `[image_import_opts] image_import_plugins`, in this order.
    pub plugins: Vec<Plugin>,
    /// `[inject_metadata_properties] inject`
    pub inject: Vec<(String, String)>,
    /// `[inject_metadata_properties] ignore_user_roles`, in lower case.
    pub ignore_user_roles: Vec<String>,
    /// `[image_conversion] output_format`: `raw`, `qcow2` or `vmdk`.
    pub output_format: String,
    /// `[image_format] vmdk_allowed_types`
    pub vmdk_allowed_types: Vec<String>,
    /// Decompressed data may be this many times as large as the compressed…
    pub expansion_max: u64,
    /// … or this many bytes, whichever is more.
    pub expansion_free: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            patience: Patience::default(),
            plugins: Vec::new(),
            inject: Vec::new(),
            ignore_user_roles: vec!["admin".to_owned()],
            output_format: "raw".to_owned(),
            vmdk_allowed_types: vec!["streamOptimized".to_owned(), "monolithicSparse".to_owned()],
            expansion_max: 1000,
            expansion_free: 1 << 30,
        }
    }
}
