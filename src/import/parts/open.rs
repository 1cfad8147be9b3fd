//! Begins an upload in parts: the image leaves `queued`, and the room for all its data is reserved.

use serde_json::json;

use super::{
    super::{Imports, stage},
    resource,
};
use crate::{
    access::unified::Counts,
    blob::{
        draft::{Draft, NewDraft},
        upload::{self, Request, ended},
    },
    db::{self, Conn, DbResult},
    image::{expected, limits},
    model::{
        caller::Caller,
        error::{Error, Result},
        event::Author,
        image::Image,
        status::Status,
        unified::Resource,
        upload::{PART_MAX, PART_MIN, PARTS_MAX, Upload, part_size_for},
    },
};

/// What a caller wants to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Bytes in all, at least one.
    pub size: u64,
    /// Bytes of each part but the last; `None` leaves that to us.
    pub part_size: Option<u64>,
    /// The hashes of the data, as `expected_hash` says them.
    pub expected: Option<String>,
    /// Whether it is staged for an import.
    pub stage: bool,
    /// The store that the caller chose.
    pub store: Option<String>,
}

/// Begins an upload.
///
/// # Errors
/// Those of an upload, or of staged data, that come before the first byte; [`Error::Invalid`] for parts that are not
/// allowed, [`Error::TooLarge`] when the project has too many open uploads.
pub async fn open(imports: &Imports, caller: &Caller, id: &str, asked: Asked) -> Result<Upload> {
    let part_size = part_size(&asked)?;
    let (image, store) = admit(imports, caller, id, &asked).await?;
    limits::of(&imports.images, image.owner.as_deref()).await?.check_size(asked.size)?;
    if let Some(text) = &asked.expected {
        expected::add(&mut image.clone(), "hash", expected::parse("hash", text)?)?;
    }
    let (blobs, db) = (&imports.blobs, &imports.images.db);
    let author = Author::from(caller);
    let mut upload = Upload {
        id: String::new(),
        image_id: image.id.clone(),
        project_id: caller.project_id.clone().unwrap_or_default(),
        place: blobs.staging.id().to_owned(),
        store,
        size: asked.size,
        part_size,
        expected: asked.expected,
        job_id: None,
        created_at: db.clock.now(),
        expires_at: db.clock.now().plus_seconds(imports.settings.upload_seconds),
    };
    let new = NewDraft {
        image_id: id,
        owner: image.owner.as_deref(),
        payer: caller.project_id.as_deref(),
        store: &blobs.staging.store,
        name: None,
        size: Some(asked.size),
        counts: Counts { resource: resource(&upload), binding: true },
        caller: None,
        holder: None,
        prepares: upload.store.as_deref(),
    };
    let (status, check): (_, fn(&Image) -> Result<()>) = match asked.stage {
        true => (Status::Uploading, stage::check_may_stage),
        false => (Status::Saving, upload::check_may_save),
    };
    let (draft, _) = blobs.begin_upload(author.clone(), new, status, check).await?;
    upload.id.clone_from(&draft.blob.id);
    match enter(imports, &draft, &upload).await {
        Ok(()) => Ok(upload),
        Err(error) => Err(draft.abandon(author, error).await),
    }
}

/// Checks whether the caller may do so. Returns the image, and the store for its data unless that is staged.
async fn admit(
    imports: &Imports,
    caller: &Caller,
    id: &str,
    asked: &Asked,
) -> Result<(Image, Option<String>)> {
    if asked.stage {
        return Ok((stage::admit(imports, caller, id, Some(asked.size)).await?, None));
    }
    let images = &imports.images;
    let project = caller.project_id.as_deref();
    images.unified.check_bytes(&images.db, project, Resource::SizeTotal, Some(asked.size)).await?;
    let request = Request { declared_size: Some(asked.size), store: asked.store.clone() };
    let admitted = upload::admit(&imports.blobs, caller, id, &request).await?;
    Ok((admitted.image, Some(admitted.store.id)))
}

fn part_size(asked: &Asked) -> Result<u64> {
    if asked.size == 0 {
        return Err(Error::invalid("size must be at least 1: data without a byte has no parts."));
    }
    let too_many = || {
        Error::invalid(format!(
            "{} bytes have more than {PARTS_MAX} parts; part_size must be larger.",
            asked.size
        ))
    };
    let Some(part_size) = asked.part_size else { return part_size_for(asked.size).ok_or_else(too_many) };
    if !(PART_MIN..=PART_MAX).contains(&part_size) {
        return Err(Error::invalid(format!("part_size must be from {PART_MIN} to {PART_MAX} bytes.")));
    }
    if asked.size.div_ceil(part_size) > PARTS_MAX { Err(too_many()) } else { Ok(part_size) }
}

/// Enters the upload; its blob is live from now on, without data of its own.
async fn enter(imports: &Imports, draft: &Draft, upload: &Upload) -> Result<()> {
    let (blob, upload, clock) = (draft.blob.clone(), upload.clone(), imports.images.db.clock.clone());
    let size = i64::try_from(upload.size).map_err(|e| Error::internal("upload", e))?;
    let (uploads_max, bytes_max) = (imports.settings.uploads_max, imports.settings.upload_bytes_max);
    let enter = move |conn: &mut Conn| {
        db::blobs::make_live(conn, &blob.id, &blob.holder, size, clock.now())?;
        db::uploads::insert(conn, &upload)?;
        check_share(conn, &upload.project_id, uploads_max, bytes_max)
    };
    ended(draft, imports.images.db.write_patiently("upload.open", enter).await)
}

/// Requires that a project has no more open uploads than it may, with the one that this transaction has entered.
fn check_share(conn: &mut Conn, project: &str, uploads_max: u64, bytes_max: u64) -> DbResult<()> {
    db::quota::lock(conn, project)?;
    let most = i64::try_from(uploads_max).unwrap_or(i64::MAX).saturating_add(1);
    let sizes = db::uploads::sizes_of(conn, project, most)?;
    let bytes = sizes.iter().fold(0_u64, |sum, size| sum.saturating_add(*size));
    let count = u64::try_from(sizes.len()).unwrap_or(u64::MAX);
    let over = |what: &str, max: u64| {
        let text = format!("The project may have open uploads of {max} {what} at most.");
        Err(Error::TooLarge(text).because("too-many-uploads", json!({"unit": what, "limit": max})).into())
    };
    if count > uploads_max {
        return over("images", uploads_max);
    }
    if bytes > bytes_max { over("bytes", bytes_max) } else { Ok(()) }
}
