//! Makes an image from an object in a store that belongs to nobody: it is read once, checked and hashed like an
//! upload, and stays where it is.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    guard,
    job::NoState,
    quarantine,
    scan::store_fault,
    stores::{enforce, named},
};
use crate::{
    access,
    blob::{
        Blobs,
        digests::Digests,
        facts::{self, Facts},
        pour::{Chunks, Fault, Limits, Nowhere, Pour},
    },
    db::{self, Conn, DbError, DbResult},
    image::{change, create::create, limits, query},
    model::{
        blob::{Blob, BlobState},
        caller::Caller,
        error::{Error, Result},
        image::{Image, LOCK_PROPERTY, Location},
        job::{Job, JobKind},
        new_image::NewImage,
        status::Status,
        time::Timestamp,
    },
    store::{NamedStore, StoreErrorKind},
    work::{
        Done, Failure, Work,
        durable::{Again, Durable, Ending},
        queue::{Queue, draft, is_locked_by},
    },
};

/// The job of `POST /ext/v1/stores/{id}/objects/adopt`.
pub struct Adoption;

/// The input of such a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The image that was made for it.
    pub image_id: String,
    /// The store.
    pub store: String,
    /// The name of the object.
    pub key: String,
}

/// Requires that nobody has an object.
///
/// # Errors
/// [`Error::Conflict`]
fn check_free(conn: &mut Conn, store: &str, name: &str) -> DbResult<()> {
    let names = [name.to_owned()];
    let is_known = !db::stored::named(conn, store, &names)?.is_empty();
    if is_known || db::stored::is_named_elsewhere(conn, name)? {
        let known = Error::conflict(format!("{name} belongs to an image, or is about to."));
        return Err(known.because("not-an-orphan", json!({})).into());
    }
    Ok(())
}

/// Creates an image from an object, restoring it from quarantine first if it is there. Returns the image and the job
/// that reads it.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`] when nothing bears the name, [`Error::Conflict`] when an image has it.
pub async fn start(
    blobs: &Blobs,
    queue: &Queue,
    caller: &Caller,
    (store, key): (&str, &str),
    new: NewImage,
) -> Result<(Image, Job)> {
    let images = &blobs.images;
    access::mutating(caller)?;
    enforce(images, caller).await?;
    let named = &named(images, store)?;
    if new.disk_format.is_none() || new.container_format.is_none() {
        return Err(Error::invalid(
            "disk_format and container_format must be set: the data is there already.",
        ));
    }
    if named.urls_of(key).is_empty() {
        let text = format!("Store {store} cannot tell where an object of that name is.");
        return Err(Error::conflict(text).because("not-supported", json!({})));
    }
    let (id, name) = (store.to_owned(), key.to_owned());
    let find = move |conn: &mut Conn| db::quarantine::find_named(conn, &id, &name);
    if let Some(aside) = images.db.read("quarantine.named", find).await? {
        quarantine::restore(&images.db, named, &aside).await?;
    }
    let (id, name) = (store.to_owned(), key.to_owned());
    images.db.read("adopt.free", move |conn| check_free(conn, &id, &name)).await?;
    match named.is_plain(key).await {
        Ok(true) => {}
        Ok(false) => return Err(Error::NotFound(format!("Nothing in store {store} is called {key}."))),
        Err(error) if error.kind == StoreErrorKind::BadUrl => {
            return Err(Error::invalid(format!("{key:?} is no name of an object.")));
        }
        Err(error) => return Err(Error::Unavailable(error.to_string())),
    }
    let image = create(images, caller, new).await?;
    let input = Input { image_id: image.id.clone(), store: store.to_owned(), key: key.to_owned() };
    let job = draft::<Adoption>(caller, &input, &NoState {}, images.db.clock.now())?;
    let job = Job { image_id: Some(image.id.clone()), ..job };
    queue.enqueue_for(images, &image.id, Status::Queued, job.clone()).await?;
    Ok((image, job))
}

#[async_trait]
impl Durable for Adoption {
    const KIND: JobKind = JobKind::Adoption;
    type Parts = Blobs;
    type Input = Input;
    type State = NoState;

    fn steps(_: &Input) -> &'static [&'static str] {
        &["adopt"]
    }

    async fn run(blobs: &Blobs, work: &Work, input: Input, _: NoState) -> Done<Value> {
        let images = &blobs.images;
        let image = query::find_unseen(images, &input.image_id).await?;
        let image = image.ok_or_else(|| Failure::Cancelled("the image was deleted".to_owned()))?;
        let result = json!({"image_id": image.id, "store": input.store});
        if !is_locked_by(&image, &work.job) {
            // An attempt that died may have come to its end.
            return match work.job.attempts > 1 && image.status == Status::Active {
                true => Ok(result),
                false => Err(Failure::Final("The image is no longer held by this task.".to_owned())),
            };
        }
        let named = images.stores.get(&input.store);
        let named = &named.ok_or_else(|| Failure::Final(format!("There is no store {}.", input.store)))?;
        guard::require(&images.db, named).await?;
        let (url, size) = place(named, &input.key).await?;
        limits::of(images, image.owner.as_deref()).await?.check_size(size)?;
        let facts = read(blobs, work, named, (&url, size), &image).await?;
        facts.check_source(&image)?;
        facts.check_stored(&image)?;
        finish(blobs, work, named, &input, (url, facts)).await?;
        Ok(result)
    }

    async fn undo(blobs: &Blobs, work: &Work, input: Input, _: NoState, _: Ending) -> Done<&'static str> {
        let job = work.job.clone();
        let let_go = move |before: &Image| {
            let mut after = before.clone();
            after.remove_property(LOCK_PROPERTY);
            Ok(is_locked_by(before, &job).then_some(after))
        };
        match work.change(&blobs.images, &input.image_id, let_go).await {
            Ok(_) | Err(DbError::Domain(Error::ImageNotFound(_))) => Ok("The object stays as it was."),
            Err(other) => Err(other.into()),
        }
    }

    fn retry(_: &mut Conn, _: &Job, _: &Input, _: &NoState) -> DbResult<Again<NoState>> {
        Ok(Again { from: Status::Queued, state: NoState {}, affinity: None })
    }
}

/// Where an object is, and its bytes.
async fn place(named: &NamedStore, name: &str) -> Done<(String, u64)> {
    // What a link leads to is not the store's.
    let is_plain = named.is_plain(name).await.map_err(store_fault)?;
    for url in named.urls_of(name).into_iter().filter(|_| is_plain) {
        match named.stat(&url).await {
            Ok(size) => return Ok((url, size)),
            Err(error) if matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::BadUrl) => {}
            Err(error) => return Err(store_fault(error)),
        }
    }
    Err(Failure::Final(format!("Nothing in store {} is called {name} any more.", named.id)))
}

/// What an object is, as if it had been uploaded.
async fn read(
    blobs: &Blobs,
    work: &Work,
    named: &NamedStore,
    (url, size): (&str, u64),
    image: &Image,
) -> Done<Facts> {
    let wanted = facts::wanted(&blobs.images, image)?;
    let own = limits::of(&blobs.images, image.owner.as_deref()).await?;
    let digests = Digests::start(&wanted).map_err(Error::from)?;
    work.begin_pass(Some(size));
    let chunks = named.read(url, None).await.map_err(store_fault)?;
    let limits = Limits { declared: Some(size), cap: size };
    let pour = Pour { sink: &mut Nowhere, digests: Some(digests), limits, progress: work };
    match work.waiting(pour.run(&mut Chunks(chunks))).await? {
        Ok(poured) => Ok(Facts::of(&blobs.images, &own, image, poured.measured.unwrap_or_default())),
        Err(Fault::Source(error)) => Err(store_fault(error)),
        Err(Fault::Digest(error)) => Err(Error::from(error).into()),
        Err(Fault::Excess(excess)) => Err(Error::from(excess).into()),
        Err(Fault::Sink(error)) => Err(Error::internal("adoption", error).into()),
    }
}

/// In one transaction the object gets its row and the image its location.
async fn finish(
    blobs: &Blobs,
    work: &Work,
    named: &NamedStore,
    input: &Input,
    (url, facts): (String, Facts),
) -> Done<()> {
    let images = &blobs.images;
    let mut metadata = named.metadata(&url);
    if images.stores.multiple {
        metadata.insert("store".to_owned(), json!(named.id));
    }
    let blob_id = uuid::Uuid::new_v4().to_string();
    let size = i64::try_from(facts.size).map_err(|e| Error::internal("size", e))?;
    let location = Location {
        id: uuid::Uuid::new_v4().to_string(),
        url: named.written(&url).full().to_owned(),
        metadata,
        store: Some(named.id.clone()),
        blob_id: Some(blob_id.clone()),
    };
    let blob = Blob {
        id: blob_id,
        image_id: input.image_id.clone(),
        store: named.id.clone(),
        name: input.key.clone(),
        state: BlobState::Live,
        size: Some(size),
        holder: String::new(),
        lease_until: Timestamp(0),
        delete_after: Timestamp(0),
        attempts: 0,
    };
    let (door, job, default) = (images.door(work.author()), work.job.clone(), images.clone());
    let write = move |conn: &mut Conn| {
        check_free(conn, &blob.store, &blob.name)?;
        change::in_txn(conn, &door, &blob.image_id, |conn, before| {
            if !is_locked_by(before, &job) {
                return Err(Error::conflict("The image is no longer held by this task.").into());
            }
            db::blobs::insert(conn, &blob, door.clock.now()).map_err(|error| match error {
                DbError::Duplicate(_) => {
                    Error::conflict(format!("{} belongs to an image.", blob.name)).into()
                }
                other => other,
            })?;
            let mut after = Image { status: Status::Active, ..before.clone() };
            after.locations.push(location.clone());
            facts.describe(&mut after, &facts::algorithm(&default, before))?;
            after.remove_property(LOCK_PROPERTY);
            Ok(Some(after))
        })
    };
    images.db.write("adopt.finish", write).await?;
    Ok(())
}
