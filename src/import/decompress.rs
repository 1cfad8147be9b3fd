//! The plug-in `image_decompression`: removes one layer of gzip, bzip2, xz, lzma, zstd or zip, within limits on size,
//! ratio and memory (`glance/async_/flows/plugins/image_decompression.py`).

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Seek, SeekFrom, Write},
    path::Path,
    rc::Rc,
};

use tokio::runtime::Handle;
use zip::ZipArchive;

use super::{
    Imports, bring,
    compression::{DECODER_BYTES_MAX, HEAD_BYTES, Kind, detect, memory},
    staged,
    state::State,
};
use crate::{
    blob::reserve::Reservation,
    db::DbError,
    image::limits,
    model::{error::Error, image::Image},
    store::{StoreError, private::new_file},
    work::{Done, Failure, Work},
};

/// Bytes of a zip archive that are read to find its members: enough for thousands, of which one may be there.
const DIRECTORY_BYTES_MAX: u64 = 4 << 20;
/// Bytes read and written at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Why decompression ends early.
#[derive(Debug)]
enum Halt {
    /// Its output grows beyond what is allowed.
    TooLarge,
    /// It holds something other than one member.
    Members,
    /// Stopped, or another node's now.
    Stopped(Failure),
    /// The project may not store so much, or the image is gone.
    NoRoom(DbError),
    /// The compressed data is damaged, or of a kind that is not supported.
    Damaged(io::Error),
    /// The output could not be written.
    Write(io::Error),
}

/// Decompresses the staged data if it is compressed. Returns whether it did, and so has saved the state.
///
/// # Errors
/// [`Failure::Final`] for damaged data and bombs.
pub async fn run(imports: &Imports, work: &Work, state: &mut State, image: &Image) -> Done<bool> {
    let Some(source) =
        state.staged.clone().filter(|_| image.container_format.as_deref() != Some("compressed"))
    else {
        return Ok(false);
    };
    let input = imports.blobs.staging.path(&source.blob);
    let path = input.clone();
    let head = blocking(move || head(&path)).await?;
    let head = head.map_err(|e| read_failure(&input, e))?;
    let Some(kind) = detect(&head) else { return Ok(false) };
    let bytes = memory(kind, &head);
    let most = imports.settings.decompression_memory.min(DECODER_BYTES_MAX);
    if bytes > most {
        return Err(Failure::Final(format!(
            "The compressed data needs more than {most} bytes of memory, which is more than is allowed."
        )));
    }
    let _memory = imports.shares.memory(work, bytes).await?;
    let limit =
        source.size.saturating_mul(imports.settings.expansion_max).max(imports.settings.expansion_free);
    let limit = limit.min(limits::of(&imports.images, image.owner.as_deref()).await?.size_cap());
    work.begin_pass(None);
    let draft = staged::begin(imports, work, image, None).await?;
    let (blob, task) = (draft.blob.clone(), work.clone());
    let room = Room { reservation: draft.reservation(), limit, runtime: Handle::current() };
    let output = imports.blobs.staging.path(&blob.id);
    let place = output.display().to_string();
    let result = blocking(move || decompress((kind, bytes), &input, &output, room, &task)).await?;
    let size = result.map_err(|halt| match halt {
        Halt::TooLarge => Failure::Final(format!(
            "The compressed data unpacks to more than {limit} bytes, which is more than is allowed for its size."
        )),
        Halt::Members => Failure::Final("The archive must hold exactly one file.".to_owned()),
        Halt::Stopped(failure) => failure,
        Halt::NoRoom(error) => error.into(),
        Halt::Damaged(error) => {
            tracing::info!(%error, "compressed data was refused");
            Failure::Final("The compressed data is damaged, or compressed in a way that is not supported.".to_owned())
        }
        Halt::Write(error) => bring::store_failure(&StoreError::io(place.clone(), error)),
    })?;
    state.facts = None;
    state.changed = true;
    staged::finish(imports, work, &blob, size, state).await?;
    Ok(true)
}

fn read_failure(path: &Path, error: io::Error) -> Failure {
    bring::store_failure(&StoreError::io(path.display().to_string(), error))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Done<T> {
    Ok(crate::telemetry::blocking(work).await.map_err(|e| Error::internal("decompression", e))?)
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// How much may be written, and the room under the quota that is reserved ahead of it.
struct Room {
    reservation: Reservation,
    limit: u64,
    runtime: Handle,
}

impl Room {
    /// Makes sure that there is room for `size` bytes in all. Blocking.
    fn cover(&mut self, size: u64) -> Result<(), Halt> {
        if size > self.limit {
            return Err(Halt::TooLarge);
        }
        self.runtime.block_on(self.reservation.cover(size, self.limit)).map_err(Halt::NoRoom)
    }
}

/// Decompresses a file with no more than this many bytes of memory; answers the bytes written, which are durable.
fn decompress(
    (kind, memory): (Kind, u64),
    input: &Path,
    output: &Path,
    room: Room,
    work: &Work,
) -> Result<u64, Halt> {
    let source = BufReader::with_capacity(CHUNK_BYTES, File::open(input).map_err(Halt::Damaged)?);
    let file = new_file(output).map_err(Halt::Write)?;
    let mut file = BufWriter::with_capacity(CHUNK_BYTES, file);
    let mut room = room;
    let advance = |bytes| {
        work.advance(bytes);
        work.check()
    };
    let mut sink = Sink { to: &mut file, written: 0, cover: &mut |size| room.cover(size), advance: &advance };
    unpack((kind, memory), source, &mut sink)?;
    let written = sink.written;
    file.flush().map_err(Halt::Write)?;
    file.get_ref().sync_all().map_err(Halt::Write)?;
    Ok(written)
}

/// Decompresses bytes without keeping the result; returns its size, if the bytes are compressed and it is at most
/// `limit`.
pub(crate) fn unpacked_size(bytes: &[u8], limit: u64) -> Option<u64> {
    let kind = detect(bytes)?;
    let needed = memory(kind, bytes).min(DECODER_BYTES_MAX);
    let mut cover = |size| if size > limit { Err(Halt::TooLarge) } else { Ok(()) };
    let mut sink = Sink { to: &mut io::sink(), written: 0, cover: &mut cover, advance: &|_| Ok(()) };
    unpack((kind, needed), Cursor::new(bytes), &mut sink).ok()?;
    Some(sink.written)
}

/// Takes the compression off a source, with no more than this many bytes of memory.
fn unpack((kind, memory): (Kind, u64), source: impl BufRead + Seek, sink: &mut Sink<'_>) -> Result<(), Halt> {
    match kind {
        Kind::Gzip => sink.take(flate2::bufread::MultiGzDecoder::new(source)),
        Kind::Bzip2 => sink.take(bzip2::bufread::MultiBzDecoder::new(source)),
        Kind::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(memory, flags);
            let stream = stream.map_err(|e| Halt::Damaged(e.into()))?;
            sink.take(liblzma::bufread::XzDecoder::new_stream(source, stream))
        }
        Kind::Lzma => {
            let stream = liblzma::stream::Stream::new_lzma_decoder(memory);
            let stream = stream.map_err(|e| Halt::Damaged(e.into()))?;
            sink.take(liblzma::bufread::XzDecoder::new_stream(source, stream))
        }
        Kind::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source).map_err(Halt::Damaged)?;
            decoder.window_log_max(window_log(memory)).map_err(Halt::Damaged)?;
            sink.take(decoder)
        }
        Kind::Zip => unzip(source, sink),
        Kind::Lha => {
            let why = "lha archives are not supported";
            Err(Halt::Damaged(io::Error::new(io::ErrorKind::Unsupported, why)))
        }
    }
}

/// The largest window that fits into so much memory, as a power of two.
fn window_log(memory: u64) -> u32 {
    // The least that zstd may be told is ten.
    memory.checked_ilog2().unwrap_or(0).max(10)
}

/// Takes the one member of an archive. Its directory is read within bounds, however large it says it is; names of
/// members are never used.
fn unzip(source: impl BufRead + Seek, sink: &mut Sink<'_>) -> Result<(), Halt> {
    let damaged = |e: zip::result::ZipError| Halt::Damaged(io::Error::other(e));
    let left = Rc::new(Cell::new(DIRECTORY_BYTES_MAX));
    let opened = ZipArchive::new(Metered { source, left: Rc::clone(&left) });
    let mut archive = match opened {
        Err(_) if left.get() == 0 => return Err(Halt::Members),
        opened => opened.map_err(damaged)?,
    };
    if archive.len() != 1 {
        return Err(Halt::Members);
    }
    left.set(u64::MAX);
    let member = archive.by_index(0).map_err(damaged)?;
    if member.is_file() { sink.take(member) } else { Err(Halt::Members) }
}

/// A source that gives no more than this many bytes, wherever they are.
struct Metered<S> {
    source: S,
    left: Rc<Cell<u64>>,
}

impl<S: Read> Read for Metered<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buffer)?;
        let left = self.left.get().saturating_sub(got as u64);
        self.left.set(left);
        if left == 0 { Err(io::Error::other("the directory of the archive is too large")) } else { Ok(got) }
    }
}

impl<S: Seek> Seek for Metered<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}

/// The output, bounded.
struct Sink<'a> {
    to: &'a mut dyn Write,
    written: u64,
    /// Makes sure that there may be this many bytes in all.
    cover: &'a mut dyn FnMut(u64) -> Result<(), Halt>,
    /// Told of each piece that is written; returns whether to continue.
    advance: &'a dyn Fn(usize) -> Done<()>,
}

impl Sink<'_> {
    fn take(&mut self, mut decoder: impl Read) -> Result<(), Halt> {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let got = match decoder.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Halt::Damaged(error)),
            };
            self.written = self.written.saturating_add(got as u64);
            (self.cover)(self.written)?;
            self.to.write_all(buffer.get(..got).unwrap_or_default()).map_err(Halt::Write)?;
            (self.advance)(got).map_err(Halt::Stopped)?;
        }
    }
}
