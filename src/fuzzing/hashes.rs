//! Streams that are hashed together: every result must equal OpenSSL's.

use std::collections::VecDeque;

use bytes::Bytes;
use openssl::hash::{MessageDigest, hash};

use crate::blob::lanes::{
    cpu::Cpu,
    sums::{Share, Sums, take},
};

/// Streams at most: more than there are lanes.
const STREAMS_MAX: u8 = 11;

/// The hashes of streams do not depend on how they are cut, nor on what is taken with them.
///
/// The first byte says how many streams there are, the second how many pieces are taken at once. Then come pieces: whose
/// it is, its length, its bytes.
pub(super) fn hashes(data: &[u8]) {
    let Some(([streams, at_once], mut rest)) = data.split_first_chunk::<2>() else { return };
    let count = usize::from(streams % STREAMS_MAX) + 1;
    let mut pieces = Vec::new();
    while let Some(([whose, length], after)) = rest.split_first_chunk::<2>() {
        let (piece, after) = after.split_at(usize::from(*length).min(after.len()));
        pieces.push((usize::from(*whose) % count, Bytes::copy_from_slice(piece)));
        rest = after;
    }
    let of = |pieces: &[(usize, Bytes)], stream: usize| -> VecDeque<Bytes> {
        pieces.iter().filter(|(whose, _)| *whose == stream).map(|(_, piece)| piece.clone()).collect()
    };
    for cpu in Cpu::all() {
        let mut sums: Vec<_> = (0..count).map(|stream| Sums::new(stream % 4 != 3)).collect();
        for pieces in pieces.chunks(usize::from(*at_once).max(1)) {
            let shares = sums.drain(..).enumerate();
            let mut shares: Vec<_> =
                shares.map(|(stream, sums)| Share::new(sums, of(pieces, stream))).collect();
            take(cpu, &mut shares);
            sums.extend(shares.into_iter().map(Share::into_sums));
        }
        for (stream, sums) in sums.into_iter().enumerate() {
            let whole: Vec<u8> = of(&pieces, stream).into_iter().flatten().collect();
            let found = sums.finish(cpu);
            let is = |found: &[u8], digest| hash(digest, &whole).is_ok_and(|is| *found == *is);
            assert!(found.md5.is_none_or(|md5| is(&md5, MessageDigest::md5())), "an MD5 is wrong");
            assert!(is(&found.sha512, MessageDigest::sha512()), "a SHA-512 is wrong");
        }
    }
}
