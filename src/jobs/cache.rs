//! Maintenance of the image cache: periodic sweeps, and fetching of queued images.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    cache::{Cache, Fetched},
    image::Images,
    model::error::Result,
};

/// How often the cache is swept: this long, other nodes may hold a copy of a deleted image.
const SWEEP_PERIOD: Duration = Duration::from_secs(15);
/// How often the queue is looked into without being called: other processes write to it, too.
const QUEUE_PERIOD: Duration = Duration::from_secs(3);
/// Images that are fetched at the same time.
const FETCHES_AT_ONCE: usize = 2;
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

/// Fetches queued images, a few at a time, until told to stop. The rest is in the queue at the next start.
pub async fn fetch(images: Images, cache: Arc<Cache>, mut stopped: watch::Receiver<bool>) {
    let (mut waits, mut running) = (Waits::default(), JoinSet::new());
    loop {
        if let Err(error) = begin(&images, &cache, &mut waits, &mut running).await {
            tracing::error!(%error, "the queue of the image cache cannot be read; it will be tried again");
        }
        tokio::select! {
            _ = stopped.changed() => break,
            Some(done) = running.join_next() => match done {
                Ok((id, fetched)) => waits.end(id, fetched),
                Err(fault) => {
                    tracing::error!(%fault, "fetching an image into the cache failed");
                    // Which one it was is not known; what is under way cannot be begun twice anyway.
                    waits = Waits::default();
                }
            },
            () = cache.wanted.notified() => {}
            () = tokio::time::sleep(QUEUE_PERIOD) => {}
        }
    }
    running.shutdown().await;
}

async fn begin(
    images: &Images,
    cache: &Arc<Cache>,
    waits: &mut Waits,
    running: &mut JoinSet<(String, Fetched)>,
) -> Result<()> {
    if running.len() >= FETCHES_AT_ONCE {
        return Ok(());
    }
    let queued = cache.queued().await?;
    waits.keep(&queued);
    for id in queued {
        if running.len() >= FETCHES_AT_ONCE {
            break;
        }
        if !waits.begin(&id) {
            continue;
        }
        let (images, cache) = (images.clone(), Arc::clone(cache));
        crate::telemetry::spawn_in(running, async move {
            let fetched = cache.fetch(&images, &id).await.unwrap_or_else(|error| {
                tracing::error!(image = %id, %error, "an image could not be cached; it will be tried again");
                Fetched::Later
            });
            (id, fetched)
        });
    }
    Ok(())
}

/// Which images are under way, and when those are tried again that could not be fetched.
#[derive(Default)]
struct Waits(HashMap<String, Wait>);

struct Wait {
    failures: u32,
    due: Instant,
    is_under_way: bool,
}

impl Waits {
    /// Forgets those that are not in the queue any more.
    fn keep(&mut self, queued: &[String]) {
        let queued: HashSet<_> = queued.iter().collect();
        self.0.retain(|id, wait| wait.is_under_way || queued.contains(id));
    }

    /// Begins with an image; returns whether it is its time.
    fn begin(&mut self, id: &str) -> bool {
        let now = Instant::now();
        let new = || Wait { failures: 0, due: now, is_under_way: false };
        let wait = self.0.entry(id.to_owned()).or_insert_with(new);
        let is_due = !wait.is_under_way && wait.due <= now;
        wait.is_under_way |= is_due;
        is_due
    }

    fn end(&mut self, id: String, fetched: Fetched) {
        let Some(wait) = self.0.get_mut(&id).filter(|_| fetched == Fetched::Later) else {
            self.0.remove(&id);
            return;
        };
        let pause = BACK_OFF.saturating_mul(1_u32 << wait.failures.min(16)).min(BACK_OFF_MAX);
        *wait = Wait {
            failures: wait.failures.saturating_add(1),
            due: Instant::now() + pause,
            is_under_way: false,
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_fails_waits_longer_each_time_and_is_forgotten_with_the_queue() {
        let (mut waits, mut last, id) = (Waits::default(), Duration::ZERO, "a".to_owned());
        for _ in 0..40 {
            assert!(waits.begin("a") && !waits.begin("a"), "one at a time");
            waits.keep(&[]);
            waits.end(id.clone(), Fetched::Later);
            assert!(!waits.begin("a"), "it has to wait");
            let wait = waits.0.get_mut("a").unwrap();
            let pause = wait.due.saturating_duration_since(Instant::now());
            assert!(pause + Duration::from_secs(1) >= last && pause <= BACK_OFF_MAX);
            (last, wait.due) = (pause, Instant::now());
        }
        waits.keep(&["b".to_owned()]);
        assert!(waits.0.is_empty() && waits.begin("a"));
        waits.end(id, Fetched::Done);
        assert!(waits.0.is_empty());
    }
}
