//! One parser under libFuzzer: the one that VITRINE_FUZZ names, of those in `vitrine::fuzzing`. `tools/fuzz` builds this
//! with counters of coverage and runs it. No input may take more than [`BYTES_MAX`] and [`TIME_MAX`].

#![no_main]

use std::{sync::OnceLock, time::Duration};

use cpu_time::ThreadTime;
use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use vitrine::fuzzing::{TARGETS, Try};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that may be allocated for one input, beside what was there before it.
const BYTES_MAX: usize = 32 << 20;
/// Time of the processor for one input.
const TIME_MAX: Duration = Duration::from_secs(1);

fn target() -> Try {
    static TARGET: OnceLock<Try> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var("VITRINE_FUZZ").expect("VITRINE_FUZZ names a target");
        let found = TARGETS.iter().find(|(known, _)| *known == name).expect("VITRINE_FUZZ names no target");
        // What is made once is not the input's.
        found.1(b"");
        found.1(b"{}");
        found.1
    })
}

fuzz_target!(|data: &[u8]| {
    let target = target();
    MEMORY.reset_peak_usage();
    let (before, began) = (MEMORY.current_usage(), ThreadTime::now());
    target(data);
    let (taken, time) = (MEMORY.peak_usage().saturating_sub(before), began.elapsed());
    assert!(taken <= BYTES_MAX, "one input takes {taken} bytes");
    assert!(time <= TIME_MAX, "one input takes {time:?}");
});
