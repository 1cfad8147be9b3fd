//! Tasks and threads that take the current span along, so that each line they log names the request that caused it.

use tokio::task::{JoinHandle, JoinSet};
use tracing::{Instrument, Span};

/// What waits for a task or a blocking call.
pub type Spawned<T> = JoinHandle<T>;

/// Starts a task; it runs in the current span.
pub fn spawn<F>(future: F) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.in_current_span())
}

/// Starts a task that stays on this thread, where the runtime is one of `actix_web`; it runs in the current span.
pub fn spawn_local<F>(future: F) -> Spawned<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    tokio::task::spawn_local(future.in_current_span())
}

/// Starts a task of a set; it runs in the current span.
pub fn spawn_in<F>(set: &mut JoinSet<F::Output>, future: F)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    set.spawn(future.in_current_span());
}

/// Runs blocking work on a thread for that, in the current span.
pub fn blocking<T, W>(work: W) -> Spawned<T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

/// Starts a thread of its own, in the current span, for work that does not end with one call.
pub fn thread<T, W>(work: W) -> std::thread::JoinHandle<T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let span = Span::current();
    std::thread::spawn(move || span.in_scope(work))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Proves that work on every kind of task and thread logs in the span of whoever started it.
    #[tokio::test]
    async fn the_span_goes_along_to_tasks_and_threads() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let dispatch = tracing::Dispatch::new(subscriber);
        let _guard = tracing::dispatcher::set_default(&dispatch);
        // Threads have no dispatcher of the test's own; each takes it along by hand.
        let say = |what: &'static str, dispatch: &tracing::Dispatch| {
            let dispatch = dispatch.clone();
            move || tracing::dispatcher::with_default(&dispatch, || tracing::info!(what, "said"))
        };
        let span = tracing::info_span!("request", request_id = "req-1");
        let locals = tokio::task::LocalSet::new();
        let (task, local, in_set) = (say("task", &dispatch), say("local", &dispatch), say("set", &dispatch));
        let (pool, own) = (say("pool", &dispatch), say("thread", &dispatch));
        let all = async move {
            spawn(async move { task() }).await.unwrap();
            spawn_local(async move { local() }).await.unwrap();
            let mut set = JoinSet::new();
            spawn_in(&mut set, async move { in_set() });
            set.join_next().await.unwrap().unwrap();
            blocking(pool).await.unwrap();
            thread(own).join().unwrap();
        };
        locals.run_until(all.instrument(span)).await;
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let named: Vec<&str> = text.lines().filter(|line| line.contains("request_id=\"req-1\"")).collect();
        assert_eq!(named.len(), 5, "{text}");
    }
}
