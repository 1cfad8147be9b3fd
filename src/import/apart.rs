//! OVAs with several disks: each disk becomes an image of its own, and the image that was asked for the bundle of these
//! (specification of the extensions, section k.3). One disk at a time is taken out, prepared and stored, so that beside
//! the archive one disk is staged. The ids of the images are in the job's state before there is any of them: whoever
//! goes on with the job, or ends it, finds all of them.

use super::{
    FAILED_IMPORT, IMPORTING_TO_STORES, Imports, behalf,
    distribute::{self, Arrived},
    ova,
    plan::{Plan, list_of},
    plugins, signed, staged,
    state::{Part, State},
    wish,
};
use crate::{
    blob::facts::{self, Facts},
    db::{self, Conn, DbError, DbResult},
    image::{
        bundles,
        change::{self, Door},
        query, readers,
    },
    model::{
        error::Error,
        image::{Image, Visibility},
        job::written,
        status::Status,
        time::Timestamp,
    },
    work::{
        Done, Failure, Work,
        queue::{LOCK_PROPERTY, is_locked_by},
    },
};

/// Characters that the name of an image may have.
const NAME_MAX: usize = 255;

/// Whether an archive is being taken apart whose data is in this node's folder. What a node had begun that is gone is
/// removed, and the state is that of before.
///
/// # Errors
/// The database's.
pub async fn is_under_way(imports: &Imports, work: &Work, state: &mut State) -> Done<bool> {
    let Some(apart) = state.apart.clone() else { return Ok(false) };
    if apart.archive.store == imports.blobs.staging.id() {
        return Ok(true);
    }
    remove(imports, work, state).await?;
    staged::drop_blobs(imports, state.staged.take().map(|staged| staged.blob).into_iter().collect()).await?;
    *state = State {
        roles: state.roles.clone(),
        remote: state.remote.clone(),
        signer: state.signer.clone(),
        original: state.original.clone(),
        staged: Some(apart.archive),
        ..State::default()
    };
    state.save(work, "").await?;
    Ok(false)
}

/// Stores the disks that are left, and makes the image their bundle.
///
/// # Errors
/// [`Failure::Final`] with a reason for the user.
pub async fn run(imports: &Imports, work: &Work, plan: &Plan, state: &mut State, image: &Image) -> Done<()> {
    if signed::verifier(imports, work, plan, state, image).await?.is_some() {
        let why = "The image is signed, and an OVA with several disks becomes a bundle, which has no data to verify.";
        return Err(Failure::Final(why.to_owned()));
    }
    while let Some((place, part)) = next(state) {
        work.check()?;
        store(imports, work, plan, state, (image, place, &part)).await?;
    }
    complete(imports, work, plan, state).await
}

fn next(state: &State) -> Option<(usize, Part)> {
    let apart = state.apart.as_ref()?;
    apart.parts.get(apart.stored).map(|part| (apart.stored, part.clone()))
}

/// Takes one disk out and stores it as an image.
async fn store(
    imports: &Imports,
    work: &Work,
    plan: &Plan,
    state: &mut State,
    (image, place, part): (&Image, usize, &Part),
) -> Done<()> {
    let mut disk = entered(imports, work, state, (image, place, part)).await?;
    if state.staged.is_none() {
        let Some(apart) = state.apart.clone() else { return Ok(()) };
        let (draft, facts) = ova::take_out(imports, work, &disk, &apart.archive, &part.inside).await?;
        state.facts = Some(facts);
        state.formats = None;
        state.prepared = false;
        state.plugins_done = apart.plugins_done;
        staged::finish(imports, work, &draft.blob, part.inside.size, state).await?;
    }
    plugins::run(imports, work, state, &disk, &plan.targets).await?;
    wish::grant(imports, work, plan, state, &disk).await?;
    if let Some((format, container)) = state.formats.clone() {
        (disk.disk_format, disk.container_format) = (Some(format), Some(container));
    }
    state.facts.take_if(|facts| !facts.are_judged_for(&disk));
    let staged = state.staged.clone().ok_or_else(|| Failure::Again("The staged data is gone.".to_owned()))?;
    let check = |facts: &Facts| {
        if let Some(rejection) = &facts.rejection {
            let number = place.saturating_add(1);
            return Err(Failure::Final(format!("Disk {number} of the OVA was refused: {rejection}.")));
        }
        Ok(facts.check_stored(&disk)?)
    };
    let known = state.facts.clone();
    let arrived = distribute::from_staging(imports, work, plan, &disk, &staged, known, check).await?;
    activate(imports, work, state, &disk, arrived).await
}

/// The image of a disk, which is entered unless that was done.
async fn entered(
    imports: &Imports,
    work: &Work,
    state: &State,
    (image, place, part): (&Image, usize, &Part),
) -> Done<Image> {
    let images = &imports.images;
    if let Some(found) = query::find_unseen(images, &part.id).await? {
        return Ok(found);
    }
    let caller = behalf::caller(imports, work, &state.roles);
    let unified = images.unified.of(work.job.owner.as_deref()).await?;
    let door = Door { unified, author: work.author(), ..images.door_of(&caller) };
    let disk = described(image, place, part, &work.job.id, door.clock.now());
    let (id, node, value) = (work.job.id.clone(), work.node.clone(), written(state)?);
    let enter = move |conn: &mut Conn| {
        let entered = bundles::enter_disk(conn, &door, &disk)?;
        // Whoever has taken the job over, and removed all, is not to find another one afterwards.
        db::jobs::save_state(conn, &id, &node, &value, "", door.clock.now())?;
        Ok(entered)
    };
    match images.db.write("bundle.enter_disk", enter).await {
        Err(DbError::Duplicate(_)) => {
            let number = place.saturating_add(1);
            Err(Failure::Final(format!("The image of disk {number} of the OVA was deleted meanwhile.")))
        }
        other => Ok(other?),
    }
}

/// The image of a disk as it begins; nobody but its project sees it.
fn described(image: &Image, place: usize, part: &Part, job: &str, now: Timestamp) -> Image {
    let ending = format!("-disk{}", place.saturating_add(1));
    let name = image.name.as_deref().unwrap_or("appliance");
    let kept = NAME_MAX.saturating_sub(ending.len());
    let mut disk = Image {
        id: part.id.clone(),
        revision: 1,
        name: Some(name.chars().take(kept).chain(ending.chars()).collect()),
        visibility: Visibility::Private,
        status: Status::Queued,
        disk_format: Some(part.inside.format.clone()),
        container_format: Some("bare".to_owned()),
        size: None,
        virtual_size: None,
        checksum: None,
        os_hash_algo: None,
        os_hash_value: None,
        min_disk: part.inside.min_disk.unwrap_or(0),
        min_ram: 0,
        protected: false,
        created_at: now,
        updated_at: now,
        properties: Vec::new().into(),
        tags: Vec::new(),
        locations: Vec::new(),
        ..image.clone()
    };
    disk.set_property(LOCK_PROPERTY, Some(job.to_owned()));
    disk
}

/// Gives the image of a disk its data; the job keeps it locked until it is bound.
async fn activate(
    imports: &Imports,
    work: &Work,
    state: &mut State,
    disk: &Image,
    arrived: Arrived,
) -> Done<()> {
    work.check()?;
    let Arrived { blobs, failed, facts } = arrived;
    let size = i64::try_from(facts.size).map_err(|e| Error::internal("import", e))?;
    let dropped = state.staged.take().map(|staged| staged.blob);
    state.facts = None;
    if let Some(apart) = &mut state.apart {
        apart.stored = apart.stored.saturating_add(1);
    }
    let (job, node, value) = (work.job.clone(), work.node.clone(), written(state)?);
    let (failed, images) =
        (Some(list_of(imports, &failed)).filter(|_| !failed.is_empty()), imports.images.clone());
    let (disk, mut door) = (disk.clone(), imports.images.door(work.author()));
    door.moved.uploaded = blobs.len();
    let finish = move |conn: &mut Conn| {
        let now = door.clock.now();
        change::in_txn(conn, &door, &disk.id, |conn, before| {
            for (blob, _) in &blobs {
                db::blobs::make_live(conn, &blob.id, &blob.holder, size, now)?;
            }
            if let Some(blob) = &dropped {
                db::blobs::doom(conn, blob, now, now)?;
            }
            let mut after = before.clone();
            after.disk_format.clone_from(&disk.disk_format);
            after.container_format.clone_from(&disk.container_format);
            after.remove_property(FAILED_IMPORT);
            if let Some(failed) = &failed {
                after.set_property(FAILED_IMPORT, failed.clone());
            }
            after.locations.extend(blobs.iter().map(|(_, location)| location.clone()));
            after.status = Status::Active;
            facts.describe(&mut after, &facts::algorithm(&images, before))?;
            Ok(Some(after))
        })?;
        db::jobs::save_state(conn, &job.id, &node, &value, "", now)
    };
    let result = imports.images.db.write_patiently("bundle.activate_disk", finish).await;
    imports.images.doomed.notify_one();
    match result {
        Err(DbError::Domain(Error::ImageNotFound(_))) => {
            Err(Failure::Final("The image of a disk of the OVA was deleted meanwhile.".to_owned()))
        }
        other => Ok(other?),
    }
}

/// The last step, one transaction: the image becomes active as the bundle of its disks.
async fn complete(imports: &Imports, work: &Work, plan: &Plan, state: &mut State) -> Done<()> {
    work.check()?;
    let Some(apart) = state.apart.take() else { return Ok(()) };
    let dropped = [Some(apart.archive), state.staged.take(), state.original.take()];
    let dropped: Vec<String> = dropped.into_iter().flatten().map(|staged| staged.blob).collect();
    let disks: Vec<String> = apart.parts.into_iter().map(|part| part.id).collect();
    state.done = true;
    state.remote = None;
    // As bundles are declared that are made of images.
    state.formats = Some(("raw".to_owned(), "bare".to_owned()));
    let (plugged, admitted) = (state.clone(), disks.clone());
    let (job, node, value) = (work.job.clone(), work.node.clone(), written(state)?);
    let (id, door, none) = (plan.image_id.clone(), imports.images.door(work.author()), list_of(imports, &[]));
    let finish = move |conn: &mut Conn| -> DbResult<()> {
        let now = door.clock.now();
        bundles::complete(conn, &door, &id, &disks, |before| {
            if !is_locked_by(before, &job) {
                return Err(DbError::stale("image", &before.id));
            }
            let mut after = before.clone();
            plugged.apply(&mut after);
            after.remove_property(LOCK_PROPERTY);
            after.set_property(IMPORTING_TO_STORES, none.clone());
            after.set_property(FAILED_IMPORT, none.clone());
            Ok(after)
        })?;
        for blob in &dropped {
            db::blobs::doom(conn, blob, now, now)?;
        }
        db::jobs::save_state(conn, &job.id, &node, &value, "", now)
    };
    let result = imports.images.db.write_patiently("bundle.complete", finish).await;
    imports.images.doomed.notify_one();
    match result {
        Err(DbError::Domain(Error::ImageNotFound(_))) => {
            Err(Failure::Cancelled("the image was deleted".to_owned()))
        }
        other => {
            other?;
            for id in admitted.iter().chain([&plan.image_id]) {
                readers::admit(&imports.images, id).await;
            }
            Ok(())
        }
    }
}

/// Removes the images of disks that have not become a bundle, at once and for good.
///
/// # Errors
/// The database's.
pub async fn remove(imports: &Imports, work: &Work, state: &State) -> Done<()> {
    let images = &imports.images;
    for part in state.apart.iter().flat_map(|apart| &apart.parts) {
        let door = Door::bare(work.author(), &images.db.clock, &images.db.notices);
        let (fence, id) = (work.fence(), part.id.clone());
        let remove = move |conn: &mut Conn| {
            fence(conn)?;
            let deleted = |before: &Image| Image { status: Status::Deleted, ..before.clone() };
            change::in_txn(conn, &door, &id, |_, before| Ok(Some(deleted(before))))
        };
        match images.db.write_patiently("bundle.remove_disk", remove).await {
            Ok(_) | Err(DbError::Domain(Error::ImageNotFound(_))) => images.doomed.notify_one(),
            // Somebody has made it a disk of another bundle meanwhile.
            Err(DbError::Domain(error)) if error.is_because("image-in-use") => {
                tracing::warn!(image = part.id, "the image of a disk is in use and stays");
            }
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}
