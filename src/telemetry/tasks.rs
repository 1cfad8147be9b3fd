//! The context that accompanies work to any thread: the span of the log, the id of the request that caused it, and its
//! place in a trace.

use std::{sync::Arc, thread::Scope};

use futures::future::Either;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{Instrument, Span};

use super::trace::{self, Kind, Place};

/// What caused the work under way.
#[derive(Clone, Debug, Default)]
struct Cause {
    request_id: Option<Arc<str>>,
    place: Option<Place>,
}

tokio::task_local! {
    static CAUSE: Cause;
}

/// The handle that waits for a task or a blocking call.
pub type Spawned<T> = JoinHandle<T>;

/// The id of the request that caused the current work; `None` if there is none.
pub fn request_id() -> Option<Arc<str>> {
    CAUSE.try_with(|cause| cause.request_id.clone()).ok().flatten()
}

/// The place of the current work in a trace; `None` if it is in none.
pub fn place() -> Option<Place> {
    CAUSE.try_with(|cause| cause.place.clone()).ok().flatten()
}

/// A span that the current work causes; none if that is in no trace.
pub fn span(kind: Kind, name: &'static str) -> trace::Span {
    CAUSE.try_with(|cause| trace::Span::child(cause.place.as_ref(), kind, name)).unwrap_or_default()
}

/// `work`, whose spans are caused by `span`.
pub fn inside<F: Future>(span: &trace::Span, work: F) -> impl Future<Output = F::Output> + use<F> {
    match span.place() {
        Some(place) => Either::Left(Context::current().at(Some(place)).wrap(work)),
        None => Either::Right(work),
    }
}

/// The cause of work.
#[derive(Clone, Debug)]
pub struct Context {
    span: Span,
    cause: Cause,
}

impl Context {
    /// A new cause.
    pub fn of(span: Span, request_id: Option<&str>) -> Self {
        Self { span, cause: Cause { request_id: request_id.map(Arc::from), place: None } }
    }

    /// The same cause, at a place in a trace.
    #[must_use]
    pub fn at(self, place: Option<&Place>) -> Self {
        Self { cause: Cause { place: place.cloned(), ..self.cause }, ..self }
    }

    /// The cause of the work under way.
    pub fn current() -> Self {
        let cause = CAUSE.try_with(Clone::clone).unwrap_or_default();
        Self { span: Span::current(), cause }
    }

    /// `work`, done for this cause.
    pub fn wrap<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CAUSE.scope(self.cause, work.instrument(self.span))
    }

    /// Does `work` for this cause at once.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        CAUSE.sync_scope(self.cause.clone(), || self.span.in_scope(work))
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
