//! Lists containers, page by page.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::{
    address::is_name,
    fault::Fault,
    line::{Ask, Line},
    shop::Shop,
};
use crate::{
    model::{image::is_uuid, time::Timestamp},
    outbound::Method,
    store::{ListStream, Listed, StoreError, StoreResult, UNFINISHED},
};

/// Names of a page, and the bytes that it has at most.
const PAGE: &str = "1000";
const PAGE_BYTES_MAX: usize = 8 << 20;
/// Bytes of the text of a UUID.
const UUID_BYTES: usize = 36;

/// An object of a container, or a container of an account.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entry {
    name: Option<String>,
    bytes: Option<u64>,
    last_modified: Option<String>,
}

impl Entry {
    /// As an object. Those with a manifest are empty themselves, so that nothing is said of their size.
    fn listed(&self, name: &str) -> Listed {
        let modified = self.last_modified.as_deref().and_then(Timestamp::parse_iso);
        Listed { size: self.bytes.filter(|bytes| *bytes > 0), modified, ..Listed::of(name.to_owned(), false) }
    }
}

/// A page of the names in a container, or of the containers of an account, and where the next one begins. That there is
/// no such container is as if it were empty.
pub(super) async fn page(
    line: &Line,
    container: Option<&str>,
    prefix: &str,
    after: &str,
) -> Result<(Vec<String>, Option<String>), Fault> {
    let (entries, next) = entries(line, container, prefix, after).await?;
    Ok((entries.into_iter().filter_map(|entry| entry.name).collect(), next))
}

/// The same with what the list says besides.
async fn entries(
    line: &Line,
    container: Option<&str>,
    prefix: &str,
    after: &str,
) -> Result<(Vec<Entry>, Option<String>), Fault> {
    let ask = match container {
        Some(container) => Ask::of(Method::GET, container, None),
        None => Ask::of_account(Method::GET),
    };
    let mut ask = ask.query("format", "json").query("limit", PAGE);
    for (name, value) in [("prefix", prefix), ("marker", after)] {
        if !value.is_empty() {
            ask = ask.query(name, value);
        }
    }
    let reply = match line.call(&ask.read(PAGE_BYTES_MAX)).await {
        Err(fault) if fault.is_absence() => return Ok((Vec::new(), None)),
        other => other?,
    };
    if reply.body.is_empty() {
        return Ok((Vec::new(), None));
    }
    let entries: Vec<Entry> = serde_json::from_slice(&reply.body)
        .map_err(|_| Fault::Nonsense("Swift's list is none".to_owned()))?;
    let next = entries.iter().filter_map(|entry| entry.name.clone()).next_back();
    Ok((entries, next.filter(|last| last.as_str() != after)))
}

/// What a name in a container stands for.
#[derive(Debug, PartialEq, Eq)]
enum Meaning<'a> {
    /// Says that the blob of this id is unfinished.
    Mark(&'a str),
    /// Belongs to an object with a manifest, or to an unfinished blob.
    Segment,
    /// An object with a plain name.
    Object,
    /// None of ours.
    Foreign,
}

fn meaning(name: &str) -> Meaning<'_> {
    if let Some(id) = name.strip_suffix(UNFINISHED)
        && is_uuid(id)
    {
        return Meaning::Mark(id);
    }
    let is_segment = name.split_at_checked(UUID_BYTES).is_some_and(|(id, rest)| {
        let number = rest.strip_prefix('-').unwrap_or_default();
        is_uuid(id) && number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    match is_segment {
        true => Meaning::Segment,
        false if is_name(name) => Meaning::Object,
        false => Meaning::Foreign,
    }
}

impl Shop {
    /// The containers of images, one after the other.
    pub(super) fn containers(
        self: &Arc<Self>,
    ) -> impl futures::Stream<Item = StoreResult<String>> + Send + use<> {
        let shop = Arc::clone(self);
        let one = self.containers.prefix().is_none().then(|| vec![self.containers.of("")]);
        stream::try_unfold((shop, Some(String::new()), one), |(shop, after, one)| async move {
            let Some(after) = after else { return Ok(None) };
            if let Some(one) = one {
                return Ok(Some((one, (shop, None, None))));
            }
            let prefix = shop.containers.prefix().unwrap_or_default();
            let found = page(&shop.line, None, &prefix, &after).await;
            let (names, next) = found.map_err(|fault| fault.at(shop.place("", "")))?;
            Ok::<_, StoreError>(Some((names, (shop, next, None))))
        })
        .map_ok(|names| stream::iter(names).map(Ok))
        .try_flatten()
    }

    /// Everything: objects by their names, and unfinished blobs by their ids. Segments are told by what they belong to.
    pub(super) fn list(self: &Arc<Self>) -> ListStream {
        let shop = Arc::clone(self);
        let pages = self.containers().map_ok(move |container| {
            let start = (Arc::clone(&shop), container, Some(String::new()));
            stream::try_unfold(start, |(shop, container, after)| async move {
                let Some(after) = after else { return Ok(None) };
                let found = entries(&shop.line, Some(&container), "", &after).await;
                let (found, next) = found.map_err(|fault| fault.at(shop.place(&container, "")))?;
                let listed = shop.listed(&container, &found).await?;
                Ok::<_, StoreError>(Some((stream::iter(listed).map(Ok), (shop, container, next))))
            })
            .try_flatten()
        });
        Box::pin(pages.try_flatten())
    }

    async fn listed(&self, container: &str, entries: &[Entry]) -> StoreResult<Vec<Listed>> {
        let mut listed = Vec::new();
        for entry in entries {
            let Some(name) = &entry.name else { continue };
            match meaning(name) {
                Meaning::Object => listed.push(entry.listed(name)),
                // One that has stayed behind says nothing.
                Meaning::Mark(id) if self.shown_as(container, id).await?.is_none() => {
                    listed.push(Listed::of(id.to_owned(), true));
                }
                Meaning::Mark(_) | Meaning::Segment | Meaning::Foreign => {}
            }
        }
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves what names stand for, Glance's segments and names of blobs that have one of their own included.
    #[test]
    fn names_are_told_apart() {
        let id = "3a1b2c3d-0123-4567-89ab-0123456789ab";
        for (name, expected) in [
            (id.to_owned(), Meaning::Object),
            (format!("{id}.{id}"), Meaning::Object),
            (format!("{id}-00001"), Meaning::Segment),
            (format!("{id}-123456"), Meaning::Segment),
            (format!("{id}-1"), Meaning::Object),
            (format!("{id}-0000x"), Meaning::Object),
            (format!("{id}.unfinished"), Meaning::Mark(id)),
            ("x.unfinished".to_owned(), Meaning::Object),
            (".hidden".to_owned(), Meaning::Foreign),
            ("a/b".to_owned(), Meaning::Foreign),
        ] {
            assert_eq!(meaning(&name), expected, "{name}");
        }
    }
}
