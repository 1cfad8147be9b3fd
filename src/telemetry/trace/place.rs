//! A place in a trace, and how others name one (W3C Trace Context, `traceparent` and `tracestate`).

use std::sync::Arc;

use super::tracer::Tracer;

/// Bounds of `tracestate`: members, and bytes of all of them.
const MEMBERS_MAX: usize = 32;
const STATE_MAX: usize = 512;
/// Bytes of `traceparent` in version 00.
const LENGTH: usize = 55;

/// The span of the work under way. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Place(Arc<At>);

#[derive(Debug)]
struct At {
    tracer: Tracer,
    trace_id: u128,
    span_id: u64,
    sampled: bool,
    state: Option<Arc<str>>,
}

impl Place {
    pub(super) fn new(tracer: Tracer, span_id: u64, of: &Parent) -> Self {
        let Parent { trace_id, sampled, state, .. } = of.clone();
        Self(Arc::new(At { tracer, trace_id, span_id, sampled, state }))
    }

    /// Another span of the same trace.
    pub(super) fn below(&self, span_id: u64) -> Self {
        let At { tracer, trace_id, sampled, state, .. } = &*self.0;
        let (tracer, state) = (tracer.clone(), state.clone());
        Self(Arc::new(At { tracer, trace_id: *trace_id, span_id, sampled: *sampled, state }))
    }

    pub(super) fn tracer(&self) -> &Tracer {
        &self.0.tracer
    }

    pub(super) fn ids(&self) -> (u128, u64) {
        (self.0.trace_id, self.0.span_id)
    }

    pub(super) fn is_sampled(&self) -> bool {
        self.0.sampled
    }

    pub(super) fn shared_state(&self) -> Option<Arc<str>> {
        self.0.state.clone()
    }

    /// The id of the trace, as 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.0.trace_id)
    }

    /// The value of `traceparent` for whoever is called from here.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.0.trace_id, self.0.span_id, u8::from(self.0.sampled))
    }

    /// The value of `tracestate`, which is passed on as it came.
    pub fn tracestate(&self) -> Option<&str> {
        self.0.state.as_deref()
    }
}

/// The span, in another process or at another time, that caused work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its trace.
    pub trace_id: u128,
    /// Its id; 0 where only the trace is known.
    pub span_id: u64,
    /// Whether there are spans of this trace.
    pub sampled: bool,
    /// What `tracestate` says of it.
    pub state: Option<Arc<str>>,
}

impl Parent {
    /// Reads the headers. One `traceparent` that is not as it should be is none; so is a `tracestate`.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let version = hex(traceparent.get(..2)?)?;
        let fits = match version {
            0xff => false,
            0 => traceparent.len() == LENGTH,
            // Later versions may say more, after another hyphen.
            _ => traceparent.len() == LENGTH || traceparent.get(LENGTH..=LENGTH) == Some("-"),
        };
        let hyphens = [2, 35, 52].iter().all(|place| traceparent.as_bytes().get(*place) == Some(&b'-'));
        if !fits || !hyphens {
            return None;
        }
        let trace_id = hex(traceparent.get(3..35)?).filter(|id| *id != 0)?;
        let span_id = hex(traceparent.get(36..52)?).and_then(|id| u64::try_from(id).ok());
        let flags = hex(traceparent.get(53..55)?)?;
        let state = tracestate.filter(|state| is_state(state)).map(Arc::from);
        Some(Self { trace_id, span_id: span_id.filter(|id| *id != 0)?, sampled: flags & 1 == 1, state })
    }
}

/// The number that lower-case hexadecimal digits say.
fn hex(digits: &str) -> Option<u128> {
    let are_digits = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if are_digits { u128::from_str_radix(digits, 16).ok() } else { None }
}

/// Whether this may be passed on: few members `key=value` of visible characters.
fn is_state(text: &str) -> bool {
    let is_key = |key: &str| {
        let all = key
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'));
        all && (1..=256).contains(&key.len())
    };
    let is_member = |member: &str| {
        let member = member.trim_matches([' ', '\t']);
        let parts = member.split_once('=');
        let is_value = |value: &str| {
            !value.is_empty() && value.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'=')
        };
        member.is_empty() || parts.is_some_and(|(key, value)| is_key(key) && is_value(value))
    };
    let members = || text.split(',');
    text.len() <= STATE_MAX
        && members().count() <= MEMBERS_MAX
        && members().any(|member| member.contains('='))
        && members().all(is_member)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    /// Proves what is read of a parent that is as the standard has it, in this version and in a later one.
    #[test]
    fn parents_are_read() {
        for (text, sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), true),
            (format!("00-{TRACE}-{SPAN}-02"), false),
            (format!("cc-{TRACE}-{SPAN}-01-what.the-future-says"), true),
        ] {
            let parent = Parent::parse(&text, Some("vendor=a1,other@b=2 3")).unwrap();
            assert_eq!(
                format!("{:032x} {:016x}", parent.trace_id, parent.span_id),
                format!("{TRACE} {SPAN}")
            );
            assert_eq!(
                (parent.sampled, parent.state.as_deref()),
                (sampled, Some("vendor=a1,other@b=2 3")),
                "{text}"
            );
        }
    }

    /// Proves that whatever else is sent is no parent.
    #[test]
    fn what_is_no_parent_is_ignored() {
        let zero = "0".repeat(32);
        for text in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{zero}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zero[..16]),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00-{}+-{SPAN}-01", &TRACE[..31]),
            "ä".repeat(55),
        ] {
            assert_eq!(Parent::parse(&text, None), None, "{text}");
        }
    }

    /// Proves that a state that is not as the standard has it is not passed on, and the parent counts all the same.
    #[test]
    fn states_are_checked() {
        let many = vec!["a=1"; 33].join(",");
        let long = format!("a={}", "x".repeat(511));
        for (state, passes) in
            [("a=1, b=2", true), ("", false), ("a", false), ("A=1", false), ("a=", false), ("a=1=2", false)]
                .into_iter()
                .chain([(many.as_str(), false), (long.as_str(), false), ("a=\u{1}", false)])
        {
            let parent = Parent::parse(&format!("00-{TRACE}-{SPAN}-01"), Some(state)).unwrap();
            assert_eq!(parent.state.is_some(), passes, "{state}");
        }
    }
}
