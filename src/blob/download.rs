//! Downloads (`glance/api/v2/image_data.py: ImageDataController.download`).

use futures::StreamExt;

use super::{
    unbroken::{Elsewhere, unbroken},
    verify::{Expected, verified},
};
use crate::{
    image::{Images, consumers, query},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::{Image, Location},
        range::Span,
        status::Status,
    },
    store::{
        ByteRange, ByteStream, NamedStore, StoreError, StoreErrorKind, StoreResult, StoreUrl, StoredFile,
        Stores,
    },
};

const TOO_SHORT: &str = "there is less data than the image has";

/// The data of an image, or that there is none yet.
pub enum Data {
    /// The image has no data, or its data is missing in the store.
    None,
    /// Bytes to send.
    Some {
        /// The whole data or the part that was asked for.
        source: Source,
        /// The part, if one was asked for.
        span: Option<Span>,
        /// Size of the whole data in bytes.
        size: u64,
        /// MD5 of the whole data.
        checksum: Option<String>,
        /// The project that owns the image.
        owner: Option<String>,
    },
}

/// Where bytes to send come from.
pub enum Source {
    /// They pass through here: all, or the part.
    Stream(ByteStream),
    /// They lie whole in a file of this machine, which has all of them.
    File(Box<Untouched>),
}

/// A file that is sent without being read here.
pub struct Untouched {
    /// The file.
    pub file: StoredFile,
    elsewhere: Elsewhere,
}

impl Untouched {
    /// The bytes of `part`, which the file was to give and could not, from another location that has the image's data.
    ///
    /// # Errors
    /// In the stream: `fault`, when there is none.
    pub fn go_on(self, part: ByteRange, fault: std::io::Error) -> ByteStream {
        let failed = self.file.failed(fault);
        drop(self.file);
        unbroken(Box::pin(futures::stream::once(async { failed })), part, self.elsewhere)
    }
}

/// An image whose data the caller may read, with the preferred locations first. `prefer` names stores to try first, in
/// that order, and may be empty.
///
/// # Errors
/// [`Error::Forbidden`] for deactivated images and without the right; [`Error::Invalid`] for preferences that
/// make no sense here.
pub async fn find(images: &Images, caller: &Caller, id: &str, prefer: &[String]) -> Result<Image> {
    let mut image = query::find(images, caller, id).await?;
    if image.status == Status::Deactivated && !caller.is_admin {
        let text = "The requested image has been deactivated. Image data download is forbidden.";
        return Err(Error::forbidden(format!("{text}{}", consumers::replacement(&image))));
    }
    images.access.enforce(caller, "download_image", &image).await?;
    consumers::check_data(images, caller, &image).await?;
    if !prefer.is_empty() {
        images.access.enforce(caller, "download_from_store", &image).await?;
        check_preferences(images, prefer)?;
        put_first(prefer, &mut image.locations);
    }
    Ok(image)
}

fn check_preferences(images: &Images, prefer: &[String]) -> Result<()> {
    if !images.stores.multiple {
        return Err(Error::invalid(
            "The parameter prefer needs several stores, which this server does not have.",
        ));
    }
    match prefer.iter().find(|id| !images.stores.has(id)) {
        Some(id) => {
            Err(Error::invalid(format!("The store {id:?} in the parameter prefer is not known here.")))
        }
        None => Ok(()),
    }
}

/// Puts the locations in the named stores first, in the order of the names; the others keep theirs.
fn put_first(prefer: &[String], locations: &mut [Location]) {
    locations.sort_by_key(|location| {
        let rank = prefer.iter().position(|id| location.store.as_ref() == Some(id));
        rank.unwrap_or(prefer.len())
    });
}

/// Tries each location until one returns its first bytes. `range` evaluates the request's range headers for the size of
/// the data. With `as_file` data that nothing has to inspect is returned as a file, if it is one.
///
/// # Errors
/// What `range` answers; the failure of the store that was tried last.
pub async fn open(
    images: &Images,
    caller: &Caller,
    image: &Image,
    range: impl Fn(u64) -> Result<Option<Span>>,
    as_file: bool,
) -> Result<Data> {
    let mut last_error: Option<StoreError> = None;
    for (place, location) in image.locations.iter().enumerate() {
        let Some(named) = images.stores.for_location(location) else {
            let store = location.store.clone().unwrap_or_default();
            let error = StoreError::new(StoreErrorKind::Io, store, location.unserved());
            // That another node has the store is no fault.
            if location.is_sealed() {
                tracing::error!(%error, image = %image.id, "a location cannot be read");
            }
            last_error = Some(error);
            continue;
        };
        let size = match image.size.and_then(|size| u64::try_from(size).ok()) {
            Some(size) => size,
            None => match named.stat(&location.url).await {
                Ok(size) => size,
                Err(error) => {
                    last_error = Some(error);
                    continue;
                }
            },
        };
        let is_verified = images.settings.verify_downloads.concerns(location);
        let (span, expected) = Expected::of(image, size).sending(range(size)?, is_verified);
        let part = span.map(|s| ByteRange { first: s.first, last: s.last });
        let others = image.locations.get(place.saturating_add(1)..).unwrap_or_default();
        let elsewhere = elsewhere(images, image, size, (others, expected.as_ref()));
        let from = (&*images.stores, &named, location.url.as_str(), caller.party());
        let source = match expected {
            None if as_file => begin_file(from, (part, size), elsewhere).await,
            expected => begin(from, (part, size), expected, elsewhere).await.map(Source::Stream),
        };
        match source {
            Ok(source) => {
                let (checksum, owner) = (image.checksum.clone(), image.owner.clone());
                return Ok(Data::Some { source, span, size, checksum, owner });
            }
            Err(error) => {
                tracing::error!(%error, image = %image.id, store = %named.id, "a location cannot be read");
                last_error = Some(error);
            }
        }
    }
    last_error.map_or(Ok(Data::None), failed)
}

/// Where else the data of an image is, of `size` bytes, in so far as it is certain to be the same: in locations that
/// are trusted, or all of them where the whole is checked against a hash on its way.
fn elsewhere(
    images: &Images,
    image: &Image,
    size: u64,
    (others, expected): (&[Location], Option<&Expected>),
) -> Elsewhere {
    let is_hashed = expected.is_some_and(Expected::is_hashed);
    let is_same = |location: &&Location| is_hashed || !images.settings.verify_downloads.concerns(location);
    let left = others.iter().filter(is_same).filter_map(|location| {
        images.stores.for_location(location).map(|named| (named, location.url.clone()))
    });
    Elsewhere { image: image.id.clone(), size, left: left.collect() }
}

/// Opens a location and waits for its first bytes: until they are there, another location can be tried. After that the
/// data continues from elsewhere where it breaks off.
async fn begin(
    (stores, named, url, whose): (&Stores, &NamedStore, &str, &str),
    (part, size): (Option<ByteRange>, u64),
    expected: Option<Expected>,
    elsewhere: Elsewhere,
) -> StoreResult<ByteStream> {
    let place = StoreUrl::new(url).to_string();
    let image = elsewhere.image.clone();
    let length = part.map_or(size, ByteRange::length);
    let whole = ByteRange { first: 0, last: size.saturating_sub(1) };
    let stream = match part.filter(|part| *part != whole) {
        Some(part) => named.read(url, Some(part)).await?,
        None => stores.read_with_others(named, (url, size), whose).await?,
    };
    let stream = begun(stream, length, &place).await?;
    let stream = unbroken(stream, part.unwrap_or(whole), elsewhere);
    match expected {
        Some(expected) => {
            let stream = verified(stream, &image, expected, (&named.id, &place))?;
            begun(stream, length, &place).await
        }
        None => Ok(stream),
    }
}

/// Opens a location as a file where it is one.
async fn begin_file(
    (stores, named, url, whose): (&Stores, &NamedStore, &str, &str),
    (part, size): (Option<ByteRange>, u64),
    elsewhere: Elsewhere,
) -> StoreResult<Source> {
    match named.file(url).await? {
        Some(file) if file.size < size => {
            Err(StoreError::new(StoreErrorKind::Io, StoreUrl::new(url).to_string(), TOO_SHORT))
        }
        Some(file) => Ok(Source::File(Box::new(Untouched { file, elsewhere }))),
        None => begin((stores, named, url, whose), (part, size), None, elsewhere).await.map(Source::Stream),
    }
}

/// Waits for the first of `length` bytes; `place` is for the log.
///
/// # Errors
/// The stream's, and that there is none.
pub async fn begun(mut rest: ByteStream, length: u64, place: &str) -> StoreResult<ByteStream> {
    match rest.next().await {
        Some(first) => {
            let first = first?;
            Ok(Box::pin(futures::stream::once(async { Ok(first) }).chain(rest)))
        }
        None if length == 0 => Ok(rest),
        None => Err(StoreError::new(StoreErrorKind::Io, place, TOO_SHORT)),
    }
}

/// What the failure of the last location means for the caller.
fn failed(error: StoreError) -> Result<Data> {
    match error.kind {
        StoreErrorKind::NotFound => Ok(Data::None),
        StoreErrorKind::Denied => Err(Error::forbidden("The store does not let its data be read.")),
        StoreErrorKind::Unsupported => Err(Error::invalid("The store does not support this way of reading.")),
        _ => Err(Error::Unavailable("The data of this image cannot be read at the moment.".to_owned())),
    }
}
