//! The hashes that the owner expects: the properties `expected_hash` (data as received) and `expected_stored_hash`
//! (data as stored), and the fragment of a download URI.

use crate::model::{
    error::{Error, Result},
    hash::{Algorithm, Hashes},
    image::Image,
    status::Status,
};

/// Of the bytes that an upload or an import brings.
pub const EXPECTED_HASH: &str = "expected_hash";
/// Of the bytes that are kept, after decompression and conversion.
pub const EXPECTED_STORED_HASH: &str = "expected_stored_hash";

/// How the message begins that says that data is not what was expected.
pub const HASH_MISMATCH: &str = "hash-mismatch";

/// Both.
pub const EXPECTATIONS: [&str; 2] = [EXPECTED_HASH, EXPECTED_STORED_HASH];

/// Of all algorithms, those that an expectation may name.
const ALGORITHMS: [&str; 4] = ["sha256", "sha512", "sha1", "md5"];

fn algorithm(name: &str) -> Option<Algorithm> {
    Algorithm::of(name).filter(|_| ALGORITHMS.contains(&name))
}

/// Reads `sha256:<hex>`, or several separated by commas.
///
/// # Errors
/// [`Error::Invalid`], naming the property and what it may hold.
pub fn parse(property: &str, text: &str) -> Result<Hashes> {
    let mut hashes = Hashes::new();
    for part in text.split(',') {
        let known = part.trim().split_once(':').and_then(|(name, value)| {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase());
            algorithm(&name)?.fits(&value).then_some((name, value))
        });
        let (name, value) = known.ok_or_else(|| {
            Error::invalid(format!(
                "{property} must be one or more of {} with a colon and the digest in hex, separated by commas.",
                ALGORITHMS.join(", ")
            ))
        })?;
        let other = hashes.insert(name.clone(), value.clone()).filter(|other| *other != value);
        if let Some(other) = other {
            return Err(Error::invalid(format!("{property} says both {other} and {value} of {name}.")));
        }
    }
    Ok(hashes)
}

/// The expectation in an image's property; none if it is absent.
///
/// # Errors
/// [`Error::Invalid`] when it is unreadable.
pub fn of(image: &Image, property: &str) -> Result<Hashes> {
    match image.property(property).and_then(|p| p.value.as_deref()) {
        Some(text) if !text.is_empty() => parse(property, text),
        _ => Ok(Hashes::new()),
    }
}

/// What the fragment of an address says of the bytes behind it, as lists of downloads write it: `#sha256=<hex>`, several
/// with `&` between them. What else a fragment says is not for us.
///
/// # Errors
/// [`Error::Invalid`] for a digest that is none of its algorithm.
fn in_fragment(uri: &str) -> Result<Hashes> {
    let fragment = uri.split_once('#').map_or("", |(_, fragment)| fragment);
    let pairs = fragment.split('&').filter_map(|pair| pair.split_once('='));
    let known = pairs.filter(|(name, _)| algorithm(&name.to_ascii_lowercase()).is_some());
    let text = known.map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(",");
    if text.is_empty() { Ok(Hashes::new()) } else { parse("The fragment of the uri", &text) }
}

/// Lets an image expect what the fragment of the address of its data says too.
///
/// # Errors
/// [`Error::Invalid`] for a digest that is none of its algorithm, or another one than the image expects already.
pub fn add_fragment(image: &mut Image, uri: &str) -> Result<()> {
    add(image, "The fragment of the uri", in_fragment(uri)?)
}

/// Lets an image expect these hashes too, which `source` says.
///
/// # Errors
/// [`Error::Invalid`] for another one than the image expects already.
pub fn add(image: &mut Image, source: &str, hashes: Hashes) -> Result<()> {
    let mut expected = of(image, EXPECTED_HASH)?;
    for (name, value) in hashes {
        let wanted = expected.entry(name.clone()).or_insert_with(|| value.clone());
        if *wanted != value {
            return Err(Error::invalid(format!(
                "{source} says {value} of {name}, but {EXPECTED_HASH} is {wanted}."
            )));
        }
    }
    if !expected.is_empty() {
        let text =
            expected.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(",");
        image.set_property(EXPECTED_HASH, Some(text));
    }
    Ok(())
}

fn is_expectation(name: &str) -> bool {
    EXPECTATIONS.contains(&name)
}

/// Refuses an expectation that cannot be read; an empty one expects nothing.
///
/// # Errors
/// [`Error::Invalid`], naming the property and what it may hold.
pub fn check_readable(name: &str, value: Option<&str>) -> Result<()> {
    match value {
        Some(text) if is_expectation(name) && !text.is_empty() => parse(name, text).map(drop),
        _ => Ok(()),
    }
}

/// Whether a caller may set this property: an expectation must be valid, and be set before the data. Other properties
/// are always allowed here.
///
/// # Errors
/// [`Error::Invalid`] for one that is unreadable, [`Error::Conflict`] once data is on its way or there.
pub fn may_set(image: &Image, name: &str, value: Option<&str>) -> Result<()> {
    let same = image.property(name).is_some_and(|p| p.value.as_deref() == value);
    if !is_expectation(name) || same {
        return Ok(());
    }
    check_readable(name, value)?;
    if image.status == Status::Queued {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "{name} can be set only while the image is queued; this one is {}.",
        image.status
    )))
}

/// Compares what is expected with what was measured.
///
/// # Errors
/// [`Error::Invalid`], naming the property and both digests.
pub fn check(property: &str, expected: &Hashes, measured: &Hashes) -> Result<()> {
    for (name, wanted) in expected {
        let found = measured.get(name).map_or("unknown", String::as_str);
        if found != wanted {
            return Err(Error::invalid(format!(
                "{HASH_MISMATCH}: the {name} of the data is {found}, but {property} is {wanted}."
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn expectations_are_read_in_any_case_and_bad_ones_refused() {
        let md5 = "D41D8CD98F00B204E9800998ECF8427E";
        let read = parse("expected_hash", &format!("MD5:{md5}, sha1:{}", "0".repeat(40))).unwrap();
        assert_eq!(read["md5"], md5.to_lowercase());
        assert_eq!(read.len(), 2);
        for bad in ["", "md5", "md5:", "md5:xyz", "md5:0", "crc32:00000000", "md5:,sha1:", ":"] {
            assert!(parse("expected_hash", bad).is_err(), "{bad:?}");
        }
    }
}
