//! Describes errors with their causes.

use std::{error::Error, fmt::Write};

/// An error with all its causes: reqwest says the least important one first.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
