//! The states of MD5 and SHA-512, and their block sizes.

/// What MD5 remembers of a stream.
pub(super) type Md5State = [u32; 4];
/// What MD5 takes at once.
pub(super) type Md5Block = [u8; 64];
/// What SHA-512 remembers of a stream.
pub(super) type Sha512State = [u64; 8];
/// What SHA-512 takes at once.
pub(super) type Sha512Block = [u8; 128];

/// MD5 of nothing, before its end.
pub(super) const MD5_START: Md5State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
/// SHA-512 of nothing, before its end.
pub(super) const SHA512_START: Sha512State = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];
