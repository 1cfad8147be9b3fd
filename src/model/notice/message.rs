//! Messages as oslo.messaging makes them: what a notification says, and the forms in which drivers send it
//! (`oslo_messaging/notify/notifier.py`, `_drivers/common.py: serialize_msg`).

use openssl::sha::sha256;
use serde_json::{Value, json};

use super::told::Notice;
use crate::model::{hash::hex, time::Timestamp};

/// How messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Driver `messaging`: the message is the body.
    Bare,
    /// Driver `messagingv2`: the body has the message as a text.
    Enveloped,
}

/// The message of a notice, without what a driver adds.
pub fn of(notice: &Notice, publisher_id: &str, now: Timestamp) -> Value {
    json!({
        "message_id": uuid::Uuid::new_v4().to_string(),
        "publisher_id": publisher_id,
        "event_type": notice.kind,
        "priority": notice.priority.as_str(),
        "payload": notice.payload,
        "timestamp": now.python_text(),
    })
}

/// The body that a driver sends to a topic. Sent again it is the same, so that listeners drop it the second time.
///
/// # Errors
/// A message that cannot be read.
pub fn body(message: &str, format: Format, topic: &str) -> Result<String, serde_json::Error> {
    let mut message: Value = serde_json::from_str(message)?;
    let id = message.get("message_id").and_then(Value::as_str).unwrap_or_default();
    let unique = hex(sha256(format!("{id} {format:?} {topic}").as_bytes()).get(..16).unwrap_or_default());
    if let Some(members) = message.as_object_mut() {
        members.insert("_unique_id".to_owned(), unique.into());
    }
    Ok(match format {
        Format::Bare => message.to_string(),
        Format::Enveloped => json!({
            "oslo.version": "2.0",
            "oslo.message": message.to_string(),
        })
        .to_string(),
    })
}
