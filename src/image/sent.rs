//! Downloads that have ended, for notifications. A download changes nothing and has no transaction: it only leaves a
//! word here, which a task of the node writes down with those of others.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    db::{self, Conn, Db, DbResult},
    model::{
        caller::Caller,
        event::Author,
        notice::{Notice, Notices, image::sent},
    },
    telemetry,
};

/// Downloads that may wait to be written down; further ones are lost.
const WAITING_MAX: usize = 10_000;
/// Downloads that one transaction writes down.
const BATCH: usize = 500;

type Ended = (Author, Notice);

/// The downloads of this node that have ended. Clones share them.
#[derive(Clone, Default)]
pub struct Sends(Arc<Inner>);

#[derive(Default)]
struct Inner {
    waiting: Mutex<VecDeque<Ended>>,
    woken: Notify,
}

/// A download under way; its end is noted when this is dropped.
pub struct Sending(Option<Box<UnderWay>>);

struct UnderWay {
    sends: Sends,
    notices: Notices,
    caller: Caller,
    id: String,
    owner: Option<String>,
    bytes: u64,
    expected: u64,
}

impl Sending {
    /// So many bytes more were sent.
    pub fn add(&mut self, bytes: u64) {
        if let Some(under_way) = &mut self.0 {
            under_way.bytes = under_way.bytes.saturating_add(bytes);
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(it) = self.0.take() {
            let notice = sent(&it.caller, (&it.id, it.owner.as_deref()), (it.bytes, it.expected));
            it.sends.add(&it.notices, ((&it.caller).into(), notice));
        }
    }
}

impl Sends {
    /// A download of so many bytes begins. Its end is of no interest where nobody is told of anything.
    pub fn begin(
        &self,
        db: &Db,
        caller: &Caller,
        (id, owner): (&str, Option<String>),
        expected: u64,
    ) -> Sending {
        Sending(db.notices.is_wanted().then(|| {
            let caller = Caller { token: None, ..caller.clone() };
            let (sends, notices, id) = (self.clone(), db.notices.clone(), id.to_owned());
            Box::new(UnderWay { sends, notices, caller, id, owner, bytes: 0, expected })
        }))
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Ended>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, notices: &Notices, ended: Ended) {
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            for reader in notices.readers(ended.1.kind) {
                telemetry::metrics().notices_lost(reader.as_str(), 1);
            }
            return;
        }
        waiting.push_back(ended);
        drop(waiting);
        self.0.woken.notify_one();
    }

    /// Waits until a download has ended.
    pub async fn ended(&self) {
        self.0.woken.notified().await;
    }

    /// Writes down what has ended. What cannot be written is kept for the next time.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn write(&self, db: &Db) -> DbResult<()> {
        loop {
            let batch: Vec<Ended> = self.waiting().iter().take(BATCH).cloned().collect();
            let count = batch.len();
            if count == 0 {
                return Ok(());
            }
            let (notices, now) = (db.notices.clone(), db.clock.now());
            let write = move |conn: &mut Conn| {
                for (author, notice) in &batch {
                    db::notices::tell(conn, (&notices, author), now, || [notice.clone()])?;
                }
                Ok(())
            };
            db.write("notice.sent", write).await?;
            self.waiting().drain(..count);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::notice::Settings;

    /// How many events a reader has lost so far.
    fn lost(reader: &str) -> u64 {
        let text = telemetry::metrics().text();
        let start = format!("vitrine_notifications_total{{reader=\"{reader}\",outcome=\"lost\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |number| number.parse().unwrap())
    }

    /// Proves that a download which finds no room is counted as lost for those who would have been told of it.
    #[test]
    fn a_download_without_room_is_lost_to_its_readers() {
        let (sends, caller) = (Sends::default(), Caller::default());
        let ended = || ((&caller).into(), sent(&caller, ("id", None), (1, 1)));
        sends.waiting().extend((0..WAITING_MAX).map(|_| ended()));
        let disabled = vec!["image.send".to_owned()];
        for (settings, expected) in [
            (Settings { audit: true, ..Settings::default() }, (0, 1)),
            (Settings { bus: true, audit: true, ..Settings::default() }, (1, 1)),
            (Settings { bus: true, audit: true, disabled, ..Settings::default() }, (0, 1)),
        ] {
            let before = (lost("bus"), lost("audit"));
            sends.add(&Notices::new(settings), ended());
            assert_eq!((lost("bus") - before.0, lost("audit") - before.1), expected);
        }
        assert_eq!(sends.waiting().len(), WAITING_MAX);
    }
}
