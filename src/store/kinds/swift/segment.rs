//! One segment of an image, from its first byte until Swift has all of it.
//!
//! It is sent while it arrives. Its beginning is kept, so that it can be sent again while it is short; a longer one
//! can only be sent again from a file, if the operator enables that.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    fault::Fault,
    line::{Ask, Payload, Reply},
    login::Session,
    sending::Sending,
    shop::{Shop, unquoted},
    spool::{Spool, Spooled},
};
use crate::{
    outbound::{Method, header::ETAG},
    store::{StoreError, StoreResult},
    telemetry::relay::{Broken, Relay},
};

/// Pause before a segment is sent again.
const PAUSE: Duration = Duration::from_millis(500);

/// A fault, and the session with which it came.
type Refusal = (Fault, Option<Arc<Session>>);

/// A segment that comes in.
pub(super) struct Segment {
    shop: Arc<Shop>,
    /// Where it goes.
    ask: Ask,
    /// The container that it goes to.
    container: String,
    place: String,
    /// Bytes that it will have, if that is known.
    declared: Option<u64>,
    /// Bytes that came.
    pub(super) length: u64,
    spool: Relay<Spool>,
    /// All of it, as long as that is not too much.
    held: Option<Vec<Bytes>>,
    /// How much that is.
    window: usize,
    sending: Option<Sending>,
}

/// A segment whose bytes are all there.
pub(super) struct Whole {
    payload: Payload,
    pub(super) md5: String,
}

impl Whole {
    /// Without a byte.
    pub(super) fn empty() -> io::Result<Self> {
        Ok(Self { payload: Payload::Nothing, md5: Spool::new(None)?.finish()?.md5 })
    }

    /// A request with it.
    pub(super) fn with(&self, ask: Ask) -> Ask {
        ask.header("ETag", &self.md5).with(self.payload.clone())
    }
}

impl Segment {
    /// Begins one that is to go to `ask`, of which this many bytes are kept in memory.
    pub(super) fn new(
        shop: &Arc<Shop>,
        (ask, container): (Ask, &str),
        place: String,
        declared: Option<u64>,
        window: usize,
        project: &str,
    ) -> StoreResult<Self> {
        let spool = Spool::new(shop.folder.as_deref()).map_err(|error| StoreError::io(&place, error))?;
        let spool = Relay::new(vec![spool], shop.places.clone(), Some(project));
        let held = shop.folder.is_none().then(Vec::new);
        let (shop, container) = (Arc::clone(shop), container.to_owned());
        Ok(Self { shop, ask, container, place, declared, length: 0, spool, held, window, sending: None })
    }

    /// Whether so many more bytes need not be sent at once.
    pub(super) fn can_wait(&self, more: usize) -> bool {
        let all = self.length.saturating_add(more as u64);
        self.sending.is_none() && (self.shop.folder.is_some() || all <= self.window as u64)
    }

    /// Whether it is small enough to be an object of its own.
    pub(super) fn is_small(&self) -> bool {
        self.sending.is_none() && self.length <= self.window as u64
    }

    fn failed(&self, fault: Fault) -> StoreError {
        fault.at(self.place.clone())
    }

    /// Takes bytes.
    pub(super) async fn take(&mut self, piece: Bytes) -> StoreResult<()> {
        let can_wait = self.can_wait(piece.len());
        self.length = self.length.saturating_add(piece.len() as u64);
        let measured = self.spool.feed(piece.clone()).await;
        measured.map_err(|error| StoreError::io(&self.place, cause(error)))?;
        if self.shop.folder.is_some() {
            return Ok(());
        }
        if self.sending.is_none() && !can_wait {
            // A token that is not accepted any more is renewed by this question, before there is much to send again.
            let known = self.shop.line.call(&Ask::of(Method::HEAD, &self.container, None)).await;
            known.map_err(|fault| self.failed(fault))?;
            self.send_held(None).await?;
        }
        let fed = match &mut self.sending {
            Some(sending) => sending.feed(piece.clone()).await,
            None => Ok(()),
        };
        if let Some(held) = &mut self.held {
            // A copy: the piece may be a small part of a large buffer.
            held.push(Bytes::copy_from_slice(&piece));
        }
        if let Err(refusal) = fed {
            self.send_again(refusal).await?;
        }
        if self.length > self.window as u64 {
            self.held = None;
        }
        Ok(())
    }

    /// Sends what is held once more, unless that is not all or of no use.
    async fn send_again(&mut self, refusal: Refusal) -> StoreResult<()> {
        self.sending = None;
        if self.held.is_none() {
            return Err(self.failed(refusal.0));
        }
        self.send_held(Some(refusal)).await
    }

    /// Begins to send, with what is held.
    async fn send_held(&mut self, refusal: Option<Refusal>) -> StoreResult<()> {
        let (until, mut renewed) = (Instant::now() + self.shop.line.patience.total, false);
        let mut refusal = refusal;
        loop {
            let rejected = match refusal.take() {
                None => None,
                Some((fault, session)) if fault.is_of_the_token() && !renewed => {
                    renewed = true;
                    session
                }
                Some((fault, _)) if !fault.passes() || Instant::now() + PAUSE >= until => {
                    return Err(self.failed(fault));
                }
                Some(_) => {
                    tokio::time::sleep(PAUSE).await;
                    None
                }
            };
            let mut sending = Sending::begin(&self.shop.line, self.ask.clone(), self.declared, rejected);
            for piece in self.held.iter().flatten() {
                if let Err(again) = sending.feed(piece.clone()).await {
                    refusal = Some(again);
                    break;
                }
            }
            if refusal.is_none() {
                self.sending = Some(sending);
                return Ok(());
            }
        }
    }

    /// All of it, of which nothing was sent.
    pub(super) async fn whole(self) -> StoreResult<Whole> {
        let place = self.place;
        let spooled = finished(self.spool).await.map_err(|error| StoreError::io(place, error))?;
        Ok(Whole { payload: payload(&spooled, self.length, self.held), md5: spooled.md5 })
    }

    /// Ends it, and makes sure that Swift has what was sent. Returns how long it is.
    pub(super) async fn finish(mut self) -> StoreResult<u64> {
        let (shop, place, length) = (Arc::clone(&self.shop), self.place.clone(), self.length);
        let sending = self.sending.take();
        let ask = self.ask.clone();
        let spooled = finished(self.spool).await.map_err(|error| StoreError::io(&place, error))?;
        if let Some(sending) = sending {
            let fault = match sending.finish().await {
                Ok(reply) if is_of(&reply, &spooled.md5) => return Ok(length),
                Ok(_) => Fault::Corrupt,
                Err((fault, _)) => fault,
            };
            if self.held.is_none() || !fault.passes() && !fault.is_of_the_token() {
                return Err(fault.at(place));
            }
            tracing::info!(%fault, "a segment is sent again");
        }
        let whole = Whole { payload: payload(&spooled, length, self.held), md5: spooled.md5 };
        let reply = shop.line.call(&whole.with(ask)).await.map_err(|fault| fault.at(&place))?;
        if is_of(&reply, &whole.md5) { Ok(length) } else { Err(Fault::Corrupt.at(place)) }
    }

    /// Ends it without sending the rest.
    pub(super) async fn stop(mut self) {
        drop(self.sending.take());
        self.spool.stop().await;
    }
}

fn payload(spooled: &Spooled, length: u64, held: Option<Vec<Bytes>>) -> Payload {
    match &spooled.copy {
        Some(copy) => Payload::Spooled(Arc::clone(copy), length),
        None => Payload::Held(held.unwrap_or_default()),
    }
}

/// Whether what Swift has is what this MD5 is of. Of a server that says nothing that is not known.
pub(super) fn is_of(reply: &Reply, md5: &str) -> bool {
    let said = reply.headers().get(ETAG);
    said.is_none_or(|tag| tag.to_str().is_ok_and(|tag| unquoted(tag).eq_ignore_ascii_case(md5)))
}

fn cause(broken: Broken<io::Error>) -> io::Error {
    match broken {
        Broken::Taker(error) => error,
        Broken::Thread(fault) => io::Error::other(fault),
    }
}

async fn finished(relay: Relay<Spool>) -> io::Result<Spooled> {
    let spool = relay.finish().await.map_err(cause)?.pop();
    spool.ok_or_else(|| io::Error::other("there was nothing to measure"))?.finish()
}
