//! URLs of images: `rbd://<fsid>/<pool>/<image>/<snapshot>`, each part percent-encoded, or the oldest form,
//! `rbd://<image>`.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::store::{StoreError, StoreErrorKind, StoreResult, StoreUrl};

/// What Python's `quote` leaves as it is.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// The scheme of the URLs.
pub(super) const SCHEME: &str = "rbd";
/// The snapshot that readers and clones are given.
pub(super) const SNAPSHOT: &str = "snap";
/// How the names of unfinished images begin; what follows is the id of the blob.
pub(super) const PART: &str = ".part.";
/// Longest name of an image, in bytes.
const NAME_MAX: usize = 200;

/// Where data is: an image, at a snapshot or as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) name: String,
    pub(super) snapshot: Option<String>,
}

/// The name of an unfinished image.
pub(super) fn part_of(blob_id: &str) -> String {
    format!("{PART}{blob_id}")
}

/// How the URLs of a store's images begin.
pub(super) fn prefix(fsid: &str, pool: &str) -> String {
    format!("{SCHEME}://{}/{}/", quoted(fsid), quoted(pool))
}

fn quoted(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, QUOTED).into()
}

/// The URL of one of our images.
pub(super) fn of(prefix: &str, name: &str) -> StoreUrl {
    StoreUrl::new(format!("{prefix}{}/{SNAPSHOT}", quoted(name)))
}

/// What a URL below the prefix, or the short form, points to.
pub(super) fn parse(prefix: &str, url: &StoreUrl) -> StoreResult<Spot> {
    let bad = || StoreError::new(StoreErrorKind::BadUrl, url.to_string(), "not an image of this store");
    let decoded = |part: &str| percent_decode_str(part).decode_utf8().map(Cow::into_owned).map_err(|_| bad());
    let (name, snapshot) = match url.full().strip_prefix(prefix) {
        Some(rest) => {
            let (name, snapshot) = rest.split_once('/').ok_or_else(bad)?;
            (decoded(name)?, Some(decoded(snapshot)?))
        }
        None => {
            let name = url.full().strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix("://"));
            (name.ok_or_else(bad)?.to_owned(), None)
        }
    };
    check_name(&name).map_err(|_| bad())?;
    if snapshot.as_deref().is_some_and(|snapshot| !is_plain(snapshot)) {
        return Err(bad());
    }
    Ok(Spot { name, snapshot })
}

/// Requires a name that one of our images may have: what Ceph's tools read as an image, and not unfinished.
pub(super) fn check_name(name: &str) -> StoreResult<()> {
    if is_plain(name) && !name.starts_with('.') {
        return Ok(());
    }
    Err(StoreError::new(StoreErrorKind::BadUrl, name, "not a name of a blob"))
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_MAX && !text.contains(['/', '@', '\0'])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn spot(name: &str, snapshot: Option<&str>) -> Spot {
        Spot { name: name.to_owned(), snapshot: snapshot.map(str::to_owned) }
    }

    /// Proves that URLs are written as Glance writes them, and that both of its forms are read.
    #[test]
    fn urls_are_glances() {
        let prefix = prefix("f-1", "my/pool é");
        assert_eq!(prefix, "rbd://f-1/my%2Fpool%20%C3%A9/");
        assert_eq!(of(&prefix, "a b").full(), "rbd://f-1/my%2Fpool%20%C3%A9/a%20b/snap");
        let parse = |url: &str| super::parse(&prefix, &StoreUrl::new(url)).ok();
        assert_eq!(parse(of(&prefix, "a b").full()), Some(spot("a b", Some("snap"))));
        assert_eq!(parse(&format!("{prefix}a/b")), Some(spot("a", Some("b"))));
        assert_eq!(parse("rbd://image"), Some(spot("image", None)));
    }

    /// Proves that nothing else is read: other clusters and pools, parts that are missing or too many, unfinished
    /// images, and what Ceph's tools would read as something else.
    #[test]
    fn sec_72_no_other_url_is_read() {
        let prefix = prefix("f", "p");
        let long = format!("rbd://f/p/{}/snap", "x".repeat(NAME_MAX + 1));
        let bad = [
            "",
            "rbd://",
            "rbd:///",
            "rbd://f/p",
            "rbd://f/p/i",
            "rbd://f/p/i/",
            "rbd://f/p//snap",
            "rbd://g/p/i/snap",
            "rbd://f/q/i/snap",
            "rbd://f/p/i/s/x",
            "rbd://f/p/.part.x/snap",
            "rbd://f/p/%2Epart.x/snap",
            "rbd://f/p/a%2Fb/snap",
            "rbd://f/p/a@b/snap",
            "rbd://f/p/i/a%00b",
            "rbd://.part.x",
            "rbd://f/p/%ff/snap",
            "file:///etc/passwd",
            &long,
        ];
        for url in bad {
            assert_eq!(parse(&prefix, &StoreUrl::new(url)).ok(), None, "{url}");
        }
    }
}
