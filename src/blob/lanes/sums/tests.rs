//! Every kernel that this processor supports gives the same results as OpenSSL, however streams are split and
//! combined.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use openssl::hash::{MessageDigest, hash};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any},
    proptest,
};

use super::*;
use crate::model::hash::hex;

/// Whether a stream has an MD5 as well.
fn has_md5(stream: usize) -> bool {
    stream % 3 != 1
}

/// Takes the pieces of all streams at once, `at_once` of each, on one kind of processor.
fn found(cpu: Cpu, streams: &[Vec<Bytes>], at_once: usize) -> Vec<Found> {
    let mut all: Vec<_> = (0..streams.len()).map(|stream| Sums::new(has_md5(stream))).collect();
    let turns = streams.iter().map(|pieces| pieces.len().div_ceil(at_once)).max().unwrap_or(0);
    for turn in 0..turns {
        let mut shares: Vec<_> = streams
            .iter()
            .zip(all)
            .map(|(pieces, sums)| {
                Share::new(sums, pieces.iter().skip(turn * at_once).take(at_once).cloned().collect())
            })
            .collect();
        take(cpu, &mut shares);
        all = shares.into_iter().map(Share::into_sums).collect();
    }
    all.into_iter().map(|sums| sums.finish(cpu)).collect()
}

/// What OpenSSL comes to.
fn expected(pieces: &[Bytes]) -> (String, String) {
    let whole = pieces.concat();
    let of = |digest| hex(&hash(digest, &whole).unwrap());
    (of(MessageDigest::md5()), of(MessageDigest::sha512()))
}

fn check(streams: &[Vec<Bytes>], at_once: usize) {
    for cpu in Cpu::all() {
        for (stream, found) in found(cpu, streams, at_once).into_iter().enumerate() {
            let (md5, sha512) = expected(&streams[stream]);
            assert_eq!(found.md5.map(|md5| hex(&md5)), has_md5(stream).then_some(md5), "{cpu:?}");
            assert_eq!(hex(&found.sha512), sha512, "{cpu:?}");
        }
    }
}

/// Proves that the kernels are right about the messages that RFC 1321 and FIPS 180-4 give.
#[test]
fn the_standards_own_messages() {
    let known = [
        ("", "d41d8cd98f00b204e9800998ecf8427e", "cf83e1357eefb8bd", "a538327af927da3e"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72", "ddaf35a193617aba", "2a9ac94fa54ca49f"),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "03dd8807a93175fb062dfb55dc7d359c",
            "8e959b75dae313da",
            "5e96e55b874be909",
        ),
    ];
    for cpu in Cpu::all() {
        for (message, md5, first, last) in known {
            let streams = vec![vec![Bytes::from_static(message.as_bytes())]; 5];
            for found in found(cpu, &streams, 1) {
                assert!(found.md5.is_none_or(|found| hex(&found) == md5));
                let sha512 = hex(&found.sha512);
                assert!(sha512.starts_with(first) && sha512.ends_with(last), "{sha512}");
            }
        }
    }
}

/// Proves that each way through is right about every length around the ends of blocks: alone, in some of the lanes, in
/// all of them, and in more streams than there are lanes.
#[test]
fn every_length_around_the_ends_of_blocks() {
    let data: Vec<u8> = (0..300_usize).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
    for streams in [1, 2, 3, 7, 8, 9, 17] {
        for first in (0..260).step_by(streams) {
            let streams: Vec<_> = (first..first + streams)
                .map(|length| vec![Bytes::copy_from_slice(&data[..length])])
                .collect();
            check(&streams, 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves that neither the number of streams, nor their lengths, nor how they are cut and taken changes a hash.
    #[test]
    fn cuts_and_company_change_nothing(
        streams in vec(vec(vec(any::<u8>(), 0..700), 0..7), 0..19),
        at_once in 1_usize..8,
    ) {
        let streams: Vec<Vec<Bytes>> =
            streams.into_iter().map(|pieces| pieces.into_iter().map(Bytes::from).collect()).collect();
        check(&streams, at_once);
    }
}

/// Proves that the processor on which this is measured has all kernels to be tested: without them nothing was proved.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_processors_features_are_found() {
    let has = is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl");
    let expected = usize::from(is_x86_feature_detected!("avx2")) + usize::from(has);
    assert_eq!(Cpu::all().len(), expected);
}
