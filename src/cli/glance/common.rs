//! Shared by Glance's commands: the arguments of oslo.config and oslo.log, the default configuration files, and exit
//! codes.

use std::{ffi::OsString, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Parser};

use crate::{
    cli::{
        config::Files,
        place::{Place, overriding},
    },
    config::{Override, Program},
    server::StartError,
    telemetry,
};

/// The data folder of what is called by a name of Glance's, unless the configuration names one.
const DATA_DIR: &str = "/var/lib/glance/vitrine";

/// Options of `[DEFAULT]` that are switched on and off, with the arguments that do so.
const SWITCHES: [(&str, &str, &str); 5] = [
    ("debug", "debug", "nodebug"),
    ("use_journal", "use-journal", "nouse-journal"),
    ("use_json", "use-json", "nouse-json"),
    ("use_syslog", "use-syslog", "nouse-syslog"),
    ("watch_log_file", "watch-log-file", "nowatch-log-file"),
];
/// Options of `[DEFAULT]` that have a value, with the argument that sets it and the other spellings that oslo.log takes.
const VALUES: [(&str, &str, &[&str]); 5] = [
    ("log_config_append", "log-config-append", &["log-config", "log_config"]),
    ("log_date_format", "log-date-format", &[]),
    ("log_dir", "log-dir", &["logdir"]),
    ("log_file", "log-file", &["logfile"]),
    ("syslog_log_facility", "syslog-log-facility", &[]),
];

/// Configuration files, and options of `[DEFAULT]` about the log.
#[derive(Clone, Debug)]
pub struct Common {
    files: Files,
    overrides: Vec<Override>,
}

fn switch(name: &'static str, opposite: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).overrides_with(opposite).hide(true)
}

impl Args for Common {
    fn augment_args(command: Command) -> Command {
        let mut command = Files::augment_args(command);
        for (option, on, off) in SWITCHES {
            let arg = switch(on, off);
            command = command.arg(if option == "debug" { arg.short('d').hide(false) } else { arg });
            command = command.arg(switch(off, on));
        }
        for (_, name, aliases) in VALUES {
            command = command.arg(Arg::new(name).long(name).aliases(aliases).hide(true));
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Common {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut overrides = Vec::new();
        let mut say = |option, value: &str| overrides.push(overriding("DEFAULT", option, value));
        for (option, on, off) in SWITCHES {
            for (name, value) in [(on, "true"), (off, "false")] {
                if matches.get_flag(name) {
                    say(option, value);
                }
            }
        }
        for (option, name, _) in VALUES {
            if let Some(value) = matches.get_one::<String>(name) {
                say(option, value);
            }
        }
        Ok(Self { files: Files::from_arg_matches(matches)?, overrides })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Common {
    /// Where the configuration and the database are, for a program with these files.
    pub fn place(self, program: &'static Program) -> Place {
        let files = Files { program: Some(program), ..self.files };
        Place::of(files, self.overrides, DATA_DIR)
    }

    /// The same for a program that does one thing and ends; it logs as configured.
    ///
    /// # Errors
    /// [`StartError`] when the configuration or the log cannot be used.
    pub fn place_of_tool(self, program: &'static Program) -> Result<Place, StartError> {
        let place = self.place(program);
        telemetry::log::start(&place.config()?.log).map_err(StartError)?;
        Ok(place)
    }
}

/// Reads the arguments of a program, and ends it where they are wrong, with argparse's exit code 2.
pub fn parsed<T: Parser>(arguments: Vec<OsString>) -> T {
    T::parse_from(arguments)
}

/// The exit code of what a program did: 1 with a line that says why, as Glance writes it.
pub fn ended(result: Result<(), StartError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}
