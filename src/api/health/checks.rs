//! The checks of `/healthcheck`: the backends of `[healthcheck]` (`oslo_middleware/healthcheck`).

use std::{collections::BTreeMap, path::PathBuf};

/// One backend, with its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// `disable_by_file`: the node is out of rotation while the file is there.
    DisableByFile(Option<PathBuf>),
    /// `disable_by_files_ports`: the same, with a file for each port.
    DisableByFilesPorts(BTreeMap<u16, PathBuf>),
    /// `enable_by_files`: the node is in rotation while all of these are there.
    EnableByFiles(Vec<PathBuf>),
}

/// The result of a check, in oslo's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the node may be used.
    pub available: bool,
    /// In capital letters.
    pub reason: &'static str,
    /// For `detailed`.
    pub details: String,
}

impl Outcome {
    fn well(details: String) -> Self {
        Self { available: true, reason: "OK", details }
    }

    /// A node that must not be used, for this reason.
    pub fn bad(reason: &'static str, details: impl Into<String>) -> Self {
        Self { available: false, reason, details: details.into() }
    }
}

const DISABLED: &str = "DISABLED BY FILE";

impl Check {
    /// Looks at the files, for a server that listens on `port`. Blocking.
    pub fn look(&self, port: u16) -> Outcome {
        match self {
            Self::DisableByFile(None) => {
                Outcome::well("No 'disable_by_file_path' configuration value specified".to_owned())
            }
            Self::DisableByFile(Some(path)) if path.exists() => {
                Outcome::bad(DISABLED, format!("Path '{}' was found", path.display()))
            }
            Self::DisableByFile(Some(path)) => {
                Outcome::well(format!("Path '{}' was not found", path.display()))
            }
            Self::DisableByFilesPorts(paths) => match paths.get(&port) {
                Some(path) if path.exists() => Outcome::bad(DISABLED, ""),
                _ => Outcome::well(String::new()),
            },
            Self::EnableByFiles(paths) => match paths.iter().find(|path| !path.exists()) {
                Some(path) => {
                    Outcome::bad("FILE PATH MISSING", format!("File path {} is missing", path.display()))
                }
                None => Outcome::well("Specified file paths are available".to_owned()),
            },
        }
    }

    /// The outcome when the file system does not answer: a missing "disable" file must not affect health, but a file
    /// that must exist counts as missing.
    pub fn unseen(&self) -> Outcome {
        match self {
            Self::EnableByFiles(_) => {
                Outcome::bad("FILE PATH MISSING", "The file system does not answer in time")
            }
            _ => Outcome::well("The file system does not answer in time".to_owned()),
        }
    }
}
