//! A span that has ended.

use std::{borrow::Cow, sync::Arc};

/// Bytes of a text in an attribute; what callers send is cut there.
const TEXT_MAX: usize = 1024;

/// The role of a span, as OpenTelemetry numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work within the process.
    Internal = 1,
    /// A request that is served.
    Server = 2,
    /// A request to another service.
    Client = 3,
    /// A message that nobody waits for.
    Producer = 4,
    /// Work that was asked for earlier.
    Consumer = 5,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(mut text: String) -> Self {
        if text.len() > TEXT_MAX {
            let end = (0..=TEXT_MAX).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
        }
        Self::Text(text.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// A span that has ended. Times are nanoseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The trace that it belongs to.
    pub trace_id: u128,
    /// Its own id.
    pub span_id: u64,
    /// The span that caused it; 0 is none.
    pub parent_id: u64,
    /// What `tracestate` says of the trace.
    pub state: Option<Arc<str>>,
    /// Its role.
    pub kind: Kind,
    /// What it is called; there are few names.
    pub name: Cow<'static, str>,
    /// When it began.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// What there is to say of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed, if it did; may be empty.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a long text is cut between two characters, and a short one is left alone.
    #[test]
    fn texts_have_a_bound() {
        let long = format!("{}ä", "x".repeat(TEXT_MAX - 1));
        assert_eq!(Value::from(long), Value::Text("x".repeat(TEXT_MAX - 1).into()));
        let fits = "x".repeat(TEXT_MAX);
        assert_eq!(Value::from(fits.clone()), Value::Text(fits.into()));
    }
}
