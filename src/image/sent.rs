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
        notice::{Notice, image::sent},
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
            it.sends.add(((&it.caller).into(), notice));
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
            let (sends, id) = (self.clone(), id.to_owned());
            Box::new(UnderWay { sends, caller, id, owner, bytes: 0, expected })
        }))
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Ended>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, ended: Ended) {
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            telemetry::metrics().notices_lost("bus", 1);
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
