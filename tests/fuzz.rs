//! The parsers that meet bytes of strangers, tried with the corpora that fuzzers found (`fuzz/corpus/`) and with some
//! thousands of seeded changes of them, the same in every run unless FUZZ_SEED says otherwise. `make fuzz` searches for
//! more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use cpu_time::ThreadTime;
use peak_alloc::PeakAlloc;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use vitrine::fuzzing::{TARGETS, Try};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Where the changes begin: the slice is to find what a change of the code broke, not to search.
const SEED: u64 = 0x1234;
/// Changed inputs for each parser.
const CHANGES: usize = 3000;
/// What one input may take: bytes beside those that were there before, and time of the processor.
const BYTES_MAX: usize = 32 << 20;
const TIME_MAX: Duration = Duration::from_secs(1);
/// Inputs do not grow beyond that.
const INPUT_BYTES_MAX: usize = 16 << 10;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// The kept inputs of one parser, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(corpora().join(target))
        .unwrap_or_else(|e| panic!("fuzz/corpus/{target}: {e}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One input changed in one to four places, at times by a part of another.
fn changed(chance: &mut StdRng, inputs: &[Vec<u8>]) -> Vec<u8> {
    const STRIKING: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'%', b'/', b':', b'[', b'{', b'\\'];
    let mut bytes = inputs.choose(chance).cloned().unwrap_or_default();
    for _ in 0..chance.random_range(1..=4) {
        let at = chance.random_range(0..=bytes.len());
        let end = (at + chance.random_range(0..=8)).min(bytes.len());
        match chance.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << chance.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = chance.random(),
            2 => drop(bytes.splice(at..end, STRIKING.choose(chance).copied())),
            3 => {
                let piece = bytes[at..end].repeat(chance.random_range(0..16));
                drop(bytes.splice(at..end, piece));
            }
            4 => {
                let other = inputs.choose(chance).map(Vec::as_slice).unwrap_or_default();
                let from = chance.random_range(0..=other.len());
                let to = (from + chance.random_range(0..=64)).min(other.len());
                drop(bytes.splice(at..end, other[from..to].iter().copied()));
            }
            _ => bytes.truncate(at),
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

/// Why an input is too much for a parser, if it is.
fn fault(attempt: Try, input: &[u8]) -> Option<String> {
    MEMORY.reset_peak_usage();
    let (before, began) = (MEMORY.current_usage(), ThreadTime::now());
    let panicked = catch_unwind(AssertUnwindSafe(|| attempt(input))).is_err();
    let (taken, time) = (MEMORY.peak_usage().saturating_sub(before), began.elapsed());
    match () {
        () if panicked => Some("it panics".to_owned()),
        () if taken > BYTES_MAX => Some(format!("it takes {taken} bytes of memory")),
        () if time > TIME_MAX => Some(format!("it takes {time:?} of the processor")),
        () => None,
    }
}

/// Proves that no kept input and none of thousands like them makes a parser panic or break what it promises, nor take
/// more than 32 MiB or a second. One test, since it measures the memory of its process.
#[test]
fn sec_50_no_input_takes_a_parser_down_or_for_long() {
    let seed = std::env::var("FUZZ_SEED").map_or(SEED, |text| text.parse().unwrap());
    println!("FUZZ_SEED={seed}");
    for (name, attempt) in TARGETS {
        let (inputs, mut chance) = (corpus(name), StdRng::seed_from_u64(seed));
        // What a parser makes once is not the input's.
        inputs.iter().take(1).for_each(|input| attempt(input));
        let more = std::iter::repeat_with(|| changed(&mut chance, &inputs)).take(CHANGES);
        for input in inputs.iter().cloned().chain(more) {
            if let Some(fault) = fault(attempt, &input) {
                let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broken-{name}"));
                fs::write(&path, &input).unwrap();
                panic!("FUZZ_SEED={seed}: {name}: {fault}: {}", path.display());
            }
        }
    }
}

/// Proves that each parser has a corpus, no corpus lacks its parser, and none of them grows without anybody looking.
#[test]
fn every_parser_has_its_corpus() {
    let mut known: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    known.sort();
    let mut kept: Vec<_> = fs::read_dir(corpora())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, known);
    for name in &known {
        let inputs = corpus(name);
        let bytes: usize = inputs.iter().map(Vec::len).sum();
        assert!(!inputs.is_empty() && inputs.len() <= 120 && bytes <= 96 << 10, "{name}: {bytes} bytes");
    }
}
