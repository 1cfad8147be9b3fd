//! The quarantine of the containers, objects whose names begin with `.quarantine.`, and the mark of their owner.
//!
//! An object with a manifest is moved by a second manifest over the same segments, which stay where they are; any other by
//! a copy that the server makes. Then the object is deleted under its own name: it is at both places when that is
//! interrupted, and the next attempt goes on. What is unfinished is no object yet, and stays.

use async_trait::async_trait;
use futures::TryStreamExt;

use super::{
    SwiftStore,
    fault::Fault,
    line::{Ask, Payload},
    shop::{BLOB, Found, NAME, Shop, check_name, mark_of, text_of},
    writer::taken,
};
use crate::{
    model::time::Timestamp,
    outbound::Method,
    store::{StoreError, StoreErrorKind, StoreResult, Yard, yard::aside},
};

/// The name of the mark. It is none that a blob could have.
const MARK: &str = ".store-id";
/// Bytes of a mark at most.
const MARK_BYTES_MAX: usize = 256;

fn unfinished_stays(name: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, name, "what is unfinished cannot lie out of the way")
}

#[async_trait]
impl Yard for SwiftStore {
    async fn mark(&self, own: Option<&str>) -> StoreResult<Option<String>> {
        let shop = &self.shop;
        let container = shop.containers.of("");
        if let Some(found) = shop.marked(&container).await? {
            return Ok(Some(found));
        }
        let Some(own) = own else { return Ok(None) };
        match shop.have_container(&container).await {
            // Of several containers none is there for sure.
            Err(error) if error.kind == StoreErrorKind::Gone && shop.containers.prefix().is_some() => {
                return Ok(None);
            }
            had => had?,
        }
        let ask = Ask::of(Method::PUT, &container, Some(MARK)).header("If-None-Match", "*");
        let put = shop.line.call(&ask.with(Payload::Held(vec![own.to_owned().into()]))).await;
        match put.map_err(|fault| fault.at(shop.place(&container, MARK))) {
            Err(error) if error.kind != StoreErrorKind::Exists => Err(error),
            // Somebody else may have been faster.
            _ => shop.marked(&container).await,
        }
    }

    async fn time(&self) -> StoreResult<Timestamp> {
        let ask = match self.shop.containers.prefix() {
            None => Ask::of(Method::HEAD, &self.shop.containers.of(""), None),
            Some(_) => Ask::of_account(Method::HEAD),
        };
        let reply = self.shop.line.call(&ask).await;
        let time = reply.and_then(|reply| {
            let date = text_of(reply.headers(), "date");
            let time = date.as_deref().and_then(Timestamp::parse_http);
            time.ok_or_else(|| Fault::Nonsense("the answer has no date".to_owned()))
        });
        time.map_err(|fault| match fault.is_absence() {
            true => StoreError::new(StoreErrorKind::Gone, self.shop.place("", ""), fault),
            false => fault.at(self.shop.place("", "")),
        })
    }

    async fn modified(&self, _: &str, _: bool) -> StoreResult<Option<Timestamp>> {
        Ok(None)
    }

    async fn is_plain(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        Ok(self.shop.look(&self.shop.containers.of(name), name).await?.is_some())
    }

    async fn set_aside(&self, name: &str, unfinished: bool, key: &str) -> StoreResult<bool> {
        check_name(name)?;
        if unfinished {
            return Err(unfinished_stays(name));
        }
        self.shop.give_name(&self.shop.containers.of(name), (name, &aside(key)?), name).await
    }

    async fn bring_back(&self, key: &str, name: &str, unfinished: bool) -> StoreResult<bool> {
        check_name(name)?;
        if unfinished {
            return Err(unfinished_stays(name));
        }
        let (container, aside) = (self.shop.containers.of(name), aside(key)?);
        match self.shop.look(&container, &aside).await? {
            Some(_) => self.shop.give_name(&container, (&aside, name), name).await,
            None => Ok(false),
        }
    }

    async fn discard(&self, key: &str) -> StoreResult<()> {
        let aside = aside(key)?;
        // It is in the container of its own name, which the key does not tell.
        let mut containers = Box::pin(self.shop.containers());
        while let Some(container) = containers.try_next().await? {
            self.shop.discard(&container, &aside).await?;
        }
        Ok(())
    }
}

impl Shop {
    /// The mark that the containers have.
    async fn marked(&self, container: &str) -> StoreResult<Option<String>> {
        let failed = |fault: Fault| fault.at(self.place(container, MARK));
        match self.line.call(&Ask::of(Method::GET, container, Some(MARK)).read(MARK_BYTES_MAX)).await {
            Ok(reply) => Ok(Some(String::from_utf8_lossy(&reply.body).trim().to_owned())),
            // A container that is not there, and nobody may create, is not one without a mark.
            Err(fault) if fault.is_absence() && (self.creates || self.containers.prefix().is_some()) => {
                Ok(None)
            }
            Err(fault) if fault.is_absence() => self.have_container(container).await.map(|()| None),
            Err(fault) => Err(failed(fault)),
        }
    }

    /// Gives an object another name, which nothing else may have; `own` is the one by which its image knows it. Returns
    /// whether it is there.
    async fn give_name(&self, container: &str, (from, to): (&str, &str), own: &str) -> StoreResult<bool> {
        let (found, there) = (self.look(container, from).await?, self.look(container, to).await?);
        let Some(found) = found else { return Ok(there.is_some()) };
        if found.is_static {
            let why = "an object that lists its segments itself cannot lie out of the way";
            return Err(StoreError::new(StoreErrorKind::Unsupported, self.place(container, from), why));
        }
        match there {
            None => self.duplicate(container, (from, to), (&found, own)).await?,
            Some(there) if there.is_copy_of(&found) => {}
            Some(_) => return Err(taken(self.place(container, to))),
        }
        // Whoever has written to it since has not been copied.
        if self.look(container, from).await?.as_ref() != Some(&found) {
            return Err(Fault::Corrupt.at(self.place(container, from)));
        }
        let work = async {
            if let Some(blob) = &found.blob {
                // One that has stayed behind would tell of the segments as unfinished.
                self.remove_object(container, &mark_of(blob)).await?;
            }
            self.remove_object(container, from).await
        };
        work.await.map_err(|fault: Fault| fault.at(self.place(container, from)))?;
        Ok(true)
    }

    /// Makes what an object is appear under another name, and requires that all of it is there.
    async fn duplicate(
        &self,
        container: &str,
        (from, to): (&str, &str),
        (found, own): (&Found, &str),
    ) -> StoreResult<()> {
        // Not all servers look at the condition; the name was looked at before for those.
        let ask = Ask::of(Method::PUT, container, Some(to)).header("If-None-Match", "*");
        let ask = match &found.manifest {
            Some(manifest) => {
                let ask = ask.header("X-Object-Manifest", manifest).header(NAME, own);
                found.blob.iter().fold(ask, |ask, blob| ask.header(BLOB, blob))
            }
            None => ask.copying(container, from),
        };
        let failed = |fault: Fault| fault.at(self.place(container, to));
        self.line.call(&ask).await.map_err(failed)?;
        match self.look(container, to).await? {
            Some(copy) if copy.is_copy_of(found) => Ok(()),
            _ => Err(failed(Fault::Corrupt)),
        }
    }

    /// Deletes what lies out of the way in a container, with its segments, if no other object has them.
    async fn discard(&self, container: &str, aside: &str) -> StoreResult<()> {
        let Some(object) = self.look(container, aside).await? else { return Ok(()) };
        let own = object.name.clone().unwrap_or_default();
        let is_shown = object.manifest.is_some()
            && !own.is_empty()
            && self.look(container, &own).await?.is_some_and(|there| there.manifest == object.manifest);
        if is_shown {
            let removed = self.remove_object(container, aside).await;
            return removed.map_err(|fault| fault.at(self.place(container, aside)));
        }
        self.remove(container, (aside, &own), &object, false).await
    }
}

impl Found {
    /// Whether one object is the same as another for sure: over the same segments, or with the same bytes.
    fn is_copy_of(&self, other: &Self) -> bool {
        let same = (&self.manifest, &self.blob, self.size) == (&other.manifest, &other.blob, other.size);
        same && (self.manifest.is_some() || self.etag.is_some() && self.etag == other.etag)
    }
}
