//! Assembles the settings of each room from the values read.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    access::protection::Protections,
    api,
    blob::transfers,
    cache, db, format,
    identity::keystone,
    image, import, key_manager,
    model::{
        consumer::InUse, hash::Algorithm, image_schema::ImageSchema, lifecycle::Obsolete, limits::Limits,
        lint::Validation, list::PageLimits,
    },
    policy,
    telemetry::{log, trace},
    usage, work,
};

use super::check::{Finding, Topic};
use super::flavor::Flavor;
use super::origin::Origin;
use super::{
    Loaded, assemble_cache, assemble_database, assemble_health, assemble_imports, assemble_key_manager,
    assemble_keystone,
    assemble_listen::{self, Listen},
    assemble_log,
    assemble_notices::{self, Notifying},
    assemble_policy, assemble_stores,
    assemble_stores::Stores,
    assemble_traces, assemble_usage,
};

/// Private images of a project with `limits_profile = bare-metal`.
const PRIVATE_BARE_METAL: u64 = 50;

/// Everything that the server is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[vitrine] data_dir`: the folder that the server keeps for itself, where that is named.
    pub data_dir: Option<PathBuf>,
    /// `metadata_source_path`: where `glance-manage db load_metadefs` finds its files.
    pub metadata_source_path: Option<PathBuf>,
    /// Where and how to listen.
    pub listen: Listen,
    /// Where the log goes.
    pub log: log::Settings,
    /// Where traces go; `None` is nowhere.
    pub traces: Option<trace::Settings>,
    /// Authentication and caching.
    pub flavor: Flavor,
    /// Settings about HTTP.
    pub api: api::Settings,
    /// Settings about uploads and downloads at once.
    pub transfers: transfers::Settings,
    /// The image cache; `None` without a folder for it.
    pub cache: Option<cache::Settings>,
    /// Settings about images.
    pub image: image::Settings,
    /// Settings about imports.
    pub imports: import::Settings,
    /// Settings about jobs.
    pub jobs: work::Settings,
    /// Settings about usage.
    pub usage: usage::Settings,
    /// Who is told of changes.
    pub notifying: Notifying,
    /// The database; `None` is the embedded one.
    pub database: Option<db::Settings>,
    /// Proxies that are trusted to report the address of a client.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// How long requests wait for the embedded database.
    pub database_limits: db::Limits,
    /// `metadata_encryption_key`, with which the URLs of locations are encrypted.
    pub location_key: Option<Arc<db::LocationKey>>,
    /// Where the bytes are.
    pub stores: Stores,
    /// Authorisation.
    pub policy: policy::Settings,
    /// Property protections; `None` protects nothing.
    pub protections: Option<Protections>,
    /// The properties that `schema-image.json` declares; `None` if there is no such file.
    pub declarations: Option<serde_json::Value>,
    /// The Keystone that validates tokens; `None` unless the flavor requires it.
    pub keystone: Option<keystone::Settings>,
    /// The key manager, if one is configured.
    pub key_manager: Option<key_manager::Settings>,
    /// Where the limits of projects are (`use_keystone_limits`).
    pub limits: assemble_keystone::Limits,
}

impl Config {
    /// Assembles the settings.
    ///
    /// # Errors
    /// The findings that stop the start: those of the load, or of options that contradict what
    /// Vitrine can do.
    pub fn assemble(loaded: &Loaded) -> Result<Config, Vec<Finding>> {
        let mut findings: Vec<Finding> = loaded.report().errors().cloned().collect();
        let flavor = Flavor::of(loaded);
        let image = image_settings(loaded, &mut findings);
        let config = Config {
            data_dir: loaded.path("vitrine", "data_dir"),
            metadata_source_path: loaded.path("DEFAULT", "metadata_source_path"),
            listen: assemble_listen::listen(loaded, &mut findings),
            log: assemble_log::log(loaded, &mut findings),
            traces: assemble_traces::traces(loaded, &mut findings),
            flavor,
            api: api_settings(loaded, flavor, &mut findings),
            transfers: transfers(loaded),
            cache: assemble_cache::cache(loaded, flavor, &mut findings),
            imports: assemble_imports::imports(loaded, &mut findings),
            jobs: jobs(loaded),
            usage: assemble_usage::usage(loaded, &mut findings),
            notifying: assemble_notices::notifying(loaded, &mut findings),
            declarations: declarations(loaded, &image, &mut findings),
            image,
            database: assemble_database::database(loaded, &mut findings),
            database_limits: assemble_database::limits(loaded),
            location_key: assemble_database::location_key(loaded, &mut findings),
            trusted_proxies: assemble_imports::networks(loaded, "vitrine", "trusted_proxies", &mut findings),
            stores: assemble_stores::stores(loaded, &mut findings),
            policy: assemble_policy::policy(loaded),
            protections: assemble_policy::protections(loaded, &mut findings),
            keystone: assemble_keystone::keystone(loaded, flavor.keystone, &mut findings),
            key_manager: assemble_key_manager::key_manager(loaded, &mut findings),
            limits: assemble_keystone::limits(loaded, flavor.keystone, &mut findings),
        };
        if findings.is_empty() { Ok(config) } else { Err(findings) }
    }
}

fn api_settings(loaded: &Loaded, flavor: Flavor, findings: &mut Vec<Finding>) -> api::Settings {
    let d = "DEFAULT";
    let default = api::Settings::default();
    let page = |option, or: u32| match loaded.u64(d, option) {
        Some(number) => u32::try_from(number).unwrap_or(u32::MAX),
        None => or,
    };
    let max_request_id_length = loaded.u64(d, "max_request_id_length");
    api::Settings {
        public_endpoint: loaded.nonempty(d, "public_endpoint"),
        page: PageLimits {
            default: page("limit_param_default", default.page.default),
            max: page("api_limit_max", default.page.max),
        },
        max_request_id_length: max_request_id_length
            .map_or(default.max_request_id_length, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        allow_anonymous_access: loaded.bool(d, "allow_anonymous_access"),
        // As in Glance the mere option decides which versions are announced, whatever the flavor.
        image_cache: loaded.path(d, "image_cache_dir").is_some(),
        cache_management: flavor.cache_management,
        enable_proxy_headers_parsing: loaded.bool("oslo_middleware", "enable_proxy_headers_parsing"),
        // What is wrong with them is said where they are read for logins.
        trusted_proxies: assemble_imports::networks(loaded, "vitrine", "trusted_proxies", &mut Vec::new()),
        proxy_protocol: loaded.bool("vitrine", "proxy_protocol"),
        metrics_networks: assemble_imports::networks(loaded, "vitrine", "metrics_networks", findings),
        metrics_projects: number(loaded, "metrics_projects").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        gzip: loaded.bool("vitrine", "gzip"),
        region: ["vitrine", "keystone_authtoken"]
            .into_iter()
            .zip(["region", "region_name"])
            .find_map(|(section, name)| loaded.nonempty(section, name)),
        by_proxy: by_proxy(loaded, findings),
        cors: api::Cors {
            allowed_origin: loaded.list("cors", "allowed_origin"),
            allow_credentials: loaded.bool("cors", "allow_credentials"),
            expose_headers: loaded.list("cors", "expose_headers"),
            max_age: loaded.u64("cors", "max_age").unwrap_or(default.cors.max_age),
            allow_methods: loaded.list("cors", "allow_methods"),
            allow_headers: loaded.list("cors", "allow_headers"),
        },
        health: assemble_health::health(loaded, findings),
        drain_seconds: loaded.u64("vitrine", "drain_seconds").unwrap_or(default.drain_seconds),
        // As in oslo.service, 0 waits for ever.
        shutdown_seconds: loaded
            .u64(d, "graceful_shutdown_timeout")
            .map_or(default.shutdown_seconds, |seconds| Some(seconds).filter(|seconds| *seconds > 0)),
        client_patience: loaded
            .u64(d, "client_socket_timeout")
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        request_patience: loaded
            .u64("vitrine", "request_timeout")
            .map_or(default.request_patience, Duration::from_secs),
        max_connections: number(loaded, "max_connections"),
        max_connections_per_address: number(loaded, "max_connections_per_address"),
    }
}

fn by_proxy(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<api::ByProxy> {
    let section = "vitrine";
    let prefix = loaded.string(section, "send_file_prefix").unwrap_or_default();
    let prefix = match loaded.string(section, "send_file")?.as_str() {
        "x-accel-redirect" => Some(prefix),
        "x-sendfile" => None,
        _ => return None,
    };
    // What is wrong with the networks themselves is said where they are read for logins.
    let proxies = assemble_imports::networks(loaded, section, "trusted_proxies", &mut Vec::new());
    let mut refuse = |option: &str, reason: &str| {
        let origin = loaded.origin(section, option);
        findings.push(Finding::of_option(Topic::Bad, section, option, origin, reason.to_owned()));
    };
    if proxies.is_empty() {
        refuse("send_file", "it takes trusted_proxies: whoever else connects must not be told paths");
    }
    if prefix.as_ref().is_some_and(|prefix| !prefix.starts_with('/') || prefix.ends_with('/')) {
        refuse("send_file_prefix", "it begins with `/` and does not end in one");
    }
    Some(api::ByProxy { prefix, proxies })
}

/// A number of `[vitrine]`.
fn number(loaded: &Loaded, option: &str) -> Option<usize> {
    loaded.u64("vitrine", option).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn transfers(loaded: &Loaded) -> transfers::Settings {
    let default = transfers::Settings::default();
    transfers::Settings {
        at_once: number(loaded, "max_transfers").unwrap_or(default.at_once),
        per_project: number(loaded, "max_transfers_per_project").unwrap_or(default.per_project),
    }
}

/// An option of `[vitrine]` of which 0 means that there is no such limit.
fn above_zero(loaded: &Loaded, name: &str) -> Option<u64> {
    loaded.u64("vitrine", name).filter(|number| *number > 0)
}

fn image_settings(loaded: &Loaded, findings: &mut Vec<Finding>) -> image::Settings {
    let (d, default) = ("DEFAULT", image::Settings::default());
    let hashing_algorithm = loaded.string(d, "hashing_algorithm").unwrap_or_default();
    if Algorithm::of(&hashing_algorithm).is_none() {
        let option = "hashing_algorithm";
        let origin = loaded.origin(d, option);
        let reason = format!("`{hashing_algorithm}` is not a hash algorithm that Vitrine knows");
        findings.push(Finding::of_option(Topic::Bad, d, option, origin, reason));
    }
    image::Settings {
        disk_formats: loaded.list("image_format", "disk_formats"),
        container_formats: loaded.list("image_format", "container_formats"),
        format_rules: format::Rules {
            require_image_format_match: loaded.bool("image_format", "require_image_format_match"),
            gpt_safety_checks_nonfatal: loaded.list("image_format", "gpt_safety_checks_nonfatal"),
            max_virtual_size: loaded
                .u64("vitrine", "max_virtual_size")
                .unwrap_or(format::Rules::default().max_virtual_size),
        },
        hashing_algorithm,
        legacy_checksum: loaded.bool("vitrine", "legacy_checksum"),
        image_size_cap: loaded.u64(d, "image_size_cap").unwrap_or(default.image_size_cap),
        user_storage_quota: loaded
            .u64(d, "user_storage_quota")
            .filter(|bytes| *bytes > 0 && !loaded.bool(d, "use_keystone_limits")),
        image_property_quota: loaded.i64(d, "image_property_quota").unwrap_or(default.image_property_quota),
        image_tag_quota: loaded.i64(d, "image_tag_quota").unwrap_or(default.image_tag_quota),
        image_member_quota: loaded.i64(d, "image_member_quota").unwrap_or(default.image_member_quota),
        delayed_delete: loaded.bool(d, "delayed_delete"),
        scrub_time_seconds: loaded.i64(d, "scrub_time").unwrap_or(default.scrub_time_seconds),
        show_image_direct_url: loaded.bool(d, "show_image_direct_url"),
        show_multiple_locations: loaded.bool(d, "show_multiple_locations"),
        image_location_quota: loaded.i64(d, "image_location_quota").unwrap_or(default.image_location_quota),
        do_secure_hash: loaded.bool(d, "do_secure_hash"),
        http_retries: match loaded.i64(d, "http_retries") {
            Some(number) => u32::try_from(number.max(0)).unwrap_or(u32::MAX),
            None => default.http_retries,
        },
        queued_max: above_zero(loaded, "queued_images_per_project")
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        queued_seconds: loaded
            .i64("vitrine", "queued_image_hours")
            .filter(|hours| *hours > 0)
            .map(|hours| hours.saturating_mul(3600)),
        scrub_pace: above_zero(loaded, "scrub_mib_per_second").map(|mib| mib.saturating_mul(1 << 20)),
        orphan_grace_seconds: loaded.i64("vitrine", "orphan_grace_hours").unwrap_or(24).saturating_mul(3600),
        quarantine_seconds: loaded.i64("vitrine", "quarantine_days").unwrap_or(14).saturating_mul(24 * 3600),
        in_use: choice(loaded, "in_use_delete", InUse::parse),
        cooldown_seconds: loaded.i64("vitrine", "protect_cooldown_hours").unwrap_or(0).saturating_mul(3600),
        limits: limits(loaded),
        trash_seconds: loaded.i64("vitrine", "trash_days").unwrap_or(0).saturating_mul(24 * 3600),
        obsolete: choice(loaded, "obsolete_images", Obsolete::parse),
        media_groups_strict: loaded.bool("vitrine", "media_groups_strict"),
        iso: image::IsoDefaults {
            kind: loaded.bool("vitrine", "iso_image_kind"),
            temporary: loaded.bool("vitrine", "iso_temporary"),
        },
        validation: choice(loaded, "validate_properties", Validation::parse),
        encryption_key_consumers: loaded.bool("vitrine", "encryption_key_consumers"),
        public_seconds: loaded
            .i64("vitrine", "public_deprecation_days")
            .filter(|days| *days > 0)
            .map(|days| days.saturating_mul(24 * 3600)),
        verify_downloads: choice(loaded, "verify_downloads", image::VerifyDownloads::parse),
        bounds: bounds(loaded),
        enabled_import_methods: loaded.list(d, "enabled_import_methods"),
    }
}

/// One of the values of an option of our own.
fn choice<T: Default>(loaded: &Loaded, option: &str, parse: impl FnOnce(&str) -> Option<T>) -> T {
    loaded.string("vitrine", option).and_then(|text| parse(&text)).unwrap_or_default()
}

fn limits(loaded: &Loaded) -> Limits {
    let profile = loaded.string("vitrine", "limits_profile");
    let of_profile = (profile.as_deref() == Some("bare-metal")).then_some(PRIVATE_BARE_METAL);
    Limits {
        enabled: (!loaded.bool("vitrine", "custom_images")).then_some(false),
        sentence: loaded.nonempty("vitrine", "custom_images_sentence"),
        image_count_total: loaded.u64("vitrine", "images_per_project"),
        private_images: loaded.u64("vitrine", "private_images_per_project").or(of_profile),
        create_rate: loaded.u64("vitrine", "create_rate"),
        // What one image may have is said by Glance's options.
        ..Limits::default()
    }
}

fn bounds(loaded: &Loaded) -> image::bounds::Bounds {
    let default = image::bounds::Bounds::default();
    let count = |option, or| number(loaded, option).unwrap_or(or);
    image::bounds::Bounds {
        patch_operations: count("max_patch_operations", default.patch_operations),
        property_bytes: count("max_property_bytes", default.property_bytes),
        record_bytes: count("max_record_bytes", default.record_bytes),
        page_bytes: count("max_page_bytes", default.page_bytes),
    }
}

fn jobs(loaded: &Loaded) -> work::Settings {
    let default = work::Settings::default();
    let hours = loaded.i64("task", "task_time_to_live");
    let at_once = loaded.u64("wsgi", "task_pool_threads");
    work::Settings {
        at_once: at_once.map_or(default.at_once, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        waiting: number(loaded, "jobs_waiting").unwrap_or(default.waiting),
        per_project: loaded.i64("vitrine", "jobs_per_project").unwrap_or(default.per_project),
        lease_seconds: loaded.i64("vitrine", "lease_seconds").unwrap_or(default.lease_seconds),
        lost_seconds: loaded.i64("vitrine", "lost_node_after").unwrap_or(default.lost_seconds),
        store_seconds: loaded.i64("vitrine", "jobs_wait_for_store").unwrap_or(default.store_seconds),
        kept_seconds: hours.map_or(default.kept_seconds, |hours| hours.saturating_mul(3600)),
    }
}

/// Reads `schema-image.json` from the folders of the configuration (`glance/api/v2/images.py:
/// load_custom_properties`). One that cannot be used stops the start, as in Glance.
fn declarations(
    loaded: &Loaded,
    image: &image::Settings,
    findings: &mut Vec<Finding>,
) -> Option<serde_json::Value> {
    let path = loaded.find_file("schema-image.json".as_ref())?;
    let read = || -> Result<serde_json::Value, String> {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"))?;
        let value = serde_json::from_str(&text).map_err(|error| format!("is not JSON: {error}"))?;
        ImageSchema::new(&image.container_formats, &image.disk_formats, Some(&value))?;
        Ok(value)
    };
    match read() {
        Ok(value) => Some(value),
        Err(reason) => {
            findings.push(Finding::of_origin(Topic::Bad, Origin::File(path.into(), 0), &reason));
            None
        }
    }
}
