//! Which URLs belong to a store, and the names in them.

use std::fmt::Debug;

use percent_encoding::percent_decode_str;

use crate::model::store_url::StoreUrl;

/// URLs that a store serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// All of these schemes.
    Schemes(&'static [&'static str]),
    /// One plain name, without a leading dot, below one of these prefixes, each of which ends in `/`.
    Below(Vec<String>),
    /// As `Below`, letter by letter, but for keys that may stand before the host, up to the last `@`. The second are
    /// those that Glance writes there.
    Keyed(Vec<String>, Keys),
    /// One plain name below a prefix, and a snapshot of it; or the name alone behind the scheme.
    Snapshots {
        /// Ends in `/`.
        prefix: String,
        /// The snapshot that the store makes of what it writes.
        snapshot: &'static str,
        /// The scheme of the short form.
        short: &'static str,
    },
    /// Objects of containers, by all the beginnings that Glance has written, and by that of the store itself.
    Containers {
        /// What the URLs of its own blobs begin with: up to the container and `/`, or to `_` where the rest of the
        /// container's name follows.
        own: String,
        /// All that it reads.
        readable: Vec<Beginning>,
    },
    /// Objects in the account of each project, in a container for each image. A name has all three, and the project's id
    /// at its beginning, as the end of a URL has them behind the prefix of the account.
    Accounts {
        /// What the names of containers begin with, up to the id of the image.
        containers: String,
    },
}

/// A prefix of container URLs that a store reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Up to the container, without keys.
    pub text: String,
    /// The user that must precede the host, with a key that is ignored; `None` if there must be none.
    pub user: Option<String>,
    /// The prefix that the store itself writes instead.
    pub written: String,
}

impl Beginning {
    /// A URL that begins so, as the store itself writes it.
    pub fn written(&self, url: &str) -> Option<StoreUrl> {
        let (scheme, place) = url.split_once("://")?;
        let (keys, place) = match place.rsplit_once('@') {
            Some((keys, place)) => (Some(keys), place),
            None => (None, place),
        };
        let user = keys.map(|keys| keys.rsplit_once(':').map_or(keys, |(user, _)| user));
        let user = user.map(|user| percent_decode_str(user).decode_utf8_lossy());
        let (own_scheme, own_place) = self.text.split_once("://")?;
        let rest = place.strip_prefix(own_place)?;
        (scheme == own_scheme && user.as_deref() == self.user.as_deref())
            .then(|| StoreUrl::new(format!("{}{rest}", self.written)))
    }
}

/// Keys in Glance's URLs; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(pub String);

impl Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Addresses {
    /// Whether a URL is one of these.
    pub(super) fn have(&self, url: &str) -> bool {
        match self {
            Self::Schemes(schemes) => {
                url.split_once(':').is_some_and(|(scheme, _)| schemes.contains(&scheme))
            }
            Self::Below(prefixes) => {
                let Some((folder, name)) = url.rsplit_once('/') else { return false };
                is_plain(name) && prefixes.iter().any(|prefix| same_folder(folder, prefix))
            }
            Self::Keyed(prefixes, _) => keyed_name(url, prefixes).is_some(),
            Self::Snapshots { prefix, short, .. } => part_of(url, prefix, short)
                .is_some_and(|(name, of)| is_plain(name) && of.is_none_or(is_plain)),
            Self::Accounts { containers } => {
                url.starts_with("swift") && name_in_account(url, containers).is_some()
            }
            Self::Containers { readable, .. } => readable.iter().any(|beginning| {
                let written = beginning.written(url);
                let rest = written.as_ref().and_then(|url| url.full().strip_prefix(&beginning.written));
                rest.is_some_and(|rest| name_in_container(rest, true).is_some())
            }),
        }
    }
}

/// The plain name behind a container, or behind the rest of its name if there has to be one.
pub(super) fn name_in_container(text: &str, has_container: bool) -> Option<&str> {
    let name =
        if has_container { text.split_once('/').filter(|(rest, _)| !rest.is_empty())?.1 } else { text };
    Some(name).filter(|name| is_plain(name))
}

/// The project, the container and the object at the end of a URL, if the container belongs to an image. Such a URL
/// contains no keys.
pub(super) fn name_in_account<'a>(url: &'a str, containers: &str) -> Option<&'a str> {
    let (_, place) = url.split_once("://").filter(|(_, place)| !place.contains(['@', '?', '#', '%']))?;
    let mut steps = place.rsplitn(3, '/');
    let (object, container, account) = (steps.next()?, steps.next()?, steps.next()?);
    let image = container.strip_prefix(containers).filter(|image| is_plain(image))?;
    let (_, account) = account.rsplit_once('/')?;
    let project = account.rsplit('_').next().filter(|project| is_plain(project))?;
    let length = [project, container, object].iter().map(|step| step.len().saturating_add(1)).sum::<usize>();
    let start = url.len().checked_sub(length.saturating_sub(1))?;
    (is_plain(object) && object.starts_with(image)).then(|| url.get(start..)).flatten()
}

/// The plain name in a URL with one of these prefixes, keys removed.
pub(super) fn keyed_name<'a>(url: &'a str, prefixes: &[String]) -> Option<&'a str> {
    let (scheme, rest) = url.split_once("://")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let name = prefixes.iter().find_map(|prefix| {
        let (its_scheme, its_place) = prefix.split_once("://")?;
        place.strip_prefix(its_place).filter(|_| scheme == its_scheme)
    })?;
    Some(name).filter(|name| is_plain(name))
}

/// The name in a URL of snapshots, and the snapshot unless it is the short form. Each name has one spelling only, so
/// none is confused with another.
pub(super) fn part_of<'a>(url: &'a str, prefix: &str, short: &str) -> Option<(&'a str, Option<&'a str>)> {
    let parts = match url.strip_prefix(prefix) {
        Some(rest) => rest.split_once('/').map(|(name, snapshot)| (name, Some(snapshot)))?,
        None => (url.strip_prefix(short)?.strip_prefix("://")?, None),
    };
    Some(parts).filter(|(name, _)| !name.contains('%'))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// Compares two URLs of folders as file systems do, to which `/a//b/./c/` is `/a/b/c`.
fn same_folder(one: &str, other: &str) -> bool {
    let parts = |url: &str| {
        let (scheme, path) = url.split_once("://")?;
        let names: Vec<_> =
            path.split('/').filter(|name| !matches!(*name, "" | ".")).map(str::to_owned).collect();
        Some((scheme.to_owned(), path.starts_with('/'), names))
    };
    parts(one).is_some_and(|one| Some(one) == parts(other))
}
