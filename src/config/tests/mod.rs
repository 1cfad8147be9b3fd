//! Tests of the configuration room: oslo.config's own behaviour as data, the registry, the
//! findings, and files in the shape of real deployments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod assemble;
mod corpus;
mod deployments;
mod findings;
mod key_manager;
mod listening;
mod registry;
mod swift;

use std::path::PathBuf;

use super::check::Topic;
use super::{Input, Loaded, Sources, load};

/// Where the files of these tests are.
fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/config").join(name)
}

/// A folder with `glance-api.conf` of this text, and the sources that read it.
fn written(text: &[u8]) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("glance-api.conf");
    std::fs::write(&path, text).unwrap();
    let sources = Sources { inputs: vec![Input::File(path)], ..Sources::default() };
    (dir, sources)
}

/// Loads one file of this text.
fn loaded(text: &str) -> Loaded {
    let (_dir, sources) = written(text.as_bytes());
    load(&sources)
}

/// The findings of a topic, each as `[section] option: reason` with the line before it.
fn found(loaded: &Loaded, topic: Topic) -> Vec<String> {
    let report = loaded.report();
    let mut found: Vec<_> = report.errors().chain(report.warnings()).collect();
    found.retain(|finding| finding.topic == topic);
    found
        .iter()
        .map(|finding| {
            let line = finding.line();
            match line.rsplit_once("glance-api.conf:") {
                Some((_, rest)) => rest.to_owned(),
                None => line,
            }
        })
        .collect()
}
