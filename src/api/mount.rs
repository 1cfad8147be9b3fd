//! The properties of the paths below a prefix, and the lookup of the prefix of a path.

use std::{borrow::Cow, sync::Arc};

use actix_web::web::ServiceConfig;

/// Everything below one prefix.
pub struct Mount {
    /// Begins with a slash and ends without one.
    pub prefix: Cow<'static, str>,
    /// How callers are authenticated.
    pub authentication: Authentication,
    /// How errors look.
    pub errors: Errors,
    /// Whether the first segment of a path is a version to be negotiated.
    pub negotiated: bool,
    /// Whether its requests are served from the reserve of connections, when all others are taken.
    pub reserved: bool,
    /// Whether its own routes see `OPTIONS`; elsewhere the layer for requests across origins answers it.
    pub takes_options: bool,
    /// Adds the routes, given the prefix.
    pub routes: fn(&mut ServiceConfig, &str),
}

/// How callers are authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// Nobody: everyone gets an answer.
    None,
    /// [`super::authenticate`], before any route is looked for.
    Tokens,
    /// As [`Authentication::Tokens`], except for the prefix itself, which tells everybody what there is.
    TokensBelow,
    /// Its own handlers.
    Own,
}

/// The shape of the body of an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errors {
    /// By `Accept`, as in Glance.
    Glance,
    /// `{"error": {"code": …}}`, as Keystone has it.
    Keystone,
    /// The same with a reason that programs can read.
    Extensions,
}

impl Mount {
    /// Whether callers of a path below it have to show a token.
    pub fn asks_for_tokens(&self, path: &str) -> bool {
        match self.authentication {
            Authentication::Tokens => true,
            Authentication::TokensBelow => path != self.prefix,
            Authentication::None | Authentication::Own => false,
        }
    }
}

/// `/`, `/versions` and whatever names no accepted version: negotiation answers before there are routes.
const ELSEWHERE: Mount = Mount {
    prefix: Cow::Borrowed(""),
    authentication: Authentication::None,
    errors: Errors::Glance,
    negotiated: true,
    reserved: false,
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
    /// These, and what is nowhere else.
    pub fn of_rows(mut rows: Vec<Mount>) -> Self {
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
