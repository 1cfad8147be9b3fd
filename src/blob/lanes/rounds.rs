//! The rounds of MD5 (RFC 1321) and of SHA-512 (FIPS 180-4), written once for registers of every kind: a kernel
//! defines operations of these names, and the rounds are unrolled in it.

/// What MD5 adds in each step.
#[rustfmt::skip]
pub(super) const MD5_SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// What SHA-512 adds in each round.
#[rustfmt::skip]
pub(super) const SHA512_ROOTS: [u64; 80] = [
    0x428a2f98_d728ae22, 0x71374491_23ef65cd, 0xb5c0fbcf_ec4d3b2f, 0xe9b5dba5_8189dbbc,
    0x3956c25b_f348b538, 0x59f111f1_b605d019, 0x923f82a4_af194f9b, 0xab1c5ed5_da6d8118,
    0xd807aa98_a3030242, 0x12835b01_45706fbe, 0x243185be_4ee4b28c, 0x550c7dc3_d5ffb4e2,
    0x72be5d74_f27b896f, 0x80deb1fe_3b1696b1, 0x9bdc06a7_25c71235, 0xc19bf174_cf692694,
    0xe49b69c1_9ef14ad2, 0xefbe4786_384f25e3, 0x0fc19dc6_8b8cd5b5, 0x240ca1cc_77ac9c65,
    0x2de92c6f_592b0275, 0x4a7484aa_6ea6e483, 0x5cb0a9dc_bd41fbd4, 0x76f988da_831153b5,
    0x983e5152_ee66dfab, 0xa831c66d_2db43210, 0xb00327c8_98fb213f, 0xbf597fc7_beef0ee4,
    0xc6e00bf3_3da88fc2, 0xd5a79147_930aa725, 0x06ca6351_e003826f, 0x14292967_0a0e6e70,
    0x27b70a85_46d22ffc, 0x2e1b2138_5c26c926, 0x4d2c6dfc_5ac42aed, 0x53380d13_9d95b3df,
    0x650a7354_8baf63de, 0x766a0abb_3c77b2a8, 0x81c2c92e_47edaee6, 0x92722c85_1482353b,
    0xa2bfe8a1_4cf10364, 0xa81a664b_bc423001, 0xc24b8b70_d0f89791, 0xc76c51a3_0654be30,
    0xd192e819_d6ef5218, 0xd6990624_5565a910, 0xf40e3585_5771202a, 0x106aa070_32bbd1b8,
    0x19a4c116_b8d2d0c8, 0x1e376c08_5141ab53, 0x2748774c_df8eeb99, 0x34b0bcb5_e19b48a8,
    0x391c0cb3_c5c95a63, 0x4ed8aa4a_e3418acb, 0x5b9cca4f_7763e373, 0x682e6ff3_d6b2b8a3,
    0x748f82ee_5defb2fc, 0x78a5636f_43172f60, 0x84c87814_a1f0ab72, 0x8cc70208_1a6439ec,
    0x90befffa_23631e28, 0xa4506ceb_de82bde9, 0xbef9a3f7_b2c67915, 0xc67178f2_e372532b,
    0xca273ece_ea26619c, 0xd186b8c7_21c0c207, 0xeada7dd6_cde0eb1e, 0xf57d4f7f_ee6ed178,
    0x06f067aa_72176fba, 0x0a637dc5_a2c898a6, 0x113f9804_bef90dae, 0x1b710b35_131c471b,
    0x28db77f5_23047d84, 0x32caab7b_40c72493, 0x3c9ebe0a_15c9bebc, 0x431d67c4_9c100d4c,
    0x4cc5d4be_cb3e42b6, 0x597f299c_fc657e2a, 0x5fcb6fab_3ad6faec, 0x6c44198c_4a475817,
];

/// The word of its block that each step of MD5 takes.
pub(super) const MD5_ORDER: [usize; 64] = {
    let mut order = [0; 64];
    let mut step = 0;
    while step < 64 {
        let place = match step / 16 {
            0 => step,
            1 => 5 * step + 1,
            2 => 3 * step + 5,
            _ => 7 * step,
        };
        order[step] = place % 16;
        step += 1;
    }
    order
};

/// Four steps of MD5, from step `at` on, each with its own turn. `fed` has the word and the constant of a step.
macro_rules! md5_quad {
    ($state:ident, $mix:ident, [$s0:literal, $s1:literal, $s2:literal, $s3:literal], $at:expr, $fed:ident) => {{
        let [a, b, c, d] = $state;
        let a = add_32(b, turn::<$s0>($mix(add_32(a, $fed($at)), b, c, d)));
        let d = add_32(a, turn::<$s1>($mix(add_32(d, $fed($at + 1)), a, b, c)));
        let c = add_32(d, turn::<$s2>($mix(add_32(c, $fed($at + 2)), d, a, b)));
        let b = add_32(c, turn::<$s3>($mix(add_32(b, $fed($at + 3)), c, d, a)));
        $state = [a, b, c, d];
    }};
}

/// Sixteen steps of MD5, one of its four rounds.
macro_rules! md5_round {
    ($state:ident, $mix:ident, $turns:tt, $at:expr, $fed:ident) => {
        md5_quad!($state, $mix, $turns, $at, $fed);
        md5_quad!($state, $mix, $turns, $at + 4, $fed);
        md5_quad!($state, $mix, $turns, $at + 8, $fed);
        md5_quad!($state, $mix, $turns, $at + 12, $fed);
    };
}

/// All of MD5 for one block.
macro_rules! md5_block {
    ($state:ident, $fed:ident) => {{
        let [a, b, c, d] = $state;
        md5_round!($state, mix_f, [7, 12, 17, 22], 0, $fed);
        md5_round!($state, mix_g, [5, 9, 14, 20], 16, $fed);
        md5_round!($state, mix_h, [4, 11, 16, 23], 32, $fed);
        md5_round!($state, mix_i, [6, 10, 15, 21], 48, $fed);
        $state = [add_32($state[0], a), add_32($state[1], b), add_32($state[2], c), add_32($state[3], d)];
    }};
}

/// One round of SHA-512. `fed` is its word and its constant.
macro_rules! sha512_round {
    ($state:ident, $fed:expr) => {{
        let [a, b, c, d, e, f, g, h] = $state;
        let first = add_64(add_64(add_64(h, $fed), choose(e, f, g)), sum_1(e));
        $state = [add_64(add_64(first, majority(a, b, c)), sum_0(a)), a, b, c, add_64(d, first), e, f, g];
    }};
}

/// Sixteen rounds of SHA-512; `fed` answers for the number of a round.
macro_rules! sha512_rounds {
    ($state:ident, $fed:ident, $at:expr) => {
        sha512_round!($state, $fed($at));
        sha512_round!($state, $fed($at + 1));
        sha512_round!($state, $fed($at + 2));
        sha512_round!($state, $fed($at + 3));
        sha512_round!($state, $fed($at + 4));
        sha512_round!($state, $fed($at + 5));
        sha512_round!($state, $fed($at + 6));
        sha512_round!($state, $fed($at + 7));
        sha512_round!($state, $fed($at + 8));
        sha512_round!($state, $fed($at + 9));
        sha512_round!($state, $fed($at + 10));
        sha512_round!($state, $fed($at + 11));
        sha512_round!($state, $fed($at + 12));
        sha512_round!($state, $fed($at + 13));
        sha512_round!($state, $fed($at + 14));
        sha512_round!($state, $fed($at + 15));
    };
}

/// An operation of a kernel, named as the rounds name it.
macro_rules! operation {
    ($features:literal, $register:ty, $name:ident($($argument:ident),*) $body:expr) => {
        #[inline]
        #[target_feature(enable = $features)]
        pub(in super::super) fn $name($($argument: $register),*) -> $register {
            $body
        }
    };
}

pub(super) use {md5_block, md5_quad, md5_round, operation, sha512_round, sha512_rounds};
