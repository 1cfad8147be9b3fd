//! Live events for connected clients. One task of a node reads the outbox for all of them, and only while there are
//! any.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, broadcast, watch};

use super::Position;
use crate::{
    db::{Db, DbResult, events, events::Recorded},
    model::error::{Error, Result},
};

/// How often the outbox is read.
const PERIOD: Duration = Duration::from_millis(500);
/// Events that are read at once.
const BATCH: i64 = 500;
/// Batches that a listener may be behind; one that is further behind is sent away, and continues where it was.
const BEHIND_MAX: usize = 64;
/// Seconds after which one who was not let in may ask again.
const AGAIN_SECONDS: u64 = 10;
/// Listeners of one project, and of all.
const LISTENERS_OF_PROJECT: usize = 16;
const LISTENERS: usize = 256;

type Batch = Arc<[Recorded]>;

/// Where listeners are known.
pub struct Hub {
    db: Db,
    heard: Mutex<Heard>,
    woken: Notify,
}

#[derive(Default)]
struct Heard {
    /// There while anybody listens.
    sender: Option<broadcast::Sender<Batch>>,
    position: Position,
    listeners: BTreeMap<String, usize>,
    is_over: bool,
}

/// One who listens.
pub struct Followed {
    hub: Arc<Hub>,
    project: String,
    batches: broadcast::Receiver<Batch>,
    /// The position after which the batches begin.
    pub position: Position,
}

impl Followed {
    /// The next events of all images; `None` when this listener is too far behind, or the node stops.
    pub async fn next(&mut self) -> Option<Batch> {
        self.batches.recv().await.ok()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut heard = self.hub.heard();
        if let Some(count) = heard.listeners.get_mut(&self.project) {
            *count = count.saturating_sub(1);
        }
        heard.listeners.retain(|_, count| *count > 0);
        if heard.listeners.is_empty() {
            heard.sender = None;
        }
    }
}

impl Hub {
    /// Of a database; [`Hub::run`] does its work.
    pub fn new(db: Db) -> Self {
        Self { db, heard: Mutex::default(), woken: Notify::new() }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to listen, for a project.
    ///
    /// # Errors
    /// [`Error::TooMany`] where the project, or all, have as many listeners as there may be; the database's.
    pub async fn follow(self: &Arc<Self>, project: &str) -> Result<Followed> {
        let last = self.db.read("event.last", events::last).await?;
        let mut heard = self.heard();
        let of_project = heard.listeners.get(project).copied().unwrap_or_default();
        if heard.is_over
            || of_project >= LISTENERS_OF_PROJECT
            || heard.listeners.values().sum::<usize>() >= LISTENERS
        {
            crate::telemetry::metrics().refused("listeners");
            return Err(Error::TooMany {
                text: "Too many listen to events already.".to_owned(),
                after: AGAIN_SECONDS,
            });
        }
        if heard.sender.is_none() {
            heard.sender = Some(broadcast::channel(BEHIND_MAX).0);
            heard.position = Position::after(last);
        }
        let Some(batches) = heard.sender.as_ref().map(broadcast::Sender::subscribe) else {
            return Err(Error::internal("listen", "nobody reads"));
        };
        let position = heard.position.clone();
        heard
            .listeners
            .entry(project.to_owned())
            .and_modify(|count| *count = count.saturating_add(1))
            .or_insert(1);
        drop(heard);
        self.woken.notify_one();
        Ok(Followed { hub: Arc::clone(self), project: project.to_owned(), batches, position })
    }

    /// Reads for the connected clients until told to stop; then all of them are disconnected.
    pub async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            let listens = self.heard().sender.is_some();
            if listens && let Err(error) = self.read().await {
                tracing::warn!(%error, "events could not be read for event streams; it will be tried again");
            }
            tokio::select! {
                _ = stopped.changed() => break,
                () = self.woken.notified(), if !listens => {}
                () = tokio::time::sleep(PERIOD), if listens => {}
            }
        }
        let mut heard = self.heard();
        heard.is_over = true;
        heard.sender = None;
    }

    async fn read(&self) -> DbResult<()> {
        let before = self.heard().position.clone();
        let now = self.db.clock.now();
        let (found, mut position) = self
            .db
            .read("event.follow", move |conn| {
                let mut position = before.clone();
                Ok((position.read(conn, now, BATCH)?, position))
            })
            .await?;
        for event in &found {
            position.pass(event.sequence, now);
        }
        let mut heard = self.heard();
        heard.position = position;
        if let Some(sender) = heard.sender.as_ref().filter(|_| !found.is_empty()) {
            // Nobody may be left who listens.
            let _ = sender.send(found.into());
        }
        Ok(())
    }
}
