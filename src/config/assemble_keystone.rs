//! `[keystone_authtoken]` and `[oslo_limit]` as the settings of the Keystone that validates tokens and knows limits.

use std::time::Duration;

use super::Loaded;
use super::check::{Finding, Topic};
use crate::identity::keystone::{
    AuthType, Keystone, Memcached, MemcachedTls, Secret, SecurityStrategy, Settings, SettingsError,
    limits::{KeystoneLimits, LimitSettings},
};

const SECTION: &str = "keystone_authtoken";
const LIMITS: &str = "oslo_limit";

/// Where the limits of projects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limits {
    /// Nowhere: there are none.
    Nowhere,
    /// In the built-in identity.
    Builtin,
    /// In a Keystone.
    Keystone(Box<LimitSettings>),
}

/// Assembles and validates the settings; Keystone itself is not called. `None` unless `wanted`.
pub(super) fn keystone(loaded: &Loaded, wanted: bool, findings: &mut Vec<Finding>) -> Option<Settings> {
    // Read in any case, so that it shows which options have a reader.
    let settings = settings(loaded);
    if !wanted {
        return None;
    }
    if let Err(error) = Keystone::new(settings.clone()) {
        findings.push(finding(loaded, SECTION, error));
    }
    Some(settings)
}

/// Assembles and validates where limits are. With tokens from a Keystone they are in a Keystone as well.
pub(super) fn limits(loaded: &Loaded, has_keystone: bool, findings: &mut Vec<Finding>) -> Limits {
    let settings = limit_settings(loaded);
    if !loaded.bool("DEFAULT", "use_keystone_limits") {
        return Limits::Nowhere;
    }
    if !has_keystone && settings.login.auth_url.is_empty() {
        return Limits::Builtin;
    }
    if let Err(error) = KeystoneLimits::new(settings.clone()) {
        findings.push(finding(loaded, LIMITS, error));
    }
    Limits::Keystone(Box::new(settings))
}

fn finding(loaded: &Loaded, section: &'static str, error: SettingsError) -> Finding {
    let login = loaded.login_section(section);
    let section = if loaded.is_set(&login, error.option) { &login } else { section };
    let origin = loaded.origin(section, error.option);
    Finding::of_option(Topic::Bad, section, error.option, origin, error.reason)
}

fn limit_settings(loaded: &Loaded) -> LimitSettings {
    let own = |option| loaded.nonempty(LIMITS, option);
    let seconds = |option| Duration::from_secs(loaded.u64("vitrine", option).unwrap_or(0));
    let login = login(loaded, LIMITS);
    let region_name = loaded.nonempty(&loaded.login_section(LIMITS), "region_name");
    let retries = loaded.u64(LIMITS, "connect_retries").unwrap_or(0);
    LimitSettings {
        login: Settings {
            interface: loaded
                .list(LIMITS, "valid_interfaces")
                .into_iter()
                .next()
                .unwrap_or_else(|| "public".to_owned()),
            region_name,
            http_request_max_retries: u32::try_from(retries).unwrap_or(u32::MAX),
            ..login
        },
        endpoint_override: own("endpoint_override"),
        endpoint_id: own("endpoint_id"),
        endpoint_service_type: own("endpoint_service_type"),
        endpoint_service_name: own("endpoint_service_name"),
        endpoint_region_name: own("endpoint_region_name"),
        endpoint_interface: own("endpoint_interface").unwrap_or_else(|| "public".to_owned()),
        cache: seconds("limits_cache_seconds"),
        last_known: seconds("limits_last_known_seconds"),
    }
}

/// The login of a service user, and the address and certificates of the Keystone where it logs in; the rest is as usual.
pub(super) fn login(loaded: &Loaded, section: &str) -> Settings {
    let login = loaded.login_section(section);
    let text = |option| loaded.nonempty(&login, option);
    let path = |option| loaded.path(&login, option);
    Settings {
        auth_type: match text("auth_type").as_deref() {
            Some("v3applicationcredential") => AuthType::V3ApplicationCredential,
            Some("v3password") => AuthType::V3Password,
            _ => AuthType::Password,
        },
        domain_id: text("domain_id"),
        domain_name: text("domain_name"),
        system_scope: text("system_scope"),
        trust_id: text("trust_id"),
        region_name: text("region_name"),
        cafile: path("cafile"),
        certfile: path("certfile"),
        keyfile: path("keyfile"),
        insecure: loaded.bool(&login, "insecure"),
        ..Settings::of_login(text)
    }
}

fn settings(loaded: &Loaded) -> Settings {
    let own = |option| loaded.nonempty(SECTION, option);
    let default = Settings::default();
    let token_cache_time = match loaded.i64(SECTION, "token_cache_time") {
        Some(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        None => default.token_cache_time,
    };
    Settings {
        www_authenticate_uri: own("www_authenticate_uri"),
        interface: own("interface").unwrap_or(default.interface),
        region_name: own("region_name"),
        http_connect_timeout: loaded
            .u64(SECTION, "http_connect_timeout")
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        http_request_max_retries: match loaded.u64(SECTION, "http_request_max_retries") {
            Some(number) => u32::try_from(number).unwrap_or(u32::MAX),
            None => default.http_request_max_retries,
        },
        // As the filter of Glance's paste file has it.
        delay_auth_decision: true,
        token_cache_time,
        include_service_catalog: loaded.bool(SECTION, "include_service_catalog"),
        service_token_roles: loaded.list(SECTION, "service_token_roles"),
        service_token_roles_required: loaded.bool(SECTION, "service_token_roles_required"),
        service_type: own("service_type"),
        memcached: memcached(loaded),
        ..login(loaded, SECTION)
    }
}

fn memcached(loaded: &Loaded) -> Memcached {
    let default = Memcached::default();
    let text = |option| loaded.nonempty(SECTION, option);
    let path = |option| loaded.path(SECTION, option);
    let number = |option, default| loaded.u64(SECTION, option).unwrap_or(default);
    // Each is read in any case, so that it shows which options have a reader.
    let tls = MemcachedTls {
        cafile: path("memcache_tls_cafile"),
        certfile: path("memcache_tls_certfile"),
        keyfile: path("memcache_tls_keyfile"),
        allowed_ciphers: text("memcache_tls_allowed_ciphers"),
    };
    let login = (
        text("memcache_username").unwrap_or_default(),
        Secret(text("memcache_password").unwrap_or_default()),
    );
    let strategy = text("memcache_security_strategy").unwrap_or_default();
    Memcached {
        servers: loaded.list(SECTION, "memcached_servers"),
        security_strategy: match strategy.to_lowercase().as_str() {
            "mac" => SecurityStrategy::Mac,
            "encrypt" => SecurityStrategy::Encrypt,
            _ => SecurityStrategy::None,
        },
        secret_key: text("memcache_secret_key").map(Secret),
        tls: loaded.bool(SECTION, "memcache_tls_enabled").then_some(tls),
        sasl: loaded.bool(SECTION, "memcache_sasl_enabled").then_some(login),
        pool_dead_retry: number("memcache_pool_dead_retry", default.pool_dead_retry),
        pool_maxsize: number("memcache_pool_maxsize", default.pool_maxsize),
        pool_socket_timeout: number("memcache_pool_socket_timeout", default.pool_socket_timeout),
        pool_unused_timeout: number("memcache_pool_unused_timeout", default.pool_unused_timeout),
        pool_conn_get_timeout: number("memcache_pool_conn_get_timeout", default.pool_conn_get_timeout),
    }
}
