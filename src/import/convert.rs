//! The plug-in `image_conversion`: `qemu-img` in a child process with bounds on memory, processor, output and time
//! (`glance/async_/flows/plugins/image_conversion.py`). It never sees data that the inspector refused.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{io::AsyncReadExt, process::Command, time::Instant};

use super::{Imports, staged, state::State};
use crate::{
    blob::facts::Facts,
    model::{error::Error, image::Image},
    store::private::FILE_MODE,
    work::{Done, Failure, Work},
};

/// How long, in seconds, and with how much memory, in bytes, a header may be looked at.
const INFO: Bounds = Bounds { cpu_seconds: 2, wall_seconds: 30, memory: 1 << 30 };
/// The same for a conversion.
const CONVERT: Bounds = Bounds { cpu_seconds: 3600, wall_seconds: 3 * 3600, memory: 4 << 30 };
/// What a child prints is kept up to this many bytes.
const OUTPUT_BYTES_MAX: u64 = 256 * 1024;
/// How often the progress is looked at, and the wish to stop.
const LOOK: Duration = Duration::from_millis(250);

struct Bounds {
    cpu_seconds: u64,
    wall_seconds: u64,
    memory: u64,
}

/// Glance's names of formats as `qemu-img` calls them.
fn driver(format: &str) -> &str {
    match format {
        "gpt" | "iso" => "raw",
        "vhd" => "vpc",
        other => other,
    }
}

/// Converts the staged data if it is not in the operator's format. Answers whether it did, and so has saved the state.
///
/// # Errors
/// [`Failure::Final`] for data that may not, or cannot, be converted.
pub async fn run(
    imports: &Imports,
    work: &Work,
    state: &mut State,
    image: &Image,
    facts: &Facts,
) -> Done<bool> {
    let refuse = |why: String| Failure::Final(format!("The image was not converted: {why}"));
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
    let input = imports.blobs.staging.path(&source.blob);
    let info = inspect(&input, driver(&declared)).await?;
    check(imports, &info).map_err(refuse)?;
    let target = imports.settings.output_format.clone();
    if driver(&declared) == driver(&target) {
        return Ok(false);
    }
    let virtual_size = info.get("virtual-size").and_then(Value::as_u64).unwrap_or(0);
    let cap = imports.images.settings.image_size_cap;
    if virtual_size > cap {
        return Err(refuse(format!(
            "its disk of {virtual_size} bytes is larger than the {cap} bytes allowed."
        )));
    }
    let blob = staged::begin(imports, work, &image.id, None).await?.blob;
    let output = imports.blobs.staging.path(&blob.id);
    work.begin_pass(Some(virtual_size));
    convert(work, (&input, driver(&declared)), (&output, &target), cap).await?;
    let size = durable(&output).await?;
    state.facts = None;
    state.changed = true;
    state.formats = Some((target, "bare".to_owned()));
    staged::finish(imports, work, &blob, size, state).await?;
    Ok(true)
}

/// `qemu-img`, started by programs that each set something and then become the next: it dies with this process, however
/// that ends, and keeps within the bounds.
fn bounded(bounds: &Bounds, file_bytes: u64) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", "prlimit"])
        .arg(format!("--cpu={}", bounds.cpu_seconds))
        .arg(format!("--as={}", bounds.memory))
        .arg(format!("--fsize={file_bytes}"))
        .arg("--core=0")
        .args(["--", "qemu-img"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("LC_ALL", "C")
        .kill_on_drop(true);
    command
}

fn no_tool(error: std::io::Error) -> Failure {
    tracing::error!(%error, "setpriv and prlimit (util-linux) and qemu-img (qemu-utils) are needed for image_conversion");
    Failure::Again("This server lacks the tools to convert images; tell its operator.".to_owned())
}

/// What `qemu-img` itself says of the data.
async fn inspect(path: &Path, driver: &str) -> Done<Value> {
    let mut command = bounded(&INFO, 0);
    command.args(["info", "-f", driver, "--output=json"]).arg(path);
    let ran = tokio::time::timeout(Duration::from_secs(INFO.wall_seconds), command.output()).await;
    let output = match ran {
        Err(_) => {
            return Err(Failure::Final("The image was not converted: its header takes too long.".to_owned()));
        }
        Ok(output) => output.map_err(no_tool)?,
    };
    if !output.status.success() || !output.stderr.is_empty() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        tracing::warn!(%complaint, status = %output.status, "qemu-img info");
        return Err(Failure::Final("The image was not converted: qemu-img cannot read it.".to_owned()));
    }
    Ok(serde_json::from_slice(&output.stdout).map_err(|e| Error::internal("qemu-img info", e))?)
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

async fn convert(work: &Work, from: (&Path, &str), to: (&Path, &str), cap: u64) -> Done<()> {
    let mut command = bounded(&CONVERT, cap);
    command.args(["convert", "-f", from.1, "-O", to.1]).args([from.0, to.0]).stdout(Stdio::null());
    let mut child = command.spawn().map_err(no_tool)?;
    let stderr = child.stderr.take();
    let complaint = crate::telemetry::spawn(async move {
        let mut text = Vec::new();
        if let Some(stderr) = stderr
            && let Err(error) = stderr.take(OUTPUT_BYTES_MAX).read_to_end(&mut text).await
        {
            tracing::debug!(%error, "qemu-img's complaint could not be read");
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let deadline = Instant::now() + Duration::from_secs(CONVERT.wall_seconds);
    let mut written = 0;
    let status = loop {
        match tokio::time::timeout(LOOK, child.wait()).await {
            Ok(status) => break status.map_err(no_tool)?,
            Err(_) if Instant::now() > deadline => {
                child.kill().await.map_err(no_tool)?;
                return Err(Failure::Final("The image was not converted: it took too long.".to_owned()));
            }
            Err(_) => {
                if let Err(stop) = work.check() {
                    child.kill().await.map_err(no_tool)?;
                    return Err(stop);
                }
                let now = used_bytes(to.0).await;
                work.advance(usize::try_from(now.saturating_sub(written)).unwrap_or(0));
                written = written.max(now);
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    let complaint = complaint.await.unwrap_or_default();
    tracing::warn!(complaint, %status, "qemu-img convert");
    if complaint.contains("No space left") {
        return Err(Failure::Again("There is not enough room in the staging folder.".to_owned()));
    }
    Err(Failure::Final(
        "The image was not converted: qemu-img could not read all of it, or it needs too much.".to_owned(),
    ))
}

/// Bytes that a file takes on the disk; 0 while there is none.
async fn used_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    tokio::fs::metadata(path).await.map_or(0, |m| m.blocks().saturating_mul(512))
}

/// Gives the output the mode of staged files and makes it durable; answers its size.
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
