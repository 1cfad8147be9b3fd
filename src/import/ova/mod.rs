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
    state::{Apart, Inside, Staged, State},
};
use crate::{
    blob::{
        draft::{Draft, cancel},
        facts::Facts,
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

/// Disks that an archive may have.
pub const DISKS_MAX: usize = 16;

/// What is in an archive.
struct Found {
    appliance: Appliance,
    /// Its disks, in the descriptor's order; never none.
    disks: Vec<Inside>,
}

/// Takes the disk out of the staged data, if that is an OVA. Returns whether it did, and so has saved the state. If it has
/// several disks, which are to become a bundle, the state says so and nothing is taken out yet.
///
/// # Errors
/// [`Failure::Final`] for archives and descriptors that are damaged, or say what is not to be done.
pub async fn run(imports: &Imports, work: &Work, state: &mut State, image: &Image) -> Done<bool> {
    let is_archive = image.container_format.as_deref() == Some("ova");
    let Some(source) = state.staged.clone().filter(|_| is_archive) else { return Ok(false) };
    let path = imports.blobs.staging.path(&source.blob);
    let place = path.display().to_string();
    let most = if imports.settings.ova_bundles { DISKS_MAX } else { 1 };
    let found = crate::telemetry::blocking(move || look(&path, source.size, most)).await;
    let found = found.map_err(|e| Error::internal("ovf_process", e))?.map_err(|broken| match broken {
        Broken::Refused(why) => Failure::Final(format!("The disk of the OVA was not taken out: {why}.")),
        Broken::Io(error) => store_failure(&StoreError::io(place, error)),
    })?;
    let Found { appliance, disks } = found;
    let known = &imports.images.settings.disk_formats;
    if let Some(Inside { format, .. }) = disks.iter().find(|disk| !known.contains(&disk.format)) {
        return Err(Failure::Final(format!("The disk of the OVA is {format}, which is no format here.")));
    }
    let mut described = image.clone();
    state.apply(&mut described);
    let told = properties::of(&appliance);
    let unsaid = |(name, _): &(String, String)| described.property(name).is_none();
    let told: Vec<(String, String)> = told.into_iter().filter(unsaid).collect();
    if let [disk] = disks.as_slice() {
        state.formats = Some((disk.format.clone(), "bare".to_owned()));
        state.apply(&mut described);
        let (draft, facts) = take_out(imports, work, &described, &source, disk).await?;
        state.facts = Some(facts);
        state.changed = true;
        state.properties.extend(told);
        state.min_disk = disk.min_disk;
        state.min_ram = in_units(appliance.memory, MIB);
        staged::finish(imports, work, &draft.blob, disk.size, state).await?;
        return Ok(true);
    }
    state.changed = true;
    state.facts = None;
    state.properties.extend(told);
    state.min_disk = disks.first().and_then(|disk| disk.min_disk);
    state.min_ram = in_units(appliance.memory, MIB);
    state.staged = None;
    state.apart = Some(Apart::of(source, disks, state.plugins_done));
    Ok(false)
}

fn in_units(bytes: Option<u64>, unit: u64) -> Option<i64> {
    let units = bytes.and_then(|bytes| i64::try_from(bytes.div_ceil(unit)).ok());
    units.filter(|units| *units <= INTEGER_MAX)
}

/// Copies a disk out of an archive into a staged file, for an image that is described as it will be.
///
/// # Errors
/// As [`run`]; over the quota, and of the staging folder.
pub async fn take_out(
    imports: &Imports,
    work: &Work,
    image: &Image,
    archive: &Staged,
    disk: &Inside,
) -> Done<(Draft, Facts)> {
    let url = imports.blobs.staging.url(&archive.blob);
    let range =
        ByteRange { first: disk.offset, last: disk.offset.saturating_add(disk.size).saturating_sub(1) };
    let chunks = imports.blobs.staging.store.read(&url, Some(range)).await;
    let mut from = Reading { work, chunks: chunks.map_err(|e| store_failure(&e))? };
    work.begin_pass(Some(disk.size));
    let mut draft = staged::begin(imports, work, image, Some(disk.size)).await?;
    let mut to = Written(draft.writer(Some(disk.size)).await.map_err(|e| store_failure(&e))?);
    let cap = limits::of(&imports.images, image.owner.as_deref()).await?.size_cap();
    let limits = Limits { declared: Some(disk.size), cap };
    match pour(imports, work, image, (&mut from, &mut to), limits).await {
        Ok(facts) => {
            draft.commit(to.0).await.map_err(|e| store_failure(&e))?;
            Ok((draft, facts))
        }
        Err(fault) => {
            cancel(to.0).await;
            Err(poured(fault))
        }
    }
}

/// Looks through an archive of this many bytes for its descriptor, and for the disks that this names. Blocking.
fn look(path: &Path, size: u64, most: usize) -> Result<Found, Broken> {
    let mut archive = File::open(path)?;
    read(&mut archive, size, most)
}

fn read(archive: &mut (impl Read + Seek), size: u64, most: usize) -> Result<Found, Broken> {
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
    let appliance = descriptor::read(&document, most)
        .map_err(|why| Broken::Refused(format!("of its descriptor it must be said that {why}")))?;
    let mut disks = Vec::new();
    for drive in &appliance.disks {
        let disk = members.iter().find(|member| member.name == drive.file && *member != descriptor);
        let disk = disk.filter(|disk| disk.size > 0);
        let disk = disk.ok_or_else(|| refused("the disk that its descriptor names is not in it"))?;
        let mut inspector = Inspector::new();
        inspector.feed(&part(archive, disk, HEAD_BYTES)?);
        let format = match inspector.finish().format_name() {
            Some("gpt") => "raw",
            Some(name) => name,
            None => return Err(refused("its disk looks like several formats at once")),
        };
        let (format, min_disk) = (format.to_owned(), in_units(drive.capacity, GIB));
        disks.push(Inside { offset: disk.offset, size: disk.size, format, min_disk });
    }
    Ok(Found { appliance, disks })
}

/// The first bytes of a member, up to so many.
fn part(archive: &mut (impl Read + Seek), member: &Member, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    archive.seek(SeekFrom::Start(member.offset))?;
    archive.take(member.size.min(most)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Parses bytes; returns whether all disks were found within them.
pub(crate) fn is_read(bytes: &[u8]) -> bool {
    let size = bytes.len() as u64;
    match read(&mut io::Cursor::new(bytes), size, DISKS_MAX) {
        Ok(found) => {
            let ends = |disk: &Inside| disk.offset.checked_add(disk.size).is_some_and(|end| end <= size);
            properties::of(&found.appliance).iter().all(|(_, value)| value.len() <= 16)
                && found.disks.iter().all(ends)
        }
        Err(_) => true,
    }
}

/// Parses a descriptor and returns the resulting properties.
pub(crate) fn describe(bytes: &[u8]) {
    if let Some(appliance) =
        std::str::from_utf8(bytes).ok().and_then(|text| descriptor::read(text, DISKS_MAX).ok())
    {
        drop(properties::of(&appliance));
    }
}
