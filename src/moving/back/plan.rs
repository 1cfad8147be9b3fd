//! What is exported, and how values are written in Glance's tables.

use std::sync::Arc;

use serde_json::Value;

use super::super::{
    plan::StagingFolder,
    values::{integer, text},
};
use crate::{
    db::{Conn, Db, LocationKey, glance::back, rows::Row},
    model::time::Timestamp,
    store::Stores,
};

/// The source and target of an export.
pub struct Back<'a> {
    /// Our database.
    pub ours: &'a Db,
    /// Glance's.
    pub glance: &'a Db,
    /// The name of Glance's database in the progress records.
    pub name: &'a str,
    /// The stores that hold the data.
    pub stores: &'a Stores,
    /// Where staged data is, if it is on this node.
    pub staging: Option<StagingFolder>,
    /// The key for encrypting locations, if any.
    pub key: Option<Arc<LocationKey>>,
    /// Change nothing.
    pub dry_run: bool,
}

/// A time of one of our rows in the format of Glance's database; `NULL` if there is none.
pub fn stamp(conn: &Conn, row: &Row, at: usize) -> Value {
    integer(row, at).map_or(Value::Null, |micros| back::spelled(conn, Timestamp(micros)))
}

/// Whether a text of JSON says something.
pub fn json_text(row: &Row, at: usize) -> Value {
    text(row, at).map_or(Value::Null, Value::from)
}
