//! The hash state of a stream, and the step that processes the next bytes of several streams together.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::{
    cpu::{Cpu, STREAMS_MIN},
    states::{MD5_START, Md5State, SHA512_START, Sha512Block, Sha512State},
};

/// Bytes that are taken at once: a block of SHA-512, two of MD5.
const BLOCK_BYTES: usize = size_of::<Sha512Block>();
/// Blocks after which the other hash has its turn, so that those of all lanes are still in the cache.
const STRIDE_BLOCKS: usize = 64;

/// The hashes of one stream up to where it has got.
#[derive(Clone, Debug)]
pub struct Sums {
    md5: Option<Md5State>,
    sha512: Sha512State,
    /// The last bytes, of which there is no whole block yet.
    rest: Sha512Block,
    /// Bytes in it.
    held: usize,
    /// Bytes in all.
    size: u128,
}

/// The digests of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// MD5, if it was wanted.
    pub md5: Option<[u8; 16]>,
    /// SHA-512
    pub sha512: [u8; 64],
}

/// A stream and its next bytes.
#[derive(Debug)]
pub struct Share {
    sums: Sums,
    pieces: VecDeque<Bytes>,
}

/// What a kernel works on.
struct Run<'a> {
    md5: Option<&'a mut Md5State>,
    sha512: &'a mut Sha512State,
    blocks: &'a [Sha512Block],
}

impl Sums {
    /// The initial state of a stream: SHA-512, and MD5 if `md5`.
    pub fn new(md5: bool) -> Self {
        Self { md5: md5.then_some(MD5_START), sha512: SHA512_START, rest: [0; BLOCK_BYTES], held: 0, size: 0 }
    }

    /// The digests of a stream that has ended.
    pub fn finish(mut self, cpu: Cpu) -> Found {
        let bits = self.size.wrapping_mul(8);
        let ended = |room: usize, length: &[u8], block: usize| {
            let mut end = self.rest[..self.held].to_vec();
            end.push(0x80);
            let whole = (end.len() + room).next_multiple_of(block);
            end.resize(whole - length.len(), 0);
            end.extend_from_slice(length);
            end
        };
        let (narrow, wide) =
            (ended(8, &bits.to_le_bytes()[..8], 64), ended(16, &bits.to_be_bytes(), BLOCK_BYTES));
        if let Some(state) = &mut self.md5 {
            cpu.md5(&mut [state], &[narrow.as_chunks().0]);
        }
        cpu.sha512_alone(&mut self.sha512, wide.as_chunks().0);
        Found {
            md5: self.md5.map(|state| bytes_of(state.map(u32::to_le_bytes).as_flattened())),
            sha512: bytes_of(self.sha512.map(u64::to_be_bytes).as_flattened()),
        }
    }
}

fn bytes_of<const COUNT: usize>(bytes: &[u8]) -> [u8; COUNT] {
    std::array::from_fn(|at| bytes[at])
}

impl Share {
    /// The next pieces of a stream.
    pub fn new(mut sums: Sums, pieces: VecDeque<Bytes>) -> Self {
        sums.size += pieces.iter().map(|piece| piece.len() as u128).sum::<u128>();
        Self { sums, pieces }
    }

    /// The hash state of the stream.
    pub fn into_sums(self) -> Sums {
        self.sums
    }

    /// How many whole blocks lie in a row next; none when all is taken, up to what makes no block.
    fn ready(&mut self) -> usize {
        let Self { sums, pieces } = self;
        while sums.held < BLOCK_BYTES {
            let Some(piece) = pieces.front_mut() else { return 0 };
            if sums.held == 0 && piece.len() >= BLOCK_BYTES {
                return piece.len() / BLOCK_BYTES;
            }
            let part = piece.split_to(piece.len().min(BLOCK_BYTES - sums.held));
            sums.rest[sums.held..sums.held + part.len()].copy_from_slice(&part);
            sums.held += part.len();
            if piece.is_empty() {
                pieces.pop_front();
            }
        }
        1
    }

    fn run(&mut self, count: usize) -> Run<'_> {
        let Self { sums, pieces } = self;
        let blocks = match pieces.front() {
            Some(piece) if sums.held == 0 => &piece.as_chunks().0[..count],
            _ => std::slice::from_ref(&sums.rest),
        };
        Run { md5: sums.md5.as_mut(), sha512: &mut sums.sha512, blocks }
    }

    fn pass(&mut self, count: usize) {
        match self.pieces.front_mut() {
            Some(piece) if self.sums.held == 0 => piece.advance(count * BLOCK_BYTES),
            _ => self.sums.held = 0,
        }
    }
}

/// Takes all pieces of all streams, as many streams together as there are to the end. Blocking.
pub fn take(cpu: Cpu, shares: &mut [Share]) {
    loop {
        let ready = shares.iter_mut().map(|share| (share.ready(), share)).filter(|(count, _)| *count > 0);
        let mut ready: Vec<_> = ready.collect();
        let Some(count) = ready.iter().map(|(count, _)| *count).min() else { return };
        let count = if ready.len() > 1 { count.min(STRIDE_BLOCKS) } else { count };
        let mut runs: Vec<_> = ready.iter_mut().map(|(_, share)| share.run(count)).collect();
        if runs.len() < STREAMS_MIN {
            runs.iter_mut().for_each(|run| alone(cpu, run));
        } else {
            together(cpu, &mut runs);
        }
        ready.into_iter().for_each(|(_, share)| share.pass(count));
    }
}

fn alone(cpu: Cpu, run: &mut Run<'_>) {
    match &mut run.md5 {
        Some(md5) => cpu.both(md5, run.sha512, run.blocks),
        None => cpu.sha512_alone(run.sha512, run.blocks),
    }
}

fn together(cpu: Cpu, runs: &mut [Run<'_>]) {
    let md5 = runs
        .iter_mut()
        .filter_map(|run| Some((&mut **run.md5.as_mut()?, run.blocks.as_flattened().as_chunks().0)));
    let (mut states, blocks): (Vec<_>, Vec<_>) = md5.unzip();
    cpu.md5(&mut states, &blocks);
    let sha512 = runs.iter_mut().map(|run| (&mut *run.sha512, run.blocks));
    let (mut states, blocks): (Vec<_>, Vec<_>) = sha512.unzip();
    cpu.sha512(&mut states, &blocks);
}

#[cfg(test)]
mod tests;
