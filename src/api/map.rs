//! The map of URL prefixes: which API serves a prefix, how callers are authenticated there, and the shape of errors.

use super::{
    ext, health, identity, metrics,
    mount::{Authentication, Errors, Mount, Mounts},
    routes,
};

/// All that there are. `identity` is the prefix of the built-in identity, if it is served; `metrics` says whether there
/// are figures for anybody.
pub fn mounts(identity: Option<&str>, metrics: bool) -> Mounts {
    let identity = identity.map(|prefix| Mount {
        prefix: prefix.to_owned().into(),
        authentication: Authentication::Own,
        errors: Errors::Keystone,
        negotiated: false,
        reserved: false,
        takes_options: false,
        routes: identity::configure_at,
    });
    let mut rows = vec![
        Mount {
            prefix: "/healthcheck".into(),
            authentication: Authentication::None,
            errors: Errors::Glance,
            negotiated: false,
            reserved: true,
            takes_options: true,
            routes: |config, _| health::route::configure(config),
        },
        Mount {
            prefix: "/v2".into(),
            authentication: Authentication::Tokens,
            errors: Errors::Glance,
            negotiated: true,
            reserved: false,
            takes_options: false,
            routes: |config, _| routes::configure(config),
        },
        Mount {
            prefix: ext::PATH.into(),
            authentication: Authentication::TokensBelow,
            errors: Errors::Extensions,
            negotiated: false,
            reserved: false,
            takes_options: false,
            routes: |config, _| ext::configure(config),
        },
    ];
    if metrics {
        rows.push(Mount {
            prefix: metrics::PATH.into(),
            authentication: Authentication::None,
            errors: Errors::Glance,
            negotiated: false,
            reserved: true,
            takes_options: true,
            routes: |config, _| metrics::configure(config),
        });
    }
    rows.extend(identity);
    Mounts::of_rows(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path belongs to the mount with the longest prefix of whole segments.
    #[test]
    fn paths_find_their_mount() {
        let all = mounts(Some("/v2/identity"), true);
        for (path, prefix) in [
            ("/v2", "/v2"),
            ("/v2/images", "/v2"),
            ("/v2x/images", ""),
            ("/v2/identity/v3", "/v2/identity"),
            ("/v2/identityx", "/v2"),
            ("/healthcheck", "/healthcheck"),
            ("/ext/v1/jobs", "/ext/v1"),
            ("/ext/v10", ""),
            ("/healthcheck/x", "/healthcheck"),
            ("/metrics", "/metrics"),
            ("/", ""),
            ("/versions", ""),
            ("*", ""),
        ] {
            assert_eq!(all.of(path).prefix, prefix, "{path}");
        }
        assert_eq!(mounts(None, false).of("/v2/identity").prefix, "/v2");
        assert_eq!(mounts(None, false).of("/metrics").prefix, "");
    }
}
