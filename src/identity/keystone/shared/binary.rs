//! The binary protocol of memcached, as much of it as a cache of tokens needs: it alone knows a login.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::{Kept, VALUE_BYTES_MAX, Wire, unexpected};

const HEADER_BYTES: usize = 24;
/// What a server may send beside a value.
const REST_BYTES_MAX: usize = 4096;
const REQUEST: u8 = 0x80;
const ANSWER: u8 = 0x81;
const GET: u8 = 0x00;
const SET: u8 = 0x01;
const LOG_IN: u8 = 0x21;

const SUCCESS: u16 = 0;
const NOT_FOUND: u16 = 1;
const TOO_LARGE: u16 = 3;
const NOT_STORED: u16 = 5;
const REFUSED: u16 = 0x20;
const UNKNOWN_COMMAND: u16 = 0x81;
const NO_MEMORY: u16 = 0x82;

/// An answer's status, what is special to its command, and the value.
struct Answer {
    status: u16,
    extras: Vec<u8>,
    value: Vec<u8>,
}

/// Logs in with the mechanism PLAIN. A server that knows no login lets everybody in.
///
/// # Errors
/// The login is refused; the system's; an answer that is not memcached's.
pub(super) async fn log_in(wire: &mut Wire, user: &str, password: &str) -> Result<()> {
    let value = [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat();
    match ask(wire, LOG_IN, b"", b"PLAIN", &value).await?.status {
        SUCCESS | UNKNOWN_COMMAND => Ok(()),
        REFUSED => {
            Err(Error::new(ErrorKind::PermissionDenied, "memcache_username or memcache_password is refused"))
        }
        status => Err(wrong(status)),
    }
}

/// What the server has under a name.
///
/// # Errors
/// The system's, and an answer that is not memcached's.
pub(super) async fn get(wire: &mut Wire, name: &str) -> Result<Option<Kept>> {
    let answer = ask(wire, GET, b"", name.as_bytes(), b"").await?;
    match (answer.status, <[u8; 4]>::try_from(answer.extras)) {
        (SUCCESS, Ok(flags)) => Ok(Some(Kept { flags: u32::from_be_bytes(flags), value: answer.value })),
        (NOT_FOUND, _) => Ok(None),
        (status, _) => Err(wrong(status)),
    }
}

/// Keeps a value for some seconds; says whether the server does.
///
/// # Errors
/// The system's, and an answer that is not memcached's.
pub(super) async fn set(wire: &mut Wire, name: &str, value: &[u8], age_s: u64) -> Result<bool> {
    let age_s = u32::try_from(age_s).unwrap_or(u32::MAX);
    let extras = [[0; 4], age_s.to_be_bytes()].concat();
    match ask(wire, SET, &extras, name.as_bytes(), value).await?.status {
        SUCCESS => Ok(true),
        TOO_LARGE | NOT_STORED | NO_MEMORY => Ok(false),
        status => Err(wrong(status)),
    }
}

async fn ask(wire: &mut Wire, command: u8, extras: &[u8], name: &[u8], value: &[u8]) -> Result<Answer> {
    let too_long = |_| Error::new(ErrorKind::InvalidInput, "more than memcached takes");
    let mut request = vec![REQUEST, command];
    request.extend(u16::try_from(name.len()).map_err(too_long)?.to_be_bytes());
    request.extend([u8::try_from(extras.len()).map_err(too_long)?, 0, 0, 0]);
    request.extend(u32::try_from(extras.len() + name.len() + value.len()).map_err(too_long)?.to_be_bytes());
    request.resize(HEADER_BYTES, 0);
    for part in [&request, extras, name, value] {
        wire.write_all(part).await?;
    }
    wire.flush().await?;
    let mut head = [0; HEADER_BYTES];
    wire.read_exact(&mut head).await?;
    let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let length = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (extras_length, name_length) = (usize::from(head[4]), usize::from(number(2)));
    let is_sound = head[0] == ANSWER && head[1] == command && length >= extras_length + name_length;
    if !is_sound || length > VALUE_BYTES_MAX + REST_BYTES_MAX {
        return Err(unexpected(&String::from_utf8_lossy(&head)));
    }
    let mut extras = vec![0; length];
    wire.read_exact(&mut extras).await?;
    let value = extras.split_off(extras_length + name_length);
    extras.truncate(extras_length);
    if value.len() > VALUE_BYTES_MAX {
        return Err(unexpected("a value that is too large"));
    }
    Ok(Answer { status: number(6), extras, value })
}

fn wrong(status: u16) -> Error {
    Error::new(ErrorKind::InvalidData, format!("memcached answers with status {status:#x}"))
}
