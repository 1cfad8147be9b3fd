//! Uploads in parts and the pieces that have arrived of them. An upload is open while the blob of its id is live, which
//! keeps the room for its data; whatever dooms the blobs of the image therefore ends it too.

use diesel::{
    dsl::{exists, not},
    prelude::*,
};

use super::{
    Conn, DbResult,
    schema::{blobs, upload_pieces, uploads},
};
use crate::model::{
    blob::BlobState,
    time::Timestamp,
    upload::{Piece, Upload},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = uploads)]
struct UploadRow {
    id: String,
    image_id: String,
    project_id: String,
    place: String,
    store: Option<String>,
    size: i64,
    part_size: i64,
    expected: Option<String>,
    job_id: Option<String>,
    created_at: i64,
    expires_at: i64,
}

/// Bytes as the database keeps them.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn unsigned(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}

impl UploadRow {
    fn into_upload(self) -> Upload {
        Upload {
            id: self.id,
            image_id: self.image_id,
            project_id: self.project_id,
            place: self.place,
            store: self.store,
            size: unsigned(self.size),
            part_size: unsigned(self.part_size),
            expected: self.expected,
            job_id: self.job_id,
            created_at: Timestamp(self.created_at),
            expires_at: Timestamp(self.expires_at),
        }
    }
}

/// Enters an upload whose blob is live.
///
/// # Errors
/// Only the database's own.
pub fn insert(conn: &mut Conn, upload: &Upload) -> DbResult<()> {
    let row = UploadRow {
        id: upload.id.clone(),
        image_id: upload.image_id.clone(),
        project_id: upload.project_id.clone(),
        place: upload.place.clone(),
        store: upload.store.clone(),
        size: signed(upload.size),
        part_size: signed(upload.part_size),
        expected: upload.expected.clone(),
        job_id: upload.job_id.clone(),
        created_at: upload.created_at.0,
        expires_at: upload.expires_at.0,
    };
    diesel::insert_into(uploads::table).values(row).execute(conn)?;
    Ok(())
}

/// An open upload.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, id: &str) -> DbResult<Option<Upload>> {
    let row: Option<UploadRow> =
        uploads::table.find(id).select(UploadRow::as_select()).first(conn).optional()?;
    match row {
        Some(row) if super::ledger::is_live(conn, id)? => Ok(Some(row.into_upload())),
        _ => Ok(None),
    }
}

/// The open upload of an image.
///
/// # Errors
/// Only the database's own.
pub fn of_image(conn: &mut Conn, image_id: &str) -> DbResult<Option<Upload>> {
    let live =
        blobs::table.filter(blobs::id.eq(uploads::id)).filter(blobs::state.eq(BlobState::Live.as_str()));
    let row: Option<UploadRow> = uploads::table
        .filter(uploads::image_id.eq(image_id))
        .filter(exists(live))
        .select(UploadRow::as_select())
        .first(conn)
        .optional()?;
    Ok(row.map(UploadRow::into_upload))
}

/// Locks an open upload until the transaction ends, whose first statement this has to be, and sets when it is given up.
///
/// # Errors
/// Only the database's own.
pub fn touch(conn: &mut Conn, id: &str, expires_at: Timestamp) -> DbResult<Option<Upload>> {
    diesel::update(uploads::table.find(id)).set(uploads::expires_at.eq(expires_at.0)).execute(conn)?;
    find(conn, id)
}

/// The pieces of an upload, in order.
///
/// # Errors
/// Only the database's own.
pub fn pieces(conn: &mut Conn, id: &str) -> DbResult<Vec<Piece>> {
    let rows: Vec<(i64, i64, String)> = upload_pieces::table
        .filter(upload_pieces::upload_id.eq(id))
        .order(upload_pieces::first_byte)
        .select((upload_pieces::first_byte, upload_pieces::length, upload_pieces::blob_id))
        .load(conn)?;
    let piece =
        |(first, length, blob_id)| Piece { first: unsigned(first), length: unsigned(length), blob_id };
    Ok(rows.into_iter().map(piece).collect())
}

/// Enters a piece.
///
/// # Errors
/// [`super::DbError::Duplicate`] when there is one that begins there.
pub fn add(conn: &mut Conn, id: &str, piece: &Piece) -> DbResult<()> {
    let row = (
        upload_pieces::upload_id.eq(id),
        upload_pieces::first_byte.eq(signed(piece.first)),
        upload_pieces::length.eq(signed(piece.length)),
        upload_pieces::blob_id.eq(&piece.blob_id),
    );
    diesel::insert_into(upload_pieces::table).values(row).execute(conn)?;
    Ok(())
}

/// Takes out the pieces that begin in a range of bytes, and dooms their blobs.
///
/// # Errors
/// Only the database's own.
pub fn take_out(conn: &mut Conn, id: &str, (first, end): (u64, u64), now: Timestamp) -> DbResult<()> {
    let within = || {
        upload_pieces::table
            .filter(upload_pieces::upload_id.eq(id))
            .filter(upload_pieces::first_byte.ge(signed(first)))
            .filter(upload_pieces::first_byte.lt(signed(end)))
    };
    let taken: Vec<String> = within().select(upload_pieces::blob_id).load(conn)?;
    super::blobs::doom_all(conn, &taken, now, now)?;
    diesel::delete(within()).execute(conn)?;
    Ok(())
}

/// Ends an upload: its pieces are doomed, its rows and the room for its data are gone.
///
/// # Errors
/// Only the database's own.
pub fn end(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<()> {
    take_out(conn, id, (0, u64::MAX), now)?;
    super::blobs::remove(conn, id)?;
    diesel::delete(uploads::table.find(id)).execute(conn)?;
    Ok(())
}

/// Says which job completes an upload.
///
/// # Errors
/// Only the database's own.
pub fn set_job(conn: &mut Conn, id: &str, job_id: Option<&str>) -> DbResult<()> {
    diesel::update(uploads::table.find(id)).set(uploads::job_id.eq(job_id)).execute(conn)?;
    Ok(())
}

/// The sizes of the uploads that a project has: at most so many.
///
/// # Errors
/// Only the database's own.
pub fn sizes_of(conn: &mut Conn, project_id: &str, count: i64) -> DbResult<Vec<u64>> {
    let sizes: Vec<i64> = uploads::table
        .filter(uploads::project_id.eq(project_id))
        .limit(count)
        .select(uploads::size)
        .load(conn)?;
    Ok(sizes.into_iter().map(unsigned).collect())
}

/// Uploads whose time is over, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn expired(conn: &mut Conn, now: Timestamp, count: i64) -> DbResult<Vec<String>> {
    Ok(uploads::table
        .filter(uploads::expires_at.lt(now.0))
        .order(uploads::expires_at)
        .limit(count)
        .select(uploads::id)
        .load(conn)?)
}

/// Uploads that are not open any more, because their image was deleted or their node is lost; up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn closed(conn: &mut Conn, count: i64) -> DbResult<Vec<String>> {
    let live =
        blobs::table.filter(blobs::id.eq(uploads::id)).filter(blobs::state.eq(BlobState::Live.as_str()));
    Ok(uploads::table.filter(not(exists(live))).limit(count).select(uploads::id).load(conn)?)
}

/// Deletes the rows of an upload that is not open any more. Its blobs are doomed already.
///
/// # Errors
/// Only the database's own.
pub fn forget(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(upload_pieces::table.filter(upload_pieces::upload_id.eq(id))).execute(conn)?;
    diesel::delete(uploads::table.find(id)).execute(conn)?;
    Ok(())
}
