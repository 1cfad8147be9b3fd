//! Byte ranges of downloads, interpreted as in Glance: `Range` and the legacy request header `Content-Range`
//! (`glance/common/wsgi.py: Request.get_range_from_request`).

use super::error::{Error, Result};

/// A part of the data: bytes `first ..= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte, from 0.
    pub first: u64,
    /// Last byte, inclusive.
    pub last: u64,
}

/// The range in a `Range` header, for data of `size` bytes.
///
/// # Errors
/// [`Error::Invalid`] for several ranges, [`Error::RangeNotSatisfiable`] for anything else that cannot be served.
pub fn parse_range(header: &str, size: u64) -> Result<Span> {
    if header.contains(',') {
        return Err(Error::invalid("Requests with multiple ranges are not supported."));
    }
    let unsatisfiable = || Error::RangeNotSatisfiable { size };
    let rest = strip_prefix_ignoring_case(header.trim(), "bytes").ok_or_else(unsatisfiable)?;
    let rest = rest.trim_start().strip_prefix('=').ok_or_else(unsatisfiable)?.trim_start();
    let (first, rest) = take_digits(rest);
    let rest = rest.trim_start().strip_prefix('-').ok_or_else(unsatisfiable)?.trim_start();
    let (last, _) = take_digits(rest);
    let end = size.checked_sub(1).ok_or_else(unsatisfiable)?;
    let span = match (first.as_str(), last.as_str()) {
        ("", "") => return Err(unsatisfiable()),
        ("", suffix) => match number(suffix) {
            0 => Span { first: 0, last: end },
            length => Span { first: size.saturating_sub(length), last: end },
        },
        (first, "") => Span { first: number(first), last: end },
        (first, last) if number(first) > number(last) => return Err(unsatisfiable()),
        (first, last) => Span { first: number(first), last: number(last).min(end) },
    };
    if span.first > end { Err(unsatisfiable()) } else { Ok(span) }
}

/// The range in a `Content-Range` request header, for data of `size` bytes.
///
/// # Errors
/// [`Error::RangeNotSatisfiable`] unless it reads `bytes a-b/*` or `bytes a-b/L` inside the data.
pub fn parse_content_range(header: &str, size: u64) -> Result<Span> {
    let unsatisfiable = || Error::RangeNotSatisfiable { size };
    let read = || {
        let rest = strip_prefix_ignoring_case(header.trim(), "bytes")?;
        let rest = rest.strip_prefix(' ')?.trim_start();
        let (range, length) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?);
        let length_fits = match length.trim() {
            "*" => true,
            text => last < text.parse::<u64>().ok()?,
        };
        (first <= last && length_fits && last < size).then_some(Span { first, last })
    };
    read().ok_or_else(unsatisfiable)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

fn take_digits(text: &str) -> (String, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (digits.to_owned(), rest)
}

/// A number of any length; what does not fit is beyond every image.
fn number(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn ranges_are_read_as_glance_reads_them() {
        let span = |first, last| Some(Span { first, last });
        for (header, size, expected) in [
            ("bytes=0-4", 10, span(0, 4)),
            ("BYTES = 0 - 4", 10, span(0, 4)),
            ("bytes=0-4junk", 10, span(0, 4)),
            ("bytes=5-", 10, span(5, 9)),
            ("bytes=5-99", 10, span(5, 9)),
            ("bytes=-3", 10, span(7, 9)),
            ("bytes=-30", 10, span(0, 9)),
            ("bytes=-0", 10, span(0, 9)),
            ("bytes=10-", 10, None),
            ("bytes=0-", 0, None),
            ("bytes=-5", 0, None),
            ("bytes=4-3", 10, None),
            ("bytes=-", 10, None),
            ("bytes=", 10, None),
            ("bytes", 10, None),
            ("", 10, None),
            ("lines=0-4", 10, None),
            ("bytes=a-b", 10, None),
            ("bytes=99999999999999999999999-", 10, None),
        ] {
            assert_eq!(parse_range(header, size).ok(), expected, "{header} of {size}");
        }
        assert!(matches!(parse_range("bytes=0-1,3-4", 10), Err(Error::Invalid(_))));
    }

    #[test]
    fn content_ranges_are_read_strictly() {
        let span = |first, last| Some(Span { first, last });
        for (header, expected) in [
            ("bytes 0-4/*", span(0, 4)),
            ("bytes 0-4/99", span(0, 4)),
            ("bytes 0-9/*", span(0, 9)),
            ("bytes 0-10/*", None),
            ("bytes 0-10/20", None),
            ("bytes 4-3/*", None),
            ("bytes 0-4", None),
            ("bytes=0-4", None),
            ("bytes */10", None),
            ("bytes */*", None),
            ("bytes 0-4/4", None),
        ] {
            assert_eq!(parse_content_range(header, 10).ok(), expected, "{header}");
        }
    }
}
