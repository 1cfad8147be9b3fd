//! The locations of an image, and the legacy patches of them (`glance/api/v2/images.py: _do_add_locations …`,
//! `get_locations`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Images, query};
use crate::{
    access::quota::{self, Allowance},
    db,
    model::{
        caller::Caller,
        error::{Error, Result},
        hash::Algorithm,
        image::{Image, Location},
        limits::Limits,
        new_image::check_text,
        patch::{Operation, Verb},
        status::Status,
        store_url::without_keys,
    },
    store::{NamedStore, StoreErrorKind, backend::NamedBy, kinds},
};

/// Hashes that the one who adds a location vouches for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidationData {
    /// MD5 in hex; a location that a job adds has none.
    #[serde(skip)]
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

    /// Requires a hash that its algorithm, or else the operator's, can have.
    ///
    /// # Errors
    /// [`Error::Invalid`]
    pub fn check_hash(&self, default_algorithm: &str) -> Result<()> {
        let Some(value) = &self.os_hash_value else { return Ok(()) };
        let algorithm = self.os_hash_algo.as_deref().unwrap_or(default_algorithm);
        let known = Algorithm::of(algorithm)
            .ok_or_else(|| Error::invalid(format!("The hash algorithm {algorithm:?} is not known.")))?;
        if !known.fits(value) {
            return Err(Error::invalid(format!("The hash value is not a {algorithm} digest in hex.")));
        }
        Ok(())
    }
}

/// The locations of an image, for services.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::ImageNotFound`] when the image may not even be seen.
pub async fn list(images: &Images, caller: &Caller, id: &str) -> Result<Vec<Location>> {
    let image = query::find(images, caller, id).await?;
    images.access.enforce(caller, "fetch_image_location", &image).await?;
    Ok(image.locations)
}

/// Applies one operation on `locations` to the working copy of an image.
///
/// # Errors
/// As `spec` of the legacy location patches, in Glance's order.
pub async fn patch(
    images: &Images,
    caller: &Caller,
    limits: &Limits,
    image: &mut Image,
    operation: &Operation,
) -> Result<()> {
    let list = operation.value.as_array();
    if operation.verb == Verb::Replace && list.is_some_and(Vec::is_empty) {
        return Err(Error::forbidden("It's not allowed to remove the locations of an image."));
    }
    let rule = if operation.verb == Verb::Remove { "delete_image_location" } else { "set_image_location" };
    images.access.enforce(caller, rule, image).await?;
    if !images.settings.show_multiple_locations {
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
        Verb::Add => add_one(images, caller, limits, image, operation).await,
        Verb::Replace => {
            replace_all(images, caller, limits, image, list.map(Vec::as_slice).unwrap_or_default()).await
        }
        Verb::Remove => remove_one(images, image, operation.position.as_deref().unwrap_or_default()).await,
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

/// Requires that the caller's project may store the data of an image at `count` locations: at so many more, or
/// instead of those that it has.
async fn check_storage(
    images: &Images,
    caller: &Caller,
    image: &Image,
    count: usize,
    instead: bool,
) -> Result<()> {
    let bytes = image.size_bytes().saturating_mul(count as u64);
    let allowance = Allowance::of(images.settings.user_storage_quota, caller.project_id.as_deref());
    let own = instead && allowance.as_ref().is_some_and(|allowance| allowance.covers(image.owner.as_deref()));
    let instead_of = if own { image.stored_bytes() } else { 0 };
    quota::check_storage(&images.db, allowance, instead_of, bytes).await
}

async fn add_one(
    images: &Images,
    caller: &Caller,
    limits: &Limits,
    image: &mut Image,
    operation: &Operation,
) -> Result<()> {
    let validation = ValidationData::of(operation.value.get("validation_data"));
    apply_validation(images, image, std::slice::from_ref(&validation))?;
    let position = parse_position(operation.position.as_deref().unwrap_or_default(), true)?;
    let location = check(images, image, &operation.value).await?;
    quota::check("locations", limits.max_locations, image.locations.len().saturating_add(1))?;
    check_storage(images, caller, image, 1, false).await?;
    let at = position.unwrap_or(usize::MAX).min(image.locations.len());
    image.locations.insert(at, location);
    activate(limits, image)
}

async fn replace_all(
    images: &Images,
    caller: &Caller,
    limits: &Limits,
    image: &mut Image,
    list: &[Value],
) -> Result<()> {
    quota::check("locations", limits.max_locations, list.len())?;
    if image.locations.is_empty() {
        let validations: Vec<_> = list.iter().map(|l| ValidationData::of(l.get("validation_data"))).collect();
        apply_validation(images, image, &validations)?;
        for value in list {
            let location = check(images, image, value).await?;
            image.locations.push(location);
        }
        check_storage(images, caller, image, list.len(), false).await?;
        return activate(limits, image);
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
        if images.stores.multiple
            && let Some(store) = &location.store
        {
            location.metadata.insert("store".to_owned(), json!(store));
        }
        replaced.push(location);
    }
    if !left.is_empty() {
        return Err(Error::invalid("The new locations leave out some of the image's URLs."));
    }
    check_storage(images, caller, image, list.len(), true).await?;
    image.locations = replaced;
    Ok(())
}

async fn remove_one(images: &Images, image: &mut Image, position: &str) -> Result<()> {
    if image.locations.len() == 1 {
        return Err(Error::forbidden("It's not allowed to remove the last location of an image."));
    }
    let position = parse_position(position, false)?.unwrap_or(usize::MAX);
    if position >= image.locations.len() {
        return Err(Error::invalid(format!("There is no location at position {position}.")));
    }
    check_unused(images, image.locations.get(position..=position).unwrap_or_default()).await?;
    image.locations.remove(position);
    Ok(())
}

fn parts(value: &Value) -> Result<(String, Map<String, Value>)> {
    let url = value.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let metadata = value.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    if !metadata.values().all(is_storable) {
        return Err(Error::invalid("The metadata of a location may hold texts, lists and objects only."));
    }
    check_text("location", &url)?;
    Ok((without_keys(&url).into_owned(), metadata))
}

fn is_storable(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(list) => list.iter().all(is_storable),
        Value::Object(object) => object.values().all(is_storable),
        _ => false,
    }
}

/// The store that may serve a URL that a caller names for an image, and the size of the data there.
///
/// # Errors
/// [`Error::Invalid`], saying only that the location is not usable: what is behind it is not the caller's business.
pub async fn probe(images: &Images, url: &str) -> Result<(NamedStore, u64)> {
    let unusable =
        || Error::invalid("Invalid location: it is not reachable, empty, or of a kind not allowed here.");
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if kinds::of_scheme(scheme).is_none_or(|kind| kind.named_by == NamedBy::Nobody) {
        return Err(unusable());
    }
    let named = images.stores.for_url(url).ok_or_else(unusable)?;
    if is_of_an_image(images, &named, url).await? {
        return Err(unusable());
    }
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

/// Whether the ledger has what is at a URL: then an image has it, and lends it to no other.
async fn is_of_an_image(images: &Images, named: &NamedStore, url: &str) -> Result<bool> {
    let Some(name) = named.name_of(url).map(str::to_owned) else { return Ok(false) };
    let store = named.id.clone();
    let known = images.db.read("location.known", move |conn| db::blobs::name_is_taken(conn, &store, &name));
    Ok(known.await?)
}

/// A location with existing data. Data in one of our stores under the image's own name becomes the image's: Nova leaves
/// snapshots there, which nobody else deletes.
pub fn found(named: &NamedStore, image_id: &str, url: String, metadata: Map<String, Value>) -> Location {
    let id = uuid::Uuid::new_v4().to_string();
    let ours = named.written_as(&url) == Some(image_id);
    Location { blob_id: ours.then(|| id.clone()), id, url, metadata, store: Some(named.id.clone()) }
}

/// Requires that no clones prevent the deletion of the data at these locations. With `delayed_delete` this is checked
/// only when the data is deleted.
///
/// # Errors
/// [`Error::Conflict`], and [`Error::Unavailable`] when a store does not answer.
pub async fn check_unused(images: &Images, locations: &[Location]) -> Result<()> {
    let own = locations.iter().filter(|location| location.blob_id.is_some());
    for location in own.filter(|_| !images.settings.delayed_delete) {
        let Some(named) = images.stores.for_location(location) else { continue };
        let Some(name) = named.name_of(&location.url) else { continue };
        match named.in_use(name).await {
            Ok(false) => {}
            Ok(true) => {
                return Err(Error::conflict("The data is in use: something was cloned from it."));
            }
            Err(error) if error.kind == StoreErrorKind::Unavailable => {
                tracing::warn!(%error, "a store cannot tell whether data is in use");
                return Err(Error::Unavailable("The image storage media cannot be reached.".to_owned()));
            }
            // The reaper continues to try.
            Err(error) => tracing::warn!(%error, "it is not known whether data is in use"),
        }
    }
    Ok(())
}

async fn check(images: &Images, image: &mut Image, value: &Value) -> Result<Location> {
    let (url, mut metadata) = parts(value)?;
    let (named, size) = probe(images, &url).await?;
    if let Some(name) = named.name_of(&url) {
        let (store, names) = (named.id.clone(), [name.to_owned()]);
        let known = images
            .db
            .read("location.known", move |conn| db::ledger::known_names(conn, &store, &names))
            .await?;
        // What we have written ourselves is its image's: the keys of the store open that to nobody else.
        if !known.is_empty() {
            return Err(Error::invalid("Invalid location: it is the data of an image already."));
        }
    }
    if images.stores.multiple {
        metadata.insert("store".to_owned(), json!(named.id));
    }
    if image.locations.iter().any(|l| l.url == url && l.metadata == metadata) {
        return Err(Error::invalid("The image has this location already."));
    }
    if image.size.is_none() {
        image.size = Some(i64::try_from(size).map_err(|e| Error::internal("location", e))?);
    }
    Ok(found(&named, &image.id, url, metadata))
}

fn activate(limits: &Limits, image: &mut Image) -> Result<()> {
    if image.status != Status::Queued {
        return Ok(());
    }
    if image.disk_format.is_none() || image.container_format.is_none() {
        return Err(Error::invalid(
            "Properties disk_format and container_format must be set prior to saving data.",
        ));
    }
    if let Some(size) = image.size.and_then(|size| u64::try_from(size).ok()) {
        limits.check_size(size)?;
    }
    image.status = Status::Active;
    Ok(())
}

/// Takes over hashes that the caller vouches for (`_validate_hashing_data`).
fn apply_validation(images: &Images, image: &mut Image, list: &[ValidationData]) -> Result<()> {
    let differs =
        |what: &str| Error::conflict(format!("The {what} in validation_data conflicts with another one."));
    for data in list.iter().filter(|data| **data != ValidationData::default()) {
        if data.os_hash_algo.as_ref().is_some_and(|algo| *algo != images.settings.hashing_algorithm) {
            return Err(Error::conflict(format!(
                "os_hash_algo must be {}.",
                images.settings.hashing_algorithm
            )));
        }
        if data.check_hash(&images.settings.hashing_algorithm).is_err() {
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
