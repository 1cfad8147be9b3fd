//! `glance-scrubber`: does nothing, because the servers delete the data of deleted images themselves, also with
//! delayed deletion (`glance/cmd/scrubber.py`).

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use super::common::{Common, ended, parsed};
use crate::{config::Program, server::StartError};

static SCRUBBER: Program = Program { reads: &["glance-api", "glance-scrubber"], is_service: false };

/// Delete the data of deleted images.
#[derive(Debug, Parser)]
#[command(name = "glance-scrubber", version, infer_long_args = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Run for ever; there is nothing to run for, so it ends at once.
    #[arg(short = 'D', long)]
    daemon: bool,
    /// Run once, which is what is done anyway.
    #[arg(long, overrides_with = "daemon")]
    nodaemon: bool,
    /// Make a deleted image active again.
    #[arg(long, value_name = "<IMAGE_ID>")]
    restore: Option<String>,
}

/// Runs it.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Arguments = parsed(arguments);
    ended(scrub(arguments))
}

fn scrub(arguments: Arguments) -> Result<(), StartError> {
    if arguments.restore.is_some() && arguments.daemon {
        return Err(StartError("--restore and --daemon exclude each other".to_owned()));
    }
    let delayed = arguments.common.place_of_tool(&SCRUBBER)?.config()?.image.delayed_delete;
    if let Some(id) = arguments.restore {
        return Err(StartError(format!(
            "image {id} cannot be restored: what is deleted is not kept for that, only its data until scrub_time is over"
        )));
    }
    let when = if delayed { "once scrub_time is over" } else { "at once" };
    println!("nothing to do: the servers delete the data of deleted images {when}");
    Ok(())
}
