//! Finds live objects of a store whose images have the same hash: the hashes are sorted like the names, so that none but
//! the current one is held in memory.

use std::io;

use super::{
    pieces::{Piece, key, pair},
    sorted::{Merged, Pair, Sorter},
};
use crate::{db::stored::Kept, model::blob::BlobState};

/// The hashes that rows have, with their names.
pub(super) fn hashes(rows: &[Kept]) -> Vec<Pair> {
    let live = rows.iter().filter(|row| row.blob_state() == Some(BlobState::Live));
    let hash =
        |row: &Kept| Some((row.image.as_ref()?.hash.clone()?.into_bytes(), row.name.clone().into_bytes()));
    live.filter_map(hash).collect()
}

/// Enters for each name that begins with a prefix another one with the same hash.
pub(super) fn enter(mut sorter: Sorter, hashes: Merged, prefix: &str) -> io::Result<Sorter> {
    let mut first: Option<(Pair, bool)> = None;
    for next in hashes {
        let next = next?;
        match &mut first {
            Some((first, is_entered)) if first.0 == next.0 => {
                if !*is_entered {
                    tell(&mut sorter, &first.1, &next.1, prefix)?;
                    *is_entered = true;
                }
                tell(&mut sorter, &next.1, &first.1, prefix)?;
            }
            _ => first = Some((next, false)),
        }
    }
    Ok(sorter)
}

fn tell(sorter: &mut Sorter, name: &[u8], twin: &[u8], prefix: &str) -> io::Result<()> {
    if !name.starts_with(prefix.as_bytes()) {
        return Ok(());
    }
    let twin = Piece::Twin(String::from_utf8_lossy(twin).into_owned());
    sorter.push(pair(key(&String::from_utf8_lossy(name), false), &twin)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that each of several names with one hash gets another one of them, those alone none, and none that was not
    /// asked for.
    #[test]
    fn each_gets_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let told = |prefix: &str| -> Vec<(String, String)> {
            let mut hashes = Sorter::new(folder.path().to_owned());
            for (hash, name) in
                [("h1", "c"), ("h2", "d"), ("h1", "a"), ("h3", "e"), ("h1", "ab"), ("h3", "f")]
            {
                hashes.push((hash.into(), name.into())).unwrap();
            }
            let sorter = Sorter::new(folder.path().to_owned());
            let entered = enter(sorter, hashes.finish().unwrap(), prefix).unwrap().finish().unwrap();
            let told = |(key, piece): Pair| {
                let Piece::Twin(twin) = serde_json::from_slice(&piece).unwrap() else { panic!("{piece:?}") };
                (String::from_utf8(key).unwrap(), twin)
            };
            entered.map(|entered| told(entered.unwrap())).collect()
        };
        let pair = |name: &str, twin: &str| (name.to_owned(), twin.to_owned());
        let all = [pair("na", "ab"), pair("nab", "a"), pair("nc", "a"), pair("ne", "f"), pair("nf", "e")];
        assert_eq!(told(""), all);
        assert_eq!(told("a"), all[..2]);
    }
}
