//! Validated tokens in memcached, where other nodes find them: `memcached_servers` and what protects them there.
//!
//! Names, protection and content are those of keystonemiddleware 13 (`auth_token/_cache.py`), so that services which
//! use it can share a memcached with this one. Nothing waits long for a memcached, and nothing depends on one:
//! without an answer, Keystone is asked.

mod address;
mod binary;
mod pool;
mod protection;
mod stream;
mod text;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use chrono::Utc;
use serde_json::{Value, json};

use self::{
    pool::{Fault, Pool},
    protection::Protection,
    wire::VALUE_BYTES_MAX,
};
use super::settings::{Memcached, SettingsError};
use crate::telemetry::metrics;

/// When Keystone was asked, in seconds since 1970: a field of the token, which keystonemiddleware passes over. It must
/// stand within the token: two fields beside each other would be a tuple of keystonemiddleware's older format.
const STAMP: &str = "vitrine_validated_at";
/// A name under which nobody keeps anything.
const NOBODYS: &str = "vitrine/doctor";
/// How far the clocks of two nodes may differ before a date counts as none.
const SKEW_S: i64 = 60;
/// Seconds beyond which memcached takes an age for a date.
const AGE_MAX_S: u64 = 30 * 24 * 3600;

/// The memcached servers that nodes share.
pub(super) struct Shared {
    pool: Pool,
    protection: Protection,
    /// How long an answer of Keystone counts.
    life: Duration,
    /// Whether the log says already that there are entries which are not ours.
    has_warned: AtomicBool,
}

/// An entry that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Keystone's answer to a validation.
    pub(super) body: Vec<u8>,
    /// For how long it still counts; zero when nobody knows since when it does.
    pub(super) life: Duration,
}

impl Shared {
    /// The servers that the settings name; `None` when they name none. Reads certificates; no server is contacted.
    ///
    /// # Errors
    /// A protection or a login without what it needs, a file that is of no use, an address that is none.
    pub(super) fn new(settings: &Memcached, life: Duration) -> Result<Option<Self>, SettingsError> {
        let protection = Protection::new(settings)?;
        let pool = Pool::new(settings)?;
        let has_warned = AtomicBool::new(false);
        Ok(pool.map(|pool| Self { pool, protection, life, has_warned }))
    }

    /// What Keystone has answered about a token, if an entry says so that one with our key has made for that token.
    pub(super) async fn get(&self, token: &str) -> Option<Found> {
        let (outcome, found) = self.looked_up(token).await;
        metrics().token_shared("get", outcome);
        found
    }

    async fn looked_up(&self, token: &str) -> (&'static str, Option<Found>) {
        let Some(entry) = self.protection.entry(token) else { return ("failed", None) };
        let kept = match self.pool.get(entry.name()).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return ("miss", None),
            Err(fault) => return (outcome(&fault), None),
        };
        let Some(body) = kept.plain().and_then(|kept| entry.opened(&kept)) else {
            self.warn();
            return ("rejected", None);
        };
        match self.remaining(&body) {
            Some(life) => ("hit", Some(Found { body, life })),
            None => ("outdated", None),
        }
    }

    /// Keeps what Keystone has just answered about a token.
    pub(super) async fn set(&self, token: &str, body: &[u8]) {
        metrics().token_shared("set", self.kept(token, body).await);
    }

    async fn kept(&self, token: &str, body: &[u8]) -> &'static str {
        let Some(entry) = self.protection.entry(token) else { return "failed" };
        let Some(value) = stamped(body).and_then(|body| entry.sealed(&body)) else { return "failed" };
        if value.len() > VALUE_BYTES_MAX {
            return "too_large";
        }
        // Zero would be for ever.
        let age_s = self.life.as_secs().clamp(1, AGE_MAX_S);
        match self.pool.set(entry.name(), &value, age_s).await {
            Ok(true) => "stored",
            Ok(false) => "not_stored",
            Err(fault) => outcome(&fault),
        }
    }

    /// For how long an answer still counts; `None` when it does not. Both caches together must not make
    /// `token_cache_time` longer, so what has no date is used this once.
    fn remaining(&self, body: &[u8]) -> Option<Duration> {
        let stamp = serde_json::from_slice(body).ok().and_then(|body: Value| body["token"][STAMP].as_i64());
        let Some(stamp) = stamp else { return Some(Duration::ZERO) };
        let age_s = Utc::now().timestamp().checked_sub(stamp).filter(|age_s| *age_s >= -SKEW_S)?;
        let age = Duration::from_secs(age_s.max(0).unsigned_abs());
        self.life.checked_sub(age).filter(|life| !life.is_zero())
    }

    fn warn(&self) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "memcached has entries of tokens that were not made with [keystone_authtoken] memcache_secret_key \
                 and memcache_security_strategy of this node, or were changed; they are passed over"
            );
        }
    }
}

/// Asks each memcached of the settings; says which do not answer, and why. Nothing is kept in one.
///
/// # Errors
/// Those of [`Shared::new`].
pub(super) async fn silent(settings: &Memcached) -> Result<Vec<(String, String)>, SettingsError> {
    Protection::new(settings)?;
    let Some(pool) = Pool::new(settings)? else { return Ok(Vec::new()) };
    let silent = pool.silent(NOBODYS).await;
    Ok(silent.into_iter().map(|(server, fault)| (server, fault.to_string())).collect())
}

fn outcome(fault: &Fault) -> &'static str {
    match fault {
        Fault::LeftAlone => "left_alone",
        Fault::Busy => "busy",
        Fault::Slow | Fault::Io(_) => "failed",
    }
}

/// Keystone's answer, and since when it counts.
fn stamped(body: &[u8]) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let mut token = body.get_mut("token")?.take();
    token.as_object_mut()?.insert(STAMP.to_owned(), json!(Utc::now().timestamp()));
    serde_json::to_vec(&json!({"token": token})).ok()
}
