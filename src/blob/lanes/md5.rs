//! MD5 of several streams, one in each lane of a register.

use std::arch::x86_64::*;

use super::{
    rounds::{MD5_ORDER, MD5_SINES, md5_block, md5_quad, md5_round, operation},
    rows::words_8x32,
    states::{Md5Block, Md5State},
    values::{join_8x32, split_8x32},
};

/// A kernel: takes as many blocks of every stream as the shortest of them has.
macro_rules! kernel {
    ($features:literal, $lanes:literal, $words:ident, $join:ident, $split:ident, $splat:ident) => {
        #[target_feature(enable = $features)]
        pub fn md5(states: &mut [Md5State; $lanes], streams: &[&[Md5Block]; $lanes]) {
            let count = streams.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
            let mut state = [0, 1, 2, 3].map(|part| $join(states.map(|state| state[part])));
            for at in 0..count {
                let words = $words(streams, at);
                let fed = |step: usize| add_32(words[MD5_ORDER[step]], $splat(MD5_SINES[step].cast_signed()));
                md5_block!(state, fed);
            }
            for (part, register) in state.into_iter().enumerate() {
                for (state, word) in states.iter_mut().zip($split(register)) {
                    state[part] = word;
                }
            }
        }
    };
}

/// The mixtures of MD5 where one instruction has any function of three bits.
macro_rules! ternary {
    ($features:literal, $register:ty, $add:ident, $rotate:ident, $ternary:ident) => {
        operation!($features, $register, add_32(a, b) $add(a, b));
        operation!($features, $register, mix_f(sum, b, c, d) $add(sum, $ternary::<0xca>(b, c, d)));
        operation!($features, $register, mix_g(sum, b, c, d) $add(sum, $ternary::<0xe4>(b, c, d)));
        operation!($features, $register, mix_h(sum, b, c, d) $add(sum, $ternary::<0x96>(b, c, d)));
        operation!($features, $register, mix_i(sum, b, c, d) $add(sum, $ternary::<0x39>(b, c, d)));

        #[inline]
        #[target_feature(enable = $features)]
        pub(in super::super) fn turn<const BITS: i32>(a: $register) -> $register {
            $rotate::<BITS>(a)
        }
    };
}

pub(super) mod by_8_avx2 {
    use super::*;

    kernel!("avx2", 8, words_8x32, join_8x32, split_8x32, _mm256_set1_epi32);
    operation!("avx2", __m256i, add_32(a, b) _mm256_add_epi32(a, b));
    operation!("avx2", __m256i, mix_f(sum, b, c, d)
        _mm256_add_epi32(sum, _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d)))));
    operation!("avx2", __m256i, mix_g(sum, b, c, d)
        _mm256_add_epi32(_mm256_add_epi32(sum, _mm256_andnot_si256(d, c)), _mm256_and_si256(d, b)));
    operation!("avx2", __m256i, mix_h(sum, b, c, d)
        _mm256_add_epi32(sum, _mm256_xor_si256(b, _mm256_xor_si256(c, d))));
    operation!("avx2", __m256i, mix_i(sum, b, c, d)
        _mm256_add_epi32(sum, _mm256_xor_si256(c, _mm256_or_si256(b, _mm256_xor_si256(d, _mm256_set1_epi32(-1))))));

    #[inline]
    #[target_feature(enable = "avx2")]
    fn turn<const BITS: i32>(a: __m256i) -> __m256i {
        let right = _mm_cvtsi32_si128(32 - BITS);
        _mm256_or_si256(_mm256_slli_epi32::<BITS>(a), _mm256_srl_epi32(a, right))
    }
}

pub(super) mod by_8_avx512 {
    use super::*;

    kernel!("avx512f,avx512vl", 8, words_8x32, join_8x32, split_8x32, _mm256_set1_epi32);
    ternary!("avx512f,avx512vl", __m256i, _mm256_add_epi32, _mm256_rol_epi32, _mm256_ternarylogic_epi32);
}

/// The operations alone, for one stream in the first lane.
pub(super) mod by_1_avx512 {
    use super::*;

    ternary!("avx512f,avx512vl", __m128i, _mm_add_epi32, _mm_rol_epi32, _mm_ternarylogic_epi32);
}
