//! Prices of usage over time.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Interval, meter::Span};
use crate::model::{
    error::{Error, Result},
    image::TEXT_CHARS_MAX,
    time::Timestamp,
};

/// Projects, and what images are sold as, for which one version has rates of their own.
const ENTRIES_MAX: usize = 10_000;
/// Digits before the point of a rate, and after it.
const WHOLE_DIGITS_MAX: usize = 9;
const DECIMALS_MAX: usize = 6;

/// Millionths of the currency.
pub type Micros = i64;

/// The rates from a time on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// The currency, for show.
    pub currency: String,
    /// For a gigabyte-month, where nothing else says more.
    pub default: Option<Micros>,
    /// By project.
    pub projects: BTreeMap<String, Micros>,
    /// By what the image is sold as, before the project's.
    pub skus: BTreeMap<String, Micros>,
    /// For an hour of a consumer with a licence, by what the image is sold as.
    pub licenses: BTreeMap<String, Micros>,
}

/// Reads a rate: a decimal number that is not negative.
pub fn parse(text: &str) -> Option<Micros> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let fits = !whole.is_empty() && whole.len() <= WHOLE_DIGITS_MAX && decimals.len() <= DECIMALS_MAX;
    if !fits || !is_number(whole) || !is_number(decimals) || text.ends_with('.') {
        return None;
    }
    format!("{whole}{decimals:0<width$}", width = DECIMALS_MAX).parse().ok()
}

/// A rate for display: with four decimals, or six if needed.
pub fn shown(rate: Micros) -> String {
    let text = format!("{}.{:06}", rate / 1_000_000, rate % 1_000_000);
    text.strip_suffix("00").unwrap_or(&text).to_owned()
}

fn rate(name: &str, value: &Value) -> Result<Micros> {
    let text =
        value.as_str().ok_or_else(|| Error::invalid(format!("{name}: a rate is a text, as \"0.05\".")))?;
    parse(text).ok_or_else(|| {
        Error::invalid(format!(
            "{name}: {text:?} is no rate; a rate has {WHOLE_DIGITS_MAX} digits at most and {DECIMALS_MAX} decimals."
        ))
    })
}

fn table(object: &Map<String, Value>, name: &str) -> Result<BTreeMap<String, Micros>> {
    let entries = match object.get(name) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err(Error::invalid(format!("{name} must be an object."))),
    };
    if entries.len() > ENTRIES_MAX {
        return Err(Error::TooLarge(format!("{name} has {ENTRIES_MAX} rates at most.")));
    }
    let read = |(key, value): (&String, &Value)| {
        if key.is_empty() || key.chars().count() > TEXT_CHARS_MAX {
            return Err(Error::invalid(format!("{name}: a name has 1 to {TEXT_CHARS_MAX} characters.")));
        }
        Ok((key.clone(), rate(key, value)?))
    };
    entries.iter().map(read).collect()
}

impl Rates {
    /// Reads what an operator sends.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::TooLarge`]
    pub fn read(object: &Map<String, Value>) -> Result<Self> {
        let currency = object.get("currency").and_then(Value::as_str).unwrap_or_default();
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Error::invalid("currency must be three capital letters, as EUR."));
        }
        let default = match object.get("default") {
            None | Some(Value::Null) => None,
            Some(value) => Some(rate("default", value)?),
        };
        Ok(Self {
            currency: currency.to_owned(),
            default,
            projects: table(object, "projects")?,
            skus: table(object, "skus")?,
            licenses: table(object, "licenses")?,
        })
    }

    /// The same, as it is stored and displayed.
    pub fn document(&self) -> Map<String, Value> {
        let of = |rates: &BTreeMap<String, Micros>| -> Value {
            rates
                .iter()
                .map(|(key, rate)| (key.clone(), Value::from(shown(*rate))))
                .collect::<Map<_, _>>()
                .into()
        };
        let mut document = Map::new();
        document.insert("currency".to_owned(), self.currency.clone().into());
        document.insert("default".to_owned(), self.default.map(shown).into());
        document.insert("projects".to_owned(), of(&self.projects));
        document.insert("skus".to_owned(), of(&self.skus));
        document.insert("licenses".to_owned(), of(&self.licenses));
        document
    }

    /// The price of an interval: for a gigabyte-month, or for an hour of a licence.
    pub fn of(&self, interval: &Interval) -> Option<Micros> {
        let sku = interval.metered.labels.sku.as_ref();
        if interval.is_license() {
            return sku.and_then(|sku| self.licenses.get(sku)).copied();
        }
        let project = interval.metered.facts.project.as_ref();
        let special = sku.and_then(|sku| self.skus.get(sku));
        special.or_else(|| project.and_then(|project| self.projects.get(project))).copied().or(self.default)
    }
}

/// All rates there have been, by the time from which they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book(pub BTreeMap<i64, Rates>);

impl Book {
    /// The parts of a span in which one version holds, each with its rates; `None` before the first.
    pub fn parts(&self, span: Span) -> Vec<(Span, Option<&Rates>)> {
        let (mut parts, mut from) = (Vec::new(), span.from);
        let mut rates = self.0.range(..=from.0).next_back().map(|(_, rates)| rates);
        let later = (std::ops::Bound::Excluded(from.0), std::ops::Bound::Excluded(span.to.0.max(from.0 + 1)));
        for (begin, next) in self.0.range(later) {
            parts.push((Span { from, to: Timestamp(*begin) }, rates));
            (from, rates) = (Timestamp(*begin), Some(next));
        }
        parts.push((Span { from, to: span.to }, rates));
        parts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Rates are read and shown exactly; what is none is refused.
    #[test]
    fn rates_are_exact() {
        for (text, micros, again) in [
            ("0.05", 50_000, "0.0500"),
            ("12", 12_000_000, "12.0000"),
            ("0.000001", 1, "0.000001"),
            ("1.25", 1_250_000, "1.2500"),
        ] {
            assert_eq!(parse(text), Some(micros), "{text}");
            assert_eq!(shown(micros), again);
            assert_eq!(parse(again), Some(micros));
        }
        for text in ["", ".5", "5.", "-1", "+1", "1e3", "0.0000001", "1234567890", " 1", "1,5", "٣"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    /// A span is cut where other rates begin, and nowhere else.
    #[test]
    fn spans_are_cut_where_rates_change() {
        let rates = |default| Rates { default: Some(default), ..Rates::default() };
        let book = Book([(10, rates(1)), (20, rates(2))].into());
        let span = |from, to| Span { from: Timestamp(from), to: Timestamp(to) };
        let cut = |from, to| -> Vec<(i64, i64, Option<i64>)> {
            let parts = book.parts(span(from, to));
            parts.iter().map(|(span, r)| (span.from.0, span.to.0, r.and_then(|r| r.default))).collect()
        };
        assert_eq!(cut(5, 25), [(5, 10, None), (10, 20, Some(1)), (20, 25, Some(2))]);
        assert_eq!(cut(10, 20), [(10, 20, Some(1))]);
        assert_eq!(cut(20, 21), [(20, 21, Some(2))]);
        assert_eq!(cut(0, 10), [(0, 10, None)]);
    }
}
