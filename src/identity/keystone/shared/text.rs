//! The text protocol of memcached, as much of it as a cache of tokens needs.

use std::io::Result;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::wire::{Kept, VALUE_BYTES_MAX, Wire, unexpected};

/// The longest line that a server may answer.
const LINE_BYTES_MAX: u64 = 2048;

/// What the server has under a name.
///
/// # Errors
/// The system's, and an answer that is not memcached's.
pub(super) async fn get(wire: &mut Wire, name: &str) -> Result<Option<Kept>> {
    send(wire, &[format!("get {name}\r\n").as_bytes()]).await?;
    let line = line(wire).await?;
    if line == "END" {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (head, given) = (words.next(), words.next());
    let flags = words.next().and_then(|word| word.parse().ok());
    let bytes = words.next().and_then(|word| word.parse::<usize>().ok());
    let (Some("VALUE"), Some(flags), Some(bytes)) = (head, flags, bytes) else {
        return Err(unexpected(&line));
    };
    if given != Some(name) || bytes > VALUE_BYTES_MAX {
        return Err(unexpected(&line));
    }
    let mut value = vec![0; bytes + 2];
    wire.read_exact(&mut value).await?;
    let end = self::line(wire).await?;
    if !value.ends_with(b"\r\n") || end != "END" {
        return Err(unexpected(&end));
    }
    value.truncate(bytes);
    Ok(Some(Kept { flags, value }))
}

/// Keeps a value for some seconds; says whether the server does.
///
/// # Errors
/// The system's, and an answer that is not memcached's.
pub(super) async fn set(wire: &mut Wire, name: &str, value: &[u8], age_s: u64) -> Result<bool> {
    let head = format!("set {name} 0 {age_s} {}\r\n", value.len());
    send(wire, &[head.as_bytes(), value, b"\r\n"]).await?;
    let line = line(wire).await?;
    match line.as_str() {
        "STORED" => Ok(true),
        "NOT_STORED" => Ok(false),
        // Without room, or too large for this one.
        _ if line.starts_with("SERVER_ERROR") => Ok(false),
        _ => Err(unexpected(&line)),
    }
}

async fn send(wire: &mut Wire, parts: &[&[u8]]) -> Result<()> {
    for part in parts {
        wire.write_all(part).await?;
    }
    wire.flush().await
}

async fn line(wire: &mut Wire) -> Result<String> {
    let mut line = Vec::new();
    wire.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    let line = String::from_utf8_lossy(&line);
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(unexpected(&line)),
    }
}
