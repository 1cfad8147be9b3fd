//! The context that accompanies work to any thread: the tracing span, and the id of the request that caused it.

use std::{sync::Arc, thread::Scope};

use tokio::task::{JoinHandle, JoinSet};
use tracing::{Instrument, Span};

tokio::task_local! {
    static REQUEST_ID: Option<Arc<str>>;
}

/// The handle that waits for a task or a blocking call.
pub type Spawned<T> = JoinHandle<T>;

/// The id of the request that caused the current work; `None` if there is none.
pub fn request_id() -> Option<Arc<str>> {
    REQUEST_ID.try_with(Clone::clone).ok().flatten()
}

/// The cause of work.
#[derive(Clone, Debug)]
pub struct Context {
    span: Span,
    request_id: Option<Arc<str>>,
}

impl Context {
    /// A new cause.
    pub fn of(span: Span, request_id: Option<&str>) -> Self {
        Self { span, request_id: request_id.map(Arc::from) }
    }

    /// The cause of the work under way.
    pub fn current() -> Self {
        Self { span: Span::current(), request_id: request_id() }
    }

    /// `work`, done for this cause.
    pub fn wrap<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        REQUEST_ID.scope(self.request_id, work.instrument(self.span))
    }

    /// Does `work` for this cause at once.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        REQUEST_ID.sync_scope(self.request_id.clone(), || self.span.in_scope(work))
    }
}

/// Starts a task for the present cause.
pub fn spawn<F>(future: F) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(Context::current().wrap(future))
}

/// Starts a task for the present cause that stays on this thread, where the runtime is one of `actix_web`.
pub fn spawn_local<F>(future: F) -> Spawned<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    tokio::task::spawn_local(Context::current().wrap(future))
}

/// Starts a task of a set for the present cause.
pub fn spawn_in<F>(set: &mut JoinSet<F::Output>, future: F)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    set.spawn(Context::current().wrap(future));
}

/// Does blocking work on a thread for that, for the present cause.
pub fn blocking<T, W>(work: W) -> Spawned<T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let context = Context::current();
    tokio::task::spawn_blocking(move || context.enter(work))
}

/// Does blocking work on a thread that `scope` waits for, for the present cause.
pub fn spawn_scoped<'scope>(scope: &'scope Scope<'scope, '_>, work: impl FnOnce() + Send + 'scope) {
    let context = Context::current();
    scope.spawn(move || context.enter(work));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::{io::Write, sync::Mutex};

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

    /// Proves that work on every kind of task and thread logs in the span of whoever started it, and knows the id of
    /// its request.
    #[tokio::test]
    async fn the_cause_goes_along_to_tasks_and_threads() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let dispatch = tracing::Dispatch::new(subscriber);
        let _guard = tracing::dispatcher::set_default(&dispatch);
        // A thread does not have the dispatcher of this test; each takes it along by hand.
        let say = |dispatch: &tracing::Dispatch| {
            let dispatch = dispatch.clone();
            move || {
                assert_eq!(request_id().as_deref(), Some("req-1"));
                tracing::dispatcher::with_default(&dispatch, || tracing::info!("said"));
            }
        };
        let span = tracing::info_span!("request", request_id = "req-1");
        let (task, local, in_set, on_thread) =
            (say(&dispatch), say(&dispatch), say(&dispatch), say(&dispatch));
        let all = async move {
            spawn(async move { task() }).await.unwrap();
            spawn_local(async move { local() }).await.unwrap();
            let mut set = JoinSet::new();
            spawn_in(&mut set, async move { in_set() });
            set.join_next().await.unwrap().unwrap();
            blocking(on_thread).await.unwrap();
        };
        let locals = tokio::task::LocalSet::new();
        locals.run_until(Context::of(span, Some("req-1")).wrap(all)).await;
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let named: Vec<&str> = text.lines().filter(|line| line.contains("request_id=\"req-1\"")).collect();
        assert_eq!(named.len(), 4, "{text}");
        assert_eq!(request_id(), None);
    }
}
