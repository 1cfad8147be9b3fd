//! Consumers of images.

use diesel::{dsl::count_star, prelude::*};

use super::{
    Conn, DbError, DbResult, gone_servers,
    schema::{consumers, image_properties, images, trash},
    usage,
};
use crate::model::{
    consumer::{Consumer, ConsumerKind, DELETE_UNUSED_PROPERTY},
    time::Timestamp,
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = consumers)]
struct ConsumerRow {
    image_id: String,
    kind: String,
    id: String,
    project_id: Option<String>,
    region: Option<String>,
    scope: Option<String>,
    since: i64,
    last_seen: i64,
}

impl ConsumerRow {
    fn of(consumer: &Consumer) -> Self {
        Self {
            image_id: consumer.image_id.clone(),
            kind: consumer.kind.as_str().to_owned(),
            id: consumer.id.clone(),
            project_id: consumer.project_id.clone(),
            region: consumer.region.clone(),
            scope: consumer.scope.clone(),
            since: consumer.since.0,
            last_seen: consumer.last_seen.0,
        }
    }

    fn into_consumer(self) -> DbResult<Consumer> {
        let unknown = || DbError::Other(format!("image {}: unknown kind of consumer", self.image_id));
        Ok(Consumer {
            kind: ConsumerKind::parse(&self.kind).ok_or_else(unknown)?,
            image_id: self.image_id,
            id: self.id,
            project_id: self.project_id,
            region: self.region,
            scope: self.scope,
            since: Timestamp(self.since),
            last_seen: Timestamp(self.last_seen),
        })
    }
}

/// Keeps others from deleting an image, or from telling of its consumers, until the transaction ends. Returns whether
/// it is there.
///
/// # Errors
/// Only the database's own.
pub fn hold_image(conn: &mut Conn, image_id: &str) -> DbResult<bool> {
    let there = images::table.filter(images::id.eq(image_id)).filter(images::deleted.eq(false));
    // Rows that an update leaves as they are do not count as changed on MariaDB, but are locked all the same.
    diesel::update(there).set(images::deleted.eq(false)).execute(conn)?;
    Ok(there.select(images::id).first::<String>(conn).optional()?.is_some())
}

/// Enters a consumer, or what has changed about it. Returns whether it is new.
///
/// # Errors
/// Only the database's own.
pub fn put(conn: &mut Conn, consumer: &Consumer) -> DbResult<bool> {
    let row = consumers::table
        .filter(consumers::image_id.eq(&consumer.image_id))
        .filter(consumers::kind.eq(consumer.kind.as_str()))
        .filter(consumers::id.eq(&consumer.id));
    let known = row.select(consumers::id).first::<String>(conn).optional()?.is_some();
    if known {
        diesel::update(row)
            .set((
                consumers::project_id.eq(consumer.project_id.as_deref()),
                consumers::region.eq(consumer.region.as_deref()),
                consumers::scope.eq(consumer.scope.as_deref()),
                consumers::last_seen.eq(consumer.last_seen.0),
            ))
            .execute(conn)?;
    } else {
        diesel::insert_into(consumers::table).values(ConsumerRow::of(consumer)).execute(conn)?;
    }
    gone_servers::back(conn, std::iter::once(consumer))?;
    usage::license(conn, consumer, !known, consumer.last_seen)?;
    Ok(!known)
}

/// One consumer.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, image_id: &str, kind: ConsumerKind, id: &str) -> DbResult<Option<Consumer>> {
    let row: Option<ConsumerRow> = consumers::table
        .filter(consumers::image_id.eq(image_id))
        .filter(consumers::kind.eq(kind.as_str()))
        .filter(consumers::id.eq(id))
        .select(ConsumerRow::as_select())
        .first(conn)
        .optional()?;
    row.map(ConsumerRow::into_consumer).transpose()
}

/// Removes a consumer, and ends its licence; that a server was removed is remembered. Returns whether it was there.
///
/// # Errors
/// Only the database's own.
pub fn remove(
    conn: &mut Conn,
    image_id: &str,
    kind: ConsumerKind,
    id: &str,
    now: Timestamp,
) -> DbResult<bool> {
    let row = consumers::table
        .filter(consumers::image_id.eq(image_id))
        .filter(consumers::kind.eq(kind.as_str()))
        .filter(consumers::id.eq(id));
    let is_gone = diesel::delete(row).execute(conn)? > 0;
    if is_gone {
        usage::end_license(conn, image_id, kind, id, now)?;
        if kind == ConsumerKind::Server {
            gone_servers::put(conn, id, now)?;
        }
    }
    Ok(is_gone)
}

/// The consumers of an image by kind and id, after one of them, up to `count`; of one project if `project` names it.
///
/// # Errors
/// Only the database's own.
pub fn list(
    conn: &mut Conn,
    image_id: &str,
    project: Option<&str>,
    after: Option<(ConsumerKind, &str)>,
    count: i64,
) -> DbResult<Vec<Consumer>> {
    let mut query = consumers::table.filter(consumers::image_id.eq(image_id)).into_boxed();
    if let Some(project) = project {
        query = query.filter(consumers::project_id.eq(project));
    }
    if let Some((kind, id)) = after {
        let later = consumers::kind.eq(kind.as_str()).and(consumers::id.gt(id));
        query = query.filter(consumers::kind.gt(kind.as_str()).or(later));
    }
    let rows: Vec<ConsumerRow> = query
        .order((consumers::kind, consumers::id))
        .limit(count)
        .select(ConsumerRow::as_select())
        .load(conn)?;
    rows.into_iter().map(ConsumerRow::into_consumer).collect()
}

/// How many consumers of each kind an image has.
///
/// # Errors
/// Only the database's own.
pub fn counts(conn: &mut Conn, image_id: &str) -> DbResult<Vec<(ConsumerKind, i64)>> {
    let rows: Vec<(String, i64)> = consumers::table
        .filter(consumers::image_id.eq(image_id))
        .group_by(consumers::kind)
        .select((consumers::kind, count_star()))
        .load(conn)?;
    let mut counts: Vec<_> =
        rows.into_iter().filter_map(|(kind, count)| Some((ConsumerKind::parse(&kind)?, count))).collect();
    counts.sort();
    Ok(counts)
}

/// Whether a project has a consumer of an image.
///
/// # Errors
/// Only the database's own.
pub fn has_project(conn: &mut Conn, image_id: &str, project: &str) -> DbResult<bool> {
    let found = consumers::table
        .filter(consumers::image_id.eq(image_id))
        .filter(consumers::project_id.eq(project))
        .select(consumers::id)
        .first::<String>(conn)
        .optional()?;
    Ok(found.is_some())
}

/// The consumers of a scope.
///
/// # Errors
/// Only the database's own.
pub fn of_scope(conn: &mut Conn, scope: &str) -> DbResult<Vec<Consumer>> {
    let rows: Vec<ConsumerRow> =
        consumers::table.filter(consumers::scope.eq(scope)).select(ConsumerRow::as_select()).load(conn)?;
    rows.into_iter().map(ConsumerRow::into_consumer).collect()
}

/// Removes up to `count` consumers of deleted images. Returns how many were removed.
///
/// # Errors
/// Only the database's own.
pub fn remove_orphans(conn: &mut Conn, count: i64) -> DbResult<usize> {
    let there = images::table.filter(images::id.eq(consumers::image_id)).filter(images::deleted.eq(false));
    // Those of images that may come back do too.
    let binned = trash::table.filter(trash::image_id.eq(consumers::image_id));
    let found: Vec<(String, String, String)> = consumers::table
        .filter(diesel::dsl::not(diesel::dsl::exists(there)))
        .filter(diesel::dsl::not(diesel::dsl::exists(binned)))
        .limit(count)
        .select((consumers::image_id, consumers::kind, consumers::id))
        .load(conn)?;
    let mut removed = 0_usize;
    for (image, kind, id) in found {
        let row = consumers::table
            .filter(consumers::image_id.eq(image))
            .filter(consumers::kind.eq(kind))
            .filter(consumers::id.eq(id));
        removed = removed.saturating_add(diesel::delete(row).execute(conn)?);
    }
    Ok(removed)
}

/// Unprotected images that are to be deleted with their last consumer and have none any more, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn unused(conn: &mut Conn, count: i64) -> DbResult<Vec<String>> {
    let users = consumers::table.filter(consumers::image_id.eq(image_properties::image_id));
    let protected =
        images::table.filter(images::id.eq(image_properties::image_id)).filter(images::protected.eq(true));
    Ok(image_properties::table
        .filter(diesel::dsl::not(diesel::dsl::exists(protected)))
        .filter(image_properties::name.eq(DELETE_UNUSED_PROPERTY))
        .filter(diesel::dsl::not(diesel::dsl::exists(users)))
        .order(image_properties::image_id)
        .limit(count)
        .select(image_properties::image_id)
        .load(conn)?)
}
