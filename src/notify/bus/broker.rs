//! Sends waiting notices to the broker: by one node at a time, those of one subject in order, each until the broker has
//! confirmed it. What was sent twice, because an answer was lost, listeners of oslo.messaging drop.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex as Lock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use serde_json::{Map, Value};
use tokio::{sync::Mutex, time::timeout};
use uuid::Uuid;

use super::{
    Settings,
    session::{Fault, Session},
};
use crate::{
    db::{self, Db, DbResult, notices::Waiting},
    model::notice::{Priority, Reader, message},
    telemetry,
};

/// Notices that are read at once.
const BATCH: i64 = 200;
/// For how long, in seconds, the bus is one node's; longer than a turn may take.
const LEASE_SECONDS: i64 = 90;
/// For how long the broker may take to confirm what is sent in one turn, once it is connected.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nodes of the broker that are tried in one turn, each for ten seconds at most.
const HOSTS_PER_TURN: usize = 5;
/// How often a message that the broker refuses is sent at most; a smaller `retry` makes it less.
const TRIES: u64 = 5;
/// Members of what is logged whose values are not, if their names contain one of these (`oslo_utils/strutils.py`).
const SECRETS: [&str; 11] = [
    "adminpass",
    "admin_pass",
    "password",
    "auth_token",
    "new_pass",
    "secret",
    "sys_pswd",
    "token",
    "private_key",
    "passphrase",
    "encrypted_key",
];

/// The way to the message bus.
pub struct Bus {
    db: Db,
    settings: Settings,
    holder: String,
    session: Mutex<Option<Session>>,
    /// The node of the broker that is tried next.
    host: AtomicUsize,
    /// Turns that failed in a row, which the pauses grow with.
    failures: AtomicU64,
    /// Failures of the connection since the broker last took something, which `retry` bounds.
    tries: AtomicU64,
    /// Whether messages are sent one after the other, because the broker has refused one.
    is_careful: AtomicBool,
    /// How often it has refused which.
    refusals: Lock<BTreeMap<i64, u64>>,
    /// The last failure, which is told once.
    told: Lock<Option<String>>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is nothing to do, or another node does it.
    Idle,
    /// There may be more to do.
    More,
    /// The broker could not be reached, or does not take messages; it is tried again after this time.
    Again(Duration),
}

impl Bus {
    /// By these settings.
    pub fn new(db: Db, settings: Settings) -> Self {
        // Not every node begins with the same one of the broker.
        let first = rand::random_range(0..settings.broker.hosts.len().max(1));
        Self {
            db,
            settings,
            holder: Uuid::new_v4().to_string(),
            session: Mutex::default(),
            host: AtomicUsize::new(first),
            failures: AtomicU64::new(0),
            tries: AtomicU64::new(0),
            is_careful: AtomicBool::new(false),
            refusals: Lock::default(),
            told: Lock::default(),
        }
    }

    /// Sends what waits, up to a batch.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn turn(&self) -> DbResult<Turn> {
        if !self.db.read("notice.is_any", |conn| db::notices::is_any(conn, Reader::Bus)).await? {
            return Ok(Turn::Idle);
        }
        let (now, holder) = (self.db.clock.now(), self.holder.clone());
        let until = now.plus_seconds(LEASE_SECONDS);
        let claim = move |conn: &mut db::Conn| db::notices::claim(conn, Reader::Bus, &holder, now, until);
        if !self.db.write("notice.claim", claim).await? {
            return Ok(Turn::Idle);
        }
        let read = |conn: &mut db::Conn| db::notices::waiting(conn, Reader::Bus, BATCH);
        let waiting = self.db.read("notice.waiting", read).await?;
        let sent = Lock::new(Vec::new());
        let result = match self.connected().await {
            Ok(()) => timeout(PATIENCE, self.send(&waiting, &sent)).await,
            Err(why) => Ok(Err(Fault::Link(why))),
        };
        let sent = sent.into_inner().unwrap_or_else(PoisonError::into_inner);
        telemetry::metrics().notices_told(Reader::Bus.as_str(), sent.len());
        self.forget(sent.clone()).await?;
        let late = |_| Fault::Link(format!("it did not confirm messages in {} seconds", PATIENCE.as_secs()));
        match result.map_err(late).flatten() {
            Ok(()) => {
                self.recovered();
                Ok(Turn::More)
            }
            Err(fault) => self.failed(&fault, &waiting, &sent).await,
        }
    }

    /// Closes the connection, and lets other nodes send at once.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn stop(&self) -> DbResult<()> {
        if let Some(session) = self.session.lock().await.take() {
            session.close().await;
        }
        let holder = self.holder.clone();
        self.db.write("notice.release", move |conn| db::notices::release(conn, Reader::Bus, &holder)).await
    }

    async fn forget(&self, sequences: Vec<i64>) -> DbResult<()> {
        if sequences.is_empty() {
            return Ok(());
        }
        let told = move |conn: &mut db::Conn| db::notices::told(conn, &sequences);
        self.db.write_patiently("notice.told", told).await
    }

    /// Makes sure that there is a connection, where one is needed.
    async fn connected(&self) -> Result<(), String> {
        let mut place = self.session.lock().await;
        if !self.settings.formats.is_empty() && place.as_ref().is_none_or(|session| !session.is_open()) {
            *place = None;
            *place = Some(self.connect().await?);
        }
        Ok(())
    }

    /// Sends notices, those of different subjects at the same time. Adds to `sent` what the broker has.
    async fn send(&self, waiting: &[Waiting], sent: &Lock<Vec<i64>>) -> Result<(), Fault> {
        let place = self.session.lock().await;
        let session = place.as_ref();
        if self.is_careful.load(Ordering::Relaxed) {
            return self.send_in_turn(session, waiting, sent).await;
        }
        let mut subjects = BTreeMap::<&str, Vec<&Waiting>>::new();
        for notice in waiting {
            subjects.entry(&notice.subject).or_default().push(notice);
        }
        let of_subject = async |notices: Vec<&Waiting>| -> Result<(), Fault> {
            for notice in notices {
                self.send_one(session, notice).await?;
                sent.lock().unwrap_or_else(PoisonError::into_inner).push(notice.sequence);
            }
            Ok(())
        };
        // What is refused ends the connection, and that is what the others then say.
        let faults =
            join_all(subjects.into_values().map(of_subject)).await.into_iter().filter_map(Result::err);
        faults.max_by_key(Fault::weight).map_or(Ok(()), Err)
    }

    /// Sends one notice after the other, so that it shows which one the broker refuses, and counts that. Those of subjects
    /// of which it has refused one come last, and keep no others back.
    async fn send_in_turn(
        &self,
        session: Option<&Session>,
        waiting: &[Waiting],
        sent: &Lock<Vec<i64>>,
    ) -> Result<(), Fault> {
        let refused = |sequence: i64| {
            *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(sequence).or_default() += 1;
        };
        let suspects: BTreeSet<&str> = {
            let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            let known = waiting.iter().filter(|notice| refusals.contains_key(&notice.sequence));
            known.map(|notice| notice.subject.as_str()).collect()
        };
        let (last, first): (Vec<_>, Vec<_>) =
            waiting.iter().partition(|notice| suspects.contains(notice.subject.as_str()));
        let mut held = BTreeMap::<&str, (&Waiting, Fault)>::new();
        let mut taken = BTreeSet::new();
        for notice in first.into_iter().chain(last) {
            if held.contains_key(notice.subject.as_str()) {
                continue;
            }
            match self.send_one(session, notice).await {
                Ok(()) => {
                    taken.insert(notice.priority.suffix());
                    sent.lock().unwrap_or_else(PoisonError::into_inner).push(notice.sequence);
                }
                Err(fault @ Fault::NotTaken(_)) => {
                    held.insert(&notice.subject, (notice, fault));
                }
                Err(fault) => {
                    if matches!(fault, Fault::Refused(_)) {
                        refused(notice.sequence);
                    }
                    return Err(fault);
                }
            }
        }
        let mut result = Ok(());
        for (notice, fault) in held.into_values() {
            // A queue without room takes none, and each priority has a queue.
            if taken.contains(notice.priority.suffix()) {
                refused(notice.sequence);
            }
            result = Err(fault);
        }
        result
    }

    async fn send_one(&self, session: Option<&Session>, notice: &Waiting) -> Result<(), Fault> {
        if let Some(session) = session {
            for format in &self.settings.formats {
                for topic in &self.settings.topics {
                    let body = message::body(&notice.body, *format, topic)
                        .map_err(|e| Fault::Refused(e.to_string()))?;
                    session.publish(&format!("{topic}.{}", notice.priority.suffix()), body).await?;
                }
            }
        }
        if self.settings.log {
            log(notice);
        }
        Ok(())
    }

    /// Connects to one of the nodes of the broker.
    async fn connect(&self) -> Result<Session, String> {
        let hosts = &self.settings.broker.hosts;
        let mut faults = Vec::new();
        for _ in hosts.iter().take(HOSTS_PER_TURN) {
            let place = self.host.load(Ordering::Relaxed) % hosts.len();
            let Some(host) = hosts.get(place) else { continue };
            match Session::open(&self.settings.broker, host, &self.settings.exchange).await {
                Ok(session) => return Ok(session),
                Err(why) => {
                    self.host.fetch_add(1, Ordering::Relaxed);
                    faults.push(why);
                }
            }
        }
        Err(faults.join("; "))
    }

    fn recovered(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.tries.store(0, Ordering::Relaxed);
        self.is_careful.store(false, Ordering::Relaxed);
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("notifications are sent again");
        }
    }

    async fn failed(&self, fault: &Fault, waiting: &[Waiting], sent: &[i64]) -> DbResult<Turn> {
        let why = fault.to_string();
        // Of a connection on which something went wrong nobody knows what else did.
        if let Some(session) = self.session.lock().await.take() {
            session.close().await;
        }
        if !sent.is_empty() {
            self.failures.store(0, Ordering::Relaxed);
            self.tries.store(0, Ordering::Relaxed);
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.as_ref() != Some(&why) {
                tracing::warn!(why, "notifications cannot be sent; they wait and it is tried again");
                *told = Some(why);
            }
        }
        if !matches!(fault, Fault::Link(_)) {
            self.is_careful.store(true, Ordering::Relaxed);
            self.give_up_refused(waiting).await?;
            return Ok(Turn::Again(self.settings.broker.pauses.after(failures)));
        }
        let tries = self.tries.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if self.settings.retries.is_some_and(|retries| tries > retries) {
            let lost: Vec<i64> = waiting
                .iter()
                .map(|notice| notice.sequence)
                .filter(|number| !sent.contains(number))
                .collect();
            tracing::error!(
                events = lost.len(),
                "notifications were given up after as many attempts as `retry` has"
            );
            telemetry::metrics().notices_lost(Reader::Bus.as_str(), lost.len());
            self.forget(lost).await?;
            self.tries.store(0, Ordering::Relaxed);
        }
        Ok(Turn::Again(self.settings.broker.pauses.after(failures)))
    }

    /// Drops what the broker has refused too often, so that it does not keep back the others.
    async fn give_up_refused(&self, waiting: &[Waiting]) -> DbResult<()> {
        let tries = self.settings.retries.map_or(TRIES, |retries| TRIES.min(retries.saturating_add(1)));
        let hopeless: Vec<i64> = {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            refusals.extract_if(.., |_, count| *count >= tries).map(|(sequence, _)| sequence).collect()
        };
        for notice in waiting.iter().filter(|notice| hopeless.contains(&notice.sequence)) {
            tracing::error!(
                event_type = notice.kind,
                subject = notice.subject,
                bytes = notice.body.len(),
                tries,
                "a notification was given up: the broker refuses it"
            );
        }
        telemetry::metrics().notices_lost(Reader::Bus.as_str(), hopeless.len());
        self.forget(hopeless).await
    }
}

/// Writes a notification into the log, as driver `log` does.
fn log(notice: &Waiting) {
    let mut message: Value = serde_json::from_str(&notice.body).unwrap_or_default();
    mask(&mut message);
    match notice.priority {
        Priority::Info => {
            tracing::info!(target: "oslo.messaging.notification", event_type = notice.kind, "{message}");
        }
        Priority::Error => {
            tracing::error!(target: "oslo.messaging.notification", event_type = notice.kind, "{message}");
        }
    }
}

fn mask(value: &mut Value) {
    let is_secret = |name: &str| {
        let name = name.to_lowercase();
        SECRETS.iter().any(|secret| name.contains(secret))
    };
    match value {
        Value::Object(members) => {
            for (name, value) in Map::iter_mut(members) {
                match value {
                    Value::String(text) if is_secret(name) => "***".clone_into(text),
                    other => mask(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Proves that what is logged has no passwords.
    #[test]
    fn secrets_are_not_logged() {
        let mut value =
            json!({"payload": {"properties": {"os_admin_PassWord": "x", "os_type": "y"}, "tags": []}});
        mask(&mut value);
        let expected =
            json!({"payload": {"properties": {"os_admin_PassWord": "***", "os_type": "y"}, "tags": []}});
        assert_eq!(value, expected);
    }
}
