//! Which URLs are a store's own, and how it writes them.

use serde_json::{Map, Value};

use super::NamedStore;
use crate::{
    model::store_url::without_keys,
    store::{Addresses, StoreUrl, backend::Keys},
};

impl NamedStore {
    /// Whether the URL is one that this store serves; looks at the text alone.
    pub fn owns(&self, url: &str) -> bool {
        self.about.addresses.have(url)
    }

    /// The name by which this store knows what is at a URL of its own; `None` where it only reads.
    pub fn name_of<'a>(&self, url: &'a str) -> Option<&'a str> {
        match &self.about.addresses {
            _ if !self.about.capabilities.writes => None,
            Addresses::Below(prefixes) => {
                prefixes.iter().find_map(|prefix| url.strip_prefix(prefix.as_str()))
            }
            Addresses::Keyed(prefixes, _) => keyed_name(url, prefixes),
            Addresses::Snapshots { prefix, short, .. } => part_of(url, prefix, short).map(|(name, _)| name),
            Addresses::Containers { own, .. } => {
                name_in_container(url.strip_prefix(own.as_str())?, !own.ends_with('/'))
            }
            Addresses::Schemes(_) => None,
        }
    }

    /// The name of what is at a URL of this store, if that is in the form in which the store itself writes it.
    pub fn written_as<'a>(&self, url: &'a str) -> Option<&'a str> {
        let name = self.name_of(url).filter(|_| self.owns(url))?;
        match &self.about.addresses {
            Addresses::Snapshots { prefix, snapshot, short } => {
                let (_, of) = part_of(url, prefix, short)?;
                (of == Some(snapshot)).then_some(name)
            }
            _ => Some(name),
        }
    }

    /// The URLs that a name may have here, one for each place that this store writes to; none where it only reads.
    pub fn urls_of(&self, name: &str) -> Vec<String> {
        match &self.about.addresses {
            _ if !self.about.capabilities.writes => Vec::new(),
            Addresses::Below(prefixes) | Addresses::Keyed(prefixes, _) => {
                prefixes.iter().map(|prefix| format!("{prefix}{name}")).collect()
            }
            Addresses::Snapshots { prefix, snapshot, .. } => vec![format!("{prefix}{name}/{snapshot}")],
            Addresses::Containers { own, .. } if own.ends_with('/') => vec![format!("{own}{name}")],
            // Where the name decides the container, only the store can tell.
            Addresses::Containers { .. } | Addresses::Schemes(_) => Vec::new(),
        }
    }

    /// A URL of this store as the store itself writes it, which is never with keys.
    pub fn written(&self, url: &str) -> StoreUrl {
        match &self.about.addresses {
            Addresses::Containers { readable, .. } if self.owns(url) => {
                let written = readable.iter().find_map(|beginning| beginning.written(url));
                written.unwrap_or_else(|| StoreUrl::new(url))
            }
            _ => StoreUrl::new(url),
        }
    }

    /// The URL of a blob of this store as Glance wants it in its database, which may be with keys: for nobody else.
    pub fn url_for_glance(&self, url: &str) -> StoreUrl {
        match (&self.about.addresses, without_keys(url).split_once("://")) {
            (Addresses::Keyed(_, Keys(keys)), Some((scheme, place))) if self.owns(url) => {
                StoreUrl::new(format!("{scheme}://{keys}@{place}"))
            }
            _ => StoreUrl::new(url),
        }
    }

    /// What the operator wants to be said in the metadata of a location with this URL.
    pub fn metadata(&self, url: &str) -> Map<String, Value> {
        let mut entries = self.about.metadata.iter().filter(|_| self.owns(url));
        entries.find(|(beginning, _)| url.starts_with(beginning)).map(|(_, e)| e.clone()).unwrap_or_default()
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
            Self::Containers { readable, .. } => readable.iter().any(|beginning| {
                let written = beginning.written(url);
                let rest = written.as_ref().and_then(|url| url.full().strip_prefix(&beginning.written));
                rest.is_some_and(|rest| name_in_container(rest, true).is_some())
            }),
        }
    }
}

/// The plain name behind a container, or behind the rest of its name if there has to be one.
fn name_in_container(text: &str, has_container: bool) -> Option<&str> {
    let name =
        if has_container { text.split_once('/').filter(|(rest, _)| !rest.is_empty())?.1 } else { text };
    Some(name).filter(|name| is_plain(name))
}

/// The plain name in a URL that begins as one of these, if its keys are left out.
fn keyed_name<'a>(url: &'a str, prefixes: &[String]) -> Option<&'a str> {
    let (scheme, rest) = url.split_once("://")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let name = prefixes.iter().find_map(|prefix| {
        let (its_scheme, its_place) = prefix.split_once("://")?;
        place.strip_prefix(its_place).filter(|_| scheme == its_scheme)
    })?;
    Some(name).filter(|name| is_plain(name))
}

/// The name in a URL of snapshots, and the snapshot if it is not the short form. A name has one spelling only, so that
/// none is taken for another.
fn part_of<'a>(url: &'a str, prefix: &str, short: &str) -> Option<(&'a str, Option<&'a str>)> {
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
