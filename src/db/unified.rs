//! What projects use of what the identity service limits, counted from rows (`glance/db/sqlalchemy/api.py:
//! user_get_storage_usage` and the like) together with what is reserved for data that is on its way. Each is one
//! statement, because data that changes from reserved to stored between two would be missed.

use diesel::{QueryableByName, RunQueryDsl, sql_types::BigInt};

use super::{Conn, DbResult, blobs::STAGING_PREFIX, dialect, statement::Statement};
use crate::model::{blob::BlobState, image::IMPORTING_TO_STORES, status::Status, unified::Resource};

/// Projects that one statement counts.
const PROJECTS: usize = 500;

/// Projects; `None` is whoever has none.
type Projects<'a> = Option<&'a [&'a str]>;

/// What projects, or whoever has none, use of a resource together: images, or bytes. What is reserved for the image `but`
/// is left out, and what it has staged.
///
/// # Errors
/// Only the database's own.
pub fn used(conn: &mut Conn, resource: Resource, projects: Projects<'_>, but: &str) -> DbResult<u64> {
    let Some(projects) = projects else { return used_by(conn, resource, None, but) };
    let mut amount = 0_u64;
    for some in projects.chunks(PROJECTS) {
        amount = amount.saturating_add(used_by(conn, resource, Some(some), but)?);
    }
    Ok(amount)
}

fn used_by(conn: &mut Conn, resource: Resource, project: Projects<'_>, but: &str) -> DbResult<u64> {
    #[derive(QueryableByName)]
    struct Usage {
        #[diesel(sql_type = BigInt)]
        amount: i64,
    }
    let statement = match resource {
        Resource::SizeTotal => stored(conn, project, but),
        Resource::StageTotal => staged(conn, project, but),
        Resource::CountTotal => of_project(conn, "COUNT(*)", project),
        Resource::CountUploading => {
            of_project(conn, "COUNT(*)", project).sql(&format!(" AND {}", is_uploading(true)))
        }
    };
    let usage: Vec<Usage> = statement.load(conn)?;
    Ok(usage.first().and_then(|usage| u64::try_from(usage.amount).ok()).unwrap_or(0))
}

/// `SELECT` something of the images `i` of a project that are not deleted.
fn of_project(conn: &Conn, what: &str, project: Projects<'_>) -> Statement {
    let select =
        format!("SELECT {what} AS amount FROM images i WHERE {}", dialect::of(conn).not_deleted("i"));
    owned(Statement::new(&select), project)
}

fn owned(statement: Statement, projects: Projects<'_>) -> Statement {
    match projects {
        Some([project]) => statement.sql(" AND i.owner = ").text(*project),
        Some(projects) => statement.sql(" AND i.owner IN ").texts(projects.iter().copied()),
        None => statement.sql(" AND i.owner IS NULL"),
    }
}

/// The condition that the data of an image `i` is on its way; with `saving` also straight into a store.
fn is_uploading(saving: bool) -> String {
    let saving = if saving { format!("'{}', ", Status::Saving.as_str()) } else { String::new() };
    format!(
        "(i.status IN ({saving}'{}', '{}') OR EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = i.id \
         AND p.name = '{IMPORTING_TO_STORES}' AND p.value <> ''))",
        Status::Uploading.as_str(),
        Status::Importing.as_str(),
    )
}

/// The condition that a blob `b` is written, or waits, in the staging folder.
fn is_staged() -> String {
    format!("b.store LIKE '{STAGING_PREFIX}%'")
}

/// The condition that something is reserved for a blob `b` that may still become data of its image.
fn is_reserved() -> String {
    format!("b.reserved > 0 AND b.state <> '{}'", BlobState::Doomed.as_str())
}

/// Bytes in stores, size times number of locations, and reserved ones. What an image that is `saving` has in the staging
/// folder becomes its data: the larger of the two counts.
fn stored(conn: &Conn, project: Projects<'_>, but: &str) -> Statement {
    let (dialect, staged) = (dialect::of(conn), is_staged());
    let locations = format!(
        "SELECT (SELECT {} FROM images i JOIN image_locations l ON l.image_id = i.id WHERE {}",
        dialect.sum("i.size"),
        dialect.not_deleted("i"),
    );
    let reserved = format!(
        ") + (SELECT {} FROM (SELECT MAX(CASE WHEN {staged} AND i.status = '{}' THEN b.reserved ELSE 0 END) AS staged, \
         SUM(CASE WHEN {staged} THEN 0 ELSE b.reserved END) AS written FROM blobs b JOIN images i ON i.id = b.image_id \
         WHERE {} AND b.image_id <> ",
        dialect.sum("CASE WHEN r.staged > r.written THEN r.staged ELSE r.written END"),
        Status::Saving.as_str(),
        is_reserved(),
    );
    let statement = owned(Statement::new(&locations), project).sql(&reserved).text(but);
    owned(statement, project).sql(" GROUP BY b.image_id) r) AS amount")
}

/// Bytes that wait in the staging folder or arrive there, and the sizes of images that are imported: the larger of the
/// two for each image.
fn staged(conn: &Conn, project: Projects<'_>, but: &str) -> Statement {
    let dialect = dialect::of(conn);
    let images = format!(
        "SELECT {} AS amount FROM (SELECT CASE WHEN {} THEN COALESCE(i.size, 0) ELSE 0 END AS own, \
         CASE WHEN i.status = '{}' THEN 0 ELSE COALESCE((SELECT MAX(b.reserved) FROM blobs b WHERE b.image_id = i.id \
         AND {} AND {}), 0) END AS arriving FROM images i WHERE {} AND i.id <> ",
        dialect.sum("CASE WHEN s.arriving > s.own THEN s.arriving ELSE s.own END"),
        is_uploading(false),
        Status::Saving.as_str(),
        is_staged(),
        is_reserved(),
        dialect.not_deleted("i"),
    );
    owned(Statement::new(&images).text(but), project).sql(") s")
}
