//! `vitrine confine`: a process that drops its rights and executes another program. The server calls it; see
//! `import/confine`.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use crate::import::confine::{NOT_CONFINED, inside};

/// Arguments of `vitrine confine`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The process whose death ends this one.
    #[arg(long)]
    parent: u32,
    /// Seconds of processor time.
    #[arg(long)]
    cpu_seconds: u64,
    /// Bytes of address space.
    #[arg(long)]
    memory: u64,
    /// Bytes of a file that is written.
    #[arg(long)]
    file_bytes: u64,
    /// Descriptors.
    #[arg(long)]
    files: u64,
    /// The file that is read.
    #[arg(long)]
    reads: PathBuf,
    /// The file that is written.
    #[arg(long)]
    writes: Option<PathBuf>,
    /// Continue even if the kernel cannot enforce everything.
    #[arg(long)]
    lenient: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Executes the program; returns only on failure.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { parent, cpu_seconds, memory, file_bytes, files, reads, writes, lenient, command } =
        arguments;
    let sentence =
        inside::Sentence { parent, cpu_seconds, memory, file_bytes, files, reads, writes, lenient, command };
    eprintln!("vitrine confine: {}", inside::run(&sentence));
    ExitCode::from(NOT_CONFINED)
}
