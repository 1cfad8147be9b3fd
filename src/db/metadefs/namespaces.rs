//! Namespaces: insert, find, list, change, delete.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use super::{
    delete_contents,
    shared::{Stamp, direction},
};
use crate::{
    db::{
        Conn, DbError, DbResult,
        keyset::{Column, Keyset, Value},
        metadefs::tables::metadef_namespaces,
        statement::Statement,
    },
    model::{
        caller::Caller,
        metadef::{
            Namespace, NamespaceFields, NamespaceVisibility,
            list::{NamespaceQuery, VisibilityFilter},
        },
        time::Timestamp,
    },
};

#[derive(Queryable, Selectable, QueryableByName)]
#[diesel(table_name = metadef_namespaces)]
struct NamespaceRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    namespace: String,
    #[diesel(sql_type = Nullable<Text>)]
    display_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
    #[diesel(sql_type = Text)]
    visibility: String,
    #[diesel(sql_type = Bool)]
    protected: bool,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
}

const COLUMNS: &str =
    "id, namespace, display_name, description, visibility, protected, owner, created_at, updated_at";

impl NamespaceRow {
    fn into_namespace(self) -> DbResult<Namespace> {
        let visibility = NamespaceVisibility::parse(&self.visibility)
            .ok_or_else(|| DbError::Other(format!("metadef namespace {}: unknown visibility", self.id)))?;
        Ok(Namespace {
            id: self.id,
            fields: NamespaceFields {
                namespace: self.namespace,
                display_name: self.display_name,
                description: self.description,
                visibility,
                protected: self.protected,
                owner: self.owner,
            },
            created_at: Timestamp(self.created_at),
            updated_at: self.updated_at.map(Timestamp),
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = metadef_namespaces)]
#[diesel(treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false)]
struct NamespaceColumns<'a> {
    namespace: &'a str,
    display_name: Option<&'a str>,
    description: Option<&'a str>,
    visibility: &'a str,
    protected: bool,
    owner: &'a str,
    updated_at: Option<i64>,
}

impl<'a> NamespaceColumns<'a> {
    fn of(fields: &'a NamespaceFields, updated_at: Option<Timestamp>) -> Self {
        Self {
            namespace: &fields.namespace,
            display_name: fields.display_name.as_deref(),
            description: fields.description.as_deref(),
            visibility: fields.visibility.as_str(),
            protected: fields.protected,
            owner: &fields.owner,
            updated_at: updated_at.map(|t| t.0),
        }
    }
}

/// Inserts namespaces.
///
/// # Errors
/// [`DbError::Duplicate`] for a name that is taken.
pub fn insert(conn: &mut Conn, fields: &[&NamespaceFields], stamp: Stamp) -> DbResult<()> {
    for fields in fields {
        let row = (
            NamespaceColumns::of(fields, stamp.updated_at),
            metadef_namespaces::created_at.eq(stamp.created_at.0),
        );
        diesel::insert_into(metadef_namespaces::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// One namespace by its name.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, name: &str) -> DbResult<Option<Namespace>> {
    let row: Option<NamespaceRow> = metadef_namespaces::table
        .filter(metadef_namespaces::namespace.eq(name))
        .select(NamespaceRow::as_select())
        .first(conn)
        .optional()?;
    row.map(NamespaceRow::into_namespace).transpose()
}

/// Every namespace, oldest first; for the catalogue tools.
///
/// # Errors
/// Only the database's own.
pub fn all(conn: &mut Conn) -> DbResult<Vec<Namespace>> {
    let rows: Vec<NamespaceRow> = metadef_namespaces::table
        .order(metadef_namespaces::id)
        .select(NamespaceRow::as_select())
        .load(conn)?;
    rows.into_iter().map(NamespaceRow::into_namespace).collect()
}

/// Keeps other transactions from deleting or changing a namespace until this one ends, and returns whether it is still
/// there and what it is.
///
/// # Errors
/// Only the database's own.
pub fn lock(conn: &mut Conn, id: i64) -> DbResult<Option<Namespace>> {
    let row = metadef_namespaces::table.filter(metadef_namespaces::id.eq(id));
    // An UPDATE that changes nothing is the row lock that all three databases know.
    diesel::update(row).set(metadef_namespaces::protected.eq(metadef_namespaces::protected)).execute(conn)?;
    let row: Option<NamespaceRow> = metadef_namespaces::table
        .filter(metadef_namespaces::id.eq(id))
        .select(NamespaceRow::as_select())
        .first(conn)
        .optional()?;
    row.map(NamespaceRow::into_namespace).transpose()
}

/// Replaces what is said about a namespace.
///
/// # Errors
/// [`DbError::Duplicate`] when the new name is taken.
pub fn update(
    conn: &mut Conn,
    id: i64,
    fields: &NamespaceFields,
    updated_at: Option<Timestamp>,
) -> DbResult<()> {
    diesel::update(metadef_namespaces::table.filter(metadef_namespaces::id.eq(id)))
        .set(NamespaceColumns::of(fields, updated_at))
        .execute(conn)?;
    Ok(())
}

/// Deletes namespaces and everything that they hold.
///
/// # Errors
/// Only the database's own.
pub fn delete(conn: &mut Conn, ids: &[i64]) -> DbResult<()> {
    delete_contents(conn, ids)?;
    diesel::delete(metadef_namespaces::table.filter(metadef_namespaces::id.eq_any(ids))).execute(conn)?;
    Ok(())
}

/// A page of the namespaces that the database shows to a caller (see [`Namespace::is_visible_to`]).
///
/// # Errors
/// Only the database's own.
pub fn page(
    conn: &mut Conn,
    caller: &Caller,
    query: &NamespaceQuery,
    marker: Option<&Namespace>,
) -> DbResult<Vec<Namespace>> {
    let mut statement = Statement::new(&format!("SELECT {COLUMNS} FROM metadef_namespaces n WHERE "))
        .then(visible_to(caller, query.visibility));
    if let Some(types) = &query.resource_types {
        statement = statement.sql(
            " AND EXISTS (SELECT 1 FROM metadef_namespace_resource_types a \
             JOIN metadef_resource_types t ON t.id = a.resource_type_id \
             WHERE a.namespace_id = n.id AND t.name IN (",
        );
        for (index, name) in types.iter().enumerate() {
            statement = statement.sql(if index > 0 { ", " } else { "" }).text(name);
        }
        statement = statement.sql("))");
    }
    let direction = direction(query.sort);
    let keys = [Key::named(query.sort.key), Key::CreatedAt, Key::Id];
    let order = Keyset::new(keys.map(|key| (key, direction)));
    if let Some(marker) = marker {
        statement = statement.sql(" AND ").then(order.after(marker));
    }
    let rows: Vec<NamespaceRow> =
        statement.sql(&order.order_by()).sql(&format!(" LIMIT {}", query.limit)).load(conn)?;
    rows.into_iter().map(NamespaceRow::into_namespace).collect()
}

fn visible_to(caller: &Caller, filter: VisibilityFilter) -> Statement {
    let public = NamespaceVisibility::Public.as_str();
    let seen = match (&caller.project_id, caller.is_admin) {
        (_, true) => Statement::new("1 = 1"),
        (None, false) => Statement::new("n.visibility = ").text(public),
        (Some(project), false) => {
            Statement::new("(n.visibility = ").text(public).sql(" OR n.owner = ").text(project).sql(")")
        }
    };
    match filter {
        VisibilityFilter::Any => seen,
        VisibilityFilter::Only(visibility) => seen.sql(" AND n.visibility = ").text(visibility.as_str()),
        VisibilityFilter::Nothing => Statement::new("1 = 0"),
    }
}

/// A column by which namespaces are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Namespace,
    DisplayName,
    Description,
    Visibility,
    Owner,
    Protected,
    CreatedAt,
    UpdatedAt,
    Id,
}

impl Key {
    /// By the name that clients use, one of [`NAMESPACE_SORT_KEYS`](crate::model::metadef::list::NAMESPACE_SORT_KEYS).
    fn named(name: &str) -> Self {
        match name {
            "namespace" => Self::Namespace,
            "display_name" => Self::DisplayName,
            "description" => Self::Description,
            "visibility" => Self::Visibility,
            "owner" => Self::Owner,
            "protected" => Self::Protected,
            "updated_at" => Self::UpdatedAt,
            "id" => Self::Id,
            _ => Self::CreatedAt,
        }
    }
}

impl Column for Key {
    type Row = Namespace;

    fn expression(self) -> String {
        let sql = match self {
            Self::Namespace => "namespace",
            Self::DisplayName => "COALESCE(display_name, '')",
            Self::Description => "COALESCE(description, '')",
            Self::Visibility => "visibility",
            Self::Owner => "owner",
            Self::Protected => "protected",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "COALESCE(updated_at, 0)",
            Self::Id => "id",
        };
        sql.to_owned()
    }

    fn value(self, namespace: &Namespace) -> Value {
        let fields = &namespace.fields;
        match self {
            Self::Namespace => Value::text(Some(&fields.namespace)),
            Self::DisplayName => Value::text(fields.display_name.as_deref()),
            Self::Description => Value::text(fields.description.as_deref()),
            Self::Visibility => Value::text(Some(fields.visibility.as_str())),
            Self::Owner => Value::text(Some(&fields.owner)),
            Self::Protected => Value::Boolean(fields.protected),
            Self::CreatedAt => Value::time(Some(namespace.created_at)),
            Self::UpdatedAt => Value::time(namespace.updated_at),
            Self::Id => Value::Integer(namespace.id),
        }
    }
}
