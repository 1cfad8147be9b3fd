//! `glance-cache-cleaner`, `glance-cache-pruner` and `glance-cache-prefetcher`: what cron runs on each node
//! (`glance/cmd/cache_cleaner.py`, `cache_pruner.py`, `cache_prefetcher.py`).

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use super::common::{Common, ended, parsed};
use crate::{
    cli::cache::{self, Command},
    config::Program,
    server::StartError,
};

static CACHE: Program = Program { reads: &["glance-api", "glance-cache"], is_service: false };

/// Look after the image cache of this machine.
#[derive(Debug, Parser)]
#[command(version, infer_long_args = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

/// `glance-cache-cleaner`: removes invalid files, and incomplete files that nobody is writing.
pub fn cleaner(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Arguments = parsed(arguments);
    let place = arguments.common.place_of_tool(&CACHE);
    ended(place.and_then(|place| cache::run(Command::Clean { place })))
}

/// `glance-cache-pruner`: deletes images until the cache is within its size limit.
pub fn pruner(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Arguments = parsed(arguments);
    let place = arguments.common.place_of_tool(&CACHE);
    ended(place.and_then(|place| cache::run(Command::Prune { place })))
}

/// `glance-cache-prefetcher`: does nothing, because the server fetches queued images itself.
pub fn prefetcher(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Arguments = parsed(arguments);
    ended(arguments.common.place_of_tool(&CACHE).and_then(|place| {
        let configured = place.config()?.cache.is_some();
        let missing = || StartError("there is no cache: [DEFAULT] image_cache_dir is not set".to_owned());
        configured.then_some(()).ok_or_else(missing)?;
        println!("nothing to do: the server of this machine caches what is queued within seconds");
        Ok(())
    }))
}
