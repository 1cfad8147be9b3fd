//! The exit code of commands that list things and report whether all of them are well.

use std::{io::Write, process::ExitCode};

use crate::server::StartError;

/// Prints a list. The exit code is 0 when all is well, `otherwise` when it is not, 1 when it cannot be determined.
pub fn listed(list: Result<(String, bool), StartError>, otherwise: u8) -> ExitCode {
    match list {
        Ok((text, well)) if std::io::stdout().write_all(text.as_bytes()).is_ok() => {
            if well {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(otherwise)
            }
        }
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vitrine: {error}");
            ExitCode::FAILURE
        }
    }
}
