//! The only code that changes images: load, decide, save by revision, and repeat when another change came first.
//!
//! Nothing else inserts, saves or deletes an image. In one transaction this checks the change against the status
//! machine, sets the time, marks the blobs of removed locations `doomed`, and writes the event and the effect on
//! usage.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::timeout;

pub use super::door::Door;
use super::{
    Images, bundle_disks, consumers, cooldown, dates, defaults, group_names, limits, query, queued, slugs,
    turns::{Turn, Turns},
};
use crate::{
    access::{self, quota::Allowance, unified::Quota},
    db::{self, Conn, DbError, DbResult},
    model::{
        blob::Blob,
        caller::Caller,
        error::{Error, Result},
        event::{Author, Event},
        image::{Image, Location},
        member::MemberStatus,
        notice::{Notice, image as notice},
        status::Status,
        time::Timestamp,
    },
};

/// For how long a change is decided again because another one came first.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait before it is.
const WAIT_MAX_MS: u64 = 250;

impl Images {
    /// Changes an image for a caller. `decide` gets the image as the caller sees it and returns its new state, or
    /// `None` for no change; it may be called several times. A new state of status `deleted` deletes.
    ///
    /// # Errors
    /// What `decide` answers, [`Error::ImageNotFound`], or [`Error::Conflict`] when others always came first.
    pub async fn change(
        &self,
        caller: &Caller,
        id: &str,
        decide: impl AsyncFn(&Image) -> Result<Option<Image>>,
    ) -> Result<Image> {
        let mut tries = Tries::of(&self.turns, id);
        loop {
            let before = query::find(self, caller, id).await?;
            let Some(after) = decide(&before).await? else { return Ok(before) };
            access::owned(caller, &before)?;
            match self.save(self.door_of(caller), before, after).await {
                Err(DbError::Stale(_)) => tries.again().await?,
                other => return Ok(other?),
            }
        }
    }

    /// The same for the service, on behalf of an authorised job: no policy is checked, and `decide` must not wait.
    ///
    /// # Errors
    /// As [`Images::change`].
    pub async fn change_for(
        &self,
        author: &Author,
        id: &str,
        decide: impl Fn(&Image) -> Result<Option<Image>> + Send + Sync,
    ) -> Result<Image> {
        self.change_by(&self.door(author.clone()), id, decide).await
    }

    /// The same with a context of the caller's.
    ///
    /// # Errors
    /// As [`Images::change`].
    pub async fn change_by(
        &self,
        door: &Door,
        id: &str,
        decide: impl Fn(&Image) -> Result<Option<Image>> + Send + Sync,
    ) -> Result<Image> {
        let mut tries = Tries::of(&self.turns, id);
        loop {
            let found = query::find_unseen(self, id).await?;
            let before = found.ok_or_else(|| Error::ImageNotFound(id.to_owned()))?;
            let Some(after) = decide(&before)? else { return Ok(before) };
            match self.save(door.clone(), before, after).await {
                Err(DbError::Stale(_)) => tries.again().await?,
                other => return Ok(other?),
            }
        }
    }

    /// Saves what was decided, if the image is still what the decision was about. The reaper is woken only for what it
    /// can reap: each of its looks writes, and on SQLite the next change waits for that.
    async fn save(&self, door: Door, before: Image, after: Image) -> DbResult<Image> {
        let write = self.db.write("image.save", move |conn| save(conn, &door, &before, after.clone()));
        let (saved, doomed) = write.await?;
        if doomed > 0 {
            self.doomed.notify_one();
        }
        Ok(saved)
    }

    /// Enters a new image, whose id the caller chose or we have just drawn.
    ///
    /// # Errors
    /// [`DbError::Duplicate`] when its id is in use or was ever used; [`Error::TooLarge`] when the project has too many
    /// without data.
    pub async fn insert(&self, caller: &Caller, image: &Image, is_chosen: bool) -> DbResult<()> {
        let unified = self.unified.of(caller.project_id.as_deref()).await?;
        let door = Door { unified, ..self.door_of(caller) };
        let (image, max) = (image.clone(), self.settings.queued_max);
        let insert = move |conn: &mut Conn| {
            insert_in(conn, &door, &image, is_chosen)?;
            // A domain's lock, which two levels take, is the last.
            queued::check(conn, max, image.owner.as_deref())?;
            admit_new(conn, &door, &image)
        };
        self.db.write("image.insert", insert).await
    }
}

/// The tries of one change. After the first that was too late it stands in line with the others of this node: of many at
/// once each would else be too late again and again, and the more there are the slower is each try.
struct Tries<'a> {
    turns: &'a Turns,
    id: &'a str,
    began: Instant,
    wait_ms: u64,
    turn: Option<Turn>,
}

impl<'a> Tries<'a> {
    fn of(turns: &'a Turns, id: &'a str) -> Self {
        Self { turns, id, began: Instant::now(), wait_ms: 1, turn: None }
    }

    /// Waits before the next try: for its turn, and then, since other nodes and first tries are in no line, at random, so
    /// that those who met once do not meet again and again.
    async fn again(&mut self) -> Result<()> {
        let conflict = || {
            let id = self.id;
            Error::conflict(format!("Image {id} is being changed by too many requests at once; try again."))
        };
        let left = PATIENCE.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return Err(conflict());
        }
        if self.turn.is_none() {
            let turn = timeout(left, self.turns.take(self.id)).await;
            self.turn = Some(turn.map_err(|_| conflict())?);
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..=self.wait_ms))).await;
        self.wait_ms = WAIT_MAX_MS.min(self.wait_ms.saturating_mul(2));
        Ok(())
    }
}

/// The same step within a caller's transaction. `decide` returns the new state of the image, or `None` for no change.
///
/// # Errors
/// [`Error::ImageNotFound`] when it is gone, what `decide` answers, and [`DbError::Retry`] when another change came
/// first on a database that lets both run.
pub fn in_txn(
    conn: &mut Conn,
    door: &Door,
    id: &str,
    decide: impl FnOnce(&mut Conn, &Image) -> DbResult<Option<Image>>,
) -> DbResult<Image> {
    let before = db::images::find(conn, id)?.ok_or_else(|| Error::ImageNotFound(id.to_owned()))?;
    let Some(after) = decide(conn, &before)? else { return Ok(before) };
    match save(conn, door, &before, after) {
        Err(DbError::Stale(_)) => Err(DbError::Retry("the image changed meanwhile".to_owned())),
        other => other.map(|(saved, _)| saved),
    }
}

/// Enters a new image within a caller's transaction, which is to call [`admit_new`] as well.
///
/// # Errors
/// [`DbError::Duplicate`] when its id is in use or was ever used.
pub(super) fn insert_in(conn: &mut Conn, door: &Door, image: &Image, is_chosen: bool) -> DbResult<()> {
    match is_chosen {
        true => db::images::insert(conn, image)?,
        false => db::images::insert_drawn(conn, image)?,
    }
    db::events::insert(conn, &Event::created(&door.author, image), image.created_at)?;
    tell(conn, door, image.created_at, || vec![notice::created(image)])?;
    dates::note(conn, None, image)?;
    group_names::check(conn, door.groups_strict, None, image)?;
    slugs::note(conn, None, image)
}

/// Requires that a project may have the image that this transaction has entered. What is counted is locked: it comes last.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Forbidden`], and the database's.
pub(super) fn admit_new(conn: &mut Conn, door: &Door, image: &Image) -> DbResult<()> {
    limits::check(conn, door.limits.as_ref(), None, image)?;
    let admit = |quota: &Quota| quota.admit_image(conn, image.owner.as_deref());
    door.unified.as_ref().map_or(Ok(()), admit)
}

fn check_transition(before: Status, after: Status) -> Result<()> {
    if before == after || before.may_become(after) {
        return Ok(());
    }
    Err(Error::conflict(format!("Image status transition from {before} to {after} is not allowed.")))
}

/// Saves the difference between two states. Returns the image and how many blobs were doomed.
fn save(conn: &mut Conn, door: &Door, before: &Image, mut after: Image) -> DbResult<(Image, usize)> {
    check_transition(before.status, after.status)?;
    let now = door.clock.now();
    after.updated_at = now;
    let delete_after = now.plus_seconds(door.delay_seconds);
    let mut doomed = 0_usize;
    defaults::set((door.public_seconds, door.iso), before, &mut after, now);
    if after.status == Status::Deleted {
        bundle_disks::check_deletion(conn, before)?;
        cooldown::check(conn, door.cooldown_seconds, before, now)?;
        for disk in bundle_disks::released(conn, before, now)? {
            let gone = Image { status: Status::Deleted, ..disk.clone() };
            doomed = doomed.saturating_add(save(conn, door, &disk, gone).map_err(bundle_disks::meanwhile)?.1);
        }
        let has_data = matches!(before.status, Status::Active | Status::Deactivated);
        let delete_after = match has_data && door.bin_seconds > 0 {
            // Its short name is kept, so that it comes back as it was.
            true => {
                let expires_at = now.plus_seconds(door.bin_seconds);
                let members = db::members::list(conn, &before.id)?;
                db::trash::put(conn, before, &members, now, expires_at)?;
                expires_at
            }
            false => {
                slugs::forget(conn, before)?;
                delete_after
            }
        };
        db::images::delete(conn, before, now)?;
        dates::forget(conn, before)?;
        // Only now does whoever tells of a consumer wait for us.
        consumers::check(conn, &door.in_use, before)?;
        db::jobs::cancel_of_image(conn, &before.id)?;
        db::cached_images::forget_image(conn, &before.id)?;
        doomed = doomed.saturating_add(db::blobs::doom_of_image(conn, &before.id, delete_after, now)?);
    } else {
        door.hold_stores(conn, before, &after)?;
        adopt(conn, before, &after, now)?;
        after.revision = db::images::save(conn, before, &after)?;
        dates::note(conn, Some(before), &after)?;
        cooldown::note(conn, door.cooldown_seconds, before, &after, now)?;
        group_names::check(conn, door.groups_strict, Some(before), &after)?;
        slugs::note(conn, Some(before), &after)?;
        for location in &before.locations {
            let stays = after.locations.iter().any(|l| l.blob_id == location.blob_id);
            let Some(blob_id) = location.blob_id.as_ref().filter(|_| !stays) else { continue };
            if after.status == Status::Queued && Blob::adopted(location, before).is_some() {
                // What others have put there stays theirs when it did not come to be used.
                db::blobs::remove(conn, blob_id)?;
                continue;
            }
            db::blobs::doom(conn, blob_id, delete_after, now)?;
            doomed = doomed.saturating_add(1);
        }
        for (disk, changed) in bundle_disks::following(conn, before, &after)? {
            save(conn, door, &disk, changed).map_err(bundle_disks::meanwhile)?;
        }
    }
    db::events::insert(conn, &Event::changed(&door.author, before, &after), now)?;
    tell(conn, door, now, || notice::changed(before, &after, &door.moved, now))?;
    db::usage::record(conn, before, &after, now)?;
    check_storage(conn, door, before, &after)?;
    limits::check(conn, door.limits.as_ref(), Some(before), &after)?;
    admit_upload(conn, door, before, &after)?;
    Ok((after, doomed))
}

/// The error for an image that is not in the trash, or not visible to the caller.
pub(super) fn not_in_bin(id: &str) -> Error {
    Error::NotFound(format!("Image {id} is not in the trash.")).because("not-in-trash", json!({}))
}

/// Restores a deleted image from the trash.
///
/// # Errors
/// [`Error::NotFound`] when it is not there, [`Error::Conflict`] when its data is about to go, and those of the quota.
pub(super) fn restore(conn: &mut Conn, door: &Door, id: &str) -> DbResult<Image> {
    let now = door.clock.now();
    let found = db::trash::find(conn, id)?.filter(|binned| binned.expires_at > now);
    let Some(binned) = found else { return Err(not_in_bin(id).into()) };
    let mut after = Image { updated_at: now, ..binned.image };
    for blob in after.locations.iter().filter_map(|location| location.blob_id.as_ref()) {
        if !db::blobs::revive(conn, blob, now)? {
            return Err(Error::conflict(format!("The data of image {id} is about to be deleted.")).into());
        }
    }
    after.revision = db::images::restore(conn, &after)?;
    for (member, status) in &binned.members {
        db::members::insert(conn, &after, member, now)?;
        if let Some(status) = MemberStatus::parse(status) {
            db::members::set_status(conn, id, member, status, now)?;
        }
    }
    db::trash::remove(conn, id)?;
    dates::note_ahead(conn, &after, now)?;
    let before = Image { status: Status::Deleted, locations: Vec::new(), ..after.clone() };
    db::events::insert(conn, &Event::changed(&door.author, &before, &after), now)?;
    tell(conn, door, now, || notice::changed(&before, &after, &door.moved, now))?;
    db::usage::record(conn, &before, &after, now)?;
    check_storage(conn, door, &before, &after)?;
    limits::check(conn, door.limits.as_ref(), Some(&before), &after)?;
    if let Some(quota) = &door.unified {
        quota.admit_restored(conn, after.owner.as_deref(), after.stored_bytes())?;
    }
    Ok(after)
}

fn tell(conn: &mut Conn, door: &Door, now: Timestamp, say: impl FnOnce() -> Vec<Notice>) -> DbResult<()> {
    db::notices::tell(conn, (&door.notices, &door.author), now, say)
}

/// Requires that the author's project may have another image on its way where this one becomes that, and may stage its
/// data.
fn admit_upload(conn: &mut Conn, door: &Door, before: &Image, after: &Image) -> DbResult<()> {
    let begins = after.is_uploading() && !before.is_uploading();
    let Some(quota) = door.unified.as_ref().filter(|_| begins) else { return Ok(()) };
    quota.admit_uploading(conn)?;
    if after.status == Status::Saving { Ok(()) } else { quota.admit_import(conn, after.size_bytes()) }
}

/// Enters the data of new locations into the ledger that was in its store before.
fn adopt(conn: &mut Conn, before: &Image, after: &Image, now: Timestamp) -> DbResult<()> {
    let is_new = |location: &&Location| before.locations.iter().all(|old| old.id != location.id);
    for blob in after.locations.iter().filter(is_new).filter_map(|location| Blob::adopted(location, after)) {
        db::blobs::insert(conn, &blob, now).map_err(|error| match error {
            DbError::Duplicate(_) => Error::conflict("The data at this location belongs to an image.").into(),
            other => other,
        })?;
    }
    Ok(())
}

/// Requires that the author's project keeps no more than it may where an image comes to keep more: however it came by
/// its data, and whatever others add at the same time. What was reserved for the data is no longer counted by then.
fn check_storage(conn: &mut Conn, door: &Door, before: &Image, after: &Image) -> DbResult<()> {
    let grown = after.stored_bytes().saturating_sub(before.stored_bytes());
    let allowance = Allowance::of(door.storage_quota, door.author.project_id.as_deref());
    let Some(allowance) = allowance.filter(|_| grown > 0 && after.status != Status::Deleted) else {
        return Ok(());
    };
    // A caller who acts for another project is checked against its own quota, as in Glance.
    let elsewhere = if allowance.covers(after.owner.as_deref()) { 0 } else { grown };
    allowance.check(conn, elsewhere)
}
