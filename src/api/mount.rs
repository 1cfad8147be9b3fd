//! The first page of the URL map: what hangs where, who checks the caller there, and how errors look.

use std::{borrow::Cow, sync::Arc};

use actix_web::web::ServiceConfig;

use super::{health, identity, routes};

/// Everything below one prefix.
pub struct Mount {
    /// Begins with a slash and ends without one.
    pub prefix: Cow<'static, str>,
    /// Who finds out who is calling.
    pub authentication: Authentication,
    /// How errors look.
    pub errors: Errors,
    /// Whether the first segment of a path is a version to be negotiated.
    pub negotiated: bool,
    /// Whether its own routes see `OPTIONS`; elsewhere the layer for requests across origins answers it.
    pub takes_options: bool,
    /// Adds the routes, given the prefix.
    pub routes: fn(&mut ServiceConfig, &str),
}

/// Who finds out who is calling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// Nobody: everyone gets an answer.
    None,
    /// [`super::authenticate`], before any route is looked for.
    Tokens,
    /// Its own handlers.
    Own,
}

/// The shape of the body of an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errors {
    /// By `Accept`, as Glance has it.
    Glance,
    /// `{"error": {"code": …}}`, as Keystone has it.
    Keystone,
}

/// The mounts with a prefix. `identity` is that of the built-in identity, if it is served.
fn rows(identity: Option<&str>) -> Vec<Mount> {
    let identity = identity.map(|prefix| Mount {
        prefix: prefix.to_owned().into(),
        authentication: Authentication::Own,
        errors: Errors::Keystone,
        negotiated: false,
        takes_options: false,
        routes: identity::configure_at,
    });
    let mut rows = vec![
        Mount {
            prefix: "/healthcheck".into(),
            authentication: Authentication::None,
            errors: Errors::Glance,
            negotiated: false,
            takes_options: true,
            routes: |config, _| health::configure(config),
        },
        Mount {
            prefix: "/v2".into(),
            authentication: Authentication::Tokens,
            errors: Errors::Glance,
            negotiated: true,
            takes_options: false,
            routes: |config, _| routes::configure(config),
        },
    ];
    rows.extend(identity);
    rows
}

/// `/`, `/versions` and whatever names no accepted version: negotiation answers before there are routes.
const ELSEWHERE: Mount = Mount {
    prefix: Cow::Borrowed(""),
    authentication: Authentication::None,
    errors: Errors::Glance,
    negotiated: true,
    takes_options: false,
    routes: |_, _| {},
};

/// The mounts of one server, to be looked up by path.
#[derive(Clone)]
pub struct Mounts {
    rows: Arc<[Mount]>,
    elsewhere: Arc<Mount>,
}

impl Mounts {
    /// All that there are; `identity` is the prefix of the built-in identity, if that is served.
    pub fn new(identity: Option<&str>) -> Self {
        let mut rows = rows(identity);
        rows.sort_by_key(|row| std::cmp::Reverse(row.prefix.len()));
        Self { rows: rows.into(), elsewhere: Arc::new(ELSEWHERE) }
    }

    /// The one with the longest prefix of `path`, by whole segments.
    pub fn of(&self, path: &str) -> &Mount {
        let holds = |mount: &&Mount| {
            let rest = path.strip_prefix(&*mount.prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.rows.iter().find(holds).unwrap_or(&self.elsewhere)
    }

    /// Adds the routes of all.
    pub fn configure(&self, config: &mut ServiceConfig) {
        for mount in self.rows.iter() {
            (mount.routes)(config, &mount.prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path belongs to the mount with the longest prefix of whole segments.
    #[test]
    fn paths_find_their_mount() {
        let mounts = Mounts::new(Some("/v2/identity"));
        for (path, prefix) in [
            ("/v2", "/v2"),
            ("/v2/images", "/v2"),
            ("/v2x/images", ""),
            ("/v2/identity/v3", "/v2/identity"),
            ("/v2/identityx", "/v2"),
            ("/healthcheck", "/healthcheck"),
            ("/healthcheck/x", "/healthcheck"),
            ("/", ""),
            ("/versions", ""),
            ("*", ""),
        ] {
            assert_eq!(mounts.of(path).prefix, prefix, "{path}");
        }
        assert_eq!(Mounts::new(None).of("/v2/identity").prefix, "/v2");
    }
}
