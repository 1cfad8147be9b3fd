//! Detects the kernels that the processor can run, and calls them: the only unsafe code of this room. A kernel is
//! called only through a [`Cpu`], which exists only if the processor has reported the instructions.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::{asm, x86_64::__m128i};

use std::mem::MaybeUninit;

use openssl_sys::{SHA512_CTX, SHA512_Init, SHA512_Update};

use super::states::{Md5Block, Md5State, Sha512Block, Sha512State};
#[cfg(target_arch = "x86_64")]
use super::{md5, sha512, woven};

/// Streams that are taken at once at most: lanes of 32 bits in 32 bytes, lanes of 64 bits in 64.
pub const STREAMS_MAX: usize = 8;
/// From how many on that costs less than one after the other, measured.
pub(super) const STREAMS_MIN: usize = 3;

/// The processor's features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// AVX-512 F, BW and VL, and what follows.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2, BMI1 and BMI2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Cpu {
    /// All that this processor can be used as, the best first. None but x86-64 are known yet.
    pub fn all() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            let known = [(avx512, Kind::Avx512), (avx2, Kind::Avx2)];
            known.into_iter().filter(|(has, _)| *has).map(|(_, kind)| Self(kind)).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        Vec::new()
    }

    /// MD5 of several streams: as many blocks of each as the shortest has.
    pub(super) fn md5(self, states: &mut [&mut Md5State], streams: &[&[Md5Block]]) {
        // SAFETY: of these kernels, here and below, that the processor has what its kind says, which `all` has asked it.
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                in_lanes(states, streams, |states, streams| unsafe {
                    md5::by_8_avx512::md5(states, streams)
                });
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => {
                in_lanes(states, streams, |states, streams| unsafe { md5::by_8_avx2::md5(states, streams) });
            }
        }
    }

    /// SHA-512 likewise.
    pub(super) fn sha512(self, states: &mut [&mut Sha512State], streams: &[&[Sha512Block]]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                in_lanes(states, streams, |states, streams| unsafe {
                    sha512::by_8_avx512::sha512(states, streams)
                });
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => {
                in_lanes(states, streams, |states, streams| unsafe {
                    sha512::by_4_avx2::sha512(states, streams)
                });
            }
        }
    }

    /// SHA-512 of one stream, all of its blocks: OpenSSL's, which is faster than ours there.
    pub(super) fn sha512_alone(self, state: &mut Sha512State, blocks: &[Sha512Block]) {
        let mut context = MaybeUninit::<SHA512_CTX>::zeroed();
        // SAFETY: a context is numbers, for which zero will do; the blocks are as long as it is said, and, since they
        // are whole, nothing of them stays in the context but its state.
        unsafe {
            let context = context.assume_init_mut();
            SHA512_Init(context);
            context.h = *state;
            SHA512_Update(context, blocks.as_ptr().cast(), size_of_val(blocks));
            *state = context.h;
        }
    }

    /// Both of one stream, all of its blocks.
    pub(super) fn both(self, md5: &mut Md5State, sha512: &mut Sha512State, blocks: &[Sha512Block]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { woven::avx512::both(md5, sha512, blocks, pinned_wide) },
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { woven::avx2::both(md5, sha512, blocks, pinned) },
        }
    }
}

/// What it gets. The compiler has to have all of it at this point, and knows nothing of it afterwards.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn pinned(mut md5: u32, mut a: u64, mut e: u64) -> (u32, u64, u64) {
    // SAFETY: no instruction at all.
    unsafe {
        asm!("/* {0:e} {1} {2} */", inout(reg) md5, inout(reg) a, inout(reg) e, options(pure, nomem, nostack, preserves_flags));
    }
    (md5, a, e)
}

/// Likewise.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn pinned_wide(mut md5: __m128i, mut a: u64, mut e: u64) -> (__m128i, u64, u64) {
    // SAFETY: no instruction at all.
    unsafe {
        asm!("/* {0} {1} {2} */", inout(xmm_reg) md5, inout(reg) a, inout(reg) e, options(pure, nomem, nostack, preserves_flags));
    }
    (md5, a, e)
}

/// Calls a kernel of `LANES` lanes for all streams, so many at a time. Lanes to spare repeat the first stream.
fn in_lanes<const LANES: usize, State: Copy + Default, Block>(
    states: &mut [&mut State],
    streams: &[&[Block]],
    kernel: impl Fn(&mut [State; LANES], &[&[Block]; LANES]),
) {
    for (states, streams) in states.chunks_mut(LANES).zip(streams.chunks(LANES)) {
        let mut lanes = [State::default(); LANES];
        lanes.iter_mut().zip(&*states).for_each(|(lane, state)| *lane = **state);
        kernel(&mut lanes, &std::array::from_fn(|lane| streams.get(lane).copied().unwrap_or(streams[0])));
        states.iter_mut().zip(lanes).for_each(|(state, lane)| **state = lane);
    }
}
