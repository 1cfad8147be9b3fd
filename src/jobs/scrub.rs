//! The background scrubber: one node of those on a database reads all data at the chosen pace, once a day at most.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use crate::{
    app::App,
    db::{self, DbResult},
    model::error::Result,
    scrub::{Outcome, Pace, Scrubber, Verdict},
};

/// How soon a node looks again whether it is the one that reads.
const TURN: Duration = Duration::from_secs(60);
/// From the begin of one round to the next, at least.
const ROUND: Duration = Duration::from_secs(24 * 3600);

/// Reads until told to stop. Does nothing without a pace.
pub async fn run(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let Some(pace) = app.images.settings.scrub_pace else { return };
    let scrubber = Scrubber::new(app.blobs.clone(), Pace::new(Some(pace)), true);
    loop {
        let begun = Instant::now();
        let pause = tokio::select! {
            _ = stopped.changed() => return,
            done = round(&app, &scrubber) => match done {
                Ok(true) => ROUND.saturating_sub(begun.elapsed()).max(TURN),
                Ok(false) => TURN,
                Err(error) => {
                    tracing::warn!(%error, "the data of images could not be checked; it will be tried again");
                    TURN
                }
            },
        };
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whether this node is the one that reads: the first of those that run.
async fn is_our_turn(app: &App) -> DbResult<bool> {
    let nodes = app.db.read("scrub.nodes", db::nodes::list).await?;
    let now = app.db.clock.now();
    let first = nodes.into_iter().filter(|node| !node.is_stale(now)).map(|node| node.id).min();
    Ok(first.is_some_and(|id| id == app.leases().node))
}

/// Reads the data of every image. A start begins anywhere, so that what comes last is read as well where starts are
/// frequent. Returns whether it was this node's turn to the end.
async fn round(app: &App, scrubber: &Scrubber) -> Result<bool> {
    let start = uuid::Uuid::new_v4().to_string();
    let mut counts = Counts::default();
    for (mut after, end) in [(start.clone(), None), (String::new(), Some(start))] {
        loop {
            let page = scrubber.page(&after).await?;
            let Some(last) = page.last().cloned() else { break };
            for id in page.into_iter().take_while(|id| end.as_ref().is_none_or(|end| id <= end)) {
                if !is_our_turn(app).await? {
                    return Ok(false);
                }
                counts.add(scrubber, &id).await?;
            }
            if end.as_ref().is_some_and(|end| last > *end) {
                break;
            }
            after = last;
        }
    }
    if !is_our_turn(app).await? {
        return Ok(false);
    }
    let Counts { copies, bytes, damaged, repaired } = counts;
    tracing::info!(copies, bytes, damaged, repaired, "the data of all images was read");
    Ok(true)
}

#[derive(Default)]
struct Counts {
    copies: u64,
    bytes: u64,
    damaged: u64,
    repaired: u64,
}

impl Counts {
    async fn add(&mut self, scrubber: &Scrubber, id: &str) -> Result<()> {
        for finding in scrubber.image(id).await? {
            let one = |yes: bool| u64::from(yes);
            self.copies = self.copies.saturating_add(1);
            self.bytes = self.bytes.saturating_add(finding.bytes);
            self.damaged = self.damaged.saturating_add(one(matches!(finding.verdict, Verdict::Damaged(_))));
            self.repaired = self.repaired.saturating_add(one(finding.outcome == Outcome::Repaired));
            let (image, store) = (&finding.image, &finding.store);
            if let Some(why) = finding.complaint() {
                tracing::error!(image, store, why, "data of an image is not what it should be");
            } else if finding.outcome == Outcome::Repaired {
                tracing::warn!(image, store, "damaged data of an image was replaced by another store's copy");
            }
        }
        Ok(())
    }
}
