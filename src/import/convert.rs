//! Conversion, for the plug-in `image_conversion` and for stores with a format: `qemu-img` in a confined process,
//! with limits on memory, processor, output and time (`glance/async_/flows/plugins/image_conversion.py`). It never
//! receives data that the inspector refused, nor a disk for which there is no space.

use std::{
    fs::{OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use nix::sys::statvfs::statvfs;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Imports,
    confine::{Bounds, Confined, Ended, NOT_CONFINED, Running},
    staged,
    state::State,
};
use crate::{
    blob::facts::Facts,
    image::limits,
    model::{error::Error, image::Image},
    store::private::FILE_MODE,
    telemetry::{self, trace::Kind},
    work::{Done, Failure, Work},
};

/// What looking at a header may take.
const INFO: Bounds =
    Bounds { cpu_seconds: 2, wall: Duration::from_secs(30), memory: 1 << 30, file_bytes: 0, files: 64 };
/// What a conversion may take, but for its output.
const CONVERT: Bounds = Bounds {
    cpu_seconds: 3600,
    wall: Duration::from_secs(3 * 3600),
    memory: 2 << 30,
    file_bytes: 0,
    files: 64,
};
/// How often the progress is looked at, and the wish to stop.
const LOOK: Duration = Duration::from_millis(250);
/// Bytes that a file has beside the disk in it: headers and tables, and a part of the disk's size for its map.
const OVERHEAD_BYTES: u64 = 16 << 20;
const OVERHEAD_PART: u64 = 64;
/// The program.
const QEMU_IMG: &str = "qemu-img";

/// Glance's names of formats as `qemu-img` calls them.
pub fn driver(format: &str) -> &str {
    match format {
        "gpt" | "iso" => "raw",
        "vhd" => "vpc",
        other => other,
    }
}

/// Converts the staged data if it is not in a format. Returns whether it did, and so has saved the state.
///
/// # Errors
/// [`Failure::Refused`] for data that may not, or cannot, be converted.
pub async fn run(
    imports: &Imports,
    work: &Work,
    state: &mut State,
    image: &Image,
    facts: &Facts,
    target: &str,
) -> Done<bool> {
    let refuse = |why: String| {
        Failure::from(Error::UnsupportedMediaType(format!("The image was not converted: {why}")))
    };
    let declared = image.disk_format.clone().unwrap_or_default();
    let source = state.staged.clone().ok_or_else(|| Failure::Again("The staged data is gone.".to_owned()))?;
    if let Some(rejection) = &facts.rejection {
        return Err(refuse(format!("{rejection}.")));
    }
    let detected = facts.detected.as_deref().map(|name| if name == "gpt" { "raw" } else { name });
    if detected == Some("iso") && declared == "iso" {
        return Ok(false);
    }
    let same = detected == Some(if declared == "gpt" { "raw" } else { &declared });
    if !same || detected == Some("iso") {
        let found = detected.unwrap_or("several formats at once");
        return Err(refuse(format!("the data is {found}, but disk_format is {declared}.")));
    }
    let room = Room::of(imports, image.owner.as_deref()).await?;
    // What the inspector has read from the header; not all formats say it to both.
    room.check(facts.virtual_size.unwrap_or(0))?;
    let input = imports.blobs.staging.path(&source.blob);
    let _place = imports.shares.converter(work).await?;
    let info = inspect(imports, &input, driver(&declared)).await?;
    check(imports, &info).map_err(refuse)?;
    if driver(&declared) == driver(target) {
        return Ok(false);
    }
    let virtual_size = info.get("virtual-size").and_then(Value::as_u64).unwrap_or(u64::MAX);
    room.check(virtual_size)?;
    let draft = staged::begin(imports, work, image, None).await?;
    let most = room.most.min(virtual_size.saturating_add(OVERHEAD_BYTES + virtual_size / OVERHEAD_PART));
    let reserved = draft.reservation().cover_up_to(most).await?;
    if target == "raw" && reserved < virtual_size {
        return Err(refuse(format!(
            "its project may store {reserved} bytes more, and the disk has {virtual_size}."
        )));
    }
    let blob = draft.blob;
    let output = imports.blobs.staging.path(&blob.id);
    work.begin_pass(Some(virtual_size));
    let mut span = telemetry::span(Kind::Internal, "image.convert");
    span.set("vitrine.disk_format", target.to_owned());
    let (from, to) = ((input.as_path(), driver(&declared)), (output.as_path(), target));
    let converted = telemetry::inside(&span, convert(imports, work, from, to, reserved)).await;
    if converted.is_err() {
        span.fail("failed", String::new);
    }
    drop(span);
    converted?;
    // What is blank takes no room on the disk.
    work.end_pass();
    let size = durable(&output).await?;
    state.facts = None;
    state.changed = true;
    state.formats = Some((target.to_owned(), "bare".to_owned()));
    staged::finish(imports, work, &blob, size, state).await?;
    Ok(true)
}

/// How large a disk may be, in bytes.
struct Room {
    /// By `image_size_cap` and `user_storage_quota`.
    most: u64,
    /// By the size of the file system of the staging folder.
    whole: u64,
    /// By what is free of it.
    free: u64,
}

impl Room {
    async fn of(imports: &Imports, owner: Option<&str>) -> Done<Self> {
        let cap = limits::of(&imports.images, owner).await?.size_cap();
        let settings = &imports.images.settings;
        let folder = imports.blobs.staging.folder().to_owned();
        let found = crate::telemetry::blocking(move || statvfs(&folder)).await;
        let found = found.map_err(|e| Error::internal("staging", e))?;
        let found = found.map_err(|e| Error::internal("staging", e))?;
        Ok(Self {
            most: cap.min(settings.user_storage_quota.unwrap_or(u64::MAX)),
            whole: found.blocks().saturating_mul(found.fragment_size()),
            free: found.blocks_available().saturating_mul(found.fragment_size()),
        })
    }

    /// Whether a disk of this many bytes may be written out.
    fn check(&self, bytes: u64) -> Done<()> {
        let most = self.most.min(self.whole);
        if bytes > most {
            return Err(Failure::from(Error::TooLarge(format!(
                "The image was not converted: its disk of {bytes} bytes is larger than the {most} bytes allowed."
            ))));
        }
        if bytes > self.free {
            return Err(no_room());
        }
        Ok(())
    }
}

fn no_room() -> Failure {
    Failure::Again("There is not enough room in the staging folder.".to_owned())
}

/// Starts `qemu-img`.
fn start(
    imports: &Imports,
    bounds: Bounds,
    arguments: &[&str],
    (reads, writes): (&Path, Option<&Path>),
    prints: bool,
) -> Done<Running> {
    let settings = &imports.settings;
    let (helper, confinement) = (settings.confine_helper.as_path(), settings.confinement);
    let confined = Confined { helper, confinement, bounds, reads, writes };
    Ok(confined.start(QEMU_IMG, arguments, prints).map_err(|e| Error::internal("confine", e))?)
}

fn text(path: &Path) -> Done<&str> {
    Ok(path
        .to_str()
        .ok_or_else(|| Error::internal("conversion", "the staging folder's name is not UTF-8"))?)
}

/// What an end other than success means.
fn failure(ended: &Ended, action: &str, otherwise: &str) -> Failure {
    let complaint = String::from_utf8_lossy(&ended.complaint);
    if ended.status.code() == Some(i32::from(NOT_CONFINED)) {
        tracing::error!(%complaint, "image_conversion needs qemu-img (qemu-utils), and a kernel that can confine it");
        return Failure::Again("This server cannot convert images; tell its operator.".to_owned());
    }
    tracing::warn!(%complaint, status = %ended.status, action, "qemu-img failed");
    if complaint.contains("No space left") {
        return no_room();
    }
    Failure::from(Error::UnsupportedMediaType(format!("The image was not converted: {otherwise}")))
}

/// What `qemu-img` itself says of the data.
async fn inspect(imports: &Imports, path: &Path, driver: &str) -> Done<Value> {
    let arguments = ["info", "-f", driver, "--output=json", text(path)?];
    let mut running = start(imports, INFO, &arguments, (path, None), true)?;
    let ended = running.ended(INFO.wall).await.map_err(|e| Error::internal("qemu-img info", e))?;
    let Some(ended) = ended else {
        return Err(Failure::from(Error::UnsupportedMediaType(
            "The image was not converted: its header takes too long.".to_owned(),
        )));
    };
    if !ended.status.success() || !ended.complaint.is_empty() {
        return Err(failure(&ended, "info", "qemu-img cannot read it."));
    }
    Ok(serde_json::from_slice(&ended.output).map_err(|e| Error::internal("qemu-img info", e))?)
}

fn check(imports: &Imports, info: &Value) -> Result<(), String> {
    let data_file = info.pointer("/format-specific/data/data-file").is_some();
    if info.get("backing-filename").is_some() || info.get("full-backing-filename").is_some() || data_file {
        return Err("it refers to other files.".to_owned());
    }
    if info.get("format").and_then(Value::as_str) == Some("vmdk") {
        let kind =
            info.pointer("/format-specific/data/create-type").and_then(Value::as_str).unwrap_or_default();
        if !imports.settings.vmdk_allowed_types.iter().any(|allowed| allowed == kind) {
            return Err(format!("vmdk files of type {kind:?} are not allowed here."));
        }
    }
    Ok(())
}

async fn convert(
    imports: &Imports,
    work: &Work,
    from: (&Path, &str),
    to: (&Path, &str),
    most: u64,
) -> Done<()> {
    create(to.0).await?;
    let arguments = ["convert", "-f", from.1, "-O", to.1, text(from.0)?, text(to.0)?];
    let bounds = Bounds { file_bytes: most, ..CONVERT };
    let mut running = start(imports, bounds, &arguments, (from.0, Some(to.0)), false)?;
    let deadline = Instant::now() + bounds.wall;
    let mut written = 0;
    loop {
        let ended = running.ended(LOOK).await.map_err(|e| Error::internal("qemu-img convert", e))?;
        match ended {
            Some(ended) if ended.status.success() => return Ok(()),
            Some(ended) => {
                return Err(failure(
                    &ended,
                    "convert",
                    "qemu-img could not read all of it, or it needs too much.",
                ));
            }
            // Dropping it stops it.
            None if Instant::now() > deadline => {
                return Err(Failure::from(Error::UnsupportedMediaType(
                    "The image was not converted: it took too long.".to_owned(),
                )));
            }
            None => {
                work.check()?;
                let now = used_bytes(to.0).await;
                work.advance(usize::try_from(now.saturating_sub(written)).unwrap_or(0));
                written = written.max(now);
            }
        }
    }
}

/// Makes the file that is to be written: the converter may make none.
async fn create(path: &Path) -> Done<()> {
    let at = path.to_owned();
    let made = crate::telemetry::blocking(move || {
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&at).map(drop)
    });
    let made = made.await.map_err(|e| Error::internal("conversion", e))?;
    Ok(made.map_err(|e| Error::internal("conversion", e))?)
}

/// Bytes that a file takes on the disk; 0 while there is none.
async fn used_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    tokio::fs::metadata(path).await.map_or(0, |m| m.blocks().saturating_mul(512))
}

/// Gives the output the mode of staged files and makes it durable; returns its size.
async fn durable(path: &Path) -> Done<u64> {
    let synced = async {
        let file = tokio::fs::File::open(path).await?;
        let mode = file.metadata().await?.permissions().mode();
        file.set_permissions(Permissions::from_mode(mode & FILE_MODE)).await?;
        file.sync_all().await?;
        Ok::<u64, std::io::Error>(file.metadata().await?.len())
    };
    Ok(synced.await.map_err(|e| Error::internal("conversion", e))?)
}
