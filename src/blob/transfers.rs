//! Limits on the number of concurrent transfers, for each project and for this node. One project with many transfers
//! does not block others, and memory and descriptors are bounded.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    model::{
        caller::Caller,
        error::{Error, Result},
    },
    telemetry::metrics,
};

/// Seconds after which a client may ask again.
const AGAIN_SECONDS: u64 = 5;

/// How many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[vitrine] max_transfers`: on this node.
    pub at_once: usize,
    /// `[vitrine] max_transfers_per_project`: of one project on this node.
    pub per_project: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { at_once: 4096, per_project: 2048 }
    }
}

/// The transfers of one process. Clones are the same.
#[derive(Clone, Debug)]
pub struct Transfers {
    settings: Settings,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    total: usize,
    projects: HashMap<String, usize>,
}

/// A transfer under way, until it is dropped.
#[derive(Debug)]
pub struct Transfer {
    transfers: Transfers,
    project: String,
}

impl Transfers {
    /// None yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, book: Arc::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are under way, and how many there may be.
    pub fn occupancy(&self) -> (usize, usize) {
        (self.book().total, self.settings.at_once)
    }

    /// Begins an upload or a download of `caller`.
    ///
    /// # Errors
    /// [`Error::TooMany`] when the project has its share, [`Error::Unavailable`] when the node has all that it can.
    pub fn begin(&self, caller: &Caller) -> Result<Transfer> {
        let project = caller.party().to_owned();
        let mut book = self.book();
        let own = book.projects.get(&project).copied().unwrap_or(0);
        if own >= self.settings.per_project {
            metrics().refused("transfers_per_project");
            let text =
                format!("The project has {own} uploads and downloads under way, and may not have more.");
            return Err(Error::TooMany { text, after: AGAIN_SECONDS });
        }
        if book.total >= self.settings.at_once {
            metrics().refused("transfers");
            tracing::warn!(transfers = book.total, "a transfer was refused: there are too many at once");
            return Err(Error::Unavailable("Too many uploads and downloads are under way.".to_owned()));
        }
        book.total = book.total.saturating_add(1);
        book.projects.insert(project.clone(), own.saturating_add(1));
        drop(book);
        Ok(Transfer { transfers: self.clone(), project })
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let mut book = self.transfers.book();
        book.total = book.total.saturating_sub(1);
        match book.projects.get_mut(&self.project) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(book.projects.remove(&self.project)),
        }
    }
}
