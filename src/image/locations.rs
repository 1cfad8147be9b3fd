//! Where the data of an image is: the legacy patches of `locations`, and the calls that replace them
//! (`glance/api/v2/images.py: _do_add_locations …`, `add_location`, `get_locations`).

use serde_json::{Map, Value, json};

use crate::{
    app::App,
    db::{self, DbError},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::{Image, Location},
        job::{Job, JobKind},
        new_image::check_text,
        patch::{Operation, Verb},
        status::Status,
        time::Timestamp,
    },
    store::{NamedStore, StoreErrorKind, measure},
    task,
};

use super::{access, exceeds, system::LOCK_PROPERTY};

/// Schemes that callers may never name.
const RESTRICTED_SCHEMES: [&str; 3] = ["file", "filesystem", "swift+config"];

/// Hashes that the one who adds a location vouches for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValidationData {
    /// MD5 in hex.
    pub checksum: Option<String>,
    /// Name of the hash algorithm.
    pub os_hash_algo: Option<String>,
    /// Hash in hex.
    pub os_hash_value: Option<String>,
}

impl ValidationData {
    /// Reads the object of the request; absent members stay absent.
    pub fn of(value: Option<&Value>) -> Self {
        let text = |name: &str| value.and_then(|v| v.get(name)).and_then(Value::as_str).map(str::to_owned);
        Self {
            checksum: text("checksum"),
            os_hash_algo: text("os_hash_algo"),
            os_hash_value: text("os_hash_value"),
        }
    }

    fn check_hash(&self, default_algorithm: &str) -> Result<()> {
        let Some(value) = &self.os_hash_value else { return Ok(()) };
        let algorithm = self.os_hash_algo.as_deref().unwrap_or(default_algorithm);
        let digest = measure::digest(algorithm)
            .ok_or_else(|| Error::invalid(format!("The hash algorithm {algorithm:?} is not known.")))?;
        if value.len() != digest.size() * 2 || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::invalid(format!("The hash value is not a {algorithm} digest in hex.")));
        }
        Ok(())
    }
}

/// The locations of an image, for services.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::ImageNotFound`] when the image may not even be seen.
pub async fn list(app: &App, caller: &Caller, id: &str) -> Result<Vec<Location>> {
    let image = access::find(app, caller, id).await?;
    access::enforce(app, caller, "fetch_image_location", &image).await?;
    Ok(image.locations)
}

/// Starts adding a location to a queued image; a job checks, hashes and activates.
///
/// # Errors
/// In Glance's order: [`Error::Conflict`] unless the image is queued and free, [`Error::Forbidden`] without the
/// right or for a URL only services may name, [`Error::Invalid`] for hashes that are none.
pub async fn add(app: &App, caller: &Caller, id: &str, url: &str, validation: &ValidationData) -> Result<()> {
    access::mutating(caller)?;
    let image = access::find(app, caller, id).await?;
    if image.status != Status::Queued {
        return Err(Error::conflict(format!(
            "Locations can only be added to a queued image; {id} is {}.",
            image.status
        )));
    }
    access::enforce(app, caller, "add_image_location", &image).await?;
    let is_service = caller.has_role("service") || caller.service_roles.iter().any(|r| r == "service");
    let has_http = app.stores.iter().any(|named| named.kind() == "http");
    let may_name_it = is_service || url.starts_with("http") && has_http;
    if !may_name_it {
        return Err(Error::forbidden("Only services may add locations other than http ones."));
    }
    validation.check_hash(&app.settings.hashing_algorithm)?;
    if validation.checksum.is_some() {
        return Err(Error::invalid("The member checksum is not allowed in validation_data."));
    }
    let input = json!({
        "image_id": id,
        "loc_url": url,
        "validation_data": {
            "os_hash_algo": validation.os_hash_algo,
            "os_hash_value": validation.os_hash_value,
        },
    });
    let job = Job { image_id: Some(id.to_owned()), ..task::draft(caller, JobKind::LocationImport, input) };
    lock_and_enqueue(app, id, Status::Queued, job).await
}

/// Gives an image to a job: the lock on the image and the job's row are one transaction.
///
/// # Errors
/// [`Error::Conflict`] when another job holds the image or its status is not `from` any more.
pub async fn lock_and_enqueue(app: &App, id: &str, from: Status, job: Job) -> Result<()> {
    let key = id.to_owned();
    let result = app
        .db
        .write("image.lock_for_job", move |conn| {
            let before = db::images::find(conn, &key)?.ok_or_else(|| Error::ImageNotFound(key.clone()))?;
            // A lock that no open job holds is a leftover, and broken at once.
            let holder = before.property(LOCK_PROPERTY).and_then(|p| p.value.clone());
            let holder = holder.map(|id| db::jobs::find(conn, &id)).transpose()?.flatten();
            if holder.is_some_and(|holder| !holder.status.is_final()) {
                return Err(Error::conflict(format!("Image {key} has active task.")).into());
            }
            if before.status != from {
                return Err(Error::conflict(format!("Image {key} is {} now.", before.status)).into());
            }
            let mut after = Image { updated_at: Timestamp::now(), ..before.clone() };
            after.set_property(LOCK_PROPERTY, Some(job.id.clone()));
            db::images::save(conn, &before, &after)?;
            db::jobs::insert(conn, &job)
        })
        .await;
    match result {
        Ok(()) => {
            app.enqueued.notify_one();
            Ok(())
        }
        Err(DbError::Stale) => Err(Error::conflict(format!("Image {id} is being changed; try again."))),
        Err(other) => Err(other.into()),
    }
}

/// Applies one operation on `locations` to the working copy of an image.
///
/// # Errors
/// As `spec` of the legacy location patches, in Glance's order.
pub async fn patch(app: &App, caller: &Caller, image: &mut Image, operation: &Operation) -> Result<()> {
    let list = operation.value.as_array();
    if operation.verb == Verb::Replace && list.is_some_and(Vec::is_empty) {
        return Err(Error::forbidden("It's not allowed to remove the locations of an image."));
    }
    let rule = if operation.verb == Verb::Remove { "delete_image_location" } else { "set_image_location" };
    access::enforce(app, caller, rule, image).await?;
    if !app.settings.show_multiple_locations {
        return Err(Error::forbidden("It's not allowed to change locations: they are invisible here."));
    }
    let fits = match operation.verb {
        Verb::Remove => image.status == Status::Active,
        _ => matches!(image.status, Status::Active | Status::Queued),
    };
    if !fits {
        return Err(Error::conflict(format!(
            "Locations cannot be changed while the image is {}.",
            image.status
        )));
    }
    match operation.verb {
        Verb::Add => add_one(app, image, operation).await,
        Verb::Replace => replace_all(app, image, list.map(Vec::as_slice).unwrap_or_default()).await,
        Verb::Remove => remove_one(image, operation.position.as_deref().unwrap_or_default()),
    }
}

fn parse_position(text: &str, allow_end: bool) -> Result<Option<usize>> {
    if text == "-" && allow_end {
        return Ok(None);
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::invalid(format!("The position {text:?} in locations is not a number.")));
    }
    Ok(Some(text.parse().unwrap_or(usize::MAX)))
}

async fn add_one(app: &App, image: &mut Image, operation: &Operation) -> Result<()> {
    let validation = ValidationData::of(operation.value.get("validation_data"));
    apply_validation(app, image, std::slice::from_ref(&validation))?;
    let position = parse_position(operation.position.as_deref().unwrap_or_default(), true)?;
    let location = check(app, image, &operation.value).await?;
    if exceeds(app.settings.image_location_quota, image.locations.len().saturating_add(1)) {
        return Err(over_quota(app, image.locations.len().saturating_add(1)));
    }
    let at = position.unwrap_or(usize::MAX).min(image.locations.len());
    image.locations.insert(at, location);
    activate(app, image).await
}

async fn replace_all(app: &App, image: &mut Image, list: &[Value]) -> Result<()> {
    if exceeds(app.settings.image_location_quota, list.len()) {
        return Err(over_quota(app, list.len()));
    }
    if image.locations.is_empty() {
        let validations: Vec<_> = list.iter().map(|l| ValidationData::of(l.get("validation_data"))).collect();
        apply_validation(app, image, &validations)?;
        for value in list {
            let location = check(app, image, value).await?;
            image.locations.push(location);
        }
        return activate(app, image).await;
    }
    // On an image that has data only the metadata may change: the set of URLs stays.
    let mut left = image.locations.clone();
    let mut replaced = Vec::with_capacity(list.len());
    for value in list {
        let (url, metadata) = parts(value)?;
        let place = left.iter().position(|l| l.url == url).ok_or_else(|| {
            Error::invalid(
                "The locations of an image that has data can only get other metadata, not other URLs.",
            )
        })?;
        let mut location = left.remove(place);
        location.metadata = metadata;
        if app.stores.multiple
            && let Some(store) = &location.store
        {
            location.metadata.insert("store".to_owned(), json!(store));
        }
        replaced.push(location);
    }
    if !left.is_empty() {
        return Err(Error::invalid("The new locations leave out some of the image's URLs."));
    }
    image.locations = replaced;
    Ok(())
}

fn remove_one(image: &mut Image, position: &str) -> Result<()> {
    if image.locations.len() == 1 {
        return Err(Error::forbidden("It's not allowed to remove the last location of an image."));
    }
    let position = parse_position(position, false)?.unwrap_or(usize::MAX);
    if position >= image.locations.len() {
        return Err(Error::invalid(format!("There is no location at position {position}.")));
    }
    image.locations.remove(position);
    Ok(())
}

fn over_quota(app: &App, attempted: usize) -> Error {
    Error::TooLarge(format!(
        "The limit has been exceeded on the number of allowed image locations. Attempted: {attempted}, Maximum: {}",
        app.settings.image_location_quota
    ))
}

fn parts(value: &Value) -> Result<(String, Map<String, Value>)> {
    let url = value.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let metadata = value.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    if !metadata.values().all(is_storable) {
        return Err(Error::invalid("The metadata of a location may hold texts, lists and objects only."));
    }
    check_text("location", &url)?;
    Ok((url, metadata))
}

fn is_storable(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(list) => list.iter().all(is_storable),
        Value::Object(object) => object.values().all(is_storable),
        _ => false,
    }
}

/// The store that may serve a URL that a caller names, and the size of the data there.
///
/// # Errors
/// [`Error::Invalid`], saying only that the location is not usable: what is behind it is not the caller's business.
pub async fn probe<'a>(app: &'a App, url: &str) -> Result<(&'a NamedStore, u64)> {
    let unusable =
        || Error::invalid("Invalid location: it is not reachable, empty, or of a kind not allowed here.");
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if RESTRICTED_SCHEMES.contains(&scheme) {
        return Err(unusable());
    }
    let named = app.stores.for_url(url).ok_or_else(unusable)?;
    match named.stat(url).await {
        Ok(size) if size > 0 => Ok((named, size)),
        Ok(_) => Err(unusable()),
        Err(error) => {
            tracing::info!(%error, "a location was refused");
            match error.kind {
                StoreErrorKind::Io => Err(Error::internal("location", error)),
                _ => Err(unusable()),
            }
        }
    }
}

async fn check(app: &App, image: &mut Image, value: &Value) -> Result<Location> {
    let (url, mut metadata) = parts(value)?;
    let (named, size) = probe(app, &url).await?;
    if app.stores.multiple {
        metadata.insert("store".to_owned(), json!(named.id));
    }
    if image.locations.iter().any(|l| l.url == url && l.metadata == metadata) {
        return Err(Error::invalid("The image has this location already."));
    }
    if image.size.is_none() {
        image.size = Some(i64::try_from(size).map_err(|e| Error::internal("location", e))?);
    }
    Ok(Location {
        id: uuid::Uuid::new_v4().to_string(),
        url,
        metadata,
        store: Some(named.id.clone()),
        blob_id: None,
    })
}

async fn activate(app: &App, image: &mut Image) -> Result<()> {
    if image.status != Status::Queued {
        return Ok(());
    }
    if image.disk_format.is_none() || image.container_format.is_none() {
        return Err(Error::invalid(
            "Properties disk_format and container_format must be set prior to saving data.",
        ));
    }
    if image.size.is_some_and(|size| u64::try_from(size).is_ok_and(|size| size > app.settings.image_size_cap))
    {
        return Err(Error::TooLarge(format!(
            "Image exceeds the maximum of {} bytes.",
            app.settings.image_size_cap
        )));
    }
    image.status = Status::Active;
    Ok(())
}

/// Takes over hashes that the caller vouches for (`_validate_hashing_data`).
fn apply_validation(app: &App, image: &mut Image, list: &[ValidationData]) -> Result<()> {
    let differs =
        |what: &str| Error::conflict(format!("The {what} in validation_data conflicts with another one."));
    for data in list.iter().filter(|data| **data != ValidationData::default()) {
        if data.os_hash_algo.as_ref().is_some_and(|algo| *algo != app.settings.hashing_algorithm) {
            return Err(Error::conflict(format!("os_hash_algo must be {}.", app.settings.hashing_algorithm)));
        }
        if data.check_hash(&app.settings.hashing_algorithm).is_err() {
            return Err(Error::conflict("os_hash_value is not a digest of os_hash_algo in hex."));
        }
        if data.checksum.as_ref().is_some_and(|c| c.len() != 32 || !c.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(Error::conflict("checksum is not an MD5 digest in hex."));
        }
        let queued = image.status == Status::Queued;
        let pairs = [
            ("checksum", &data.checksum, &mut image.checksum),
            ("os_hash_algo", &data.os_hash_algo, &mut image.os_hash_algo),
            ("os_hash_value", &data.os_hash_value, &mut image.os_hash_value),
        ];
        for (what, given, own) in pairs {
            let Some(given) = given else { continue };
            match own {
                Some(own) if own == given => {}
                Some(_) => return Err(differs(what)),
                None if queued => *own = Some(given.clone()),
                None => return Err(Error::conflict(format!("{what} can only be set on a queued image."))),
            }
        }
    }
    Ok(())
}
