//! Exact sums: integers until they are displayed, and rounding that makes lines add up to their total.

use std::cmp::Reverse;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime};
use num_bigint::BigInt;

use super::meter::{HOUR, Span};
use crate::model::time::Timestamp;

/// The size of a gigabyte (`[vitrine] usage_unit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// 10⁹ bytes.
    #[default]
    Gb,
    /// 2³⁰ bytes.
    Gib,
}

impl Unit {
    /// The names of the option's values.
    pub const NAMES: [&str; 2] = ["GB", "GiB"];

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "GB" => Some(Self::Gb),
            "GiB" => Some(Self::Gib),
            _ => None,
        }
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gb => "GB",
            Self::Gib => "GiB",
        }
    }

    /// Bytes.
    pub fn bytes(self) -> i64 {
        match self {
            Self::Gb => 1_000_000_000,
            Self::Gib => 1 << 30,
        }
    }
}

/// The length of a month (`[vitrine] usage_hours_per_month`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Month {
    /// So many hours.
    Hours(i64),
    /// As many as the calendar has, in UTC.
    Calendar,
}

impl Default for Month {
    fn default() -> Self {
        Self::Hours(730)
    }
}

/// A number of hours that the months of the calendar all divide: 28, 29, 30 and 31 days.
const ALL_MONTHS: i64 = 9_061_920;

impl Month {
    /// Reads the value of the option.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "calendar" => Some(Self::Calendar),
            hours => hours.parse().ok().filter(|hours| (1..=8784).contains(hours)).map(Self::Hours),
        }
    }

    /// Its displayed form.
    pub fn shown(self) -> serde_json::Value {
        match self {
            Self::Hours(hours) => hours.into(),
            Self::Calendar => "calendar".into(),
        }
    }

    /// Hours of which [`Month::parts`] counts shares.
    pub fn whole(self) -> i64 {
        match self {
            Self::Hours(hours) => hours,
            Self::Calendar => ALL_MONTHS,
        }
    }

    /// The parts of a span in each month, with the weight of an hour in [`Month::whole`].
    pub fn parts(self, span: Span) -> Vec<(Span, i64)> {
        if let Self::Hours(_) = self {
            return vec![(span, 1)];
        }
        let (mut parts, mut from) = (Vec::new(), span.from);
        while from < span.to {
            let Some((next, hours)) = month_after(from) else { break };
            let to = next.min(span.to);
            parts.push((Span { from, to }, ALL_MONTHS / hours));
            from = to;
        }
        parts
    }
}

/// The month by the calendar in UTC in which a moment is; `None` beyond the years that there are.
pub fn month_of(time: Timestamp) -> Option<Span> {
    let first = DateTime::from_timestamp_micros(time.0)?.date_naive().with_day(1)?;
    let next = first.checked_add_months(Months::new(1))?;
    let begin = |date: NaiveDate| Timestamp(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    Some(Span { from: begin(first), to: begin(next) })
}

/// When the month of a moment ends, and how many hours it has.
fn month_after(time: Timestamp) -> Option<(Timestamp, i64)> {
    month_of(time).map(|month| (month.to, month.length() / HOUR))
}

/// Numbers of one denominator, which is that of the report.
pub fn add(sum: &mut BigInt, factors: [i128; 3]) {
    *sum += BigInt::from(factors[0]) * factors[1] * factors[2];
}

/// `sum / denominator` in units of 10^-decimals, rounded half to even.
pub fn rounded(sum: &BigInt, denominator: &BigInt, decimals: u32) -> BigInt {
    let scaled: BigInt = sum * BigInt::from(10).pow(decimals);
    let whole: BigInt = &scaled / denominator;
    let twice: BigInt = (&scaled - &whole * denominator) * 2;
    let is_odd = &whole % 2 != BigInt::ZERO;
    match twice.cmp(denominator) {
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal if is_odd => whole + 1,
        _ => whole,
    }
}

/// Rounds the total of all, and each so that they add up to it: those who would lose most are rounded up.
pub fn allotted(sums: &[&BigInt], denominator: &BigInt, decimals: u32) -> (Vec<BigInt>, BigInt) {
    let scale = BigInt::from(10).pow(decimals);
    let total: BigInt = rounded(&sums.iter().copied().sum(), denominator, decimals);
    let mut rests = Vec::with_capacity(sums.len());
    let mut parts = Vec::with_capacity(sums.len());
    for (place, sum) in sums.iter().enumerate() {
        let scaled = *sum * &scale;
        let part: BigInt = &scaled / denominator;
        rests.push((Reverse(scaled - &part * denominator), place));
        parts.push(part);
    }
    rests.sort();
    let mut left: BigInt = &total - parts.iter().sum::<BigInt>();
    for (_, place) in rests {
        if left <= BigInt::ZERO {
            break;
        }
        if let Some(part) = parts.get_mut(place) {
            *part += 1;
            left -= 1;
        }
    }
    (parts, total)
}

/// A number of units of 10^-decimals, written out.
pub fn written(number: &BigInt, decimals: usize) -> String {
    let digits = format!("{number:0>width$}", width = decimals.saturating_add(1));
    let (whole, rest) = digits.split_at(digits.len().saturating_sub(decimals));
    if decimals == 0 { whole.to_owned() } else { format!("{whole}.{rest}") }
}

/// The same without noughts at its end.
pub fn trimmed(number: &BigInt, decimals: usize) -> String {
    let text = written(number, decimals);
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// The divisor from byte-hours to gigabyte-months: bytes are counted in microseconds.
pub fn month_denominator(unit: Unit, month: Month) -> BigInt {
    BigInt::from(unit.bytes()) * HOUR * month.whole()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(numbers: &[i64]) -> Vec<BigInt> {
        numbers.iter().map(|n| BigInt::from(*n)).collect()
    }

    /// Halves go to the even neighbour, once.
    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (sum, out) in [(5, 0), (15, 2), (25, 2), (26, 3), (24, 2), (35, 4), (0, 0)] {
            assert_eq!(rounded(&sum.into(), &10.into(), 0), out.into(), "{sum}");
        }
        assert_eq!(written(&rounded(&1.into(), &3.into(), 6), 6), "0.333333");
        assert_eq!(written(&9_863_014.into(), 6), "9.863014");
        assert_eq!(trimmed(&10_000_000.into(), 6), "10");
    }

    /// Lines add up to their total, and those who would lose most are rounded up.
    #[test]
    fn lines_add_up() {
        for sums in [vec![1, 1, 1], vec![5, 5, 5, 5], vec![7, 12, 0, 99], vec![]] {
            let sums = big(&sums);
            let (parts, total) = allotted(&sums.iter().collect::<Vec<_>>(), &10.into(), 0);
            assert_eq!(parts.iter().sum::<BigInt>(), total, "{sums:?}");
        }
        let sums = big(&[14, 18, 18]);
        let (parts, total) = allotted(&sums.iter().collect::<Vec<_>>(), &10.into(), 0);
        assert_eq!((parts, total), (big(&[1, 2, 2]), 5.into()));
    }

    /// Months of the calendar have the hours that they have.
    #[test]
    fn months_have_their_hours() {
        for hours in [672, 696, 720, 744] {
            assert_eq!(ALL_MONTHS % hours, 0);
        }
        let time = |text| Timestamp::parse_iso(text).unwrap_or_default();
        let span = Span { from: time("2028-02-28T00:00:00"), to: time("2028-03-01T01:00:00") };
        let lengths: Vec<(i64, i64)> =
            Month::Calendar.parts(span).iter().map(|(span, share)| (span.length() / HOUR, *share)).collect();
        assert_eq!(lengths, [(48, ALL_MONTHS / 696), (1, ALL_MONTHS / 744)]);
    }
}
