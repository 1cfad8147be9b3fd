//! MD5 and SHA-512 of several streams at once, one stream in each lane of a SIMD register, and of one stream with the
//! steps of both hashes interleaved. OpenSSL has neither; [`sums`] is the interface for the rest of the service.
//!
//! Each step of a hash waits for the previous one, so a processor spends most of its time on a single stream waiting.
//! `rounds` has the algorithms, `rows` and `values` arrange bytes in lanes, `md5`, `sha512` and `woven` are kernels,
//! and [`cpu`] calls those whose instructions the processor has.

pub mod cpu;
#[cfg(target_arch = "x86_64")]
mod md5;
#[cfg(target_arch = "x86_64")]
mod rounds;
#[cfg(target_arch = "x86_64")]
mod rows;
#[cfg(target_arch = "x86_64")]
mod sha512;
mod states;
pub mod sums;
#[cfg(target_arch = "x86_64")]
mod values;
#[cfg(target_arch = "x86_64")]
mod woven;
