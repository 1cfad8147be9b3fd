//! systemd's journal, in its own protocol: each line with its fields, among them the id of its request.

use std::{fmt::Debug, path::Path};

use tracing::{
    Event, Id, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::syslog::{Datagrams, IDENTIFIER, severity};

/// Where it is.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";
/// Bytes of a field at most; longer ones are cut.
const FIELD_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a name that the journal takes.
const NAME_BYTES_MAX: usize = 64;

/// Writes to the journal.
pub(super) struct Journal(Datagrams);

/// The fields of a span or of a line, as the protocol writes them.
#[derive(Default)]
struct Fields {
    bytes: Vec<u8>,
    message: String,
}

impl Fields {
    fn put(&mut self, name: &str, text: &str) {
        let mut end = text.len().min(FIELD_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let text = text.get(..end).unwrap_or_default();
        self.bytes.extend(name.as_bytes());
        if text.contains('\n') {
            self.bytes.push(b'\n');
            self.bytes.extend((text.len() as u64).to_le_bytes());
        } else {
            self.bytes.push(b'=');
        }
        self.bytes.extend(text.as_bytes());
        self.bytes.push(b'\n');
    }
}

/// A field's name as the journal takes it: upper case, and no underscore first.
fn name_of(field: &str) -> String {
    let name = field.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    name.skip_while(|c| !c.is_ascii_alphabetic()).take(NAME_BYTES_MAX).collect()
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, text: &str) {
        match field.name() {
            "message" => text.clone_into(&mut self.message),
            name => self.put(&name_of(name), text),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        self.record_str(field, &text);
    }
}

impl Journal {
    pub(super) fn new(path: &Path) -> Self {
        Self(Datagrams::new(path))
    }
}

impl<S> Layer<S> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let message = std::mem::take(&mut fields.message);
        fields.put("MESSAGE", if message.is_empty() { metadata.target() } else { &message });
        fields.put("PRIORITY", &severity(metadata.level()).to_string());
        fields.put("SYSLOG_IDENTIFIER", IDENTIFIER);
        fields.put("TARGET", metadata.target());
        if let Some(file) = metadata.file() {
            fields.put("CODE_FILE", file);
        }
        if let Some(line) = metadata.line() {
            fields.put("CODE_LINE", &line.to_string());
        }
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.bytes.extend(&of_span.bytes);
            }
        }
        self.0.send(&fields.bytes);
    }
}
