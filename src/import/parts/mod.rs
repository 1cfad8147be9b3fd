//! Uploads in parts (`/ext/v1/uploads`): a client sends the data of an image in pieces, in order or several parts at once,
//! and goes on where a cut has left it.
//!
//! A piece is a blob of the staging folder, durable and in the database before it is acknowledged. A blob without data
//! has the id of the upload and reserves the room for everything. Completion is a job of the kind that also converts
//! uploads: it puts the pieces together in the staging folder, measures them there, and goes on as an import does, so that
//! the image becomes what `PUT /v2/images/{id}/file` would have made it. The pieces stay until that has succeeded.

mod assemble;
pub mod complete;
pub mod expire;
pub mod open;
pub mod receive;

pub(super) use assemble::{run as assemble, stage, undo};

use serde_json::json;

use super::Imports;
use crate::{
    access::{self, unified::Counts},
    db::{self, Conn},
    image::query,
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        unified::Resource,
        upload::{Piece, Upload},
    },
};

/// Missing parts that are told at most.
pub const MISSING_MAX: usize = 100;

/// An open upload, as its caller may see it.
pub struct Found {
    /// The upload.
    pub upload: Upload,
    /// What has arrived, in order.
    pub pieces: Vec<Piece>,
    /// The image.
    pub image: Image,
}

/// An open upload of an image whose data the caller may upload.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`]
pub async fn find(imports: &Imports, caller: &Caller, id: &str) -> Result<Found> {
    let key = id.to_owned();
    let read = imports.images.db.read("upload.find", move |conn| {
        let found = db::uploads::find(conn, &key)?;
        let pieces = if found.is_some() { db::uploads::pieces(conn, &key)? } else { Vec::new() };
        Ok(found.map(|upload| (upload, pieces)))
    });
    let (upload, pieces) = read.await?.ok_or_else(|| no_upload(id))?;
    let image = match query::find(&imports.images, caller, &upload.image_id).await {
        Err(Error::ImageNotFound(_)) => return Err(no_upload(id)),
        other => other?,
    };
    imports.images.access.enforce(caller, rule(&upload), &image).await?;
    Ok(Found { upload, pieces, image })
}

/// The open upload of an image, if there is one.
///
/// # Errors
/// [`Error::ImageNotFound`], [`Error::Forbidden`]
pub async fn of_image(imports: &Imports, caller: &Caller, image_id: &str) -> Result<Option<Found>> {
    let image = query::find(&imports.images, caller, image_id).await?;
    let key = image.id.clone();
    let read = imports.images.db.read("upload.of_image", move |conn| {
        let Some(upload) = db::uploads::of_image(conn, &key)? else { return Ok(None) };
        let pieces = db::uploads::pieces(conn, &upload.id)?;
        Ok(Some((upload, pieces)))
    });
    let found = read.await?;
    let rule = found.as_ref().map_or("upload_image", |(upload, _)| rule(upload));
    imports.images.access.enforce(caller, rule, &image).await?;
    Ok(found.map(|(upload, pieces)| Found { upload, pieces, image }))
}

/// The rule of those who may bring the data of an upload.
fn rule(upload: &Upload) -> &'static str {
    if upload.store.is_some() { "upload_image" } else { "modify_image" }
}

fn no_upload(id: &str) -> Error {
    Error::NotFound(format!("There is no open upload {id}."))
}

/// What the bytes of an upload count for.
fn resource(upload: &Upload) -> Resource {
    if upload.store.is_some() { Resource::SizeTotal } else { Resource::StageTotal }
}

/// The same of a piece, whose room is reserved already.
fn counts_of_piece(upload: &Upload) -> Counts {
    Counts { resource: resource(upload), binding: false }
}

/// The conflict of everything that changes an upload which is being completed.
fn completing(upload: &Upload) -> Error {
    let details = json!({"job_id": upload.job_id});
    Error::conflict(format!("Upload {} is being completed.", upload.id)).because("completing", details)
}

/// Gives an upload up; the image is queued again.
///
/// # Errors
/// Those of [`find`]; [`Error::Conflict`] while it is being completed.
pub async fn abort(imports: &Imports, caller: &Caller, id: &str) -> Result<()> {
    access::mutating(caller)?;
    let Found { upload, image, .. } = find(imports, caller, id).await?;
    access::owned(caller, &image)?;
    let (door, expires_at) = (imports.images.door_of(caller), upload.expires_at);
    let write = imports.images.db.write("upload.abort", move |conn: &mut Conn| {
        let open = db::uploads::touch(conn, &upload.id, expires_at)?;
        let upload = open.ok_or_else(|| no_upload(&upload.id))?;
        if upload.job_id.is_some() {
            return Err(completing(&upload).into());
        }
        expire::end(conn, &door, &upload)
    });
    write.await?;
    imports.images.doomed.notify_one();
    Ok(())
}
