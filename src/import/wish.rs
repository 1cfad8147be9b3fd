//! Stores that keep disks in one format (`vitrine_disk_format`): which data has to be converted before it is written,
//! and which cannot be written there.

use super::{
    Imports, bring,
    convert::{self, driver},
    plan::Plan,
    state::State,
};
use crate::{
    model::{
        error::{Error, Result},
        image::{Image, Location},
    },
    work::{Done, Work},
};

/// Formats of disks that the converter can read.
const DISKS: [&str; 7] = ["gpt", "qcow2", "raw", "vdi", "vhd", "vhdx", "vmdk"];

/// The disk format of an image, if it is a disk that can be converted.
fn disk_format(image: &Image) -> Option<&str> {
    let bare = image.container_format.as_deref() == Some("bare");
    image.disk_format.as_deref().filter(|format| bare && DISKS.contains(format))
}

/// The format that stores require; `None` if they accept any.
///
/// # Errors
/// [`Error::Conflict`] when two of them want different ones: an image has one format.
pub fn format(imports: &Imports, image: &Image, stores: &[String]) -> Result<Option<String>> {
    let named = stores.iter().filter_map(|id| imports.images.stores.get(id));
    let mut wishes = named.filter_map(|named| Some((named.id, named.disk_format?)));
    let Some((first, format)) = wishes.next().filter(|_| disk_format(image).is_some()) else {
        return Ok(None);
    };
    match wishes.find(|(_, other)| *other != format) {
        Some((second, other)) => Err(Error::conflict(format!(
            "Store {first} keeps disks as {format} and store {second} as {other}; an image has one format. Import it \
             into one of them."
        ))),
        None => Ok(Some(format)),
    }
}

/// The format that an image has to be converted to, for stores with this wish.
pub fn conversion<'a>(image: &Image, wish: Option<&'a str>) -> Option<&'a str> {
    let declared = disk_format(image)?;
    wish.filter(|wish| driver(wish) != driver(declared))
}

/// Whether a store keeps disks in another format than an image is in, which cannot change any more.
pub fn refuses(imports: &Imports, image: &Image, store: &str) -> bool {
    let wish = imports.images.stores.get(store).and_then(|named| named.disk_format);
    conversion(image, wish.as_deref()).is_some()
}

/// Whether the data of an image may be a conversion of what its owner sent: it lies in a store with a format, where we
/// have written it.
pub fn may_be_converted(imports: &Imports, image: &Image) -> bool {
    let wants =
        |store: &String| imports.images.stores.get(store).is_some_and(|named| named.disk_format.is_some());
    let is_ours = |l: &&Location| l.blob_id.is_some() && l.store.as_ref().is_some_and(wants);
    disk_format(image).is_some() && image.locations.iter().any(|l| is_ours(&l))
}

/// The reason why such a store is refused.
pub fn refusal(imports: &Imports, image: &Image, store: &str) -> Error {
    let wish = imports.images.stores.get(store).and_then(|named| named.disk_format).unwrap_or_default();
    let format = image.disk_format.as_deref().unwrap_or_default();
    Error::conflict(format!(
        "Store {store} keeps disks as {wish}, and the image is {format}; a copy has to be what the image is."
    ))
}

/// Converts the staged data if the targets want it in another format, unless that is done.
///
/// # Errors
/// As [`convert::run`].
pub async fn grant(
    imports: &Imports,
    work: &Work,
    plan: &Plan,
    state: &mut State,
    image: &Image,
) -> Done<()> {
    let mut image = image.clone();
    state.apply(&mut image);
    let wish = format(imports, &image, &plan.targets)?;
    let Some(format) = conversion(&image, wish.as_deref()) else { return Ok(()) };
    let facts = bring::examined(imports, work, state, &image).await?;
    convert::run(imports, work, state, &image, &facts, format).await.map(drop)
}
