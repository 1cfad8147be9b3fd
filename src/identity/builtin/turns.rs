//! The order in which logins are hashed. Hashing is the expensive part of a login, so it is shared fairly: first
//! those who have logged in before from the same address, then everybody else, each address and each account in turn.
//! The queue is bounded; when it is full, the last in it is refused.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::throttle::Attempt;
use crate::model::error::{Error, Result};

/// Logins that may wait for their turn, on the whole.
const WAITING_MAX: usize = 256;
/// Logins of one known account that come before those of strangers; what it asks beyond stands with them.
const KNOWN_MAX: u64 = 8;
/// How much further back one's next login stands than that of another address, and of another account there.
const ADDRESS: u64 = 1;
const ACCOUNT: u64 = 16;
/// Seconds after which there may be room again.
const AGAIN_SECONDS: u64 = 2;

/// A login that waits for a turn.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// The account and the address.
    pub attempt: Attempt,
    /// The address alone.
    pub address: Attempt,
    /// Whether this account has logged in from this address before, or a token says who it is.
    pub known: bool,
}

impl Visitor {
    /// One whose token, or place on this machine, says who it is.
    pub fn proven(user_id: &str) -> Self {
        Self {
            attempt: Attempt::new(&["proven", user_id], None),
            address: Attempt::new(&[], None),
            known: true,
        }
    }
}

/// Where one stands: strangers after the known, then by distance, then by arrival.
type Place = (bool, u64, u64);

struct Waiter {
    visitor: Visitor,
    call: oneshot::Sender<Turn>,
}

/// Limits the number of concurrent turns.
pub struct Turns(Arc<Mutex<Line>>);

#[derive(Default)]
struct Line {
    free: usize,
    arrivals: u64,
    /// The distance of the last stranger, and of the last known one, who had a turn.
    served: [u64; 2],
    waiting: BTreeMap<Place, Waiter>,
    /// How many wait of each account and each address.
    of: HashMap<Attempt, u64>,
}

/// A turn, until it is dropped.
pub struct Turn(Arc<Mutex<Line>>);

/// A place in the line, which is left when nobody waits there any more.
struct Standing {
    line: Arc<Mutex<Line>>,
    place: Place,
}

fn locked(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    /// `at_once` turns at a time.
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Mutex::new(Line { free: at_once.max(1), ..Line::default() })))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Error::TooMany`] when there is no room to wait, or no longer.
    pub async fn take(&self, visitor: Visitor) -> Result<Turn> {
        let (standing, called) = {
            let mut line = locked(&self.0);
            if line.free > 0 {
                line.free -= 1;
                return Ok(Turn(Arc::clone(&self.0)));
            }
            let (call, called) = oneshot::channel();
            let place = line.enter(Waiter { visitor, call }).ok_or_else(full)?;
            (Standing { line: Arc::clone(&self.0), place }, called)
        };
        let turn = called.await.map_err(|_| full());
        drop(standing);
        turn
    }

    /// Logins that wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        locked(&self.0).waiting.len()
    }
}

fn full() -> Error {
    Error::TooMany { text: "Too many logins at once; try again later.".to_owned(), after: AGAIN_SECONDS }
}

impl Line {
    /// Finds a place for a newcomer; in a full line that of whoever stands last, who leaves, or none.
    fn enter(&mut self, waiter: Waiter) -> Option<Place> {
        let Visitor { attempt, address, known } = waiter.visitor;
        let waiting = |who: &Attempt| self.of.get(who).copied().unwrap_or_default();
        let stranger = !known || waiting(&attempt) >= KNOWN_MAX;
        let behind = waiting(&address).saturating_mul(ADDRESS);
        let distance = behind.saturating_add(waiting(&attempt).saturating_mul(ACCOUNT)).saturating_add(1);
        self.arrivals = self.arrivals.saturating_add(1);
        let served = self.served[usize::from(stranger)];
        let place = (stranger, served.saturating_add(distance), self.arrivals);
        if self.waiting.len() >= WAITING_MAX {
            let last = *self.waiting.last_key_value()?.0;
            if last <= place {
                return None;
            }
            // Who is dropped uncalled knows that there is no room.
            self.leave(last);
        }
        for who in [attempt, address] {
            let count = self.of.entry(who).or_default();
            *count = count.saturating_add(1);
        }
        self.waiting.insert(place, waiter);
        Some(place)
    }

    fn leave(&mut self, place: Place) -> Option<Waiter> {
        let waiter = self.waiting.remove(&place)?;
        for who in [waiter.visitor.attempt, waiter.visitor.address] {
            let left = self.of.get(&who).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                self.of.remove(&who);
            } else {
                self.of.insert(who, left);
            }
        }
        Some(waiter)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut line = locked(&self.0);
            let first = line.waiting.first_key_value().map(|(place, _)| *place);
            match first.and_then(|place| Some((place, line.leave(place)?))) {
                Some(((stranger, distance, _), waiter)) => {
                    line.served[usize::from(stranger)] = distance;
                    Some(waiter)
                }
                None => {
                    line.free = line.free.saturating_add(1);
                    None
                }
            }
        };
        // One who has gone meanwhile drops the turn, and with it calls the next.
        if let Some(waiter) = next {
            drop(waiter.call.send(Self(Arc::clone(&self.0))));
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let left = locked(&self.line).leave(self.place);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::net::IpAddr;

    use futures::{FutureExt, future::LocalBoxFuture};

    use super::*;

    fn visitor(account: &str, address: &str, known: bool) -> Visitor {
        let address: IpAddr = address.parse().unwrap();
        Visitor {
            attempt: Attempt::new(&[account], Some(address)),
            address: Attempt::new(&[], Some(address)),
            known,
        }
    }

    /// Those who wait, in the order in which they came.
    #[derive(Default)]
    struct Crowd<'a>(Vec<(String, LocalBoxFuture<'a, Result<Turn>>)>);

    impl<'a> Crowd<'a> {
        fn comes(&mut self, turns: &'a Turns, name: &str, visitor: Visitor) {
            let mut wait = turns.take(visitor).boxed_local();
            assert!((&mut wait).now_or_never().is_none(), "{name} does not wait");
            self.0.push((name.to_owned(), wait));
        }

        /// Whose turn it is now.
        fn next(&mut self) -> (String, Turn) {
            for place in 0..self.0.len() {
                if let Some(turn) = (&mut self.0[place].1).now_or_never() {
                    let (name, _) = self.0.remove(place);
                    return (name, turn.unwrap());
                }
            }
            panic!("nobody is called");
        }

        fn order(&mut self, mut turn: Turn) -> Vec<String> {
            let mut order = Vec::new();
            while !self.0.is_empty() {
                drop(turn);
                let (name, next) = self.next();
                order.push(name);
                turn = next;
            }
            order
        }
    }

    /// A flood from one address, by many accounts or one, delays another address by one turn, and an account beside it
    /// likewise; who has logged in there before waits for nobody of the flood.
    #[test]
    fn sec_61_turns_are_shared_by_address_and_account() {
        let turns = Turns::new(1);
        let turn = turns.take(visitor("first", "192.0.2.1", false)).now_or_never().unwrap().unwrap();
        let mut crowd = Crowd::default();
        for n in 0..3 {
            crowd.comes(&turns, &format!("one {n}"), visitor("one", "192.0.2.1", false));
        }
        for n in 0..3 {
            crowd.comes(&turns, &format!("invented {n}"), visitor(&format!("i{n}"), "192.0.2.1", false));
        }
        crowd.comes(&turns, "elsewhere", visitor("ann", "192.0.2.2", false));
        crowd.comes(&turns, "known", visitor("bob", "192.0.2.1", true));
        let order = crowd.order(turn);
        let expected =
            ["known", "one 0", "elsewhere", "invented 0", "invented 1", "invented 2", "one 1", "one 2"];
        assert_eq!(order, expected);
        assert!(locked(&turns.0).of.is_empty());
    }

    /// In a full line whoever stands last makes room for one who would stand before him, and is told so; one who would
    /// stand last is told at once. Who goes away leaves no place behind.
    #[test]
    fn sec_61_the_line_is_bounded() {
        let turns = Turns::new(1);
        let turn = turns.take(visitor("first", "192.0.2.1", false)).now_or_never().unwrap().unwrap();
        let mut crowd = Crowd::default();
        for n in 0..WAITING_MAX {
            crowd.comes(&turns, "flood", visitor(&format!("i{n}"), "192.0.2.1", false));
        }
        let refused = turns.take(visitor("another", "192.0.2.1", false)).now_or_never().unwrap();
        assert!(matches!(refused.map(drop), Err(Error::TooMany { after: AGAIN_SECONDS, .. })));
        crowd.comes(&turns, "good", visitor("ann", "192.0.2.2", false));
        assert_eq!(turns.waiting(), WAITING_MAX);
        let (_, mut last) = crowd.0.remove(WAITING_MAX - 1);
        assert!(matches!((&mut last).now_or_never().unwrap().map(drop), Err(Error::TooMany { .. })));
        crowd.0.truncate(1);
        assert_eq!(turns.waiting(), 1);
        drop(turn);
        assert_eq!(crowd.next().0, "flood");
    }

    /// A known account that floods the line stands with the strangers soon.
    #[test]
    fn sec_61_the_known_do_not_crowd_out_strangers() {
        let turns = Turns::new(1);
        let turn = turns.take(visitor("first", "192.0.2.1", false)).now_or_never().unwrap().unwrap();
        let mut crowd = Crowd::default();
        for _ in 0..=KNOWN_MAX {
            crowd.comes(&turns, "known", visitor("bob", "192.0.2.1", true));
        }
        crowd.comes(&turns, "stranger", visitor("ann", "192.0.2.2", false));
        let order = crowd.order(turn);
        assert_eq!(order.iter().position(|name| name == "stranger"), Some(KNOWN_MAX as usize));
    }
}
