//! What is wrong with what a job was given, in a form that its row keeps.

use serde::{Deserialize, Serialize};

use crate::model::error::Error;

/// The kind of a refusal, for the one who answers a request by the end of a job: the same fault has the same status
/// whether a request finds it or a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The data, or what is said of it, contradicts what its owner said before: a hash, a signature.
    Invalid,
    /// The data is unsafe, or has another format than its owner declared.
    Format,
    /// A quota or a limit is exceeded.
    TooLarge,
    /// Nothing is wrong with it; things are not so that it can be done.
    Conflict,
}

impl Fault {
    /// The kind of an error.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Invalid(_) => Self::Invalid,
            Error::UnsupportedMediaType(_) => Self::Format,
            Error::TooLarge(_) => Self::TooLarge,
            Error::Because(because) => Self::of(&because.error),
            _ => Self::Conflict,
        }
    }

    /// The error of this kind, in these words.
    pub fn error(self, text: String) -> Error {
        match self {
            Self::Invalid => Error::Invalid(text),
            Self::Format => Error::UnsupportedMediaType(text),
            Self::TooLarge => Error::TooLarge(text),
            Self::Conflict => Error::Conflict(text),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Proves that each kind of refusal is the same after it has been in a row, also when it came with a reason.
    #[test]
    fn a_kind_survives_a_row() {
        for fault in [Fault::Invalid, Fault::Format, Fault::TooLarge, Fault::Conflict] {
            let row = serde_json::to_value(Some(fault)).unwrap();
            let read: Option<Fault> = serde_json::from_value(row).unwrap();
            let error = read.unwrap().error("why".to_owned());
            assert_eq!(error.to_string(), "why");
            assert_eq!(Fault::of(&error), fault);
            assert_eq!(Fault::of(&error.because("reason", serde_json::Value::Null)), fault);
        }
        assert_eq!(Fault::of(&Error::Gone(String::new())), Fault::Conflict);
    }
}
