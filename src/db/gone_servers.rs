//! Servers that were consumers of images once, and were removed.

use diesel::prelude::*;

use super::{
    Conn, DbError, DbResult,
    schema::{consumers, gone_servers, image_properties},
};
use crate::model::{
    consumer::{Consumer, ConsumerKind, SOURCE_PROPERTY},
    time::Timestamp,
};

/// Records that a server was removed from an image. Whether it is gone is only known with the consumers of other images.
///
/// # Errors
/// [`DbError::Retry`] when another node does so for the first time at the same moment.
pub fn put(conn: &mut Conn, id: &str, at: Timestamp) -> DbResult<()> {
    let row = gone_servers::table.filter(gone_servers::id.eq(id));
    if row.select(gone_servers::id).first::<String>(conn).optional()?.is_some() {
        diesel::update(row).set(gone_servers::gone_at.eq(at.0)).execute(conn)?;
        return Ok(());
    }
    let row = (gone_servers::id.eq(id), gone_servers::gone_at.eq(at.0));
    match diesel::insert_into(gone_servers::table).values(row).execute(conn).map_err(DbError::from) {
        Err(DbError::Duplicate(_)) => Err(DbError::Retry("the server was removed elsewhere, too".to_owned())),
        other => other.map(drop),
    }
}

/// Records that servers are there, whatever was removed.
///
/// # Errors
/// Only the database's own.
pub fn back<'a>(conn: &mut Conn, told: impl Iterator<Item = &'a Consumer>) -> DbResult<()> {
    for server in told.filter(|consumer| consumer.kind == ConsumerKind::Server) {
        let row = gone_servers::table.filter(gone_servers::id.eq(&server.id));
        // MariaDB would lock the place of one that is not known.
        if row.select(gone_servers::id).first::<String>(conn).optional()?.is_some() {
            diesel::delete(row).execute(conn)?;
        }
    }
    Ok(())
}

/// Those of these images that were captured from a server that is gone, with its id: one that was removed as a consumer
/// and is none of any image now.
///
/// # Errors
/// Only the database's own.
pub fn sources(conn: &mut Conn, image_ids: &[&str]) -> DbResult<Vec<(String, String)>> {
    let rows: Vec<(String, Option<String>)> = image_properties::table
        .filter(image_properties::name.eq(SOURCE_PROPERTY).and(image_properties::image_id.eq_any(image_ids)))
        .select((image_properties::image_id, image_properties::value))
        .load(conn)?;
    let named: Vec<&String> = rows.iter().filter_map(|(_, server)| server.as_ref()).collect();
    let mut gone: Vec<String> =
        gone_servers::table.filter(gone_servers::id.eq_any(&named)).select(gone_servers::id).load(conn)?;
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let there: Vec<String> = consumers::table
        .filter(consumers::kind.eq(ConsumerKind::Server.as_str()).and(consumers::id.eq_any(&gone)))
        .select(consumers::id)
        .load(conn)?;
    gone.retain(|id| !there.contains(id));
    let of_gone = |(image, server): (String, Option<String>)| Some((image, server?));
    Ok(rows.into_iter().filter_map(of_gone).filter(|(_, server)| gone.contains(server)).collect())
}

/// Forgets up to `count` servers that were removed before a time. Returns how many.
///
/// # Errors
/// Only the database's own.
pub fn forget(conn: &mut Conn, before: Timestamp, count: i64) -> DbResult<usize> {
    let old: Vec<String> = gone_servers::table
        .filter(gone_servers::gone_at.lt(before.0))
        .limit(count)
        .select(gone_servers::id)
        .load(conn)?;
    Ok(diesel::delete(gone_servers::table.filter(gone_servers::id.eq_any(old))).execute(conn)?)
}
