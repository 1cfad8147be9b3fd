//! Keyset pagination in a total order: `ORDER BY`, and the condition that a row comes after the marker.

use super::statement::Statement;
use crate::model::{list::Direction, time::Timestamp};

/// The marker's value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Of a text column.
    Text(String),
    /// Of an integer column.
    Integer(i64),
    /// Of a boolean column.
    Boolean(bool),
}

impl Value {
    /// Of a text that may be absent, which sorts as the empty one.
    pub(super) fn text(text: Option<&str>) -> Self {
        Self::Text(text.unwrap_or_default().to_owned())
    }

    /// Of a time that may be absent, which sorts as the oldest.
    pub(super) fn time(time: Option<Timestamp>) -> Self {
        Self::Integer(time.map_or(0, |time| time.0))
    }
}

/// A column by which rows are ordered.
pub(super) trait Column: Copy + PartialEq {
    /// What the list is of.
    type Row;

    /// The expression in SQL, in which NULL counts as the empty text or 0.
    fn expression(self) -> String;

    /// What the expression is for a row.
    fn value(self, row: &Self::Row) -> Value;
}

/// The order of a list. Its last column is unique.
#[derive(Clone, Debug)]
pub(super) struct Keyset<C> {
    columns: Vec<(C, Direction)>,
}

impl<C: Column> Keyset<C> {
    /// Ordered by these columns; one that comes again says nothing more.
    pub(super) fn new(columns: impl IntoIterator<Item = (C, Direction)>) -> Self {
        let mut kept: Vec<(C, Direction)> = Vec::new();
        for (column, direction) in columns {
            if !kept.iter().any(|(known, _)| *known == column) {
                kept.push((column, direction));
            }
        }
        Self { columns: kept }
    }

    /// ` ORDER BY …`
    pub(super) fn order_by(&self) -> String {
        let keys: Vec<String> = self
            .columns
            .iter()
            .map(|(column, direction)| {
                let direction = if *direction == Direction::Asc { "ASC" } else { "DESC" };
                format!("{} {direction}", column.expression())
            })
            .collect();
        format!(" ORDER BY {}", keys.join(", "))
    }

    /// The condition that a row comes after `marker`.
    pub(super) fn after(&self, marker: &C::Row) -> Statement {
        after(&self.columns, marker)
    }
}

/// `k1 >= v1 AND (k1 > v1 OR (k2 …))`: the first half is what an index range can use.
fn after<C: Column>(columns: &[(C, Direction)], marker: &C::Row) -> Statement {
    let Some(((column, direction), rest)) = columns.split_first() else { return Statement::new("1 = 0") };
    let expression = column.expression();
    let operator = if *direction == Direction::Asc { ">" } else { "<" };
    let bind = |sql: String| match column.value(marker) {
        Value::Text(text) => Statement::new(&sql).text(text),
        Value::Integer(number) => Statement::new(&sql).integer(number),
        Value::Boolean(value) => Statement::new(&sql).boolean(value),
    };
    let beyond = bind(format!("{expression} {operator} "));
    if rest.is_empty() {
        return beyond;
    }
    bind(format!("({expression} {operator}= "))
        .sql(" AND (")
        .then(beyond)
        .sql(" OR ")
        .then(after(rest, marker))
        .sql("))")
}
