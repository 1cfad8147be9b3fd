//! Values of Glance's rows, which each database represents differently.

use serde_json::Value;

use crate::{db::rows::Row, model::time::Timestamp};

/// The text in a place of a row.
pub fn text(row: &Row, at: usize) -> Option<&str> {
    row.get(at).and_then(Value::as_str)
}

/// The ids of rows that begin with them.
pub fn ids(rows: &[Row]) -> Vec<String> {
    rows.iter().filter_map(|row| text(row, 0)).map(str::to_owned).collect()
}

/// The integer in a place of a row.
pub fn integer(row: &Row, at: usize) -> Option<i64> {
    row.get(at).and_then(Value::as_i64)
}

/// The boolean in a column of a row: a number on two of the databases, false if there is none.
pub fn boolean(row: &Row, at: usize) -> bool {
    match row.get(at) {
        Some(Value::Bool(value)) => *value,
        Some(value) => value.as_i64().unwrap_or_default() != 0,
        None => false,
    }
}

/// The time in a place of a row.
pub fn time(row: &Row, at: usize) -> Option<Timestamp> {
    text(row, at).and_then(Timestamp::parse_iso)
}

/// The value in a column of a row, unchanged.
pub fn value(row: &Row, at: usize) -> Value {
    row.get(at).cloned().unwrap_or_default()
}

/// A time in the format of our rows.
pub fn micros(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| Value::from(time.0))
}

/// The time in a column of one of our rows.
pub fn micros_of(row: &Row, at: usize) -> Timestamp {
    Timestamp(integer(row, at).unwrap_or_default())
}
