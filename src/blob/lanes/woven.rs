//! MD5 and SHA-512 of one stream, interleaved: while a step of one waits for the previous step, the processor
//! executes steps of the other. SHA-512 works in general registers, with its message words in SIMD registers.

use std::arch::x86_64::*;

use super::{
    rounds::{MD5_ORDER, MD5_SINES, SHA512_ROOTS, md5_quad, operation, sha512_round},
    states::{Md5State, Sha512Block, Sha512State},
};

/// Two rounds of SHA-512, of number `2 * pair` and the next, and the spreading of their words for the rounds 16 later.
macro_rules! two_rounds {
    ($sha512:ident, $words:ident, $fed:ident, $pair:expr) => {
        let at = const { $pair % 8 };
        sha512_round!($sha512, $fed[at][0]);
        sha512_round!($sha512, $fed[at][1]);
        if const { $pair < 32 } {
            let (w0, w2, w14) = ($words[at], $words[(at + 1) % 8], $words[(at + 7) % 8]);
            $words[at] = spread(w0, w2, $words[(at + 4) % 8], $words[(at + 5) % 8], w14);
            $fed[at] = rooted($words[at], const { $pair + 8 });
        }
    };
}

/// Two rounds of SHA-512 and four steps of MD5. The compiler would sort them one hash after the other; it cannot do so
/// past a `pin`, which it takes to change what it is given.
macro_rules! stitch {
    ($md5:ident, $mix:ident, $turns:tt, $at:expr, $steps:ident,
     $sha512:ident, $words:ident, $fed:ident, $pair:expr, $pin:ident) => {
        two_rounds!($sha512, $words, $fed, $pair);
        md5_quad!($md5, $mix, $turns, $at, $steps);
        ($md5[1], $sha512[0], $sha512[4]) = $pin($md5[1], $sha512[0], $sha512[4]);
    };
}

/// Ten rounds of SHA-512 and sixteen steps of MD5.
macro_rules! weave {
    ($md5:ident, $mix:ident, $turns:tt, $at:expr, $steps:ident,
     $sha512:ident, $words:ident, $fed:ident, $pair:expr, $pin:ident) => {
        stitch!($md5, $mix, $turns, $at, $steps, $sha512, $words, $fed, $pair, $pin);
        stitch!($md5, $mix, $turns, $at + 4, $steps, $sha512, $words, $fed, $pair + 1, $pin);
        stitch!($md5, $mix, $turns, $at + 8, $steps, $sha512, $words, $fed, $pair + 2, $pin);
        stitch!($md5, $mix, $turns, $at + 12, $steps, $sha512, $words, $fed, $pair + 3, $pin);
        two_rounds!($sha512, $words, $fed, $pair + 4);
        ($md5[1], $sha512[0], $sha512[4]) = $pin($md5[1], $sha512[0], $sha512[4]);
    };
}

/// Forty rounds of SHA-512 and a block of MD5.
macro_rules! weave_block {
    ($md5:ident, $steps:ident, $sha512:ident, $words:ident, $fed:ident, $pair:expr, $pin:ident) => {
        let before = $md5;
        weave!($md5, mix_f, [7, 12, 17, 22], 0, $steps, $sha512, $words, $fed, $pair, $pin);
        weave!($md5, mix_g, [5, 9, 14, 20], 16, $steps, $sha512, $words, $fed, $pair + 5, $pin);
        weave!($md5, mix_h, [4, 11, 16, 23], 32, $steps, $sha512, $words, $fed, $pair + 10, $pin);
        weave!($md5, mix_i, [6, 10, 15, 21], 48, $steps, $sha512, $words, $fed, $pair + 15, $pin);
        for (now, before) in $md5.iter_mut().zip(before) {
            *now = add_32(*now, before);
        }
    };
}

macro_rules! kernel {
    ($features:literal, $narrow:ty, $join:expr, $split:expr) => {
        /// Takes all blocks. `pin` answers what it gets, and the compiler does not know that.
        #[target_feature(enable = $features)]
        #[allow(unused_assignments)] // the words after the last rounds, which nothing is made of
        pub fn both(
            md5: &mut Md5State,
            sha512: &mut Sha512State,
            blocks: &[Sha512Block],
            pin: impl Fn($narrow, u64, u64) -> ($narrow, u64, u64),
        ) {
            let (mut narrow, mut wide) = (md5.map($join), *sha512);
            for block in blocks {
                let before = wide;
                let mut words = loaded(block);
                let mut fed = [[0; 2]; 8];
                for (pair, fed) in fed.iter_mut().enumerate() {
                    *fed = rooted(words[pair], pair);
                }
                let (parts, _) = block.as_chunks::<4>();
                let steps = |step: usize| step_of(parts[MD5_ORDER[step]], MD5_SINES[step]);
                weave_block!(narrow, steps, wide, words, fed, 0, pin);
                let steps = |step: usize| step_of(parts[16 + MD5_ORDER[step]], MD5_SINES[step]);
                weave_block!(narrow, steps, wide, words, fed, 20, pin);
                for (now, before) in wide.iter_mut().zip(before) {
                    *now = now.wrapping_add(before);
                }
            }
            (*md5, *sha512) = (narrow.map($split), wide);
        }

        /// Two words and their constants, for the rounds of number `2 * pair` and the next.
        #[inline]
        #[target_feature(enable = $features)]
        fn rooted(words: __m128i, pair: usize) -> [u64; 2] {
            let [low, high] = [SHA512_ROOTS[2 * pair], SHA512_ROOTS[2 * pair + 1]].map(u64::cast_signed);
            let sum = _mm_add_epi64(words, _mm_set_epi64x(high, low));
            [_mm_cvtsi128_si64(sum).cast_unsigned(), _mm_extract_epi64::<1>(sum).cast_unsigned()]
        }

        /// The words sixteen rounds later.
        #[inline]
        #[target_feature(enable = $features)]
        fn spread(w0: __m128i, w2: __m128i, w8: __m128i, w10: __m128i, w14: __m128i) -> __m128i {
            let (w1, w9) = (_mm_alignr_epi8::<8>(w2, w0), _mm_alignr_epi8::<8>(w10, w8));
            _mm_add_epi64(_mm_add_epi64(w0, w9), _mm_add_epi64(spread_0(w1), spread_1(w14)))
        }

        /// The words of a block, two in a register.
        #[inline]
        #[target_feature(enable = $features)]
        fn loaded(block: &Sha512Block) -> [__m128i; 8] {
            let swap = _mm_set_epi64x(0x0809_0a0b_0c0d_0e0f, 0x0001_0203_0405_0607);
            let mut words = [swap; 8];
            for (words, pair) in words.iter_mut().zip(block.as_chunks::<8>().0.as_chunks::<2>().0) {
                let [low, high] = pair.map(i64::from_le_bytes);
                *words = _mm_shuffle_epi8(_mm_set_epi64x(high, low), swap);
            }
            words
        }
    };
}

fn add_64(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}

fn choose(e: u64, f: u64, g: u64) -> u64 {
    g ^ (e & (f ^ g))
}

fn majority(a: u64, b: u64, c: u64) -> u64 {
    ((a ^ b) & (b ^ c)) ^ b
}

fn sum_0(a: u64) -> u64 {
    a.rotate_right(28) ^ a.rotate_right(34) ^ a.rotate_right(39)
}

fn sum_1(a: u64) -> u64 {
    a.rotate_right(14) ^ a.rotate_right(18) ^ a.rotate_right(41)
}

/// MD5 in the first lane of wide registers, which have what it asks for in one instruction, and leave the plain ones to
/// SHA-512.
pub(super) mod avx512 {
    use super::{super::md5::by_1_avx512::*, *};

    kernel!("avx512f,avx512vl,bmi1,bmi2", __m128i, |word| _mm_cvtsi32_si128(word.cast_signed()), |a| {
        _mm_cvtsi128_si32(a).cast_unsigned()
    });
    operation!("avx512f,avx512vl", __m128i, xor_3(a, b, c) _mm_ternarylogic_epi64::<0x96>(a, b, c));
    operation!("avx512f,avx512vl", __m128i, spread_0(a)
        xor_3(_mm_ror_epi64::<1>(a), _mm_ror_epi64::<8>(a), _mm_srli_epi64::<7>(a)));
    operation!("avx512f,avx512vl", __m128i, spread_1(a)
        xor_3(_mm_ror_epi64::<19>(a), _mm_ror_epi64::<61>(a), _mm_srli_epi64::<6>(a)));

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn step_of(word: [u8; 4], sine: u32) -> __m128i {
        _mm_add_epi32(_mm_cvtsi32_si128(i32::from_le_bytes(word)), _mm_set1_epi32(sine.cast_signed()))
    }
}

/// Both in plain registers.
pub(super) mod avx2 {
    use super::*;

    kernel!("avx2,bmi1,bmi2", u32, |word| word, |a| a);
    operation!("avx2", __m128i, xor_3(a, b, c) _mm_xor_si128(a, _mm_xor_si128(b, c)));
    operation!("avx2", __m128i, spread_0(a)
        xor_3(turn_64::<1, 63>(a), turn_64::<8, 56>(a), _mm_srli_epi64::<7>(a)));
    operation!("avx2", __m128i, spread_1(a)
        xor_3(turn_64::<19, 45>(a), turn_64::<61, 3>(a), _mm_srli_epi64::<6>(a)));

    /// Turned to the right.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn turn_64<const RIGHT: i32, const LEFT: i32>(a: __m128i) -> __m128i {
        _mm_xor_si128(_mm_srli_epi64::<RIGHT>(a), _mm_slli_epi64::<LEFT>(a))
    }

    fn add_32(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    fn turn<const BITS: u32>(a: u32) -> u32 {
        a.rotate_left(BITS)
    }

    fn mix_f(sum: u32, b: u32, c: u32, d: u32) -> u32 {
        sum.wrapping_add(d ^ (b & (c ^ d)))
    }

    /// The two halves have no bit in common, so that a sum does, and the first does not wait for `b`.
    fn mix_g(sum: u32, b: u32, c: u32, d: u32) -> u32 {
        sum.wrapping_add(c & !d).wrapping_add(b & d)
    }

    fn mix_h(sum: u32, b: u32, c: u32, d: u32) -> u32 {
        sum.wrapping_add(b ^ (c ^ d))
    }

    fn mix_i(sum: u32, b: u32, c: u32, d: u32) -> u32 {
        sum.wrapping_add(c ^ (b | !d))
    }

    fn step_of(word: [u8; 4], sine: u32) -> u32 {
        u32::from_le_bytes(word).wrapping_add(sine)
    }
}
