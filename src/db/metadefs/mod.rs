//! Metadata definitions: namespaces, their parts, resource types, and the loading of whole catalogues.

pub mod catalogue;
pub mod namespaces;
pub mod objects;
pub mod properties;
pub mod resource_types;
mod shared;
mod tables;
pub mod tags;

use diesel::prelude::*;

pub use shared::Stamp;

use self::tables::{metadef_namespace_resource_types, metadef_objects, metadef_properties, metadef_tags};
use super::{Conn, DbResult};
use crate::model::metadef::{Contents, StoredContents};

/// Everything that a namespace holds.
///
/// # Errors
/// Only the database's own.
pub fn contents(conn: &mut Conn, namespace_id: i64) -> DbResult<StoredContents> {
    Ok(StoredContents {
        associations: resource_types::of_namespaces(conn, &[namespace_id])?
            .into_iter()
            .map(|(_, association)| association)
            .collect(),
        properties: properties::list(conn, namespace_id)?,
        objects: objects::list(conn, namespace_id)?,
        tags: tags::list(conn, namespace_id)?,
    })
}

/// Adds all of `contents` to namespaces, given by their row numbers.
///
/// # Errors
/// [`super::DbError::Duplicate`] for a name that its namespace has already.
pub fn insert_contents(
    conn: &mut Conn,
    contents: &[(i64, &Contents)],
    stamp: Stamp,
    new_types_protected: bool,
) -> DbResult<()> {
    let mut associations = Vec::new();
    let mut new_objects = Vec::new();
    let mut new_properties = Vec::new();
    let mut new_tags = Vec::new();
    for (id, contents) in contents {
        associations.extend(contents.associations.iter().flatten().map(|a| (*id, a)));
        new_objects.extend(contents.objects.iter().flatten().map(|o| (*id, o)));
        new_properties.extend(contents.properties.iter().flatten().map(|p| (*id, p)));
        new_tags.extend(contents.tags.iter().flatten().map(|t| (*id, t.as_str())));
    }
    resource_types::insert(conn, &associations, stamp, new_types_protected)?;
    objects::insert(conn, &new_objects, stamp)?;
    properties::insert(conn, &new_properties, stamp)?;
    tags::insert(conn, &new_tags, stamp)
}

/// Removes everything that the namespaces hold; resource types stay.
///
/// # Errors
/// Only the database's own.
pub fn delete_contents(conn: &mut Conn, namespace_ids: &[i64]) -> DbResult<()> {
    diesel::delete(metadef_tags::table.filter(metadef_tags::namespace_id.eq_any(namespace_ids)))
        .execute(conn)?;
    diesel::delete(metadef_objects::table.filter(metadef_objects::namespace_id.eq_any(namespace_ids)))
        .execute(conn)?;
    diesel::delete(metadef_properties::table.filter(metadef_properties::namespace_id.eq_any(namespace_ids)))
        .execute(conn)?;
    diesel::delete(
        metadef_namespace_resource_types::table
            .filter(metadef_namespace_resource_types::namespace_id.eq_any(namespace_ids)),
    )
    .execute(conn)?;
    Ok(())
}
