//! Points in time: microseconds since 1970-01-01 UTC, and the forms in which clients see them.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

/// A point in time, in microseconds since 1970-01-01T00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment moved by `seconds`, saturating.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// A time of the system's clock.
    pub fn of(time: std::time::SystemTime) -> Self {
        Self(DateTime::<Utc>::from(time).timestamp_micros())
    }

    /// Reads a time of an HTTP header, `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn parse_http(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc2822(text.trim()).ok()?;
        Some(Self(time.timestamp_micros()))
    }

    fn datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    /// `YYYY-MM-DDTHH:MM:SSZ`, the form of every time in the v2 API (`glance/common/timeutils.py: isotime`).
    pub fn isotime(self) -> String {
        let (time, clock) = (self.datetime(), self.datetime().time());
        if !(0..=9999).contains(&time.year()) {
            return time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        }
        // A page of images has many of them.
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            time.year(),
            time.month(),
            time.day(),
            clock.hour(),
            clock.minute(),
            clock.second()
        )
    }

    /// `YYYY-MM-DDTHH:MM:SS.ffffffZ`, the form of Keystone's times.
    pub fn isotime_micros(self) -> String {
        self.datetime().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }

    /// `YYYY-MM-DD HH:MM:SS.ffffff`, as Python writes a time without a zone: microseconds that are zero are left out.
    pub fn python_text(self) -> String {
        let form = if self.0 % 1_000_000 == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.6f" };
        self.datetime().format(form).to_string()
    }

    /// `YYYY-MM-DDTHH:MM:SS.ffffff` without a zone, the raw form that `/v2/images/{id}/tasks` shows.
    pub fn database_time(self) -> String {
        self.datetime().format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
    }

    /// Reads an ISO 8601 calendar date or time as the parser behind Glance's filters does: `YYYY`, `YYYY-MM`,
    /// `YYYY-MM-DD`, `YYYYMMDD`, then optionally `T` or a blank and `HH:MM[:SS[.frac]]` or `HHMM[SS]`, then
    /// optionally `Z`, `±HH`, `±HHMM` or `±HH:MM`. Without a zone the time is UTC. `None` if it is none of these.
    pub fn parse_iso(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_ascii() {
            return None;
        }
        let (date, rest) = split_date(text)?;
        let (time, zone) = match rest.as_bytes().first() {
            None => (NaiveTime::default(), ""),
            Some(b'T' | b' ') => split_time(rest.get(1..)?)?,
            Some(_) => return None,
        };
        let offset_minutes = parse_zone(zone)?;
        let moment = NaiveDateTime::new(date, time)
            .checked_sub_signed(TimeDelta::minutes(i64::from(offset_minutes)))?;
        Some(Self(moment.and_utc().timestamp_micros()))
    }
}

fn digits(text: &str, from: usize, count: usize) -> Option<u32> {
    let part = text.get(from..from.checked_add(count)?)?;
    if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None }
}

fn split_date(text: &str) -> Option<(NaiveDate, &str)> {
    let year = i32::try_from(digits(text, 0, 4)?).ok()?;
    let date = |month, day| NaiveDate::from_ymd_opt(year, month, day);
    if text.as_bytes().get(4) == Some(&b'-') {
        let month = digits(text, 5, 2)?;
        if text.as_bytes().get(7) == Some(&b'-') {
            let day = digits(text, 8, 2)?;
            return Some((date(month, day)?, text.get(10..)?));
        }
        return Some((date(month, 1)?, text.get(7..)?));
    }
    if let (Some(month), Some(day)) = (digits(text, 4, 2), digits(text, 6, 2)) {
        return Some((date(month, day)?, text.get(8..)?));
    }
    Some((date(1, 1)?, text.get(4..)?))
}

fn split_time(text: &str) -> Option<(NaiveTime, &str)> {
    let zone_at =
        text.bytes().position(|b| matches!(b, b'Z' | b'z' | b'+' | b'-' | b' ')).unwrap_or(text.len());
    let (clock, zone) = text.split_at_checked(zone_at)?;
    let (clock, fraction) = match clock.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let hour = digits(clock, 0, 2)?;
    let (minute, second) = match clock.len() {
        2 => (0, None),
        4 => (digits(clock, 2, 2)?, None),
        5 if clock.as_bytes().get(2) == Some(&b':') => (digits(clock, 3, 2)?, None),
        6 => (digits(clock, 2, 2)?, Some(digits(clock, 4, 2)?)),
        8 if clock.as_bytes().get(2) == Some(&b':') && clock.as_bytes().get(5) == Some(&b':') => {
            (digits(clock, 3, 2)?, Some(digits(clock, 6, 2)?))
        }
        _ => return None,
    };
    let micros = match (fraction, second) {
        (None, _) => 0,
        (Some(fraction), Some(_)) if !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()) => {
            let mut padded: String = fraction.chars().take(6).collect();
            while padded.len() < 6 {
                padded.push('0');
            }
            padded.parse().ok()?
        }
        _ => return None,
    };
    let time = NaiveTime::from_hms_micro_opt(hour, minute, second.unwrap_or(0), micros)?;
    Some((time, zone.trim_start()))
}

/// Minutes east of UTC.
fn parse_zone(zone: &str) -> Option<i32> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = i32::try_from(digits(zone, 1, 2)?).ok()?;
    let minutes = match zone.len() {
        3 => 0,
        5 => i32::try_from(digits(zone, 3, 2)?).ok()?,
        6 if zone.as_bytes().get(3) == Some(&b':') => i32::try_from(digits(zone, 4, 2)?).ok()?,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn reads_the_dates_of_http() {
        let iso = |text: &str| Timestamp::parse_http(text).map(Timestamp::isotime);
        assert_eq!(iso("Sun, 06 Nov 1994 08:49:37 GMT").as_deref(), Some("1994-11-06T08:49:37Z"));
        for wrong in ["", "1994-11-06T08:49:37Z", "Sun, 06 Nov", "Mon, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(iso(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn reads_the_forms_that_glance_reads_and_refuses_the_rest() {
        let good = [
            ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
            ("2020-01-02 03:04:05", "2020-01-02T03:04:05Z"),
            ("20200102T030405", "2020-01-02T03:04:05Z"),
            ("2020-01-02", "2020-01-02T00:00:00Z"),
            ("2020-01", "2020-01-01T00:00:00Z"),
            ("2020", "2020-01-01T00:00:00Z"),
            ("2020-01-02T03:04", "2020-01-02T03:04:00Z"),
            ("2020-01-02T03:04:05.123456", "2020-01-02T03:04:05Z"),
            ("2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05Z"),
            ("2020-01-02T03:04:05-0130", "2020-01-02T04:34:05Z"),
            ("2020-01-02T03:04:05+01", "2020-01-02T02:04:05Z"),
        ];
        for (text, expected) in good {
            assert_eq!(
                Timestamp::parse_iso(text).map(Timestamp::isotime),
                Some(expected.to_owned()),
                "{text}"
            );
        }
        let bad = [
            "",
            "abc",
            "2020-13-01",
            "2020-01-02T25:00",
            "2020-01-02T3:4",
            "2020-W01",
            "2020-01-02X",
            "2020-01-02T03:04:05+2",
            "2020-01-02T03:04:05.",
            "２０２０",
        ];
        for text in bad {
            assert_eq!(Timestamp::parse_iso(text), None, "{text}");
        }
    }
}
