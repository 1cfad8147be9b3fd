//! Which URLs belong to a store, and how it writes them.

use serde_json::{Map, Value};

use super::NamedStore;
use crate::{
    model::store_url::without_keys,
    store::{
        Addresses, StoreUrl,
        addresses::{Keys, keyed_name, name_in_account, name_in_container, part_of},
    },
};

impl NamedStore {
    /// Whether the URL belongs to this store, by its text alone.
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
            Addresses::Accounts { containers } => name_in_account(url, containers),
            Addresses::Schemes(_) => None,
        }
    }

    /// The name that the blob of an image is to have here, whose project is `owner`.
    pub fn name_for(&self, owner: Option<&str>, image: &str) -> String {
        match (&self.about.addresses, owner) {
            (Addresses::Accounts { containers }, Some(owner)) => {
                format!("{owner}/{containers}{image}/{image}")
            }
            _ => image.to_owned(),
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

    /// Where it keeps what it has, without secrets; `None` where URLs of others lead to many places.
    pub fn place(&self) -> Option<String> {
        let place = match &self.about.addresses {
            Addresses::Below(prefixes) | Addresses::Keyed(prefixes, _) => prefixes.first()?,
            Addresses::Snapshots { prefix, .. } => prefix,
            Addresses::Containers { own, .. } => own,
            Addresses::Accounts { containers } => containers,
            Addresses::Schemes(_) => return None,
        };
        Some(StoreUrl::new(place).to_string())
    }

    /// Whether one of the two would serve URLs that the other writes, as stores in one folder or bucket do.
    pub fn overlaps(&self, other: &NamedStore) -> bool {
        let (own, others) = (self.beginnings(), other.beginnings());
        own.iter().any(|a| others.iter().any(|b| a.starts_with(b) || b.starts_with(a)))
    }

    /// What the URLs of its own data begin with.
    fn beginnings(&self) -> Vec<&str> {
        match &self.about.addresses {
            Addresses::Below(prefixes) | Addresses::Keyed(prefixes, _) => {
                prefixes.iter().map(String::as_str).collect()
            }
            Addresses::Snapshots { prefix, .. } => vec![prefix],
            Addresses::Containers { own, .. } => vec![own],
            Addresses::Accounts { containers } => vec![containers],
            Addresses::Schemes(_) => Vec::new(),
        }
    }

    /// The possible URLs of a name, one for each place that this store writes to; none if it is read-only.
    pub fn urls_of(&self, name: &str) -> Vec<String> {
        match &self.about.addresses {
            _ if !self.about.capabilities.writes => Vec::new(),
            Addresses::Below(prefixes) | Addresses::Keyed(prefixes, _) => {
                prefixes.iter().map(|prefix| format!("{prefix}{name}")).collect()
            }
            Addresses::Snapshots { prefix, snapshot, .. } => vec![format!("{prefix}{name}/{snapshot}")],
            Addresses::Containers { own, .. } if own.ends_with('/') => vec![format!("{own}{name}")],
            // Where the name decides the container, only the store can tell.
            Addresses::Containers { .. } | Addresses::Accounts { .. } | Addresses::Schemes(_) => Vec::new(),
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

    /// The URL of a blob for Glance's database, which may contain keys; for nothing else.
    pub fn url_for_glance(&self, url: &str) -> StoreUrl {
        match (&self.about.addresses, without_keys(url).split_once("://")) {
            (Addresses::Keyed(_, Keys(keys)), Some((scheme, place))) if self.owns(url) => {
                StoreUrl::new(format!("{scheme}://{keys}@{place}"))
            }
            _ => StoreUrl::new(url),
        }
    }

    /// The configured metadata of a location with this URL.
    pub fn metadata(&self, url: &str) -> Map<String, Value> {
        let mut entries = self.about.metadata.iter().filter(|_| self.owns(url));
        entries.find(|(beginning, _)| url.starts_with(beginning)).map(|(_, e)| e.clone()).unwrap_or_default()
    }
}
