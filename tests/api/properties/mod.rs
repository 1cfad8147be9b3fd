//! Rules that hold for every input, tried on random ones.

mod lists;
mod patches;
mod queries;

use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::{Builder, Runtime};

fn runner(cases: u32) -> TestRunner {
    // Failures are shown with their input; files of old failures would be written beside the sources.
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

/// Properties are functions that are not async; this runs what they ask of the server.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
