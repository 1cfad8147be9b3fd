//! SHA-512 of several streams, one in each lane of a register.

use std::arch::x86_64::*;

use super::{
    rounds::{SHA512_ROOTS, operation, sha512_round, sha512_rounds},
    rows::{words_4x64, words_8x64},
    states::{Sha512Block, Sha512State},
    values::{join_4x64, join_8x64, split_4x64, split_8x64},
};

/// A kernel: takes as many blocks of every stream as the shortest of them has.
macro_rules! kernel {
    ($features:literal, $lanes:literal, $words:ident, $join:ident, $split:ident, $splat:ident) => {
        #[target_feature(enable = $features)]
        pub fn sha512(states: &mut [Sha512State; $lanes], streams: &[&[Sha512Block]; $lanes]) {
            let count = streams.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
            let mut state = [0, 1, 2, 3, 4, 5, 6, 7].map(|part| $join(states.map(|state| state[part])));
            for at in 0..count {
                let before = state;
                let mut words = $words(streams, at);
                let fed = |round: usize| add_64(words[round], $splat(SHA512_ROOTS[round].cast_signed()));
                sha512_rounds!(state, fed, 0);
                for from in [16, 32, 48, 64] {
                    let roots = &SHA512_ROOTS[from..from + 16];
                    let mut fed = |at: usize| {
                        let (near, far) = (words[(at + 1) % 16], words[(at + 14) % 16]);
                        let sum = add_64(
                            add_64(words[at], words[(at + 9) % 16]),
                            add_64(spread_0(near), spread_1(far)),
                        );
                        words[at] = sum;
                        add_64(sum, $splat(roots[at].cast_signed()))
                    };
                    sha512_rounds!(state, fed, 0);
                }
                for (now, before) in state.iter_mut().zip(before) {
                    *now = add_64(*now, before);
                }
            }
            for (part, register) in state.into_iter().enumerate() {
                for (state, word) in states.iter_mut().zip($split(register)) {
                    state[part] = word;
                }
            }
        }
    };
}

pub(super) mod by_4_avx2 {
    use super::*;

    kernel!("avx2", 4, words_4x64, join_4x64, split_4x64, _mm256_set1_epi64x);
    operation!("avx2", __m256i, add_64(a, b) _mm256_add_epi64(a, b));
    operation!("avx2", __m256i, xor(a, b) _mm256_xor_si256(a, b));
    operation!("avx2", __m256i, choose(e, f, g) xor(g, _mm256_and_si256(e, xor(f, g))));
    operation!("avx2", __m256i, majority(a, b, c) xor(b, _mm256_and_si256(xor(a, b), xor(b, c))));
    operation!("avx2", __m256i, sum_0(a) xor(xor(turn::<28, 36>(a), turn::<34, 30>(a)), turn::<39, 25>(a)));
    operation!("avx2", __m256i, sum_1(a) xor(xor(turn::<14, 50>(a), turn::<18, 46>(a)), turn::<41, 23>(a)));
    operation!("avx2", __m256i, spread_0(a)
        xor(xor(turn::<1, 63>(a), turn::<8, 56>(a)), _mm256_srli_epi64::<7>(a)));
    operation!("avx2", __m256i, spread_1(a)
        xor(xor(turn::<19, 45>(a), turn::<61, 3>(a)), _mm256_srli_epi64::<6>(a)));

    /// Turned to the right.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn turn<const RIGHT: i32, const LEFT: i32>(a: __m256i) -> __m256i {
        xor(_mm256_srli_epi64::<RIGHT>(a), _mm256_slli_epi64::<LEFT>(a))
    }
}

pub(super) mod by_8_avx512 {
    use super::*;

    kernel!("avx512f,avx512bw", 8, words_8x64, join_8x64, split_8x64, _mm512_set1_epi64);
    operation!("avx512f", __m512i, add_64(a, b) _mm512_add_epi64(a, b));
    operation!("avx512f", __m512i, xor_3(a, b, c) _mm512_ternarylogic_epi64::<0x96>(a, b, c));
    operation!("avx512f", __m512i, choose(e, f, g) _mm512_ternarylogic_epi64::<0xca>(e, f, g));
    operation!("avx512f", __m512i, majority(a, b, c) _mm512_ternarylogic_epi64::<0xe8>(a, b, c));
    operation!("avx512f", __m512i, sum_0(a)
        xor_3(_mm512_ror_epi64::<28>(a), _mm512_ror_epi64::<34>(a), _mm512_ror_epi64::<39>(a)));
    operation!("avx512f", __m512i, sum_1(a)
        xor_3(_mm512_ror_epi64::<14>(a), _mm512_ror_epi64::<18>(a), _mm512_ror_epi64::<41>(a)));
    operation!("avx512f", __m512i, spread_0(a)
        xor_3(_mm512_ror_epi64::<1>(a), _mm512_ror_epi64::<8>(a), _mm512_srli_epi64::<7>(a)));
    operation!("avx512f", __m512i, spread_1(a)
        xor_3(_mm512_ror_epi64::<19>(a), _mm512_ror_epi64::<61>(a), _mm512_srli_epi64::<6>(a)));
}
