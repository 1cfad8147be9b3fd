//! `glance-api`, and `glance-wsgi-api` where a process of that name is started rather than loaded into a WSGI server.

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use super::common::{Common, ended, parsed};
use crate::{cli::serve, config::Program};

static API: Program = Program { reads: &["glance-api"], is_service: true };

/// Run the image service.
#[derive(Debug, Parser)]
#[command(name = "glance-api", version, infer_long_args = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
}

/// Run the image service as a process of its own.
#[derive(Debug, Parser)]
#[command(name = "glance-wsgi-api", version, infer_long_args = true)]
struct WsgiArguments {
    #[command(flatten)]
    common: Common,
    /// Where to listen.
    #[arg(long)]
    host: Option<String>,
    /// Where to listen.
    #[arg(long, short, default_value_t = 8000)]
    port: u16,
}

/// `glance-api`: serves until it is told to stop.
pub fn api(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Arguments = parsed(arguments);
    ended(serve::run(serve::Arguments::of_glance(arguments.common.place(&API), None)))
}

/// `glance-wsgi-api`: the same at the address that its arguments say, as the script that pbr made of it.
pub fn wsgi(arguments: Vec<OsString>) -> ExitCode {
    let arguments: WsgiArguments = parsed(arguments);
    let host = arguments.host.unwrap_or_else(|| "0.0.0.0".to_owned());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let bind = format!("{host}:{}", arguments.port);
    ended(serve::run(serve::Arguments::of_glance(arguments.common.place(&API), Some(bind))))
}
