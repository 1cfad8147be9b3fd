//! Media groups, the images that are in them, and the metadef namespace in which dashboards find their names.

use diesel::{dsl::count_star, prelude::*};
use serde_json::json;

use super::{
    Conn, DbError, DbResult, metadefs,
    metadefs::Stamp,
    schema::{image_properties, images, media_groups},
};
use crate::model::{
    media_group::{GROUP_NAMESPACE, GROUP_PROPERTY, MediaGroup},
    metadef::{Association, Contents, NamespaceFields, NamespaceVisibility, Property},
    time::Timestamp,
};

/// The resource type that the namespace is for.
const RESOURCE_TYPE: &str = "OS::Glance::Image";

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = media_groups)]
#[diesel(treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false)]
struct GroupRow {
    folded: String,
    name: String,
    label: String,
    description: Option<String>,
    icon: Option<String>,
    visible: bool,
    position: i64,
    created_at: i64,
    updated_at: i64,
}

impl GroupRow {
    fn of(group: &MediaGroup) -> Self {
        Self {
            folded: MediaGroup::folded(&group.name),
            name: group.name.clone(),
            label: group.label.clone(),
            description: group.description.clone(),
            icon: group.icon.clone(),
            visible: group.visible,
            position: group.order,
            created_at: group.created_at.0,
            updated_at: group.updated_at.0,
        }
    }

    fn into_group(self) -> MediaGroup {
        MediaGroup {
            name: self.name,
            label: self.label,
            description: self.description,
            icon: self.icon,
            visible: self.visible,
            order: self.position,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        }
    }
}

/// The groups after one of them, by their order and then by name, up to `count`; all of them, or those that are visible or
/// not.
///
/// # Errors
/// Only the database's own.
pub fn list(
    conn: &mut Conn,
    visible: Option<bool>,
    after: Option<&MediaGroup>,
    count: i64,
) -> DbResult<Vec<MediaGroup>> {
    let mut query = media_groups::table.into_boxed();
    if let Some(visible) = visible {
        query = query.filter(media_groups::visible.eq(visible));
    }
    if let Some(after) = after {
        let later = media_groups::position.gt(after.order).or(media_groups::position
            .eq(after.order)
            .and(media_groups::folded.gt(MediaGroup::folded(&after.name))));
        query = query.filter(later);
    }
    let rows: Vec<GroupRow> = query
        .order((media_groups::position, media_groups::folded))
        .limit(count)
        .select(GroupRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(GroupRow::into_group).collect())
}

/// The group that has exactly this name.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, name: &str) -> DbResult<Option<MediaGroup>> {
    let row = media_groups::table.find(MediaGroup::folded(name)).select(GroupRow::as_select());
    let found: Option<GroupRow> = row.first(conn).optional()?;
    Ok(found.filter(|row| row.name == name).map(GroupRow::into_group))
}

/// The names of the groups that are not visible.
///
/// # Errors
/// Only the database's own.
pub fn hidden(conn: &mut Conn) -> DbResult<Vec<String>> {
    let names = media_groups::table.filter(media_groups::visible.eq(false)).order(media_groups::folded);
    Ok(names.select(media_groups::name).load(conn)?)
}

/// How many groups there are.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn) -> DbResult<i64> {
    Ok(media_groups::table.select(count_star()).first(conn)?)
}

/// Enters a group.
///
/// # Errors
/// [`DbError::Duplicate`] for a name that another one has, however capitalised.
pub fn insert(conn: &mut Conn, group: &MediaGroup) -> DbResult<()> {
    diesel::insert_into(media_groups::table).values(GroupRow::of(group)).execute(conn)?;
    Ok(())
}

/// Replaces the group of a name.
///
/// # Errors
/// As [`insert`], for a new name.
pub fn update(conn: &mut Conn, name: &str, group: &MediaGroup) -> DbResult<()> {
    let row = media_groups::table.find(MediaGroup::folded(name));
    diesel::update(row).set(GroupRow::of(group)).execute(conn)?;
    Ok(())
}

/// Removes the group of a name.
///
/// # Errors
/// Only the database's own.
pub fn delete(conn: &mut Conn, name: &str) -> DbResult<()> {
    diesel::delete(media_groups::table.find(MediaGroup::folded(name))).execute(conn)?;
    Ok(())
}

/// The ids of images in a group that are not deleted, up to `count`, in the order of their ids.
///
/// # Errors
/// Only the database's own.
pub fn members(conn: &mut Conn, name: &str, count: i64) -> DbResult<Vec<String>> {
    let ids = image_properties::table
        .inner_join(images::table.on(images::id.eq(image_properties::image_id)))
        .filter(image_properties::name.eq(GROUP_PROPERTY))
        .filter(image_properties::value.eq(name))
        .filter(images::deleted.eq(false))
        .order(image_properties::image_id)
        .limit(count);
    Ok(ids.select(image_properties::image_id).load(conn)?)
}

/// Keeps others from changing any group until the transaction ends: each change also writes the names of all of them.
/// Answers the row number of the namespace, which comes into being.
///
/// # Errors
/// [`DbError::Retry`] when others begin, or end it, at the same time.
pub fn lock(conn: &mut Conn, now: Timestamp) -> DbResult<i64> {
    if let Some(namespace) = metadefs::namespaces::find(conn, GROUP_NAMESPACE)? {
        let gone = || DbError::Retry("the last media group went meanwhile".to_owned());
        return metadefs::namespaces::lock(conn, namespace.id)?.map(|locked| locked.id).ok_or_else(gone);
    }
    let fields = NamespaceFields {
        namespace: GROUP_NAMESPACE.to_owned(),
        display_name: Some("Media Groups".to_owned()),
        description: Some("The group in which an image is offered.".to_owned()),
        visibility: NamespaceVisibility::Public,
        protected: true,
        owner: "admin".to_owned(),
    };
    match metadefs::namespaces::insert(conn, &[&fields], Stamp::made(now)) {
        Err(DbError::Duplicate(_)) => Err(DbError::Retry("the first media group came meanwhile".to_owned())),
        Err(other) => Err(other),
        Ok(()) => {
            let missing = || DbError::stale("metadef namespace", GROUP_NAMESPACE);
            let id = metadefs::namespaces::find(conn, GROUP_NAMESPACE)?.ok_or_else(missing)?.id;
            let association =
                Association { name: RESOURCE_TYPE.to_owned(), prefix: None, properties_target: None };
            let contents = Contents { associations: Some(vec![association]), ..Contents::default() };
            metadefs::insert_contents(conn, &[(id, &contents)], Stamp::made(now), true)?;
            Ok(id)
        }
    }
}

/// Writes the names of all groups into the namespace, which goes when there are none.
///
/// # Errors
/// Only the database's own.
pub fn publish(conn: &mut Conn, namespace: i64, now: Timestamp) -> DbResult<()> {
    let names: Vec<String> = media_groups::table
        .order((media_groups::position, media_groups::folded))
        .select(media_groups::name)
        .load(conn)?;
    if names.is_empty() {
        return metadefs::namespaces::delete(conn, &[namespace]);
    }
    let schema = json!({
        "type": "string",
        "title": "Media Group",
        "description": "The group in which the image is offered.",
        "enum": names,
    });
    let schema = schema.as_object().cloned().unwrap_or_default();
    let property = Property { name: GROUP_PROPERTY.to_owned(), schema };
    match metadefs::properties::find(conn, namespace, GROUP_PROPERTY)? {
        Some(known) => metadefs::properties::update(conn, known.id, &property, Some(now)),
        None => metadefs::properties::insert(conn, &[(namespace, &property)], Stamp::made(now)),
    }
}
