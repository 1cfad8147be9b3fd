//! Slows down the guessing of passwords: failed logins are counted for each user and address, in bounded memory.
//!
//! A login beyond the limit is refused without a look at its password, with the same 401 and the same text as a
//! wrong password: clients of Keystone understand it, and it says nothing about who exists.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use openssl::sha::Sha256;

/// Pairs of user and address that are remembered at most; about 100 bytes each.
const PAIRS_MAX: u64 = 20_000;

/// Who tries to log in, from where; a digest, so that its size does not depend on the client.
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

/// Counts failed logins.
#[derive(Debug)]
pub struct Throttle {
    failures: Cache<Attempt, Arc<AtomicU32>>,
    failures_max: u32,
}

impl Throttle {
    /// Refuses a user at an address after `failures_max` failures, until `window_seconds` have passed since the
    /// first of them. A maximum of 0 refuses nobody.
    pub fn new(failures_max: u32, window_seconds: u64) -> Self {
        let failures = Cache::builder()
            .max_capacity(PAIRS_MAX)
            .time_to_live(Duration::from_secs(window_seconds.max(1)))
            .build();
        Self { failures, failures_max }
    }

    /// Whether this login is to be refused unseen. Ask before the password is checked, and once more after:
    /// many attempts at once then gain nothing.
    pub fn refuses(&self, attempt: &Attempt) -> bool {
        let failed = self.failures.get(attempt).map_or(0, |count| count.load(Ordering::Relaxed));
        self.failures_max > 0 && failed >= self.failures_max
    }

    /// Counts a failure.
    pub fn failed(&self, attempt: Attempt) {
        let count = self.failures.get_with(attempt, Arc::default);
        let before = count.fetch_add(1, Ordering::Relaxed);
        if before.checked_add(1) == Some(self.failures_max) {
            tracing::warn!("too many failed logins of one user from one address; refused for a while");
        }
    }

    /// Forgets the failures after a login that succeeded.
    pub fn succeeded(&self, attempt: &Attempt) {
        self.failures.invalidate(attempt);
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
            assert!(!throttle.refuses(&here));
            throttle.failed(here);
        }
        assert!(throttle.refuses(&here));
        assert!(!throttle.refuses(&there));
        assert!(!throttle.refuses(&other));
        throttle.succeeded(&here);
        assert!(!throttle.refuses(&here));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let near = |text: &str| Attempt::new(&["u"], Some(text.parse().unwrap()));
        assert_eq!(near("2001:db8::1"), near("2001:db8::ffff"));
        assert_ne!(near("2001:db8::1"), near("2001:db8:0:1::1"));
    }
}
