//! Receives pieces of an upload in parts. A piece is durable and in the database before it is acknowledged; of those that
//! come for the same bytes at once, the first to be recorded counts.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::{super::Imports, Found, completing, counts_of_piece, find, no_upload};
use crate::{
    access,
    blob::{
        digests::{Digests, Wanted},
        draft::{BeginFault, Draft, NewDraft, cancel},
        faults::store_fault,
        pour::{Limits, Pour, Source, Written},
        reserve::Reserving,
        upload::{Client, Piece as Sent},
    },
    db::{self, Conn, DbResult},
    model::{
        caller::Caller,
        error::{Error, Result},
        hash::{Algorithm, Hashes},
        time::Timestamp,
        upload::{Piece, Upload},
    },
};

/// Letters of what tells the pieces of an upload apart that are written at once.
const NONCE: usize = 16;

/// What a piece does to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It follows all that has arrived.
    Next,
    /// It is a whole part, and replaces what there is of it.
    Part,
}

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reached {
    /// The end of the piece that came last.
    end: u64,
    /// Where the data ends that has arrived without a gap.
    offset: u64,
}

/// Receives data from `offset` on, which has to be where the data ends that has arrived. Each part is acknowledged in the
/// database as soon as it is complete, and what came of the last one when the client breaks off. Returns the new offset.
///
/// # Errors
/// [`Error::Conflict`] for another offset, [`Error::Invalid`] for more bytes than were declared or when the client breaks
/// off, and those of uploads.
pub async fn append(
    imports: &Imports,
    caller: &Caller,
    id: &str,
    (offset, length): (u64, Option<u64>),
    pieces: mpsc::Receiver<Sent>,
) -> Result<u64> {
    let found = admit(imports, caller, id).await?;
    let upload = &found.upload;
    let there = Upload::offset(&found.pieces);
    if there != offset {
        return Err(wrong_offset(there));
    }
    let beyond = |end: u64| {
        Error::invalid(format!("The upload has {} bytes, and bytes up to {end} were sent.", upload.size))
    };
    if let Some(end) = length.map(|length| offset.saturating_add(length)).filter(|end| *end > upload.size) {
        return Err(beyond(end));
    }
    let _transfer = imports.blobs.transfers.begin(caller)?;
    let mut arriving = Arriving { client: Client(pieces), rest: Bytes::new(), left: 0, over: None };
    let mut reached = Reached { end: offset, offset };
    while arriving.has_more().await {
        let at = reached.end;
        if at >= upload.size {
            return Err(beyond(at.saturating_add(1)));
        }
        // Somebody sent the next part as a whole meanwhile.
        if at != reached.offset {
            return Err(wrong_offset(reached.offset));
        }
        arriving.left = upload.part_end(at).saturating_sub(at);
        let room = (at, arriving.left);
        reached = take(imports, caller, &found, room, None, &mut arriving, Place::Next).await?;
    }
    match arriving.over {
        Some(Err(error)) => Err(error),
        _ => Ok(reached.offset),
    }
}

/// Receives a whole part, counted from 0, which must have these hashes. Returns the new offset.
///
/// # Errors
/// [`Error::NotFound`] when there is no such part, [`Error::Invalid`] for other data than that.
pub async fn put(
    imports: &Imports,
    caller: &Caller,
    id: &str,
    (number, length, expected): (u64, Option<u64>, &Hashes),
    pieces: mpsc::Receiver<Sent>,
) -> Result<u64> {
    let found = admit(imports, caller, id).await?;
    let part = found.upload.part(number).ok_or_else(|| {
        let parts = found.upload.parts();
        Error::NotFound(format!("The upload has no part {number}; it has {parts}, counted from 0."))
    })?;
    if let Some(length) = length.filter(|length| *length != part.1) {
        return Err(Error::invalid(format!("Part {number} has {} bytes, not {length}.", part.1)));
    }
    let _transfer = imports.blobs.transfers.begin(caller)?;
    let reached =
        take(imports, caller, &found, part, Some(expected), &mut Client(pieces), Place::Part).await?;
    Ok(reached.offset)
}

/// An upload that the caller may add to, here and now.
async fn admit(imports: &Imports, caller: &Caller, id: &str) -> Result<Found> {
    access::mutating(caller)?;
    let found = find(imports, caller, id).await?;
    access::owned(caller, &found.image)?;
    if found.upload.job_id.is_some() {
        return Err(completing(&found.upload));
    }
    if found.upload.place != imports.blobs.staging.id() {
        return Err(Error::conflict(
            "This upload was begun on another node, whose staging folder this node does not share.",
        )
        .because("other-node", json!({})));
    }
    Ok(found)
}

fn wrong_offset(offset: u64) -> Error {
    Error::conflict(format!("The upload goes on at byte {offset}."))
        .because("wrong-offset", json!({"offset": offset}))
}

/// The client's data up to the end of a part.
struct Arriving {
    client: Client,
    /// What came already of the next parts.
    rest: Bytes,
    /// Bytes up to the end of this part.
    left: u64,
    /// How the client's data ended, once it has.
    over: Option<Result<()>>,
}

impl Arriving {
    /// Waits for the next byte; says whether there is one.
    async fn has_more(&mut self) -> bool {
        while self.rest.is_empty() && self.over.is_none() {
            match self.client.next().await {
                Ok(Some(chunk)) => self.rest = chunk,
                Ok(None) => self.over = Some(Ok(())),
                Err(error) => self.over = Some(Err(error)),
            }
        }
        !self.rest.is_empty()
    }
}

#[async_trait]
impl Source for Arriving {
    type Error = Error;

    /// What breaks off is an end too: the bytes that came are kept.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.left == 0 || !self.has_more().await {
            return Ok(None);
        }
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.rest.len());
        self.left = self.left.saturating_sub(length as u64);
        Ok(Some(self.rest.split_to(length)))
    }
}

/// Receives one piece and records it. Without expected hashes it may end before its end.
async fn take<S: Source<Error = Error>>(
    imports: &Imports,
    caller: &Caller,
    Found { upload, image, .. }: &Found,
    (first, most): (u64, u64),
    expected: Option<&Hashes>,
    source: &mut S,
    place: Place,
) -> Result<Reached> {
    let blobs = &imports.blobs;
    let nonce: String = uuid::Uuid::new_v4().simple().to_string().chars().take(NONCE).collect();
    // A slash keeps the end of its lease from returning the image to `queued`, as with what a job writes.
    let holder = Arc::new(blobs.leases.hold(format!("upload:{}/{nonce}", upload.id)));
    let new = NewDraft {
        image_id: &image.id,
        owner: image.owner.as_deref(),
        payer: caller.project_id.as_deref(),
        store: &blobs.staging.store,
        name: None,
        caller: None,
        size: Some(most),
        counts: counts_of_piece(upload),
        holder: Some(&holder),
        prepares: None,
    };
    let mut draft = blobs.begin(new).await.map_err(|fault| match fault {
        BeginFault::Store(error) => store_fault(&error),
        BeginFault::Db(error) => error.into(),
    })?;
    let result = match write(&mut draft, most, expected, source).await {
        Ok(length) => {
            let piece = Piece { first, length, blob_id: draft.blob.id.clone() };
            record(imports, upload, &draft, piece, place).await
        }
        Err(error) => Err(error),
    };
    if result.is_err()
        && let Err(fault) = draft.doom().await
    {
        tracing::warn!(%fault, "a piece that does not count waits for the end of its lease");
    }
    if result.is_err() || place == Place::Part {
        imports.images.doomed.notify_one();
    }
    result
}

/// Writes what comes, at most so many bytes, and makes it durable; a piece with expected hashes has to be whole.
async fn write<S: Source<Error = Error>>(
    draft: &mut Draft,
    most: u64,
    expected: Option<&Hashes>,
    source: &mut S,
) -> Result<u64> {
    let declared = expected.map(|_| most);
    let limits = Limits { declared, cap: most };
    let mut sink = Written(draft.writer(declared).await.map_err(|e| store_fault(&e))?);
    let poured = async {
        let digests = match expected.filter(|hashes| !hashes.is_empty()) {
            Some(hashes) => {
                let kept = hashes.keys().filter_map(|name| Algorithm::of(name)).collect();
                Some(Digests::start(&Wanted { kept, ..Wanted::default() })?)
            }
            None => None,
        };
        let pour = Pour { sink: &mut sink, digests, limits, progress: &() };
        let poured = pour.run(&mut Reserving::new(source, draft.reservation(), limits)).await?;
        let measured = poured.measured.map(|measured| measured.hashes).unwrap_or_default();
        for (name, wanted) in expected.into_iter().flatten() {
            let found = measured.get(name).map_or("unknown", String::as_str);
            if found != wanted {
                let text = format!("The {name} of the part is {found}, and the request says {wanted}.");
                return Err(Error::invalid(text).because("hash-mismatch", json!({"algorithm": name})));
            }
        }
        Ok(poured.size)
    };
    match poured.await {
        Ok(size) => draft.commit(sink.0).await.map_err(|e| store_fault(&e)).map(|_| size),
        Err(error) => {
            cancel(sink.0).await;
            Err(error)
        }
    }
}

/// Records a piece whose bytes are durable.
async fn record(
    imports: &Imports,
    upload: &Upload,
    draft: &Draft,
    piece: Piece,
    place: Place,
) -> Result<Reached> {
    let (db, id, blob) = (&imports.images.db, upload.id.clone(), draft.blob.clone());
    let (clock, seconds) = (db.clock.clone(), imports.settings.upload_seconds);
    let bytes = i64::try_from(piece.length).map_err(|e| Error::internal("upload", e))?;
    let add = move |conn: &mut Conn| {
        let now = clock.now();
        let upload = db::uploads::touch(conn, &id, now.plus_seconds(seconds))?;
        let upload = upload.ok_or_else(|| no_upload(&id))?;
        if upload.job_id.is_some() {
            return Err(completing(&upload).into());
        }
        make_room(conn, &upload, &piece, (place, now))?;
        db::blobs::make_live(conn, &blob.id, &blob.holder, bytes, now)?;
        db::uploads::add(conn, &upload.id, &piece)?;
        let offset = Upload::offset(&db::uploads::pieces(conn, &upload.id)?);
        Ok(Reached { end: piece.end(), offset })
    };
    Ok(db.write_patiently("upload.add_piece", add).await?)
}

/// Requires that a piece may be where it is, and takes out what it replaces.
fn make_room(
    conn: &mut Conn,
    upload: &Upload,
    piece: &Piece,
    (place, now): (Place, Timestamp),
) -> DbResult<()> {
    let end = upload.part_end(piece.first);
    if place == Place::Part {
        return db::uploads::take_out(conn, &upload.id, (piece.first, end), now);
    }
    let there = db::uploads::pieces(conn, &upload.id)?;
    let offset = Upload::offset(&there);
    if offset != piece.first {
        return Err(wrong_offset(offset).into());
    }
    if piece.end() < end && there.len() >= upload.pieces_max() {
        let text = "The data came in too many pieces; send whole parts, by their numbers.";
        return Err(Error::conflict(text).because("too-many-pieces", json!({"pieces": there.len()})).into());
    }
    Ok(())
}
