//! A fair semaphore: when all places are taken, projects get them in turn, however much work one of them has.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// How many pieces of work may be under way at once among those that share this.
#[derive(Clone, Debug)]
pub struct Places(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    free: usize,
    waiting: HashMap<Arc<str>, VecDeque<oneshot::Sender<Place>>>,
    /// Everybody who waits, once each.
    turns: VecDeque<Arc<str>>,
}

/// Some places, until they are dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    count: usize,
}

impl Places {
    /// So many; one at least.
    pub fn new(count: usize) -> Self {
        let book = Book { free: count.max(1), waiting: HashMap::new(), turns: VecDeque::new() };
        Self(Arc::new(Mutex::new(book)))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of `whose`.
    pub async fn take(&self, whose: &Arc<str>) -> Option<Place> {
        let turn = {
            let mut book = self.book();
            if let Some(left) = book.free.checked_sub(1) {
                book.free = left;
                return Some(Place { places: self.clone(), count: 1 });
            }
            let (sender, turn) = oneshot::channel();
            let queue = book.waiting.entry(Arc::clone(whose)).or_default();
            queue.push_back(sender);
            if queue.len() == 1 {
                book.turns.push_back(Arc::clone(whose));
            }
            turn
        };
        // The other end is in the book, which whoever has a place keeps.
        turn.await.ok()
    }

    /// Whether somebody waits for a place.
    pub fn are_awaited(&self) -> bool {
        !self.book().turns.is_empty()
    }

    /// This many places, if they are free and nobody waits for one.
    pub fn spare(&self, count: usize) -> Option<Place> {
        let mut book = self.book();
        book.free = book.free.checked_sub(count)?;
        Some(Place { places: self.clone(), count })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut grants = Vec::new();
        let mut book = self.places.book();
        book.free = book.free.saturating_add(self.count);
        while book.free > 0 {
            let Some(whose) = book.turns.pop_front() else { break };
            let Some(queue) = book.waiting.get_mut(&whose) else { continue };
            let next = std::iter::from_fn(|| queue.pop_front()).find(|waiter| !waiter.is_closed());
            if queue.is_empty() {
                book.waiting.remove(&whose);
            } else {
                book.turns.push_back(whose);
            }
            if let Some(next) = next {
                book.free = book.free.saturating_sub(1);
                grants.push((next, Place { places: self.places.clone(), count: 1 }));
            }
        }
        drop(book);
        for (next, place) in grants {
            // One that has stopped waiting drops its place, and another gets it.
            drop(next.send(place));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use futures::FutureExt;

    use super::*;

    /// Proves that the turns go round among those who wait, that who has stopped waiting is passed over, and that every
    /// place comes back.
    #[test]
    fn sec_79_turns_go_round() {
        let places = Places::new(2);
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        let held = (places.spare(1).unwrap(), places.take(&alice).now_or_never().unwrap());
        assert!(places.spare(1).is_none());
        let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(places.take(&alice))).collect();
        waiting.push(Box::pin(places.take(&bob)));
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        drop(waiting.remove(0));
        drop(held.0);
        // The first place goes to the second of alice's, the next one to bob, who came last.
        let first = waiting.remove(0).now_or_never().unwrap();
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        drop(held.1);
        let bobs = waiting.pop().unwrap().now_or_never().unwrap();
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        drop((first, bobs));
        let last: Vec<_> = waiting.drain(..2).map(|turn| turn.now_or_never().unwrap()).collect();
        drop((waiting, last));
        assert!(places.spare(2).is_some() && places.0.lock().unwrap().waiting.is_empty());
    }
}
