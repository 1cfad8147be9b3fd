//! Errors that prevent the server or a command from working.

/// Why the server does not start, in a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// The failure to do `what`.
pub(super) fn failed(what: &str, reason: impl std::fmt::Display) -> StartError {
    StartError(format!("{what}: {reason}"))
}

/// A runtime for what runs before the server, or without one.
///
/// # Errors
/// [`StartError`] when the operating system gives it nothing to wait with.
pub fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(|e| failed("cannot start", e))
}
