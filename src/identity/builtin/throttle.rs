//! Slows down password guessing: failed logins are counted by user and address, in bounded memory.
//!
//! A login beyond the limit is refused without checking its password, with a time to retry. Unknown users are counted
//! like others, so it does not disclose who exists.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use moka::sync::Cache;
use openssl::sha::Sha256;

use crate::model::error::{Error, Result};

/// Pairs of user and address that are remembered at most; about 100 bytes each.
const PAIRS_MAX: u64 = 20_000;

/// A user and an address; a digest, so that its size does not depend on the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt([u8; 32]);

impl Attempt {
    /// `user` is what the client named it by: an id, or a domain and a name.
    pub fn new(user: &[&str], address: Option<IpAddr>) -> Self {
        let mut digest = Sha256::new();
        for part in user {
            digest.update(&part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        match address {
            Some(IpAddr::V4(address)) => digest.update(&address.octets()),
            // One customer has a whole /64.
            Some(IpAddr::V6(address)) => digest.update(address.octets().get(..8).unwrap_or_default()),
            None => {}
        }
        Self(digest.finish())
    }
}

/// Seconds for which a user who logged in is remembered at his address.
const KNOWN_SECONDS: u64 = 30 * 24 * 3600;

/// Failed logins.
#[derive(Debug)]
struct Failures {
    since: Instant,
    count: AtomicU32,
}

/// Counts failed logins, and remembers who logged in from where.
#[derive(Debug)]
pub struct Throttle {
    failures: Cache<Attempt, Arc<Failures>>,
    known: Cache<Attempt, ()>,
    failures_max: u32,
    window: Duration,
}

impl Throttle {
    /// Refuses a user at an address after `failures_max` failures, until `window_seconds` have passed since the first
    /// of them. 0 disables it.
    pub fn new(failures_max: u32, window_seconds: u64) -> Self {
        let window = Duration::from_secs(window_seconds.max(1));
        let failures = Cache::builder().max_capacity(PAIRS_MAX).time_to_live(window).build();
        let known = Cache::builder().max_capacity(PAIRS_MAX);
        let known = known.time_to_idle(Duration::from_secs(KNOWN_SECONDS)).build();
        Self { failures, known, failures_max, window }
    }

    /// Refuses a login unseen. Ask before the password is checked, and once more after: many attempts at once then
    /// gain nothing.
    ///
    /// # Errors
    /// [`Error::TooMany`] after too many failures.
    pub fn admit(&self, attempt: &Attempt) -> Result<()> {
        let Some(failures) = self.failures.get(attempt) else { return Ok(()) };
        if self.failures_max == 0 || failures.count.load(Ordering::Relaxed) < self.failures_max {
            return Ok(());
        }
        crate::telemetry::metrics().refused("logins");
        let left = self.window.saturating_sub(failures.since.elapsed());
        let text = "Too many failed logins; try again later.".to_owned();
        Err(Error::TooMany { text, after: left.as_secs().max(1) })
    }

    /// Whether the user has logged in from there before.
    pub fn knows(&self, attempt: &Attempt) -> bool {
        self.known.contains_key(attempt)
    }

    /// Counts a failure.
    pub fn failed(&self, attempt: Attempt) {
        let first = || Arc::new(Failures { since: Instant::now(), count: AtomicU32::new(0) });
        let before = self.failures.get_with(attempt, first).count.fetch_add(1, Ordering::Relaxed);
        if before.checked_add(1) == Some(self.failures_max) {
            tracing::warn!("too many failed logins of one user from one address; refused for a while");
        }
    }

    /// Forgets the failures after a login that succeeded.
    pub fn succeeded(&self, attempt: &Attempt) {
        self.failures.invalidate(attempt);
        self.known.insert(*attempt, ());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_user_is_refused_at_one_address_after_the_limit_until_he_succeeds() {
        let throttle = Throttle::new(3, 60);
        let here = Attempt::new(&["default", "ann"], Some("192.0.2.1".parse().unwrap()));
        let there = Attempt::new(&["default", "ann"], Some("192.0.2.2".parse().unwrap()));
        let other = Attempt::new(&["defaulta", "nn"], Some("192.0.2.1".parse().unwrap()));
        for _ in 0..3 {
            throttle.admit(&here).unwrap();
            throttle.failed(here);
        }
        let Err(Error::TooMany { after, .. }) = throttle.admit(&here) else { panic!("admitted") };
        assert!((1..=60).contains(&after), "{after}");
        throttle.admit(&there).unwrap();
        throttle.admit(&other).unwrap();
        throttle.succeeded(&here);
        throttle.admit(&here).unwrap();
        assert!(throttle.knows(&here) && !throttle.knows(&there));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let near = |text: &str| Attempt::new(&["u"], Some(text.parse().unwrap()));
        assert_eq!(near("2001:db8::1"), near("2001:db8::ffff"));
        assert_ne!(near("2001:db8::1"), near("2001:db8:0:1::1"));
    }
}
