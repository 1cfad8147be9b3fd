//! Waiting in this process for the end of a job that this process may be running itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// The jobs whose end somebody waits for. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Endings(Arc<Mutex<HashMap<String, Arc<Notify>>>>);

/// The end of one job, for the one who waits for it, until it is dropped.
#[derive(Debug)]
pub struct Ending {
    endings: Endings,
    /// The id of the job.
    pub job: String,
    over: Arc<Notify>,
}

impl Endings {
    fn book(&self) -> MutexGuard<'_, HashMap<String, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of a job; must be called before the job can begin, and once for each job.
    pub fn of(&self, job: &str) -> Ending {
        let over = Arc::new(Notify::new());
        self.book().insert(job.to_owned(), Arc::clone(&over));
        Ending { endings: self.clone(), job: job.to_owned(), over }
    }

    /// Says that a job is over, and its row says how.
    pub fn tell(&self, job: &str) {
        if let Some(over) = self.book().get(job) {
            over.notify_one();
        }
    }
}

impl Ending {
    /// Waits until this process has ended the job, which it may have done already.
    pub async fn told(&self) {
        self.over.notified().await;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.endings.book().remove(&self.job);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// Proves that an end is told to the one who waits for it and to nobody else, also when it came before he waited, and
    /// that nothing is kept of those who have gone.
    #[test]
    fn an_end_is_told_to_who_waits_for_it() {
        let endings = Endings::default();
        let (first, second) = (endings.of("a"), endings.of("b"));
        assert!(first.told().now_or_never().is_none());
        endings.tell("a");
        endings.tell("nobody waits for this");
        assert!(first.told().now_or_never().is_some());
        assert!(second.told().now_or_never().is_none());
        drop((first, second));
        assert!(endings.book().is_empty());
    }
}
