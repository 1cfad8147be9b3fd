//! Imports: filters of sources, plug-ins.

use std::time::Duration;

use super::Loaded;
use super::check::{Finding, Topic};
use crate::{
    import::{
        confine::Confinement,
        settings::{Plugin, Settings},
    },
    outbound::{Filter, Patience},
};

const FILTERING: &str = "import_filtering_opts";
const OURS: &str = "vitrine";

/// Assembles the settings.
pub(super) fn imports(loaded: &Loaded, findings: &mut Vec<Finding>) -> Settings {
    let default = Settings::default();
    let plugins = loaded.list("image_import_opts", "image_import_plugins");
    for name in plugins.iter().filter(|name| *name != "no_op" && Plugin::parse(name).is_none()) {
        let reason = format!("`{name}` is not a plug-in that Vitrine has");
        findings.push(bad(loaded, "image_import_opts", "image_import_plugins", reason));
    }
    Settings {
        filter: filter(loaded, findings),
        plugins: plugins.iter().filter_map(|name| Plugin::parse(name)).collect(),
        inject: loaded.dict("inject_metadata_properties", "inject"),
        ignore_user_roles: loaded
            .list("inject_metadata_properties", "ignore_user_roles")
            .iter()
            .map(|role| role.to_lowercase())
            .collect(),
        extra_properties: loaded.list("glance_download_properties", "extra_properties"),
        output_format: loaded.string("image_conversion", "output_format").unwrap_or(default.output_format),
        vmdk_allowed_types: loaded.list("image_format", "vmdk_allowed_types"),
        patience: patience(loaded),
        expansion_max: loaded.u64(OURS, "decompression_ratio").unwrap_or(default.expansion_max),
        decompression_memory: loaded
            .u64(OURS, "decompression_memory")
            .unwrap_or(default.decompression_memory),
        ova_bundles: loaded.bool(OURS, "ova_bundles"),
        conversions_at_once: loaded
            .u64(OURS, "conversions_at_once")
            .map_or(default.conversions_at_once, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        conversion_wait: loaded
            .u64(OURS, "conversion_wait")
            .map_or(default.conversion_wait, Duration::from_secs),
        upload_seconds: loaded
            .u64(OURS, "upload_ttl")
            .and_then(|seconds| i64::try_from(seconds).ok())
            .unwrap_or(default.upload_seconds),
        uploads_max: loaded.u64(OURS, "open_uploads_per_project").unwrap_or(default.uploads_max),
        upload_bytes_max: loaded
            .u64(OURS, "open_upload_bytes_per_project")
            .unwrap_or(default.upload_bytes_max),
        confinement: loaded
            .string(OURS, "converter_confinement")
            .and_then(|text| Confinement::parse(&text))
            .unwrap_or_default(),
        ..default
    }
}

fn patience(loaded: &Loaded) -> Patience {
    let default = Patience::default();
    let seconds = |option, default| loaded.u64(OURS, option).map_or(default, Duration::from_secs);
    Patience {
        idle: seconds("import_idle_timeout", default.idle),
        total: seconds("import_deadline", default.total),
        ..default
    }
}

pub(super) fn bad(loaded: &Loaded, section: &str, option: &str, reason: String) -> Finding {
    Finding::of_option(Topic::Bad, section, option, loaded.origin(section, option), reason)
}

/// The networks that an option lists.
pub(super) fn networks(
    loaded: &Loaded,
    section: &str,
    option: &str,
    findings: &mut Vec<Finding>,
) -> Vec<ipnet::IpNet> {
    let mut networks = Vec::new();
    for text in loaded.list(section, option) {
        match text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into())) {
            Ok(network) => networks.push(network),
            Err(_) => {
                let reason = format!("`{text}` is not a network in the form ADDRESS/BITS");
                findings.push(bad(loaded, section, option, reason));
            }
        }
    }
    networks
}

fn filter(loaded: &Loaded, findings: &mut Vec<Finding>) -> Filter {
    let list = |option| loaded.list(FILTERING, option);
    let ports = |option| loaded.list(FILTERING, option).iter().filter_map(|port| port.parse().ok()).collect();
    let allowed_networks = networks(loaded, FILTERING, "allowed_networks", findings);
    Filter {
        allowed_schemes: list("allowed_schemes"),
        disallowed_schemes: list("disallowed_schemes"),
        allowed_hosts: list("allowed_hosts"),
        disallowed_hosts: list("disallowed_hosts"),
        allowed_ports: ports("allowed_ports"),
        disallowed_ports: ports("disallowed_ports"),
        allowed_networks,
    }
}
