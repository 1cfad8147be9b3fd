//! The plug-in `ovf_process`: extracts the disk that the descriptor of an OVA names, and sets properties from its
//! hardware (`glance/async_/flows/ovf_process.py`, for administrators only there). No name from the archive is used
//! as a path: the disk is a range of the staged file, which is read into another one.

mod descriptor;
mod properties;
mod tar;
mod xml;

#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::{
    Imports,
    bring::{Reading, pour, poured, store_failure},
    staged,
    state::State,
};
use crate::{
    blob::{
        draft::cancel,
        pour::{Limits, Written},
    },
    format::Inspector,
    image::limits,
    model::{
        error::Error,
        image::{INTEGER_MAX, Image},
    },
    store::{ByteRange, StoreError},
    work::{Done, Failure, Work},
};
use descriptor::Appliance;
use tar::{Broken, Member};

/// Bytes of a disk by which its format is known.
const HEAD_BYTES: u64 = 1 << 20;
/// Bytes of a GiB, in which images say what disk they need, and of a MiB, in which they say what memory.
const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// What is in an archive.
struct Found {
    appliance: Appliance,
    disk: Member,
    disk_format: &'static str,
}

/// Takes the disk out of the staged data, if that is an OVA. Returns whether it did, and so has saved the state.
///
/// # Errors
/// [`Failure::Final`] for archives and descriptors that are damaged, or say what is not to be done.
pub async fn run(imports: &Imports, work: &Work, state: &mut State, image: &Image) -> Done<bool> {
    let is_archive = image.container_format.as_deref() == Some("ova");
    let Some(source) = state.staged.clone().filter(|_| is_archive) else { return Ok(false) };
    let path = imports.blobs.staging.path(&source.blob);
    let place = path.display().to_string();
    let found = crate::telemetry::blocking(move || look(&path, source.size)).await;
    let found = found.map_err(|e| Error::internal("ovf_process", e))?.map_err(|broken| match broken {
        Broken::Refused(why) => Failure::Final(format!("The disk of the OVA was not taken out: {why}.")),
        Broken::Io(error) => store_failure(&StoreError::io(place, error)),
    })?;
    let Found { appliance, disk, disk_format } = found;
    if !imports.images.settings.disk_formats.iter().any(|format| format == disk_format) {
        return Err(Failure::Final(format!(
            "The disk of the OVA is {disk_format}, which is no format here."
        )));
    }
    state.formats = Some((disk_format.to_owned(), "bare".to_owned()));
    let mut described = image.clone();
    state.apply(&mut described);
    let url = imports.blobs.staging.url(&source.blob);
    let range =
        ByteRange { first: disk.offset, last: disk.offset.saturating_add(disk.size).saturating_sub(1) };
    let chunks = imports.blobs.staging.store.read(&url, Some(range)).await;
    let mut from = Reading { work, chunks: chunks.map_err(|e| store_failure(&e))? };
    work.begin_pass(Some(disk.size));
    let mut draft = staged::begin(imports, work, image, Some(disk.size)).await?;
    let mut to = Written(draft.writer(Some(disk.size)).await.map_err(|e| store_failure(&e))?);
    let cap = limits::of(&imports.images, image.owner.as_deref()).await?.size_cap();
    let limits = Limits { declared: Some(disk.size), cap };
    match pour(imports, work, &described, (&mut from, &mut to), limits).await {
        Ok(facts) => {
            draft.commit(to.0).await.map_err(|e| store_failure(&e))?;
            state.facts = Some(facts);
        }
        Err(fault) => {
            cancel(to.0).await;
            return Err(poured(fault));
        }
    }
    state.changed = true;
    let told = properties::of(&appliance);
    state.properties.extend(told.into_iter().filter(|(name, _)| described.property(name).is_none()));
    let in_units = |bytes: Option<u64>, unit| {
        let units = bytes.and_then(|bytes| i64::try_from(bytes.div_ceil(unit)).ok());
        units.filter(|units| *units <= INTEGER_MAX)
    };
    state.min_disk = in_units(appliance.capacity, GIB);
    state.min_ram = in_units(appliance.memory, MIB);
    staged::finish(imports, work, &draft.blob, disk.size, state).await?;
    Ok(true)
}

/// Looks through an archive of this many bytes for its descriptor, and for the disk that this names. Blocking.
fn look(path: &Path, size: u64) -> Result<Found, Broken> {
    let mut archive = File::open(path)?;
    read(&mut archive, size)
}

fn read(archive: &mut (impl Read + Seek), size: u64) -> Result<Found, Broken> {
    let refused = |why: &str| Broken::Refused(why.to_owned());
    let members = tar::members(archive, size)?;
    let mut descriptors = members.iter().filter(|member| member.name.to_ascii_lowercase().ends_with(".ovf"));
    let descriptor = match (descriptors.next(), descriptors.next()) {
        (Some(one), None) => one,
        (None, _) => return Err(refused("it holds no descriptor, a file whose name ends in .ovf")),
        (Some(_), Some(_)) => return Err(refused("it holds several descriptors")),
    };
    if descriptor.size > descriptor::BYTES_MAX {
        return Err(refused("its descriptor is too large"));
    }
    let document = String::from_utf8(part(archive, descriptor, descriptor::BYTES_MAX)?);
    let document = document.map_err(|_| refused("its descriptor is not UTF-8"))?;
    let appliance = descriptor::read(&document)
        .map_err(|why| Broken::Refused(format!("of its descriptor it must be said that {why}")))?;
    let disk = members.iter().find(|member| member.name == appliance.disk_file && *member != descriptor);
    let disk = disk.filter(|disk| disk.size > 0).cloned();
    let disk = disk.ok_or_else(|| refused("the disk that its descriptor names is not in it"))?;
    let mut inspector = Inspector::new();
    inspector.feed(&part(archive, &disk, HEAD_BYTES)?);
    let disk_format = match inspector.finish().format_name() {
        Some("gpt") => "raw",
        Some(name) => name,
        None => return Err(refused("its disk looks like several formats at once")),
    };
    Ok(Found { appliance, disk, disk_format })
}

/// The first bytes of a member, up to so many.
fn part(archive: &mut (impl Read + Seek), member: &Member, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    archive.seek(SeekFrom::Start(member.offset))?;
    archive.take(member.size.min(most)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Parses bytes; returns whether a disk was found within them.
pub(crate) fn is_read(bytes: &[u8]) -> bool {
    let size = bytes.len() as u64;
    match read(&mut io::Cursor::new(bytes), size) {
        Ok(found) => {
            let end = found.disk.offset.checked_add(found.disk.size);
            properties::of(&found.appliance).iter().all(|(_, value)| value.len() <= 16)
                && end.is_some_and(|end| end <= size)
        }
        Err(_) => true,
    }
}

/// Parses a descriptor and returns the resulting properties.
pub(crate) fn describe(bytes: &[u8]) {
    if let Some(appliance) = std::str::from_utf8(bytes).ok().and_then(|text| descriptor::read(text).ok()) {
        drop(properties::of(&appliance));
    }
}
