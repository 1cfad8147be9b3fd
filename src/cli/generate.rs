//! `vitrine generate`: what packages install beside the program, written from the parser of its command line.

use std::{io::Write, path::PathBuf};

use clap_complete::Shell;

use crate::server::StartError;

/// Commands of `vitrine generate`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write the completions of a shell to standard output.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write a man page for each command into a folder.
    Man {
        /// An existing folder.
        folder: PathBuf,
    },
}

/// Writes what was asked for of the parser `program`.
///
/// # Errors
/// [`StartError`] when it cannot be written.
pub fn run(command: Command, mut program: clap::Command) -> Result<(), StartError> {
    match command {
        Command::Completions { shell } => {
            let mut text = Vec::new();
            let name = program.get_name().to_owned();
            clap_complete::generate(shell, &mut program, name, &mut text);
            let written = std::io::stdout().write_all(&text);
            written.map_err(|e| StartError(format!("the completions cannot be written: {e}")))
        }
        Command::Man { folder } => clap_mangen::generate_to(program, &folder)
            .map_err(|e| StartError(format!("the man pages cannot be written to {}: {e}", folder.display()))),
    }
}
