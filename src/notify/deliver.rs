//! Sends events to webhooks: in order, signed, repeated after a while on failure.

use std::time::Duration;

use futures::future::join_all;
use openssl::{hash::MessageDigest, pkey::PKey, sign::Signer};
use rand::Rng;
use uuid::Uuid;

use super::webhooks::{Webhooks, purpose};
use crate::{
    db::{self, DbResult},
    model::{
        hash::hex,
        time::Timestamp,
        webhook::{Delivery, Webhook},
    },
    outbound::FetchError,
    telemetry::{
        self,
        trace::{Kind, Span},
    },
    work::seal::Sealed,
};

/// Addresses that one node sends to at once.
const AT_ONCE: i64 = 8;
/// Events that one address is sent before others have their turn.
const TURN: i64 = 50;
/// For how long, in seconds, an address is one node's; longer than it may take to answer.
const LEASE_SECONDS: i64 = 120;
/// Longest wait between two tries, in seconds, and after how many seconds of failures an event is given up.
const WAIT_SECONDS_MAX: i64 = 3600;
const GIVE_UP_SECONDS: i64 = 24 * 3600;
/// For how long an address may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The name of the signature.
const SIGNATURE: &str = "X-Signature";

/// Sends due events. Returns whether there were any.
///
/// # Errors
/// Only the database's; an address that fails is noted in its row.
pub async fn send_due(hooks: &Webhooks) -> DbResult<bool> {
    let now = hooks.db.clock.now();
    if !hooks.db.read("webhook.is_due", move |conn| db::webhooks::is_any_due(conn, now)).await? {
        return Ok(false);
    }
    let holder = Uuid::new_v4().to_string();
    let until = now.plus_seconds(LEASE_SECONDS);
    let name = holder.clone();
    let claim = move |conn: &mut db::Conn| db::webhooks::claim(conn, &name, now, until, AT_ONCE);
    let claimed = hooks.db.write("webhook.claim", claim).await?;
    let any = !claimed.is_empty();
    let turns = claimed.into_iter().map(|hook| Turn { hooks, holder: holder.clone(), hook }.take());
    for result in join_all(turns).await {
        result?;
    }
    Ok(any)
}

/// An address that is this node's for the moment.
struct Turn<'a> {
    hooks: &'a Webhooks,
    holder: String,
    hook: Webhook,
}

impl Turn<'_> {
    async fn take(mut self) -> DbResult<()> {
        let id = self.hook.id.clone();
        let waiting =
            self.hooks.db.read("webhook.waiting", move |conn| db::webhooks::waiting(conn, &id, TURN)).await?;
        let secret = self.secret().await;
        for delivery in waiting {
            let sent = match &secret {
                Ok(secret) => self.send(&delivery, secret).await,
                Err(why) => Err(why.clone()),
            };
            let goes_on = match sent {
                Ok(()) => self.arrived(&delivery).await?,
                Err(why) => self.failed(&delivery, why).await?,
            };
            if !goes_on {
                return Ok(());
            }
        }
        // It is anybody's again.
        self.note(Timestamp(0), None).await.map(drop)
    }

    async fn secret(&self) -> Result<String, String> {
        let purpose = purpose(&self.hook.id);
        let sealed = Sealed::of_text(&self.hook.secret);
        let opened = self.hooks.seals.open(&sealed, &purpose).await.map_err(|e| e.to_string())?;
        opened.ok_or_else(|| "its secret cannot be opened any more; make the webhook anew".to_owned())
    }

    async fn send(&self, delivery: &Delivery, secret: &str) -> Result<(), String> {
        let signature = signature(secret, delivery.body.as_bytes()).ok_or("it could not be signed")?;
        let headers = [
            ("Content-Type", "application/json".to_owned()),
            (SIGNATURE, format!("sha256={signature}")),
            ("X-Event-Id", delivery.sequence.to_string()),
            ("X-Event-Type", delivery.kind.clone()),
        ];
        let mut span = self.span(delivery);
        let sent = self.hooks.fetcher.post(&self.hook.url, &headers, delivery.body.clone());
        let sent = telemetry::inside(&span, tokio::time::timeout(PATIENCE, sent)).await;
        if !matches!(sent, Ok(Ok(()))) {
            span.fail("failed", String::new);
        }
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(FetchError::Status(status))) => Err(format!("it answered {status}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("it did not answer in {} seconds", PATIENCE.as_secs())),
        }
    }

    /// Nobody waits for events to arrive, so each try is a trace of its own.
    fn span(&self, delivery: &Delivery) -> Span {
        let Some(tracer) = &self.hooks.tracer else { return Span::default() };
        let mut span = Span::root(tracer, None, Kind::Producer, "webhook");
        span.set("vitrine.webhook.id", self.hook.id.clone());
        span.set("vitrine.event.kind", delivery.kind.clone());
        span
    }

    async fn arrived(&mut self, delivery: &Delivery) -> DbResult<bool> {
        self.hook.delivered = self.hook.delivered.saturating_add(1);
        (self.hook.failing_since, self.hook.attempts, self.hook.last_error) = (None, 0, None);
        self.note(self.now().plus_seconds(LEASE_SECONDS), Some(delivery.sequence)).await
    }

    async fn failed(&mut self, delivery: &Delivery, why: String) -> DbResult<bool> {
        let now = self.now();
        let since = *self.hook.failing_since.get_or_insert(now);
        self.hook.last_error = Some(why);
        if since.plus_seconds(GIVE_UP_SECONDS) <= now {
            tracing::warn!(
                webhook = self.hook.id,
                event = delivery.sequence,
                "an event was given up for a webhook"
            );
            (self.hook.failing_since, self.hook.attempts) = (None, 0);
            let id = self.hook.id.clone();
            self.hooks
                .db
                .write("webhook.give_up", move |conn| db::webhooks::count_given_up(conn, &id))
                .await?;
            return self.note(now.plus_seconds(LEASE_SECONDS), Some(delivery.sequence)).await;
        }
        self.hook.attempts = self.hook.attempts.saturating_add(1);
        let longest = 1_i64.checked_shl(self.hook.attempts.clamp(0, 12) as u32).unwrap_or(WAIT_SECONDS_MAX);
        let longest = longest.min(WAIT_SECONDS_MAX);
        let wait = rand::rng().random_range(longest.saturating_add(1) / 2..=longest);
        self.hook.run_after = now.plus_seconds(wait);
        self.note(Timestamp(0), None).await?;
        Ok(false)
    }

    fn now(&self) -> Timestamp {
        self.hooks.db.clock.now()
    }

    /// Returns whether the address is still this node's.
    async fn note(&self, lease_until: Timestamp, done: Option<i64>) -> DbResult<bool> {
        let (hook, holder) = (self.hook.clone(), self.holder.clone());
        let note = move |conn: &mut db::Conn| db::webhooks::note(conn, &hook, &holder, lease_until, done);
        self.hooks.db.write("webhook.note", note).await
    }
}

/// The HMAC of a body, in hexadecimal digits.
fn signature(secret: &str, body: &[u8]) -> Option<String> {
    let key = PKey::hmac(secret.as_bytes()).ok()?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key).ok()?;
    signer.update(body).ok()?;
    signer.sign_to_vec().ok().map(|bytes| hex(&bytes))
}

#[cfg(test)]
mod tests {
    /// Proves that a body is signed as RFC 4231 has it (its second case).
    #[test]
    fn bodies_are_signed_by_hmac() {
        assert_eq!(
            super::signature("Jefe", b"what do ya want for nothing?").as_deref(),
            Some("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        );
    }
}
