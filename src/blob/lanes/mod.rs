//! MD5 and SHA-512 of several streams at once, one stream in each lane of a wide register, and of one stream with the
//! steps of both woven into each other. OpenSSL has neither; [`sums`] is how the rest of the service asks for it.
//!
//! Each step of a hash waits for the one before it, so that a processor spends most of its time on one stream waiting.
//! `rounds` has the algorithms, `rows` and `values` bring bytes into lanes, `md5`, `sha512` and `woven` are kernels, and
//! [`cpu`] calls those that the processor has instructions for.

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
