//! `glance-replicator`: compares or copies images between two servers, or a server and a folder. Glance's own uses an
//! API version that its server removed in Rocky; this one uses API v2 (`glance/cmd/replicator.py`).

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{
    common::{Common, ended, parsed},
    remote::{Record, Remote, RemoteError, first_pages},
};
use crate::{
    config::Program,
    outbound::{Answer, Method, OutboundError, RequestBody, StatusCode},
    server::{StartError, runtime},
};

static REPLICATOR: Program = Program { reads: &["glance-api", "glance-replicator"], is_service: false };

/// What a server decides by itself, so that nobody can copy it.
const OWN: &[&str] = &[
    "status",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "size",
    "virtual_size",
    "self",
    "file",
    "schema",
    "locations",
    "direct_url",
    "stores",
    "id",
];

/// Compare and copy the images of two servers.
#[derive(Debug, Parser)]
#[command(name = "glance-replicator", version, infer_long_args = true, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Bytes that are written at once.
    #[arg(short, long, default_value_t = 65_536, global = true)]
    chunksize: usize,
    /// Attributes that are not looked at.
    #[arg(
        short = 'D',
        long,
        default_value = "created_at date deleted_at location updated_at",
        global = true
    )]
    dontreplicate: String,
    /// Leave out the data.
    #[arg(short, long, global = true)]
    metaonly: bool,
    /// Token for both servers.
    #[arg(short, long, global = true, env = "OS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Token for the server that is read.
    #[arg(long, global = true)]
    sourcetoken: Option<String>,
    /// Token for the server that is written, or looked at alone.
    #[arg(long, global = true)]
    targettoken: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say how many bytes the images of a server have.
    Size { server: String },
    /// Write the images of a server into a folder.
    Dump { server: String, path: PathBuf },
    /// Give a server the images of a folder.
    Load { server: String, path: PathBuf },
    /// Give a server the images of another.
    Livecopy { from: String, to: String },
    /// Say what differs. The exit code does not tell.
    Compare { from: String, to: String },
}

/// Runs it.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let Arguments { common, options, command } = parsed(arguments);
    ended(common.place_of_tool(&REPLICATOR).and_then(|_| {
        runtime()?.block_on(async {
            match command {
                Command::Size { server } => size(&options.target(&server)?).await,
                Command::Dump { server, path } => dump(&options, &options.source(&server)?, &path).await,
                Command::Load { server, path } => load(&options, &options.target(&server)?, &path).await,
                Command::Livecopy { from, to } => {
                    livecopy(&options, &options.source(&from)?, &options.target(&to)?).await
                }
                Command::Compare { from, to } => {
                    compare(&options, &options.source(&from)?, &options.target(&to)?).await
                }
            }
        })
    }))
}

impl Options {
    fn source(&self, server: &str) -> Result<Remote, StartError> {
        remote(server, self.token.as_ref().or(self.sourcetoken.as_ref()))
    }

    fn target(&self, server: &str) -> Result<Remote, StartError> {
        remote(server, self.token.as_ref().or(self.targettoken.as_ref()))
    }

    /// The attributes of an image that can be copied.
    fn copied(&self, image: &Record) -> Record {
        let is_left_out = |name: &str| {
            OWN.contains(&name)
                || name.starts_with("os_glance_")
                || self.dontreplicate.split(' ').any(|n| n == name)
        };
        image.iter().filter(|(name, _)| !is_left_out(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
    }
}

fn remote(server: &str, token: Option<&String>) -> Result<Remote, StartError> {
    let base = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    Remote::new(base.trim_end_matches('/').to_owned(), token.cloned(), true)
}

fn id_of(image: &Record) -> &str {
    image.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn is_active(image: &Record) -> bool {
    image.get("status").is_some_and(|status| status == "active")
}

/// Every image of a server, handed on one by one as the pages come.
async fn each<F>(server: &Remote, mut work: F) -> Result<(), StartError>
where
    F: AsyncFnMut(Record) -> Result<(), StartError>,
{
    for first in first_pages() {
        let mut path = Some(first);
        while let Some(page) = path {
            let (images, next) = server.page(&page).await?;
            for image in images {
                work(image).await?;
            }
            path = next;
        }
    }
    Ok(())
}

async fn size(server: &Remote) -> Result<(), StartError> {
    let (mut bytes, mut count) = (0_u64, 0_u64);
    each(server, async |image| {
        if is_active(&image) {
            bytes = bytes.saturating_add(image.get("size").and_then(Value::as_u64).unwrap_or_default());
            count = count.saturating_add(1);
        }
        Ok(())
    })
    .await?;
    println!("Total size is {bytes} bytes ({}) across {count} images", readable(bytes));
    Ok(())
}

fn readable(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["", "Ki", "Mi", "Gi", "Ti"] {
        if number < 1024.0 {
            return format!("{number:.1} {unit}B");
        }
        number /= 1024.0;
    }
    format!("{number:.1} PiB")
}

fn of_file(path: &Path) -> impl Fn(io::Error) -> StartError + '_ {
    move |error| StartError(format!("{}: {error}", path.display()))
}

/// The file of a record; its data is beside it. An id that is no UUID could lead out of the folder.
fn file_of(folder: &Path, id: &str) -> Result<PathBuf, StartError> {
    let id =
        uuid::Uuid::parse_str(id).map_err(|_| StartError(format!("{id:?} is not the id of an image")))?;
    Ok(folder.join(id.to_string()))
}

async fn dump(options: &Options, source: &Remote, folder: &Path) -> Result<(), StartError> {
    each(source, async |image| {
        let record = file_of(folder, id_of(&image))?;
        if record.exists() {
            return Ok(());
        }
        if is_active(&image) && !options.metaonly {
            let data = record.with_extension("img");
            let partial = record.with_extension("part");
            let mut answer = source.send(source.call(Method::GET, &file_path(&image))).await?;
            save(&mut answer, &partial, options.chunksize).await?;
            fs::rename(&partial, &data).map_err(of_file(&data))?;
        }
        let text = serde_json::to_vec(&image).map_err(|e| StartError(e.to_string()))?;
        fs::write(&record, text).map_err(of_file(&record))
    })
    .await
}

fn file_path(image: &Record) -> String {
    format!("/v2/images/{}/file", id_of(image))
}

async fn save(answer: &mut Answer, path: &Path, chunk_bytes: usize) -> Result<(), StartError> {
    let file = tokio::fs::File::create(path).await.map_err(of_file(path))?;
    let mut file = tokio::io::BufWriter::with_capacity(chunk_bytes.max(1), file);
    while let Some(chunk) = answer.chunk().await.map_err(|e| StartError(e.to_string()))? {
        file.write_all(&chunk).await.map_err(of_file(path))?;
    }
    file.flush().await.map_err(of_file(path))
}

async fn load(options: &Options, target: &Remote, folder: &Path) -> Result<(), StartError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(of_file(folder))? {
        names.insert(entry.map_err(of_file(folder))?.file_name().to_string_lossy().into_owned());
    }
    for id in names.iter().filter(|name| uuid::Uuid::parse_str(name).is_ok()) {
        let path = folder.join(id);
        let text = fs::read(&path).map_err(of_file(&path))?;
        let image: Record =
            serde_json::from_slice(&text).map_err(|e| StartError(format!("{}: {e}", path.display())))?;
        if id_of(&image) != id {
            return Err(StartError(format!("{}: it is of the image {:?}", path.display(), id_of(&image))));
        }
        match target.image(id).await? {
            Some(there) => update(options, target, &image, &there).await?,
            None => {
                let data = path.with_extension("img");
                if data.exists() && !options.metaonly {
                    let file = tokio::fs::File::open(&data).await.map_err(of_file(&data))?;
                    create(options, target, &image, RequestBody::from(file)).await?;
                }
            }
        }
    }
    Ok(())
}

async fn livecopy(options: &Options, source: &Remote, target: &Remote) -> Result<(), StartError> {
    each(source, async |image| match target.image(id_of(&image)).await? {
        Some(there) if is_active(&there) => update(options, target, &image, &there).await,
        None if is_active(&image) && !options.metaonly => {
            let answer = source.send(source.call(Method::GET, &file_path(&image))).await?;
            create(options, target, &image, RequestBody::wrap_stream(pieces(answer))).await
        }
        _ => Ok(()),
    })
    .await
}

/// The body of an answer, piece by piece.
fn pieces(answer: Answer) -> impl futures::Stream<Item = Result<bytes::Bytes, OutboundError>> + Send {
    futures::stream::try_unfold(answer, async |mut answer| {
        Ok(answer.chunk().await?.map(|chunk| (chunk, answer)))
    })
}

/// Makes an image with its data. One that somebody else makes meanwhile is told and left alone.
async fn create(
    options: &Options,
    target: &Remote,
    image: &Record,
    data: RequestBody,
) -> Result<(), StartError> {
    let mut record = options.copied(image);
    record.insert("id".to_owned(), json!(id_of(image)));
    // What is public is made so at the end: nobody else sees an image without data.
    match target.send(target.call(Method::POST, "/v2/images").json(&record)).await {
        Err(RemoteError::Status { status: StatusCode::CONFLICT, .. }) => {
            eprintln!("The image {} is already present on the target", id_of(image));
            return Ok(());
        }
        other => drop(other?),
    }
    let put = target.call(Method::PUT, &file_path(image)).header("Content-Type", "application/octet-stream");
    target.send(put.body(data)).await?;
    println!("{} copied", id_of(image));
    Ok(())
}

/// Brings the attributes of an image up to date; its data never changes.
async fn update(
    options: &Options,
    target: &Remote,
    image: &Record,
    there: &Record,
) -> Result<(), StartError> {
    let patch = differences(&options.copied(image), there);
    if patch.is_empty() {
        return Ok(());
    }
    let operations: Vec<Value> = patch
        .iter()
        .map(|(name, value)| {
            let path = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            let op = if there.contains_key(name) { "replace" } else { "add" };
            json!({"op": op, "path": path, "value": value})
        })
        .collect();
    let body = serde_json::to_vec(&operations).map_err(|e| StartError(e.to_string()))?;
    let call = target
        .call(Method::PATCH, &format!("/v2/images/{}", id_of(image)))
        .header("Content-Type", "application/openstack-images-v2.1-json-patch");
    target.send(call.body(body)).await?;
    println!("{}: {} brought up to date", id_of(image), patch.keys().cloned().collect::<Vec<_>>().join(", "));
    Ok(())
}

/// What the source has and the target has otherwise or not at all.
fn differences(copied: &Record, there: &Record) -> Record {
    let differs = |(name, value): &(&String, &Value)| there.get(name.as_str()) != Some(value);
    copied.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect()
}

async fn compare(options: &Options, source: &Remote, target: &Remote) -> Result<(), StartError> {
    each(source, async |image| {
        match target.image(id_of(&image)).await? {
            Some(there) => {
                for (name, value) in differences(&options.copied(&image), &there) {
                    let other = there.get(&name).map_or("undefined".to_owned(), Value::to_string);
                    println!(
                        "{}: field {name} differs (source is {value}, destination is {other})",
                        id_of(&image)
                    );
                }
            }
            None if is_active(&image) => println!("{}: missing from the destination", id_of(&image)),
            None => {}
        }
        Ok(())
    })
    .await
}
