//! Moves values of single lanes into registers and out of them.

use std::arch::x86_64::*;

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn join_8x32(v: [u32; 8]) -> __m256i {
    let [a, b, c, d, e, f, g, h] = v.map(u32::cast_signed);
    _mm256_setr_epi32(a, b, c, d, e, f, g, h)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn split_8x32(v: __m256i) -> [u32; 8] {
    let [a, b, c, d] = split_4x64(v);
    let (low, high) = (|word: u64| word as u32, |word: u64| (word >> 32) as u32);
    [low(a), high(a), low(b), high(b), low(c), high(c), low(d), high(d)]
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn join_4x64(v: [u64; 4]) -> __m256i {
    let [a, b, c, d] = v.map(u64::cast_signed);
    _mm256_setr_epi64x(a, b, c, d)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn split_4x64(v: __m256i) -> [u64; 4] {
    [
        _mm256_extract_epi64::<0>(v),
        _mm256_extract_epi64::<1>(v),
        _mm256_extract_epi64::<2>(v),
        _mm256_extract_epi64::<3>(v),
    ]
    .map(i64::cast_unsigned)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn join_8x64(v: [u64; 8]) -> __m512i {
    let (halves, _) = v.as_chunks::<4>();
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(join_4x64(halves[0])), join_4x64(halves[1]))
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn split_8x64(v: __m512i) -> [u64; 8] {
    let (low, high) = (split_4x64(_mm512_castsi512_si256(v)), split_4x64(_mm512_extracti64x4_epi64::<1>(v)));
    std::array::from_fn(|lane| if lane < 4 { low[lane] } else { high[lane - 4] })
}
