//! Limits on connections. Each peer has a share, all connections together leave descriptors for the requests they
//! make, and a reserve ensures that a load balancer's health check is always answered.
//!
//! Every connection begins by waiting for a request. A waiting connection can be closed to make room for another, the
//! one that has waited longest first. A connection whose request is being served cannot, unless its small body does
//! not arrive. So a client that sends its request is served, however many do not.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Context,
};

use futures::task::AtomicWaker;

use crate::{
    model::error::{Error, Result},
    telemetry::metrics,
};

/// Seconds after which a peer that has its share may ask again.
const AGAIN_SECONDS: u64 = 5;
/// Bits of an address of IPv6 that tell peers apart: of the rest everybody has as many as he likes.
const PREFIX_BITS: u32 = 64;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections whose requests are served at once.
    pub served: usize,
    /// The same of one peer.
    pub per_address: usize,
    /// Connections that may wait for a request when all of those are taken; a quarter of them for one peer.
    pub reserve: usize,
}

/// Keeps the book of connections; all workers share it.
#[derive(Debug)]
pub struct Gate {
    bounds: Bounds,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// Counts connections and the times at which they begin to wait.
    next: u64,
    open: HashMap<u64, Entry>,
    served: usize,
    /// Connections that can be dismissed, by when they began to wait.
    waiting: BTreeMap<u64, u64>,
    peers: HashMap<IpAddr, Peer>,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    /// Since when it has waited, if it does.
    since: Option<u64>,
    is_served: bool,
    notice: Arc<Notice>,
}

#[derive(Debug, Default)]
struct Peer {
    open: usize,
    served: usize,
    waiting: BTreeMap<u64, u64>,
}

/// Tells a connection, on whatever thread it is, that it has to go.
#[derive(Debug, Default)]
struct Notice {
    given: AtomicBool,
    waker: AtomicWaker,
}

/// The right to be connected, until it is dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    id: u64,
    notice: Arc<Notice>,
}

/// The peer of an address.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> (128 - PREFIX_BITS) << (128 - PREFIX_BITS)))
        }
        v4 => v4,
    }
}

impl Book {
    fn ticket(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.next
    }

    /// The connection waits from now on, or no longer.
    fn set_waiting(&mut self, id: u64, waits: bool) {
        let ticket = self.ticket();
        let Some(entry) = self.open.get_mut(&id) else { return };
        let Some(peer) = self.peers.get_mut(&entry.peer) else { return };
        if let Some(since) = entry.since.take() {
            self.waiting.remove(&since);
            peer.waiting.remove(&since);
        }
        if waits {
            entry.since = Some(ticket);
            self.waiting.insert(ticket, id);
            peer.waiting.insert(ticket, id);
        }
    }

    fn set_served(&mut self, id: u64, is_served: bool) {
        let Some(entry) = self.open.get_mut(&id) else { return };
        let Some(peer) = self.peers.get_mut(&entry.peer) else { return };
        if entry.is_served == is_served {
            return;
        }
        entry.is_served = is_served;
        for count in [&mut self.served, &mut peer.served] {
            *count = if is_served { count.saturating_add(1) } else { count.saturating_sub(1) };
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        self.set_waiting(id, false);
        self.set_served(id, false);
        let entry = self.open.remove(&id)?;
        if let Some(peer) = self.peers.get_mut(&entry.peer) {
            peer.open = peer.open.saturating_sub(1);
            if peer.open == 0 {
                self.peers.remove(&entry.peer);
            }
        }
        Some(entry)
    }

    /// Dismisses the connection that has waited longest, of a peer or of all; returns whether there was one. `served`:
    /// only one whose request has begun.
    fn dismiss(&mut self, peer: Option<IpAddr>, served: bool) -> bool {
        let waiting = match peer {
            Some(peer) => self.peers.get(&peer).map(|peer| &peer.waiting),
            None => Some(&self.waiting),
        };
        let is_one = |id: &&u64| !served || self.open.get(*id).is_some_and(|entry| entry.is_served);
        let Some(id) = waiting.and_then(|waiting| waiting.values().find(is_one)).copied() else {
            return false;
        };
        if let Some(entry) = self.remove(id) {
            entry.notice.given.store(true, Ordering::Release);
            entry.notice.waker.wake();
        }
        true
    }
}

impl Gate {
    /// Nobody is connected yet.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, book: Mutex::default() })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections that are open, those of requests that are served, and how many of these there may be.
    pub fn occupancy(&self) -> (usize, usize, usize) {
        let book = self.book();
        (book.open.len(), book.served, self.bounds.served)
    }

    /// Admits a connection, closing another one if necessary; `None` if none can be closed.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Pass> {
        let peer = peer_of(address);
        let most_of_peer = self.bounds.per_address.saturating_add((self.bounds.reserve / 4).max(1));
        let most = self.bounds.served.saturating_add(self.bounds.reserve.max(1));
        let mut book = self.book();
        let open = book.peers.get(&peer).map_or(0, |peer| peer.open);
        if open >= most_of_peer && !book.dismiss(Some(peer), false)
            || book.open.len() >= most && !book.dismiss(None, false)
        {
            drop(book);
            metrics().refused("connections");
            return None;
        }
        let (id, notice) = (book.ticket(), Arc::new(Notice::default()));
        let of_peer = book.peers.entry(peer).or_default();
        of_peer.open = of_peer.open.saturating_add(1);
        let entry = Entry { peer, since: None, is_served: false, notice: Arc::clone(&notice) };
        book.open.insert(id, entry);
        book.set_waiting(id, true);
        drop(book);
        Some(Pass { gate: Arc::clone(self), id, notice })
    }
}

impl Pass {
    /// Whether the connection has to go; wakes it when it has to later.
    pub fn is_dismissed(&self, context: &Context<'_>) -> bool {
        self.notice.waker.register(context.waker());
        self.notice.given.load(Ordering::Acquire)
    }

    /// A request begins, which is served from the reserve.
    pub fn serve_from_reserve(&self) {
        self.gate.book().set_waiting(self.id, false);
    }

    /// Any other request begins.
    ///
    /// # Errors
    /// [`Error::TooMany`] when the peer has its share, [`Error::Unavailable`] when all are taken.
    pub fn serve(&self) -> Result<()> {
        let bounds = self.gate.bounds;
        let mut book = self.gate.book();
        let Some(entry) = book.open.get(&self.id) else {
            return Err(Error::Unavailable("Too many connections are open.".to_owned()));
        };
        if !entry.is_served {
            let peer = entry.peer;
            let of_peer = book.peers.get(&peer).map_or(0, |peer| peer.served);
            if of_peer >= bounds.per_address && !book.dismiss(Some(peer), true) {
                metrics().refused("connections_per_address");
                let text = "Too many connections from this address are open.".to_owned();
                return Err(Error::TooMany { text, after: AGAIN_SECONDS });
            }
            if book.served >= bounds.served && !book.dismiss(None, true) {
                metrics().refused("connections");
                tracing::warn!(served = book.served, "a request was refused: too many connections are open");
                return Err(Error::Unavailable("Too many connections are open.".to_owned()));
            }
            book.set_served(self.id, true);
        }
        book.set_waiting(self.id, false);
        Ok(())
    }

    /// Its request is read, which may be kept back, or has been.
    pub fn set_reading(&self, reads: bool) {
        self.gate.book().set_waiting(self.id, reads);
    }

    /// It waits for its next request.
    pub fn wait(&self) {
        let mut book = self.gate.book();
        book.set_served(self.id, false);
        book.set_waiting(self.id, true);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        drop(self.gate.book().remove(self.id));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::task::Waker;

    use super::*;

    const BOUNDS: Bounds = Bounds { served: 4, per_address: 3, reserve: 4 };

    fn enter(gate: &Arc<Gate>, address: &str) -> Option<Pass> {
        gate.enter(address.parse().unwrap())
    }

    fn gone(passes: &[Pass]) -> Vec<bool> {
        passes.iter().map(|pass| pass.is_dismissed(&Context::from_waker(Waker::noop()))).collect()
    }

    /// Proves that of those who only wait the one goes that has waited longest, of its own peer when that has its share,
    /// and that addresses of one network of IPv6 are one peer.
    #[test]
    fn sec_79_whoever_waits_longest_goes_first() {
        let gate = Gate::new(BOUNDS);
        let passes: Vec<_> = (0..6).map(|n| enter(&gate, &format!("2001:db8::{n}")).unwrap()).collect();
        assert_eq!(gone(&passes), [true, true, false, false, false, false]);
        let others: Vec<_> = (1..=5).map(|n| enter(&gate, &format!("10.0.0.{n}")).unwrap()).collect();
        assert_eq!(gone(&passes), [true, true, true, false, false, false]);
        assert!(!gone(&others).contains(&true));
        drop(passes);
        assert_eq!(gate.book().open.len(), 5);
        drop(others);
        assert!(
            gate.book().open.is_empty() && gate.book().peers.is_empty() && gate.book().waiting.is_empty()
        );
    }

    /// Proves that requests that are served are left alone, that those which keep their body back go for others, and
    /// that the reserve is nobody's but of those who ask for what is served from it.
    #[test]
    fn sec_79_the_reserve_is_for_nobody_else() {
        let gate = Gate::new(BOUNDS);
        let passes: Vec<_> = (1..=4).map(|n| enter(&gate, &format!("10.0.0.{n}")).unwrap()).collect();
        passes.iter().for_each(|pass| pass.serve().unwrap());
        let late = enter(&gate, "10.0.0.5").unwrap();
        assert!(matches!(late.serve(), Err(Error::Unavailable(_))));
        late.serve_from_reserve();
        passes[2].set_reading(true);
        let later = enter(&gate, "10.0.0.6").unwrap();
        later.serve().unwrap();
        assert_eq!(gone(&passes), [false, false, true, false]);
        passes[0].wait();
        passes[1].set_reading(true);
        passes[1].set_reading(false);
        let last = enter(&gate, "10.0.0.7").unwrap();
        last.serve().unwrap();
        assert!(matches!(enter(&gate, "10.0.0.8").unwrap().serve(), Err(Error::Unavailable(_))));
        assert_eq!(gone(&passes), [false, false, true, false]);
    }

    /// Proves that a peer that has its share is told so, while others are served.
    #[test]
    fn sec_79_a_peer_has_its_share() {
        let gate = Gate::new(BOUNDS);
        let passes: Vec<_> = (0..3).map(|_| enter(&gate, "::ffff:10.0.0.1").unwrap()).collect();
        passes.iter().for_each(|pass| pass.serve().unwrap());
        let fourth = enter(&gate, "10.0.0.1").unwrap();
        assert!(matches!(fourth.serve(), Err(Error::TooMany { .. })));
        fourth.serve_from_reserve();
        assert!(enter(&gate, "10.0.0.1").is_none());
        enter(&gate, "10.0.0.2").unwrap().serve().unwrap();
        passes[0].wait();
        fourth.serve().unwrap();
    }
}
