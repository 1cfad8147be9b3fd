//! The rules of placement.

use diesel::{
    dsl::{count_star, max},
    prelude::*,
};

use super::{Conn, DbError, DbResult, schema::stores::placement_rules};
use crate::model::{placement::Rule, time::Timestamp};

/// Rules that are read at most.
pub const LIST_MAX: i64 = 200;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = placement_rules)]
#[diesel(treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false)]
struct RuleRow {
    id: String,
    position: i64,
    description: Option<String>,
    conditions: String,
    store: String,
    created_at: i64,
    updated_at: i64,
}

impl RuleRow {
    fn of(rule: &Rule) -> Self {
        Self {
            id: rule.id.clone(),
            position: rule.position,
            description: rule.description.clone(),
            conditions: serde_json::json!(rule.when).to_string(),
            store: rule.store.clone(),
            created_at: rule.created_at.0,
            updated_at: rule.updated_at.0,
        }
    }

    fn into_rule(self) -> DbResult<Rule> {
        let when = serde_json::from_str(&self.conditions)
            .map_err(|e| DbError::Other(format!("placement rule {}: unreadable: {e}", self.id)))?;
        Ok(Rule {
            id: self.id,
            position: self.position,
            description: self.description,
            when,
            store: self.store,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

/// All rules, in their order.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn) -> DbResult<Vec<Rule>> {
    let rows: Vec<RuleRow> = placement_rules::table
        .order((placement_rules::position, placement_rules::created_at, placement_rules::id))
        .limit(LIST_MAX)
        .select(RuleRow::as_select())
        .load(conn)?;
    rows.into_iter().map(RuleRow::into_rule).collect()
}

/// A rule by its id.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, id: &str) -> DbResult<Option<Rule>> {
    let row: Option<RuleRow> =
        placement_rules::table.find(id).select(RuleRow::as_select()).first(conn).optional()?;
    row.map(RuleRow::into_rule).transpose()
}

/// How many there are, and the last place that one has.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn) -> DbResult<(i64, Option<i64>)> {
    Ok((
        placement_rules::table.select(count_star()).first(conn)?,
        placement_rules::table.select(max(placement_rules::position)).first(conn)?,
    ))
}

/// Enters a rule.
///
/// # Errors
/// Only the database's own.
pub fn insert(conn: &mut Conn, rule: &Rule) -> DbResult<()> {
    diesel::insert_into(placement_rules::table).values(RuleRow::of(rule)).execute(conn)?;
    Ok(())
}

/// Replaces a rule; returns whether it is there.
///
/// # Errors
/// Only the database's own.
pub fn update(conn: &mut Conn, rule: &Rule) -> DbResult<bool> {
    let row = placement_rules::table.find(&rule.id);
    Ok(diesel::update(row).set(RuleRow::of(rule)).execute(conn)? == 1)
}

/// Removes a rule; returns whether it was there.
///
/// # Errors
/// Only the database's own.
pub fn delete(conn: &mut Conn, id: &str) -> DbResult<bool> {
    Ok(diesel::delete(placement_rules::table.find(id)).execute(conn)? == 1)
}
