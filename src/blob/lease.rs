//! Leases: how long a process's claim on its own work is valid.
//!
//! A blob that is being written names its holder, an upload or an attempt at a job. The process renews the leases of
//! its living holders. When a holder has ended, in whatever way, its lease expires and the reaper takes over what it
//! left.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::model::{clock::Clock, time::Timestamp};

/// The leases of one process. Clones are the same leases.
#[derive(Clone, Debug)]
pub struct Leases {
    /// This process; new at every start.
    pub node: String,
    /// Seconds for which a lease holds.
    seconds: i64,
    clock: Clock,
    /// Who holds something, and how often that was said.
    holders: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// The holder of a lease, for as long as it lives.
#[derive(Debug)]
pub struct Holder {
    name: String,
    leases: Leases,
}

impl Leases {
    /// Those of a process that has just begun, whose leases hold for `seconds`.
    pub fn new(seconds: i64, clock: Clock) -> Self {
        Self { node: uuid::Uuid::new_v4().to_string(), seconds, clock, holders: Arc::default() }
    }

    /// Until when a lease that begins now holds.
    pub fn end(&self) -> Timestamp {
        self.clock.now().plus_seconds(self.seconds)
    }

    /// How often a lease is renewed: two renewals may fail before it runs out.
    pub fn beat(&self) -> Duration {
        Duration::from_secs(self.seconds.unsigned_abs()) / 3
    }

    /// Registers `name` (at most 64 characters) as a holder.
    pub fn hold(&self, name: impl Into<String>) -> Holder {
        let name = name.into();
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        let count = holders.entry(name.clone()).or_default();
        *count = count.saturating_add(1);
        Holder { name, leases: self.clone() }
    }

    /// Everybody who holds something, in order.
    pub fn holders(&self) -> Vec<String> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Holder {
    /// The name that the ledger knows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Until when a lease that begins now holds.
    pub fn end(&self) -> Timestamp {
        self.leases.end()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let mut holders = self.leases.holders.lock().unwrap_or_else(PoisonError::into_inner);
        let left = holders.get(&self.name).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            holders.remove(&self.name);
        } else {
            holders.insert(self.name.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Leases;
    use crate::model::clock::Clock;

    #[test]
    fn a_holder_holds_until_its_last_copy_is_gone() {
        let leases = Leases::new(15, Clock::default());
        let (first, other) = (leases.hold("a"), leases.hold("b"));
        let second = leases.clone().hold("a");
        drop(first);
        assert_eq!(leases.holders(), ["a", "b"]);
        drop(second);
        assert_eq!(leases.holders(), ["b"]);
        drop(other);
        assert!(leases.holders().is_empty());
    }

    #[test]
    fn leases_go_by_the_clock() {
        let clock = Clock::default();
        let leases = Leases::new(15, clock.clone());
        let end = leases.end();
        clock.turn(60);
        assert!(leases.end() >= end.plus_seconds(60));
    }
}
