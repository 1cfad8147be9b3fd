//! Tags of namespaces.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
};

use super::shared::{Stamp, direction};
use crate::{
    db::{
        Conn, DbError, DbResult,
        keyset::{Column, Keyset, Value},
        metadefs::tables::metadef_tags,
        statement::Statement,
    },
    model::{
        metadef::{Stored, list::TagQuery},
        time::Timestamp,
    },
};

#[derive(Queryable, Selectable, QueryableByName)]
#[diesel(table_name = metadef_tags)]
struct TagRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    namespace_id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
}

impl From<TagRow> for Stored<String> {
    fn from(row: TagRow) -> Self {
        Self {
            id: row.id,
            value: row.name,
            created_at: Timestamp(row.created_at),
            updated_at: row.updated_at.map(Timestamp),
        }
    }
}

/// The tags of a namespace, newest first.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, namespace_id: i64) -> DbResult<Vec<Stored<String>>> {
    let found = of_namespaces(conn, &[namespace_id])?;
    Ok(found.into_iter().map(|(_, tag)| tag).collect())
}

/// The tags of several namespaces, each with its namespace's row number, newest first.
///
/// # Errors
/// Only the database's own.
pub fn of_namespaces(conn: &mut Conn, ids: &[i64]) -> DbResult<Vec<(i64, Stored<String>)>> {
    let rows: Vec<TagRow> = metadef_tags::table
        .filter(metadef_tags::namespace_id.eq_any(ids))
        .order((metadef_tags::namespace_id, metadef_tags::created_at.desc(), metadef_tags::id.desc()))
        .select(TagRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.namespace_id, row.into())).collect())
}

/// A page of the tags of a namespace.
///
/// # Errors
/// Only the database's own.
pub fn page(
    conn: &mut Conn,
    namespace_id: i64,
    query: &TagQuery,
    marker: Option<&Stored<String>>,
) -> DbResult<Vec<Stored<String>>> {
    let columns = "id, namespace_id, name, created_at, updated_at";
    let mut statement = Statement::new(&format!("SELECT {columns} FROM metadef_tags WHERE namespace_id = "))
        .integer(namespace_id);
    let direction = direction(query.sort);
    let keys = [Key::named(query.sort.key), Key::CreatedAt, Key::Id];
    let order = Keyset::new(keys.map(|key| (key, direction)));
    if let Some(marker) = marker {
        statement = statement.sql(" AND ").then(order.after(marker));
    }
    statement = statement.sql(&order.order_by());
    if let Some(limit) = query.limit {
        statement = statement.sql(&format!(" LIMIT {limit}"));
    }
    let rows: Vec<TagRow> = statement.load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// A column by which the tags of one namespace are sorted; by the namespace they are all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Name,
    CreatedAt,
    UpdatedAt,
    Id,
}

impl Key {
    fn named(name: &str) -> Self {
        match name {
            "name" => Self::Name,
            "id" => Self::Id,
            "updated_at" => Self::UpdatedAt,
            _ => Self::CreatedAt,
        }
    }
}

impl Column for Key {
    type Row = Stored<String>;

    fn expression(self) -> String {
        let sql = match self {
            Self::Name => "name",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "COALESCE(updated_at, 0)",
            Self::Id => "id",
        };
        sql.to_owned()
    }

    fn value(self, tag: &Stored<String>) -> Value {
        match self {
            Self::Name => Value::text(Some(&tag.value)),
            Self::CreatedAt => Value::time(Some(tag.created_at)),
            Self::UpdatedAt => Value::time(tag.updated_at),
            Self::Id => Value::Integer(tag.id),
        }
    }
}

/// One tag.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, namespace_id: i64, name: &str) -> DbResult<Option<Stored<String>>> {
    let row: Option<TagRow> = metadef_tags::table
        .filter(metadef_tags::namespace_id.eq(namespace_id))
        .filter(metadef_tags::name.eq(name))
        .select(TagRow::as_select())
        .first(conn)
        .optional()?;
    Ok(row.map(Into::into))
}

/// Inserts tags, each with the row number of its namespace.
///
/// # Errors
/// [`DbError::Duplicate`] for a name that the namespace has.
pub fn insert(conn: &mut Conn, tags: &[(i64, &str)], stamp: Stamp) -> DbResult<()> {
    for (id, name) in tags {
        let row = (
            metadef_tags::namespace_id.eq(*id),
            metadef_tags::name.eq(*name),
            metadef_tags::created_at.eq(stamp.created_at.0),
            metadef_tags::updated_at.eq(stamp.updated_at.map(|t| t.0)),
        );
        diesel::insert_into(metadef_tags::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Renames a tag.
///
/// # Errors
/// [`DbError::Duplicate`] for a new name that the namespace has, [`DbError::Stale`] when the tag is gone.
pub fn rename(conn: &mut Conn, id: i64, name: &str, updated_at: Timestamp) -> DbResult<()> {
    let changed = diesel::update(metadef_tags::table.filter(metadef_tags::id.eq(id)))
        .set((metadef_tags::name.eq(name), metadef_tags::updated_at.eq(Some(updated_at.0))))
        .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(DbError::stale("metadef tag", name)) }
}

/// Deletes a tag.
///
/// # Errors
/// Only the database's own.
pub fn delete(conn: &mut Conn, id: i64) -> DbResult<()> {
    diesel::delete(metadef_tags::table.filter(metadef_tags::id.eq(id))).execute(conn)?;
    Ok(())
}

/// Deletes every tag of a namespace.
///
/// # Errors
/// Only the database's own.
pub fn delete_all(conn: &mut Conn, namespace_id: i64) -> DbResult<()> {
    diesel::delete(metadef_tags::table.filter(metadef_tags::namespace_id.eq(namespace_id))).execute(conn)?;
    Ok(())
}
