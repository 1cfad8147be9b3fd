//! Bytes as text.

/// The bytes as text, if they are one.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
