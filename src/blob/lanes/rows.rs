//! Blocks of several streams, transposed so that each register has the same word of all of them, one stream in each
//! lane.

use std::arch::x86_64::*;

use super::states::{Md5Block, Sha512Block};

/// Thirty-two bytes as they lie in memory; a single load once it is compiled.
#[inline]
#[target_feature(enable = "avx2")]
fn load_256(bytes: &[u8; 32]) -> __m256i {
    let (words, _) = bytes.as_chunks::<8>();
    let word = |at: usize| i64::from_le_bytes(words[at]);
    _mm256_set_epi64x(word(3), word(2), word(1), word(0))
}

/// Sixty-four bytes likewise.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_512(bytes: &[u8; 64]) -> __m512i {
    let (words, _) = bytes.as_chunks::<8>();
    let word = |at: usize| i64::from_le_bytes(words[at]);
    _mm512_set_epi64(word(7), word(6), word(5), word(4), word(3), word(2), word(1), word(0))
}

/// The same part of a block of each stream, in registers. A loop and no `map`: what a closure gets would go through memory.
macro_rules! rows {
    ($load:ident, $zero:expr, $streams:ident, $at:ident, $part:expr) => {{
        let mut rows = [$zero; _];
        for (row, blocks) in rows.iter_mut().zip($streams) {
            *row = $load(&blocks[$at].as_chunks().0[$part]);
        }
        rows
    }};
}

/// The sixteen words of a block of each of eight streams, 32 bits each.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn words_8x32(streams: &[&[Md5Block]; 8], at: usize) -> [__m256i; 16] {
    let low = turned_8x32(rows!(load_256, _mm256_setzero_si256(), streams, at, 0));
    let high = turned_8x32(rows!(load_256, _mm256_setzero_si256(), streams, at, 1));
    let mut words = [low[0]; 16];
    words[..8].copy_from_slice(&low);
    words[8..].copy_from_slice(&high);
    words
}

#[inline]
#[target_feature(enable = "avx2")]
fn turned_8x32(rows: [__m256i; 8]) -> [__m256i; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    let pairs = |r0, r1, r2, r3| {
        let (a, b) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpackhi_epi32(r0, r1));
        let (c, d) = (_mm256_unpacklo_epi32(r2, r3), _mm256_unpackhi_epi32(r2, r3));
        [
            _mm256_unpacklo_epi64(a, c),
            _mm256_unpackhi_epi64(a, c),
            _mm256_unpacklo_epi64(b, d),
            _mm256_unpackhi_epi64(b, d),
        ]
    };
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (pairs(r0, r1, r2, r3), pairs(r4, r5, r6, r7));
    let low = |a, b| _mm256_permute2x128_si256::<0x20>(a, b);
    let high = |a, b| _mm256_permute2x128_si256::<0x31>(a, b);
    [
        low(a0, b0),
        low(a1, b1),
        low(a2, b2),
        low(a3, b3),
        high(a0, b0),
        high(a1, b1),
        high(a2, b2),
        high(a3, b3),
    ]
}

/// The first quarters of four registers in one register, their second quarters in the next, and so on.
#[inline]
#[target_feature(enable = "avx512f")]
fn quarters(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let (ab_02, ab_13) = (_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0xdd>(a, b));
    let (cd_02, cd_13) = (_mm512_shuffle_i64x2::<0x88>(c, d), _mm512_shuffle_i64x2::<0xdd>(c, d));
    [
        _mm512_shuffle_i64x2::<0x88>(ab_02, cd_02),
        _mm512_shuffle_i64x2::<0x88>(ab_13, cd_13),
        _mm512_shuffle_i64x2::<0xdd>(ab_02, cd_02),
        _mm512_shuffle_i64x2::<0xdd>(ab_13, cd_13),
    ]
}

/// The sixteen words of a block of each of four streams, 64 bits each, most significant byte first in memory.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn words_4x64(streams: &[&[Sha512Block]; 4], at: usize) -> [__m256i; 16] {
    let swap = _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0809_0a0b_0c0d_0e0f, 0x0001_0203_0405_0607));
    let mut words = [swap; 16];
    for part in [0, 1, 2, 3] {
        let [r0, r1, r2, r3] = rows!(load_256, _mm256_setzero_si256(), streams, at, part);
        let (a, b) = (_mm256_unpacklo_epi64(r0, r1), _mm256_unpackhi_epi64(r0, r1));
        let (c, d) = (_mm256_unpacklo_epi64(r2, r3), _mm256_unpackhi_epi64(r2, r3));
        words[4 * part] = _mm256_permute2x128_si256::<0x20>(a, c);
        words[4 * part + 1] = _mm256_permute2x128_si256::<0x20>(b, d);
        words[4 * part + 2] = _mm256_permute2x128_si256::<0x31>(a, c);
        words[4 * part + 3] = _mm256_permute2x128_si256::<0x31>(b, d);
    }
    for word in &mut words {
        *word = _mm256_shuffle_epi8(*word, swap);
    }
    words
}

/// The sixteen words of a block of each of eight streams, 64 bits each, most significant byte first in memory.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn words_8x64(streams: &[&[Sha512Block]; 8], at: usize) -> [__m512i; 16] {
    let swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0809_0a0b_0c0d_0e0f, 0x0001_0203_0405_0607));
    let mut words = [swap; 16];
    for part in [0, 1] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows!(load_512, _mm512_setzero_si512(), streams, at, part);
        let (a, b) = (_mm512_unpacklo_epi64(r0, r1), _mm512_unpacklo_epi64(r2, r3));
        let (c, d) = (_mm512_unpacklo_epi64(r4, r5), _mm512_unpacklo_epi64(r6, r7));
        let even = quarters(a, b, c, d);
        let (a, b) = (_mm512_unpackhi_epi64(r0, r1), _mm512_unpackhi_epi64(r2, r3));
        let (c, d) = (_mm512_unpackhi_epi64(r4, r5), _mm512_unpackhi_epi64(r6, r7));
        let odd = quarters(a, b, c, d);
        for quarter in [0, 1, 2, 3] {
            words[8 * part + 2 * quarter] = even[quarter];
            words[8 * part + 2 * quarter + 1] = odd[quarter];
        }
    }
    for word in &mut words {
        *word = _mm512_shuffle_epi8(*word, swap);
    }
    words
}
