//! A span under way.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    place::{Parent, Place},
    record::{Finished, Kind, Value},
    tracer::Tracer,
};

/// A span, which ends when it is dropped. The default is none: it takes what it is told and does nothing.
#[derive(Debug, Default)]
#[must_use]
pub struct Span {
    place: Option<Place>,
    /// What is known of it; `None` where nobody wants to know.
    open: Option<Box<Open>>,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    name: Cow<'static, str>,
    parent_id: u64,
    start: SystemTime,
    began: Instant,
    attributes: Vec<(&'static str, Value)>,
    error: Option<String>,
    bytes: AtomicU64,
}

/// An id, which is never 0.
fn id() -> u64 {
    rand::random::<u64>().max(1)
}

impl Span {
    /// A span that nothing in this process caused. `parent` did, if it is given, and decides whether there is more than
    /// its place in the trace; without one the tracer does.
    pub fn root(
        tracer: &Tracer,
        parent: Option<Parent>,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        let parent = parent.unwrap_or_else(|| {
            let trace_id = rand::random::<u128>().max(1);
            Parent { trace_id, span_id: 0, sampled: tracer.samples(trace_id), state: None }
        });
        let place = Place::new(tracer.clone(), id(), &parent);
        let open = parent.sampled.then(|| Open::new(kind, name.into(), parent.span_id));
        Self { place: Some(place), open }
    }

    /// A span that the one at `place` caused.
    pub fn child(place: Option<&Place>, kind: Kind, name: impl Into<Cow<'static, str>>) -> Self {
        let Some(place) = place.filter(|place| place.is_sampled()) else { return Self::default() };
        let open = Open::new(kind, name.into(), place.ids().1);
        Self { place: Some(place.below(id())), open: Some(open) }
    }

    /// Its place, for what it causes.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Whether anybody wants to know of it.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Says something of it. Nothing secret may be said.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.open {
            open.attributes.push((key, value.into()));
        }
    }

    /// Names it anew.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(open) = &mut self.open {
            open.name = name.into();
        }
    }

    /// Says that it failed: the kind of error, one of few, and a sentence without secrets, or nothing.
    pub fn fail(&mut self, kind: impl Into<Value>, why: impl FnOnce() -> String) {
        if let Some(open) = &mut self.open {
            open.attributes.push(("error.type", kind.into()));
            let Value::Text(why) = Value::from(why()) else { return };
            open.error = Some(why.into_owned());
        }
    }

    /// So many bytes more were moved.
    pub fn add_bytes(&self, bytes: usize) {
        if let Some(open) = &self.open {
            open.bytes.fetch_add(bytes as u64, Relaxed);
        }
    }
}

impl Open {
    fn new(kind: Kind, name: Cow<'static, str>, parent_id: u64) -> Box<Self> {
        let (attributes, error, bytes) = (Vec::new(), None, AtomicU64::default());
        let (start, began) = (SystemTime::now(), Instant::now());
        Box::new(Self { kind, name, parent_id, start, began, attributes, error, bytes })
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let (Some(place), Some(open)) = (&self.place, self.open.take()) else { return };
        let Open { kind, name, parent_id, start, began, mut attributes, error, bytes } = *open;
        let nanos = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let start = nanos(start.duration_since(UNIX_EPOCH).unwrap_or_default());
        let end = start.saturating_add(nanos(began.elapsed()));
        match bytes.into_inner() {
            0 => {}
            bytes => attributes.push(("vitrine.bytes", bytes.into())),
        }
        let ((trace_id, span_id), state) = (place.ids(), place.shared_state());
        let span =
            Finished { trace_id, span_id, parent_id, state, kind, name, start, end, attributes, error };
        place.tracer().take(span);
    }
}
