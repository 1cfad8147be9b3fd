//! Spans as a collector takes them: `ExportTraceServiceRequest` of OTLP 1 in the binary form of protobuf
//! (`opentelemetry/proto/trace/v1/trace.proto`).
//!
//! It is a handful of messages, so they are written here, with the number of each field beside it, and not by a library.

use super::record::{Finished, Value};

/// How a field begins.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    Fixed32 = 5,
}

/// A message of protobuf that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn field(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field) << 3 | wire as u64);
    }

    fn number(&mut self, field: u32, number: u64) {
        self.field(field, Wire::Varint);
        self.varint(number);
    }

    fn fixed64(&mut self, field: u32, number: u64) {
        self.field(field, Wire::Fixed64);
        self.0.extend(number.to_le_bytes());
    }

    fn fixed32(&mut self, field: u32, number: u32) {
        self.field(field, Wire::Fixed32);
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.field(field, Wire::Length);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// A `KeyValue`.
    fn attribute(&mut self, field: u32, key: &str, value: &Value) {
        self.message(field, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| match value {
                Value::Text(text) => any.bytes(1, text.as_bytes()),
                // Negative numbers are their two's complement.
                Value::Number(number) => any.number(3, *number as u64),
            });
        });
    }
}

/// `Status.code` of what failed.
const ERROR: u64 = 2;
/// `Span.flags` of a span that there is, as in `traceparent`.
const SAMPLED: u32 = 1;

fn span(message: &mut Message, span: &Finished) {
    message.bytes(1, &span.trace_id.to_be_bytes());
    message.bytes(2, &span.span_id.to_be_bytes());
    if let Some(state) = &span.state {
        message.bytes(3, state.as_bytes());
    }
    if span.parent_id != 0 {
        message.bytes(4, &span.parent_id.to_be_bytes());
    }
    message.bytes(5, span.name.as_bytes());
    message.number(6, span.kind as u64);
    message.fixed64(7, span.start);
    message.fixed64(8, span.end);
    for (key, value) in &span.attributes {
        message.attribute(9, key, value);
    }
    if let Some(why) = &span.error {
        message.message(15, |status| {
            if !why.is_empty() {
                status.bytes(2, why.as_bytes());
            }
            status.number(3, ERROR);
        });
    }
    message.fixed32(16, SAMPLED);
}

/// The body of a request with these spans, of a process that these attributes describe.
pub fn request(resource: &[(&'static str, Value)], spans: &[Finished]) -> Vec<u8> {
    request_of(env!("CARGO_PKG_VERSION"), resource, spans)
}

fn request_of(version: &str, resource: &[(&'static str, Value)], spans: &[Finished]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.message(1, |described| {
            for (key, value) in resource {
                described.attribute(1, key, value);
            }
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.bytes(1, env!("CARGO_PKG_NAME").as_bytes());
                scope.bytes(2, version.as_bytes());
            });
            for one in spans {
                scope_spans.message(2, |message| span(message, one));
            }
        });
    });
    request.0
}

#[cfg(test)]
mod tests {
    use super::{super::record::Kind, *};

    /// What the package opentelemetry-proto 1.45.2 of Python makes of the two spans below, in hexadecimal digits.
    const EXPECTED: [&str; 7] = [
        "0ab2020a1b0a190a0c736572766963652e6e616d6512090a0776697472696e651292020a100a0776697472696e651205",
        "312e322e3312b5010a104bf92f3577b34da6a3ce929d0e0e4736120800f067aa0ba902b71a03613d3122080102030405",
        "0607082a0e474554202f76322f696d6167657330023901002a36fe9c9717412c012a36fe9c97174a1a0a0a687474702e",
        "726f757465120c0a0a2f76322f696d616765734a200a19687474702e726573706f6e73652e7374617475735f636f6465",
        "120318f7034a170a086e65676174697665120b18feffffffffffffffff017a071203776879180285010100000012460a",
        "104bf92f3577b34da6a3ce929d0e0e4736120800f067aa0ba902b82a0a73746f72652e72656164300139010000000000",
        "00004102000000000000007a021802850101000000",
    ];

    /// Proves that spans are written as OpenTelemetry's own library writes them.
    #[test]
    fn spans_are_written_as_the_library_does() {
        let first = Finished {
            trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span_id: 0x00f0_67aa_0ba9_02b7,
            parent_id: 0x0102_0304_0506_0708,
            state: Some("a=1".into()),
            kind: Kind::Server,
            name: "GET /v2/images".into(),
            start: 1_700_000_000_000_000_001,
            end: 1_700_000_000_000_000_300,
            attributes: vec![
                ("http.route", "/v2/images".into()),
                ("http.response.status_code", 503_u16.into()),
                ("negative", Value::Number(-2)),
            ],
            error: Some("why".to_owned()),
        };
        let second = Finished {
            span_id: 0x00f0_67aa_0ba9_02b8,
            parent_id: 0,
            state: None,
            kind: Kind::Internal,
            name: "store.read".into(),
            start: 1,
            end: 2,
            attributes: Vec::new(),
            error: Some(String::new()),
            ..first.clone()
        };
        let written = request_of("1.2.3", &[("service.name", "vitrine".into())], &[first, second]);
        let digits: String = written.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digits, EXPECTED.concat());
    }
}
