//! The operator's HTTP settings, as `config` assembles them.

use std::time::Duration;

use super::health;
use crate::model::list::PageLimits;

/// The operator's settings about HTTP; names and defaults are Glance's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `public_endpoint`: base of the links in version documents.
    pub public_endpoint: Option<String>,
    /// `limit_param_default` and `api_limit_max`
    pub page: PageLimits,
    /// `max_request_id_length`; 0 is unlimited.
    pub max_request_id_length: usize,
    /// `allow_anonymous_access`
    pub allow_anonymous_access: bool,
    /// Whether `image_cache_dir` is set: decides which versions are announced.
    pub image_cache: bool,
    /// Whether the calls of earlier releases that manage the cache are there (flavours with `cachemanagement`).
    pub cache_management: bool,
    /// `[oslo_middleware] enable_proxy_headers_parsing`
    pub enable_proxy_headers_parsing: bool,
    /// `[vitrine] trusted_proxies`: whose headers are believed; empty believes everybody's, as in Glance.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// `[vitrine] proxy_protocol`: those say who their client is before its first byte.
    pub proxy_protocol: bool,
    /// `[vitrine] metrics_networks`: who may read `/metrics` where the API is.
    pub metrics_networks: Vec<ipnet::IpNet>,
    /// `[vitrine] metrics_projects`: projects whose usage is told there at most.
    pub metrics_projects: u32,
    /// `[vitrine] gzip`: responses are compressed for clients that accept it.
    pub gzip: bool,
    /// `[vitrine] region`: how tables name the region of this service.
    pub region: Option<String>,
    /// `[vitrine] send_file`: proxies that send files by themselves.
    pub by_proxy: Option<ByProxy>,
    /// `[cors]`
    pub cors: Cors,
    /// `[healthcheck]`
    pub health: health::Settings,
    /// `[vitrine] drain_seconds`: how long a stopping server continues to serve, so that balancers notice.
    pub drain_seconds: u64,
    /// `graceful_shutdown_timeout`: seconds to wait for running requests when stopping; `None` is unlimited.
    pub shutdown_seconds: Option<u64>,
    /// `client_socket_timeout`: how long a client may not send or read data; `None` is unlimited.
    pub client_patience: Option<Duration>,
    /// `[vitrine] request_timeout`: for the head of a request, and again for a body of JSON.
    pub request_patience: Duration,
    /// `[vitrine] max_connections`: at once; `None` is what the limit on descriptors lets be.
    pub max_connections: Option<usize>,
    /// `[vitrine] max_connections_per_address`; `None` is half of them.
    pub max_connections_per_address: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_endpoint: None,
            page: PageLimits { default: 25, max: 1000 },
            max_request_id_length: 64,
            allow_anonymous_access: false,
            image_cache: false,
            cache_management: false,
            enable_proxy_headers_parsing: false,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            metrics_networks: Vec::new(),
            metrics_projects: 0,
            gzip: false,
            region: None,
            by_proxy: None,
            cors: Cors::default(),
            health: health::Settings::default(),
            drain_seconds: 15,
            shutdown_seconds: Some(60),
            client_patience: Some(Duration::from_secs(900)),
            request_patience: Duration::from_secs(30),
            max_connections: None,
            max_connections_per_address: None,
        }
    }
}

/// Proxies that send files by themselves when an answer names one.
#[derive(Clone, Debug)]
pub struct ByProxy {
    /// `[vitrine] send_file_prefix`, for `X-Accel-Redirect`; `None` for `X-Sendfile`.
    pub prefix: Option<String>,
    /// `[vitrine] trusted_proxies`
    pub proxies: Vec<ipnet::IpNet>,
}

/// `[cors]`
#[derive(Clone, Debug)]
pub struct Cors {
    /// `allowed_origin`; `*` allows all. Empty: no CORS headers at all.
    pub allowed_origin: Vec<String>,
    /// `allow_credentials`
    pub allow_credentials: bool,
    /// `expose_headers`
    pub expose_headers: Vec<String>,
    /// `max_age` in seconds
    pub max_age: u64,
    /// `allow_methods`
    pub allow_methods: Vec<String>,
    /// `allow_headers`, beside the simple ones
    pub allow_headers: Vec<String>,
}

impl Default for Cors {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Self {
            allowed_origin: Vec::new(),
            allow_credentials: true,
            expose_headers: texts(&[
                "X-Image-Meta-Checksum",
                "X-Auth-Token",
                "X-Subject-Token",
                "X-Service-Token",
                "X-OpenStack-Request-ID",
            ]),
            max_age: 3600,
            allow_methods: texts(&["GET", "PUT", "POST", "DELETE", "PATCH"]),
            allow_headers: texts(&[
                "Content-MD5",
                "X-Image-Meta-Checksum",
                "X-Storage-Token",
                "Accept-Encoding",
                "X-Auth-Token",
                "X-Identity-Status",
                "X-Roles",
                "X-Service-Catalog",
                "X-User-Id",
                "X-Tenant-Id",
                "X-OpenStack-Request-ID",
            ]),
        }
    }
}
