//! All rows of all tables, read from one state of the database and written into another of any kind. Rows travel as arrays
//! of JSON, with booleans as such on every database.

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::Text};
use serde_json::Value;

use super::{Conn, DbError, DbResult, dialect, statement::Statement};

/// Every table that is kept, those that others point to first, with the columns that order its rows and tell them apart.
/// `nodes` and `staging_places` are left out: they say who runs, and nobody runs after a restoration. A test holds this
/// against the schema.
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
    ("jobs", &["id"]),
    ("events", &["sequence"]),
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

/// Rows that are read at once, and values that one statement writes at most: SQLite takes 32,766.
const ROWS_AT_ONCE: usize = 1000;
const VALUES_AT_ONCE: usize = 30_000;

/// What a column holds.
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
    /// What it holds.
    pub kind: Kind,
}

/// A row, value by value in the order of the columns.
pub type Row = Vec<Value>;

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The columns of a table.
///
/// # Errors
/// Only the database's own, also for a type of column that nothing is known of.
pub fn columns(conn: &mut Conn, table: &str) -> DbResult<Vec<Column>> {
    let sql = dialect::of(conn).columns(table);
    let found: Vec<Found> = sql_query(sql).load(conn)?;
    let kind = |kind: &str| match kind {
        "BOOLEAN" | "TINYINT" => Some(Kind::Boolean),
        "INTEGER" | "INT" | "BIGINT" => Some(Kind::Integer),
        "TEXT" | "LONGTEXT" | "MEDIUMTEXT" | "CHARACTER VARYING" => Some(Kind::Text),
        other if other.starts_with("VARCHAR") => Some(Kind::Text),
        _ => None,
    };
    found
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
    let select = format!("SELECT {} AS line FROM {table}", dialect::of(conn).json_array(&names));
    let order = format!(" ORDER BY {} LIMIT {ROWS_AT_ONCE}", key.join(", "));
    let mut after: Option<Row> = None;
    loop {
        let mut statement = Statement::new(&select);
        if let Some(row) = &after {
            let marker: Vec<(&str, &Value)> =
                key.iter().zip(&places).filter_map(|(key, at)| Some((*key, row.get(*at)?))).collect();
            statement = statement.sql(" WHERE ").then(beyond(&marker));
        }
        let lines: Vec<Line> = statement.sql(&order).load(conn)?;
        let count = lines.len();
        for line in lines {
            let row = read(table, columns, &line.line)?;
            after = Some(row.clone());
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

fn bound(statement: Statement, value: &Value) -> Statement {
    match value {
        Value::String(text) => statement.text(text.as_str()),
        Value::Bool(value) => statement.boolean(*value),
        Value::Number(number) => statement.integer(number.as_i64().unwrap_or_default()),
        _ => statement.sql("NULL"),
    }
}

/// Reads what the database made of a row; it may write a boolean as a number.
fn read(table: &str, columns: &[Column], line: &str) -> DbResult<Row> {
    let unreadable =
        |why: &dyn std::fmt::Display| DbError::Other(format!("a row of {table} cannot be read: {why}"));
    let mut row: Row = serde_json::from_str(line).map_err(|e| unreadable(&e))?;
    if row.len() != columns.len() {
        return Err(unreadable(&"its length"));
    }
    for (value, column) in row.iter_mut().zip(columns) {
        if let (Kind::Boolean, Some(number)) = (column.kind, value.as_i64()) {
            *value = Value::Bool(number != 0);
        }
        check(column, value).map_err(|why| unreadable(&why))?;
    }
    Ok(row)
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

/// Writes rows of a table, whose values have been checked.
///
/// # Errors
/// Only the database's own.
pub fn insert(conn: &mut Conn, table: &str, columns: &[Column], rows: &[Row]) -> DbResult<()> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let head =
        format!("INSERT INTO {table} ({}) {}VALUES ", names.join(", "), dialect::of(conn).with_own_keys());
    let at_once = VALUES_AT_ONCE.checked_div(columns.len()).unwrap_or(1).max(1);
    for rows in rows.chunks(at_once) {
        let mut statement = Statement::new(&head);
        for (at, row) in rows.iter().enumerate() {
            statement = statement.sql(if at == 0 { "(" } else { ", (" });
            for (at, value) in row.iter().enumerate() {
                statement = bound(if at == 0 { statement } else { statement.sql(", ") }, value);
            }
            statement = statement.sql(")");
        }
        statement.execute(conn)?;
    }
    Ok(())
}

/// Has the database number new rows of a table after those that are there.
///
/// # Errors
/// Only the database's own.
pub fn renumber(conn: &mut Conn, (table, key): (&str, &[&str]), columns: &[Column]) -> DbResult<()> {
    let [key] = key else { return Ok(()) };
    let is_number = columns.iter().any(|column| column.name == *key && column.kind == Kind::Integer);
    if let Some(sql) = dialect::of(conn).renumber(table, key).filter(|_| is_number) {
        sql_query(sql).execute(conn)?;
    }
    Ok(())
}

/// Whether a table has no row.
///
/// # Errors
/// Only the database's own.
pub fn is_empty(conn: &mut Conn, table: &str) -> DbResult<bool> {
    let found: Vec<Line> = sql_query(format!("SELECT 'x' AS line FROM {table} LIMIT 1")).load(conn)?;
    Ok(found.is_empty())
}
