//! Managing what the built-in identity knows: who may, what is checked, what else a change brings about.

pub mod catalog;
mod reach;

pub use reach::Reach;

use super::context::Token;
use crate::model::error::{Error, Result};

/// Refuses what only an admin may do.
pub(super) fn admin_only(token: &Token) -> Result<()> {
    if token.is_admin() { Ok(()) } else { Err(not_allowed()) }
}

/// Refuses what only an admin or a reader of the whole system may do.
pub(super) fn readers_only(token: &Token) -> Result<()> {
    if token.reads_all() { Ok(()) } else { Err(not_allowed()) }
}

pub(super) fn not_allowed() -> Error {
    Error::forbidden("You are not allowed to do this.")
}

pub(super) fn missing(what: &str, id: &str) -> Error {
    Error::NotFound(format!("Could not find {what}: {id}."))
}
