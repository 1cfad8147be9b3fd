//! The pieces of what is known of the names in a store, as they are sorted, and the names that they make up again.

use std::io;

use serde::{Deserialize, Serialize};

use super::{
    judge::{Named, Object},
    sorted::{Merged, Pair, Sorter},
};
use crate::{
    db::stored::Kept,
    model::{blob::BlobState, error::Error},
    store::UNFINISHED,
    telemetry,
    work::{Done, Failure},
};

/// Names that are looked at together.
pub(super) const NAMES: usize = 1000;

/// A piece of what is known of a name.
#[derive(Serialize, Deserialize)]
pub(super) enum Piece {
    Object(Object),
    Row(Box<Kept>),
    Elsewhere(String),
    /// Another name whose image has the same hash.
    Twin(String),
}

pub(super) fn disk_fault(error: io::Error) -> Failure {
    Error::internal("sort what is in a store", error).into()
}

/// Names of unfinished objects have an order of their own.
pub(super) fn key(name: &str, unfinished: bool) -> Vec<u8> {
    let kind = if unfinished { b'u' } else { b'n' };
    [&[kind], name.as_bytes()].concat()
}

pub(super) fn pair(key: Vec<u8>, piece: &Piece) -> io::Result<Pair> {
    Ok((key, serde_json::to_vec(piece).map_err(io::Error::other)?))
}

/// Under which names a row stands.
pub(super) fn keys_of(row: &Kept, prefix: &str) -> Vec<Vec<u8>> {
    let mut keys = Vec::with_capacity(3);
    if row.name.starts_with(prefix) {
        keys.push(key(&row.name, false));
    }
    if row.blob_state() == Some(BlobState::Live) {
        return keys;
    }
    // Some stores know what is unfinished by the name that it is to have.
    let name = row.name.strip_suffix(UNFINISHED).unwrap_or(&row.name);
    let mut names = vec![row.id.as_str(), name];
    names.dedup();
    keys.extend(names.into_iter().filter(|name| name.starts_with(prefix)).map(|name| key(name, true)));
    keys
}

pub(super) async fn push(
    mut sorter: Sorter,
    pairs: impl FnOnce() -> io::Result<Vec<Pair>> + Send + 'static,
) -> Done<Sorter> {
    aside(move || {
        for pair in pairs()? {
            sorter.push(pair)?;
        }
        Ok(sorter)
    })
    .await
}

/// Works where waiting for a disk keeps nobody.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Done<T> {
    match telemetry::blocking(work).await {
        Ok(done) => done.map_err(disk_fault),
        Err(fault) => Err(Error::internal("sort what is in a store", fault).into()),
    }
}

/// The next names with all that is known of each, and what is left.
pub(super) fn groups(mut merged: Merged) -> io::Result<(Vec<Named>, Option<Merged>)> {
    let mut names: Vec<Named> = Vec::new();
    while names.len() < NAMES {
        let Some(key) = merged.key().map(<[u8]>::to_vec) else { return Ok((names, None)) };
        let mut named = Named {
            name: String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned(),
            unfinished: key.first() == Some(&b'u'),
            ..Named::default()
        };
        while merged.key() == Some(key.as_slice())
            && let Some(pair) = merged.next()
        {
            match serde_json::from_slice(&pair?.1).map_err(io::Error::other)? {
                Piece::Object(object) => named.object = Some(object),
                Piece::Row(row) => named.rows.push(*row),
                Piece::Elsewhere(image) => named.elsewhere = Some(image),
                Piece::Twin(name) => named.twin = Some(name),
            }
        }
        names.push(named);
    }
    Ok((names, Some(merged)))
}
