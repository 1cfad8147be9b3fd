//! The URL of a blob, which hides its secrets when it is printed.

use std::{borrow::Cow, fmt};

/// A URL of a store. Some carry keys and passwords (`glance_store/_drivers/swift`, `s3`) or a signature in their
/// query, so `Display` and `Debug` leave those out; [`StoreUrl::full`] is for the store and the database.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// Takes any text: whether a store understands it is the store's to say.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole text, secrets included.
    pub fn full(&self) -> &str {
        &self.0
    }

    /// As [`StoreUrl::full`], without a copy.
    pub fn into_full(self) -> String {
        self.0
    }
}

/// Schemes of URLs whose keys are those of the store, so that a location needs none.
const KEYLESS: [&str; 3] = ["s3", "s3+http", "s3+https"];

/// A location URL without the keys that Glance puts into those of S3. With them, rotating keys would orphan images, and
/// whoever sees a location would know the keys.
pub fn without_keys(url: &str) -> Cow<'_, str> {
    match url.split_once("://").filter(|(scheme, _)| KEYLESS.contains(scheme)) {
        // Keys may hold slashes, but no object that we take over has an `@` in its name.
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, place)) => Cow::Owned(format!("{scheme}://{place}")),
            None => Cow::Borrowed(url),
        },
        None => Cow::Borrowed(url),
    }
}

/// Whether the text of a location is no URL but an encrypted one (`metadata_encryption_key`), for which there is no key:
/// it is in base64, and every URL has a scheme with `://`.
pub fn is_sealed(text: &str) -> bool {
    !text.contains("://")
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.split(['?', '#']).next().unwrap_or_default();
        let hides_query = text.len() < self.0.len();
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        if !scheme.is_empty() {
            write!(f, "{scheme}://")?;
        }
        // Keys of S3 may hold slashes, so all up to the last `@` may be secret.
        match rest.rsplit_once('@') {
            Some((_, place)) => write!(f, "***@{place}")?,
            None => f.write_str(rest)?,
        }
        if hides_query { f.write_str("?***") } else { Ok(()) }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that what may be secret is neither displayed nor debugged, and that the rest is.
    #[test]
    fn secrets_are_hidden() {
        for (full, shown) in [
            ("file:///srv/images/1", "file:///srv/images/1"),
            ("http://host:81/a/b", "http://host:81/a/b"),
            ("http://me:hush@host/a?token=hush#hush", "http://***@host/a?***"),
            ("http://host/a?hush@x", "http://host/a?***"),
            ("swift+https://account:user:hush@auth/v1/c/o", "swift+https://***@auth/v1/c/o"),
            ("s3://key:hu/sh+hush@host/bucket/o", "s3://***@host/bucket/o"),
            ("me:hush@host", "***@host"),
            ("", ""),
        ] {
            let url = StoreUrl::new(full);
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
            assert_eq!(url.full(), full);
        }
    }

    /// Proves that locations of S3 lose their keys, whatever is in them, and that other URLs stay as they are.
    #[test]
    fn locations_of_s3_have_no_keys() {
        for (given, kept) in [
            ("s3://key:hu/sh+hush@host/bucket/o", "s3://host/bucket/o"),
            ("s3+https://key:hush@h@host:1/bucket/o", "s3+https://host:1/bucket/o"),
            ("s3+http://host/bucket/o", "s3+http://host/bucket/o"),
            ("http://me:hush@host/a", "http://me:hush@host/a"),
            ("swift+https://account:user:hush@auth/v1/c/o", "swift+https://account:user:hush@auth/v1/c/o"),
        ] {
            assert_eq!(without_keys(given), kept);
        }
    }
}
