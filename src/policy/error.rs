//! Errors of the policy room.

use std::path::PathBuf;

/// Errors of policies, apart from a denial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A rule was enforced that the service never registered: a fault of ours, a 500.
    #[error("policy rule {rule:?} is not registered")]
    NotRegistered {
        /// The name that was enforced.
        rule: String,
    },
    /// A file or directory that is there cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A file that was read is no policy file.
    #[error("{}: not a valid policy file: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// An option's value is out of range.
    #[error("[oslo_policy] {option}: {reason}")]
    Setting {
        /// The option's name.
        option: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// A policy server could not be asked or did not answer in time: a server error, not a denial.
    #[error("the policy server at {url} did not answer: {reason}")]
    Remote {
        /// The URL that was asked; it may hold attributes of the target.
        url: String,
        /// The transport's words.
        reason: String,
    },
}
