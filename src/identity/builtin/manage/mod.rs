//! Management of the built-in identity: authorisation, validation, and the consequences of a change.

mod assignments;
mod body;
mod catalog;
mod credentials;
mod domains;
mod endpoints;
mod limits;
mod projects;
mod reach;
mod roles;
mod users;

use std::collections::HashMap;

pub use assignments::{AssignmentRow, Target};
pub use credentials::NewCredential;
pub use reach::Reach;

use super::context::{Scope, Token};
use crate::{
    db::DbError,
    model::error::{Error, Result},
};

/// The query of a request: filters and flags.
#[derive(Clone, Debug, Default)]
pub struct Filters(pub HashMap<String, String>);

impl Filters {
    /// A filter, if given and not empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Keystone's booleans: a bare key is true, and so is everything but `0`, `false`, `no` and `off`.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.0
            .get(key)
            .map(|text| !matches!(text.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off"))
    }

    /// Whether a boolean attribute passes its filter.
    fn admits(&self, key: &str, value: bool) -> bool {
        self.flag(key).is_none_or(|wanted| wanted == value)
    }

    /// Whether a text attribute passes its filter.
    fn matches(&self, key: &str, value: Option<&str>) -> bool {
        self.get(key).is_none_or(|wanted| Some(wanted) == value)
    }
}

/// Refuses what only an admin may do.
fn admin_only(token: &Token) -> Result<()> {
    if token.is_admin() { Ok(()) } else { Err(not_allowed()) }
}

/// Refuses what only an admin or a reader of the whole system may do.
fn readers_only(token: &Token) -> Result<()> {
    if token.reads_all() { Ok(()) } else { Err(not_allowed()) }
}

/// Refuses what only those two and services may do.
fn services_and_readers_only(token: &Token) -> Result<()> {
    if token.is_service() { Ok(()) } else { readers_only(token) }
}

fn not_allowed() -> Error {
    Error::forbidden("You are not allowed to do this.")
}

fn missing(what: &str, id: &str) -> Error {
    Error::NotFound(format!("Could not find {what}: {id}."))
}

/// Says in words that a name is taken.
fn taken(error: DbError, what: &str, name: &str) -> DbError {
    match error {
        DbError::Duplicate(_) => Error::conflict(format!("There is a {what} {name:?} already.")).into(),
        other => other,
    }
}

/// The domain of what a token's bearer makes without naming one: that of the token's scope.
fn domain_of_scope(token: &Token) -> String {
    match &token.scope {
        Scope::Project { domain, .. } | Scope::Domain(domain) => domain.id.clone(),
        Scope::Unscoped | Scope::System => super::DEFAULT_DOMAIN_ID.to_owned(),
    }
}
