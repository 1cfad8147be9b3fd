//! Deletes a blob: the object, the segments that its manifest names, and the remains of an upload.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    fault::Fault,
    line::{Ask, Reply},
    listing::page,
    shop::{Found, NAME, Shop, mark_of, text_of},
};
use crate::{
    outbound::Method,
    store::{StoreResult, UNFINISHED},
};

/// Segments that are deleted at the same time.
const AT_ONCE: usize = 8;

impl Shop {
    /// Deletes all data of a blob. What bears its name while it is unfinished is not its own.
    pub(super) async fn delete(self: &Arc<Self>, blob: &str, name: &str) -> StoreResult<()> {
        if name.ends_with(UNFINISHED) {
            // Where it was to be is not known.
            let mut containers = Box::pin(self.containers());
            while let Some(container) = containers.try_next().await? {
                self.remove_parts(&container, blob).await?;
            }
            return Ok(());
        }
        let container = self.containers.of(name);
        let object = self.look(&container, name).await?;
        let says_so = object.as_ref().is_some_and(|found| found.blob.as_deref() == Some(blob));
        let parts = page(&self.line, Some(&container), blob, "").await;
        let (mut parts, _) = parts.map_err(|fault| fault.at(self.place(&container, name)))?;
        parts.retain(|part| part != name);
        let is_unfinished = !says_so && (!parts.is_empty() || self.writing().contains(blob));
        if let Some(object) = object.filter(|_| !is_unfinished) {
            self.remove(&container, (name, name), &object, says_so).await?;
        }
        if parts.is_empty() { Ok(()) } else { self.remove_parts(&container, blob).await }
    }

    /// Deletes an object, and its segments. `known` says that these are found without it, too: then it goes first, so
    /// that nobody reads a part of it; else last, so that whoever continues with a deletion finds them. `own` is the name
    /// that its segments may have, where it bears another by now.
    pub(super) async fn remove(
        &self,
        container: &str,
        (name, own): (&str, &str),
        object: &Found,
        known: bool,
    ) -> StoreResult<()> {
        let work = async {
            if object.is_static {
                let ask = Ask::of(Method::DELETE, container, Some(name));
                return gone(self.line.call(&ask.query("multipart-manifest", "delete")).await);
            }
            let segments =
                object.manifest.as_deref().and_then(|manifest| self.segments(manifest, own, object));
            if segments.is_none() && object.manifest.is_some() {
                tracing::warn!(
                    object = name,
                    "a manifest names objects that do not belong to it; they are kept"
                );
            }
            if known {
                self.remove_object(container, name).await?;
            }
            if let Some((container, prefix)) = segments {
                self.remove_all(container, prefix).await?;
            }
            if known { Ok(()) } else { self.remove_object(container, name).await }
        };
        work.await.map_err(|fault: Fault| fault.at(self.place(container, name)))
    }

    /// The container and the beginning of the names of segments, where they are named after the object or its blob: a
    /// manifest could name anything in the account.
    fn segments<'a>(&self, manifest: &'a str, name: &str, object: &Found) -> Option<(&'a str, &'a str)> {
        let (container, prefix) = manifest.split_once('/')?;
        let whose = prefix.strip_suffix('-')?;
        (whose == name || object.blob.as_deref() == Some(whose)).then_some((container, prefix))
    }

    pub(super) async fn remove_object(&self, container: &str, name: &str) -> Result<(), Fault> {
        gone(self.line.call(&Ask::of(Method::DELETE, container, Some(name))).await)
    }

    /// Deletes everything that begins so.
    async fn remove_all(&self, container: &str, prefix: &str) -> Result<(), Fault> {
        let mut after = Some(String::new());
        while let Some(from) = after {
            let (names, next) = page(&self.line, Some(container), prefix, &from).await?;
            let removed =
                stream::iter(names).map(|name| async move { self.remove_object(container, &name).await });
            removed.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            after = next;
        }
        Ok(())
    }

    /// Deletes the segments of a blob, and last the mark that says that there are some; only the mark, if they belong to an
    /// object by now.
    pub(super) async fn remove_parts(&self, container: &str, blob: &str) -> StoreResult<()> {
        let shown = self.shown_as(container, blob).await?;
        let work = async {
            if shown.is_none() {
                self.remove_all(container, &format!("{blob}-")).await?;
            }
            self.remove_object(container, &mark_of(blob)).await
        };
        work.await.map_err(|fault| fault.at(self.place(container, blob)))
    }

    /// The name under which a marked blob is shown all the same.
    pub(super) async fn shown_as(&self, container: &str, blob: &str) -> StoreResult<Option<String>> {
        let mark = self.line.call(&Ask::of(Method::HEAD, container, Some(&mark_of(blob)))).await;
        let name = match mark {
            Ok(reply) => text_of(reply.headers(), NAME),
            Err(fault) if fault.is_absence() => None,
            Err(fault) => return Err(fault.at(self.place(container, blob))),
        };
        let Some(name) = name else { return Ok(None) };
        let found = self.look(&self.containers.of(&name), &name).await?;
        Ok(found.filter(|found| found.blob.as_deref() == Some(blob)).map(|_| name))
    }
}

/// It is not an error if there is nothing of a deletion.
fn gone(reply: Result<Reply, Fault>) -> Result<(), Fault> {
    match reply {
        Ok(_) => Ok(()),
        Err(fault) if fault.is_absence() => Ok(()),
        Err(fault) => Err(fault),
    }
}
