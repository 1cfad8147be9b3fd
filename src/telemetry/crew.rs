//! A dedicated, bounded set of threads for calls that may hang indefinitely. A hang affects only the callers of that
//! set, neither the async workers nor the shared threads.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    places::{Place, Places},
    tasks::Context,
};

type Job = Box<dyn FnOnce() + Send>;

/// A limited number of threads, started on demand. Cheap to clone; after the last clone is dropped they finish their
/// work and end.
#[derive(Clone, Debug)]
pub struct Crew(Arc<Owner>);

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    places: Places,
    patience: Duration,
}

#[derive(Debug)]
struct Shared {
    name: String,
    most: usize,
    book: Mutex<Book>,
    called: Condvar,
}

#[derive(Default)]
struct Book {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Book").field("jobs", &self.jobs.len()).field("threads", &self.threads).finish()
    }
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// All threads were busy for as long as somebody waits for one.
    #[error("all its threads are busy")]
    Busy,
    /// The call broke off, or there is no thread for it.
    #[error("a thread of its own failed")]
    Died,
}

/// The answer of a call that is under way.
#[derive(Debug)]
pub struct Answer<T>(oneshot::Receiver<T>);

impl<T> Answer<T> {
    /// Waits for it. A wait that is given up does not end the call.
    ///
    /// # Errors
    /// [`NoAnswer::Died`]
    pub async fn wait(&mut self) -> Result<T, NoAnswer> {
        (&mut self.0).await.map_err(|_| NoAnswer::Died)
    }
}

impl Crew {
    /// Up to `threads` threads, whose names begin with `name`; callers wait for one for at most `patience`.
    pub fn new(name: &str, threads: usize, patience: Duration) -> Self {
        let most = threads.max(1);
        let shared = Shared { name: name.to_owned(), most, book: Mutex::default(), called: Condvar::new() };
        Self(Arc::new(Owner { shared: Arc::new(shared), places: Places::new(most), patience }))
    }

    /// Waits for a thread; waiting callers take turns by `whose`.
    ///
    /// # Errors
    /// [`NoAnswer::Busy`]
    pub async fn place(&self, whose: &Arc<str>) -> Result<Place, NoAnswer> {
        let place = tokio::time::timeout(self.0.patience, self.0.places.take(whose)).await;
        place.ok().flatten().ok_or(NoAnswer::Busy)
    }

    /// A thread, if there is one right now.
    pub fn spare(&self) -> Option<Place> {
        self.0.places.spare(1)
    }

    /// Begins a call on a thread that was waited for.
    pub fn start<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Answer<T> {
        let (sender, answer) = oneshot::channel();
        self.later(move || {
            let done = work();
            // The thread counts as free before the answer is known, so that whoever waited for it finds one.
            drop(place);
            // Nobody may wait any more.
            drop(sender.send(done));
        });
        Answer(answer)
    }

    /// Makes a call and waits for its answer.
    ///
    /// # Errors
    /// [`NoAnswer`]
    pub async fn run<T: Send + 'static>(
        &self,
        whose: &Arc<str>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        self.start(self.place(whose).await?, work).wait().await
    }

    /// Queues work for the first free thread, in the current context. Nobody waits for it, and only the caller bounds
    /// it: for releasing resources.
    pub fn later(&self, work: impl FnOnce() + Send + 'static) {
        let context = Context::current();
        let mut book = self.0.shared.book();
        book.jobs.push_back(Box::new(move || context.enter(work)));
        if book.idle >= book.jobs.len() || book.threads >= self.0.shared.most {
            drop(book);
            self.0.shared.called.notify_one();
            return;
        }
        let shared = Arc::clone(&self.0.shared);
        let name = format!("{}-{}", shared.name, book.threads);
        match std::thread::Builder::new().name(name).spawn(move || shared.serve()) {
            Ok(_) => book.threads = book.threads.saturating_add(1),
            Err(error) if book.threads == 0 => {
                tracing::error!(%error, "a thread could not be started");
                book.jobs.clear();
            }
            Err(error) => tracing::warn!(%error, "a thread could not be started; there are fewer"),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.book().closed = true;
        self.shared.called.notify_all();
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // What holds the lock does nothing that could stop half-way.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        while let Some(job) = self.next() {
            // Whoever waits for it is told by the end of the channel.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!(crew = self.name, "a call broke off");
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut book = self.book();
        loop {
            if let Some(job) = book.jobs.pop_front() {
                return Some(job);
            }
            if book.closed {
                return None;
            }
            book.idle = book.idle.saturating_add(1);
            book = self.called.wait(book).unwrap_or_else(PoisonError::into_inner);
            book.idle = book.idle.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::mpsc;

    use super::*;

    /// Proves that a call which hangs costs its own thread only until all of them hang; that whoever comes then is told
    /// so in time; and that all continues when they return.
    #[tokio::test]
    async fn calls_that_hang_cost_their_crew() {
        let crew = Crew::new("test", 2, Duration::from_millis(20));
        let whose: Arc<str> = "p".into();
        let (release, wait) = mpsc::channel::<()>();
        let hangs = move || wait.recv().is_err();
        let mut first = crew.start(crew.place(&whose).await.unwrap(), hangs);
        assert_eq!(crew.run(&whose, || 1).await, Ok(1));
        let (other_release, other_wait) = mpsc::channel::<()>();
        let mut second = crew.start(crew.spare().unwrap(), move || other_wait.recv().is_err());
        assert_eq!(crew.run(&whose, || 1).await, Err(NoAnswer::Busy));
        assert!(crew.spare().is_none());
        drop((release, other_release));
        assert_eq!((first.wait().await, second.wait().await), (Ok(true), Ok(true)));
        assert_eq!(crew.run(&whose, || 2).await, Ok(2));
        assert!(crew.0.shared.book().threads <= 2);
    }

    /// Proves that a call which breaks off takes nothing else along, and that what was left to a crew is done although
    /// nobody holds it any more.
    #[tokio::test]
    async fn a_crew_outlives_its_calls_and_its_owner() {
        let crew = Crew::new("test", 1, Duration::from_secs(60));
        let whose: Arc<str> = "p".into();
        let died = crew.run(&whose, || std::panic::resume_unwind(Box::new(()))).await;
        assert_eq!(died.map(|(): ()| ()), Err(NoAnswer::Died));
        assert_eq!(crew.run(&whose, || 3).await, Ok(3));
        let (done, told) = oneshot::channel();
        crew.later(move || done.send(4).unwrap());
        drop(crew);
        assert_eq!(told.await, Ok(4));
    }
}
