//! From intervals to hours and bytes.

use std::{collections::HashMap, sync::Arc};

use super::Interval;
use crate::model::time::Timestamp;

/// An hour in microseconds.
pub const HOUR: i64 = 3_600_000_000;

/// What counts for an image (`[vitrine] usage_basis`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// Its data once, wherever that lies.
    #[default]
    Image,
    /// Its data at each location.
    Replica,
    /// The disk that it unpacks to, once.
    Virtual,
}

impl Basis {
    /// The names of the option's values.
    pub const NAMES: [&str; 3] = ["image", "replica", "virtual"];

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Image, Self::Replica, Self::Virtual];
        Self::NAMES.into_iter().zip(all).find(|(name, _)| *name == text).map(|(_, basis)| basis)
    }
}

/// How time is counted (`[vitrine] usage_rounding`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Every hour by the clock in UTC that an interval touches counts whole, and once.
    #[default]
    ClockHour,
    /// As it is.
    Exact,
}

impl Rounding {
    /// The names of the option's values.
    pub const NAMES: [&str; 2] = ["clock-hour", "exact"];

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "clock-hour" => Some(Self::ClockHour),
            "exact" => Some(Self::Exact),
            _ => None,
        }
    }
}

/// The counting rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Which bytes.
    pub basis: Basis,
    /// Which time.
    pub rounding: Rounding,
    /// Whether public images count.
    pub has_public: bool,
    /// Bytes that an image counts for at least.
    pub min_bytes: i64,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end, which is not in it.
    pub to: Timestamp,
}

impl Span {
    /// Microseconds.
    pub fn length(self) -> i64 {
        self.to.0.saturating_sub(self.from.0).max(0)
    }
}

/// The beginning of the hour in which a moment is.
pub fn hour_of(time: Timestamp) -> Timestamp {
    Timestamp(time.0.div_euclid(HOUR).saturating_mul(HOUR))
}

/// So many bytes for so long, of one interval and in one store. A licence counts as one byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The interval.
    pub interval: Arc<Interval>,
    /// The store; empty if the data is in none of our stores.
    pub store: String,
    /// Bytes.
    pub bytes: i128,
    /// When.
    pub span: Span,
}

/// Leaves out what nobody pays for. An hour in which an image becomes public is as free as those that follow.
fn free<'a>(has_public: bool, count: &'a mut impl FnMut(Share)) -> impl FnMut(Share) + 'a {
    move |share| {
        if has_public || !share.interval.metered.labels.is_public {
            count(share);
        }
    }
}

/// Counts intervals one after the other, those of each image and consumer in the order in which they were opened.
///
/// By hours of the clock, two intervals of one image, project and store in one hour count once, with the larger size; of
/// equal ones the later counts. So an hour is counted only when it is known that no other comes.
pub struct Meter {
    rules: Rules,
    period: Span,
    now: Timestamp,
    of: (String, String),
    last: HashMap<(Option<String>, String), Share>,
}

impl Meter {
    /// Counts what falls into a period; what is still open lasts until now.
    pub fn new(rules: Rules, period: Span, now: Timestamp) -> Self {
        Self { rules, period, now, of: Default::default(), last: HashMap::new() }
    }

    /// The bytes of an interval, by store.
    fn parts(&self, interval: &Interval) -> Vec<(String, i128)> {
        let (facts, least) = (&interval.metered.facts, self.rules.min_bytes);
        if interval.is_license() {
            return vec![(String::new(), 1)];
        }
        let first = || facts.stores.first().cloned().unwrap_or_default();
        match self.rules.basis {
            Basis::Image => vec![(first(), i128::from(facts.bytes.max(least)))],
            Basis::Virtual => vec![(first(), i128::from(facts.virtual_bytes.max(least)))],
            Basis::Replica => {
                let mut parts: Vec<(String, i128)> = Vec::new();
                for store in &facts.stores {
                    let bytes = i128::from(facts.bytes.max(least));
                    match parts.iter_mut().find(|(known, _)| known == store) {
                        Some((_, sum)) => *sum = sum.saturating_add(bytes),
                        None => parts.push((store.clone(), bytes)),
                    }
                }
                parts
            }
        }
    }

    /// Counts an interval. `count` gets what is certain.
    pub fn take(&mut self, interval: &Arc<Interval>, count: &mut impl FnMut(Share)) {
        let of = (&interval.image_id, &interval.consumer);
        if of != (&self.of.0, &self.of.1) {
            self.finish(count);
            self.of = (of.0.clone(), of.1.clone());
        }
        let has_public = self.rules.has_public;
        let count = &mut free(has_public, count);
        for (store, bytes) in self.parts(interval) {
            let share = |span| Share { interval: Arc::clone(interval), store: store.clone(), bytes, span };
            match self.rules.rounding {
                Rounding::Exact => {
                    let to = interval.to.unwrap_or(self.now).min(self.period.to).min(self.now);
                    let span = Span { from: interval.from.max(self.period.from), to };
                    if span.length() > 0 {
                        count(share(span));
                    }
                }
                Rounding::ClockHour => {
                    if let Some(span) = self.hours(interval) {
                        self.by_hour(share(span), count);
                    }
                }
            }
        }
    }

    /// The hours that an interval touches, as far as they are in the period.
    fn hours(&self, interval: &Interval) -> Option<Span> {
        // What begins and ends at one moment touches its hour; what ends on the hour does not touch the next.
        let last = match interval.to {
            Some(to) if to > interval.from => Timestamp(to.0.saturating_sub(1)),
            Some(_) => interval.from,
            None => self.now.max(interval.from),
        };
        let end = hour_of(last).plus_seconds(3600);
        let span = Span { from: hour_of(interval.from).max(self.period.from), to: end.min(self.period.to) };
        (span.length() > 0).then_some(span)
    }

    /// Holds the last hour of a share back, since another may take it.
    fn by_hour(&mut self, mut new: Share, count: &mut impl FnMut(Share)) {
        let key = (new.interval.metered.facts.project.clone(), new.store.clone());
        if let Some(old) = self.last.remove(&key) {
            // A clock that went back does not count an hour twice.
            new.span.from = new.span.from.max(old.span.from);
            let is_same_hour = new.span.from == old.span.from;
            if is_same_hour && old.bytes > new.bytes {
                new.span.from = old.span.to;
            }
            if new.span.length() == 0 {
                self.last.insert(key, old);
                return;
            }
            if new.span.from != old.span.from {
                count(old);
            }
        }
        let last = Timestamp(new.span.to.0.saturating_sub(HOUR));
        if last > new.span.from {
            count(Share { span: Span { to: last, ..new.span }, ..new.clone() });
        }
        new.span.from = last;
        self.last.insert(key, new);
    }

    /// Counts what was held back. To be called at the end.
    pub fn finish(&mut self, count: &mut impl FnMut(Share)) {
        let count = &mut free(self.rules.has_public, count);
        let mut rest: Vec<Share> = self.last.drain().map(|(_, share)| share).collect();
        // In one order, whatever the order of the map is.
        rest.sort_by(|a, b| (a.interval.id, &a.store).cmp(&(b.interval.id, &b.store)));
        rest.into_iter().for_each(count);
    }
}
