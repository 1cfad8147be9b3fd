//! What the image cache needs done: it is swept now and then, and images that wait in its queue are fetched.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    app::App,
    cache::{Cache, Fetched},
    model::error::Result,
};

/// How often the cache is swept: this long, other nodes may hold a copy of a deleted image.
const SWEEP_PERIOD: Duration = Duration::from_secs(15);
/// How often the queue is looked into without being called: other processes write to it, too.
const QUEUE_PERIOD: Duration = Duration::from_secs(3);
/// Wait after a first failure to fetch an image; it doubles with each further one.
const BACK_OFF: Duration = Duration::from_secs(4);
/// Longest such wait.
const BACK_OFF_MAX: Duration = Duration::from_secs(600);

/// Sweeps the cache until told to stop, beginning at once.
pub async fn sweep(cache: Arc<Cache>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            swept = cache.sweep() => {
                if let Err(error) = swept {
                    tracing::error!(%error, "the image cache could not be swept; it will be tried again");
                }
            }
        }
        tokio::select! {
            _ = stopped.changed() => break,
            () = tokio::time::sleep(SWEEP_PERIOD) => {}
        }
    }
    if let Err(error) = cache.record_hits().await {
        tracing::warn!(%error, "the last hits of the image cache were not counted");
    }
}

/// Fetches one image after the other until told to stop. What is left is in the queue at the next start.
pub async fn fetch(app: Arc<App>, cache: Arc<Cache>, mut stopped: watch::Receiver<bool>) {
    let mut waits = Waits::default();
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            result = fetch_all(&app, &cache, &mut waits) => {
                if let Err(error) = result {
                    tracing::error!(%error, "the queue of the image cache cannot be read; it will be tried again");
                }
            }
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = cache.wanted.notified() => {}
            () = tokio::time::sleep(QUEUE_PERIOD) => {}
        }
    }
}

async fn fetch_all(app: &App, cache: &Arc<Cache>, waits: &mut Waits) -> Result<()> {
    let queued = cache.queued().await?;
    waits.keep(&queued);
    for id in queued.iter().filter(|id| waits.is_due(id)).cloned().collect::<Vec<_>>() {
        match cache.fetch(app, &id).await {
            Ok(Fetched::Done) => {}
            Ok(Fetched::Later) => waits.postpone(id),
            Err(error) => {
                tracing::error!(image = %id, %error, "an image could not be cached; it will be tried again");
                waits.postpone(id);
            }
        }
    }
    Ok(())
}

/// When images are tried again that could not be fetched.
#[derive(Default)]
struct Waits(HashMap<String, (u32, Instant)>);

impl Waits {
    /// Forgets those that are not in the queue any more.
    fn keep(&mut self, queued: &[String]) {
        let queued: HashSet<_> = queued.iter().collect();
        self.0.retain(|id, _| queued.contains(id));
    }

    fn is_due(&self, id: &str) -> bool {
        self.0.get(id).is_none_or(|(_, due)| *due <= Instant::now())
    }

    fn postpone(&mut self, id: String) {
        let failures = self.0.get(&id).map_or(0, |(failures, _)| *failures);
        let wait = BACK_OFF.saturating_mul(1_u32 << failures.min(16)).min(BACK_OFF_MAX);
        self.0.insert(id, (failures.saturating_add(1), Instant::now() + wait));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_fails_waits_longer_each_time_and_is_forgotten_with_the_queue() {
        let mut waits = Waits::default();
        let (mut last, id) = (Duration::ZERO, "a".to_owned());
        for _ in 0..40 {
            assert!(!waits.0.contains_key("b") && (waits.0.is_empty() || !waits.is_due("a")));
            waits.postpone(id.clone());
            let wait = waits.0["a"].1.saturating_duration_since(Instant::now());
            assert!(wait + Duration::from_secs(1) >= last && wait <= BACK_OFF_MAX);
            last = wait;
        }
        waits.keep(&["b".to_owned()]);
        assert!(waits.0.is_empty() && waits.is_due("a"));
    }
}
