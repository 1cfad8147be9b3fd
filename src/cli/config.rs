//! `vitrine config`: checks a configuration, and writes a sample.

use std::{io::Write, path::PathBuf, process::ExitCode};

use crate::config::{Config, Input, Override, Program, Sources, load, sample};

/// Which files are read.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Files {
    /// File in the format of glance-api.conf; may be repeated, later ones win.
    #[arg(long, value_name = "FILE")]
    pub config_file: Vec<PathBuf>,
    /// Folder of such files: every *.conf in it, by name; may be repeated, read after the files.
    #[arg(long, value_name = "FOLDER")]
    pub config_dir: Vec<PathBuf>,
    /// The Glance program whose files are read if none is named.
    #[arg(skip)]
    pub program: Option<&'static Program>,
}

impl Files {
    /// The named files, or Glance's own if none is named, and the environment.
    pub fn sources(self, overrides: Vec<Override>) -> Sources {
        let files = self.config_file.into_iter().map(Input::File).collect::<Vec<_>>();
        let dirs = self.config_dir.into_iter().map(Input::Dir).collect::<Vec<_>>();
        match self.program {
            Some(program) => Sources::of_program(program, files, dirs, overrides),
            None => Sources::of_process(files.into_iter().chain(dirs).collect(), overrides),
        }
    }
}

/// Commands of `vitrine config`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Report options that are invalid, refused, unknown, deprecated, obsolete or without effect.
    Check {
        #[command(flatten)]
        files: Files,
        /// Write the report as JSON.
        #[arg(long)]
        json: bool,
        /// Fail on warnings as well.
        #[arg(long)]
        strict: bool,
    },
    /// Write a sample configuration with every option and its default.
    Sample,
}

/// Runs a command. Fails when a server could not start with the configuration.
pub fn run(command: Command) -> ExitCode {
    let (text, code) = match command {
        Command::Sample => (sample(), 0),
        Command::Check { files, json, strict } => {
            let loaded = load(&files.sources(Vec::new()));
            let report = match Config::assemble(&loaded) {
                Ok(_) => loaded.report().clone(),
                Err(findings) => loaded.report().with(findings),
            };
            let text = if json { format!("{:#}\n", report.json()) } else { report.text() };
            (text, report.exit_code(strict))
        }
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::FAILURE,
    }
}
