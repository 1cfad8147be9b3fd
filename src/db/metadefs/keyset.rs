//! Order and "comes after the marker" of a list that is sorted by one column, then by age, then by row.

use crate::{
    db::statement::Statement,
    model::{metadef::list::Sort, time::Timestamp},
};

/// The marker's value of the sorted column.
pub enum Key {
    /// Of a text column.
    Text(String),
    /// Of an integer column.
    Integer(i64),
    /// Of a boolean column.
    Boolean(bool),
}

impl Key {
    /// Of a time that may be absent, which sorts as the oldest.
    pub fn time(time: Option<Timestamp>) -> Self {
        Self::Integer(time.map_or(0, |time| time.0))
    }
}

/// The expression a list is sorted by; NULL counts as the empty text or 0.
fn expression(sort: Sort) -> String {
    match sort.key {
        "display_name" | "description" => format!("COALESCE({}, '')", sort.key),
        "updated_at" => "COALESCE(updated_at, 0)".to_owned(),
        key => key.to_owned(),
    }
}

/// `ORDER BY …`
pub fn order(sort: Sort) -> String {
    let direction = if sort.descending { "DESC" } else { "ASC" };
    let mut keys = vec![format!("{} {direction}", expression(sort))];
    for key in ["created_at", "id"] {
        if sort.key != key {
            keys.push(format!("{key} {direction}"));
        }
    }
    format!(" ORDER BY {}", keys.join(", "))
}

/// The condition that a row comes after the marker.
pub fn after(sort: Sort, key: Key, created_at: Timestamp, id: i64) -> Statement {
    let operator = if sort.descending { "<" } else { ">" };
    let expression = expression(sort);
    let bind = |statement: Statement| match &key {
        Key::Text(text) => statement.text(text),
        Key::Integer(number) => statement.integer(*number),
        Key::Boolean(value) => statement.boolean(*value),
    };
    bind(bind(Statement::new(&format!("({expression} {operator} "))).sql(&format!(" OR ({expression} = ")))
        .sql(&format!(" AND (created_at {operator} "))
        .integer(created_at.0)
        .sql(" OR (created_at = ")
        .integer(created_at.0)
        .sql(&format!(" AND id {operator} "))
        .integer(id)
        .sql("))))")
}
