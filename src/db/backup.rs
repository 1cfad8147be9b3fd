//! All rows of all tables, read from one consistent state of the database and written into another of any kind. Rows
//! are JSON arrays, with real booleans whatever the database.

use serde_json::Value;

use super::{
    Conn, DbError, DbResult,
    rows::{self, Row, bound},
    statement::Statement,
};

/// Every table in a backup, referenced tables first, with the columns that order and identify its rows. `nodes`,
/// `notice_readers` and `staging_places` are left out, because no node runs after a restore. A test compares this with the schema.
pub const TABLES: &[(&str, &[&str])] = &[
    ("images", &["id"]),
    ("purged_images", &["id"]),
    ("quota_accounts", &["project_id"]),
    ("sealing_keys", &["generation"]),
    ("moved_in", &["source"]),
    ("image_properties", &["image_id", "name"]),
    ("image_tags", &["image_id", "value"]),
    ("image_members", &["image_id", "member"]),
    ("blobs", &["id"]),
    ("image_locations", &["id"]),
    ("consumers", &["image_id", "kind", "id"]),
    ("gone_servers", &["id"]),
    ("image_slugs", &["owner", "slug"]),
    ("image_dates", &["image_id", "act"]),
    ("unprotected_images", &["image_id"]),
    ("image_downloads", &["image_id"]),
    ("uploads", &["id"]),
    ("upload_pieces", &["upload_id", "first_byte"]),
    ("store_states", &["store"]),
    ("storages", &["id"]),
    ("placement_rules", &["id"]),
    ("quarantine", &["id"]),
    ("project_limits", &["project_id"]),
    ("image_creations", &["project_id", "created_at", "image_id"]),
    ("trash", &["image_id"]),
    ("families", &["owner", "name"]),
    ("family_publications", &["owner", "name", "number"]),
    ("media_groups", &["folded"]),
    ("retention_rules", &["owner", "family"]),
    ("usage_intervals", &["id"]),
    ("usage_entries", &["seq"]),
    ("usage_rates", &["id"]),
    ("jobs", &["id"]),
    ("store_findings", &["job_id", "number"]),
    ("events", &["sequence"]),
    ("event_readers", &["name"]),
    ("webhooks", &["id"]),
    ("webhook_deliveries", &["webhook_id", "sequence"]),
    ("notices", &["sequence"]),
    ("node_reference", &["node_reference_id"]),
    ("cached_images", &["id"]),
    ("metadef_namespaces", &["id"]),
    ("metadef_resource_types", &["id"]),
    ("metadef_namespace_resource_types", &["id"]),
    ("metadef_objects", &["id"]),
    ("metadef_properties", &["id"]),
    ("metadef_tags", &["id"]),
    ("metadef_seed", &["id"]),
    ("identity_domains", &["id"]),
    ("identity_projects", &["id"]),
    ("identity_users", &["id"]),
    ("identity_roles", &["id"]),
    ("identity_implied_roles", &["prior_role_id", "implied_role_id"]),
    ("identity_assignments", &["user_id", "scope_kind", "scope_id", "role_id"]),
    ("identity_services", &["id"]),
    ("identity_regions", &["id"]),
    ("identity_endpoints", &["id"]),
    ("identity_app_credentials", &["id"]),
    ("identity_app_credential_roles", &["app_credential_id", "role_id"]),
    ("identity_revocations", &["id"]),
    ("identity_limits", &["id"]),
    ("identity_keys", &["generation"]),
];

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 1000;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// An integer of at most 64 bits.
    Integer,
    /// True or false.
    Boolean,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, the same on every database.
    pub name: String,
    /// Its type.
    pub kind: Kind,
}

/// The columns of a table.
///
/// # Errors
/// Only the database's own, also for a type of column that nothing is known of.
pub fn columns(conn: &mut Conn, table: &str) -> DbResult<Vec<Column>> {
    let kind = |kind: &str| match kind {
        "BOOLEAN" | "TINYINT" => Some(Kind::Boolean),
        "INTEGER" | "INT" | "BIGINT" => Some(Kind::Integer),
        "TEXT" | "LONGTEXT" | "MEDIUMTEXT" | "CHARACTER VARYING" => Some(Kind::Text),
        other if other.starts_with("VARCHAR") => Some(Kind::Text),
        _ => None,
    };
    rows::described(conn, table)?
        .into_iter()
        .map(|found| match kind(&found.kind) {
            Some(kind) => Ok(Column { name: found.name, kind }),
            None => Err(DbError::Other(format!(
                "{table}.{}: no backup knows the type {}",
                found.name, found.kind
            ))),
        })
        .collect()
}

/// Hands every row of a table on, in the order of its key.
///
/// # Errors
/// The database's own, and what `take` answers.
pub fn each_row(
    conn: &mut Conn,
    (table, key): (&str, &[&str]),
    columns: &[Column],
    mut take: impl FnMut(Row) -> DbResult<()>,
) -> DbResult<()> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let places: Vec<usize> = key.iter().filter_map(|key| names.iter().position(|name| name == key)).collect();
    let order = format!(" ORDER BY {} LIMIT {ROWS_AT_ONCE}", key.join(", "));
    let mut after: Option<Row> = None;
    loop {
        let mut rest = Statement::default();
        if let Some(values) = &after {
            let marker: Vec<(&str, &Value)> = key.iter().copied().zip(values).collect();
            rest = rest.sql("WHERE ").then(beyond(&marker));
        }
        let found = rows::select(conn, table, &names, rest.sql(&order))?;
        let count = found.len();
        for (at, mut row) in found.into_iter().enumerate() {
            settle(table, columns, &mut row)?;
            if at.saturating_add(1) == count {
                after = Some(places.iter().filter_map(|at| row.get(*at).cloned()).collect());
            }
            take(row)?;
        }
        if count < ROWS_AT_ONCE {
            return Ok(());
        }
    }
}

/// That a row comes after the marker: `k1 >= v1 AND (k1 > v1 OR (k2 …))`.
fn beyond(marker: &[(&str, &Value)]) -> Statement {
    let Some(((name, value), rest)) = marker.split_first() else { return Statement::new("1 = 0") };
    if rest.is_empty() {
        return bound(Statement::new(&format!("{name} > ")), value);
    }
    let start = bound(Statement::new(&format!("{name} >= ")), value).sql(&format!(" AND ({name} > "));
    bound(start, value).sql(" OR (").then(beyond(rest)).sql("))")
}

/// Turns booleans that the database writes as numbers into such, and requires that the values be of the columns' kinds.
fn settle(table: &str, columns: &[Column], row: &mut Row) -> DbResult<()> {
    let unreadable =
        |why: &dyn std::fmt::Display| DbError::Other(format!("a row of {table} cannot be read: {why}"));
    if row.len() != columns.len() {
        return Err(unreadable(&"its length"));
    }
    for (value, column) in row.iter_mut().zip(columns) {
        if let (Kind::Boolean, Some(number)) = (column.kind, value.as_i64()) {
            *value = Value::Bool(number != 0);
        }
        check(column, value).map_err(|why| unreadable(&why))?;
    }
    Ok(())
}

/// Requires that a column can hold a value.
///
/// # Errors
/// A part of a sentence.
pub fn check(column: &Column, value: &Value) -> Result<(), String> {
    let fits = match (column.kind, value) {
        (_, Value::Null) => true,
        (Kind::Text, value) => value.is_string(),
        (Kind::Integer, value) => value.is_i64(),
        (Kind::Boolean, value) => value.is_boolean(),
    };
    if fits { Ok(()) } else { Err(format!("{} holds {value}", column.name)) }
}

/// Has the database number new rows of a table after those that are there.
///
/// # Errors
/// Only the database's own.
pub fn renumber(conn: &mut Conn, (table, key): (&str, &[&str]), columns: &[Column]) -> DbResult<()> {
    let [key] = key else { return Ok(()) };
    let is_number = columns.iter().any(|column| column.name == *key && column.kind == Kind::Integer);
    if is_number { rows::renumber(conn, table, key) } else { Ok(()) }
}
