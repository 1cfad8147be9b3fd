//! Reports that this node can reach its staging folder, and gives up data staged in folders that no node reaches any
//! more.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    app::App,
    db::{self, DbResult},
    import::lost,
    model::time::Timestamp,
};

/// Since when this node has been saying that it is there, without a gap. After a gap, a database that was away or a machine
/// that slept, the others need time to say so too, before anybody is called lost.
#[derive(Debug, Default)]
struct Watch {
    since: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Watch {
    /// It was said at `now`, by leases of this many seconds.
    fn said(&mut self, now: Timestamp, lease_seconds: i64) {
        if self.last.is_none_or(|last| last.plus_seconds(lease_seconds) < now) {
            self.since = Some(now);
        }
        self.last = Some(now);
    }

    /// Whether all others that live have had the time to say so: two leases.
    fn may_judge(&self, now: Timestamp, lease_seconds: i64) -> bool {
        self.since.is_some_and(|since| since.plus_seconds(lease_seconds.saturating_mul(2)) <= now)
    }
}

/// Runs until told to stop.
pub async fn run(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let (mut watch, mut is_first) = (Watch::default(), true);
    loop {
        match beat(&app, &mut watch, is_first).await {
            Ok(()) => is_first = false,
            Err(error) => tracing::warn!(%error, "the staging folders could not be checked"),
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(app.leases().beat()) => {}
        }
    }
}

async fn beat(app: &App, watch: &mut Watch, is_first: bool) -> DbResult<()> {
    let (own, now, settings) = (app.blobs.staging.id().to_owned(), app.db.clock.now(), app.jobs);
    let renew = move |conn: &mut db::Conn| {
        db::staging_places::renew(conn, &own, now)?;
        if is_first { db::staging_places::enter_unknown(conn, now) } else { Ok(0) }
    };
    app.db.write("staging.renew", renew).await?;
    watch.said(now, settings.lease_seconds);
    if !watch.may_judge(now, settings.lease_seconds) {
        return Ok(());
    }
    let (limit, kept_until) =
        (now.plus_seconds(-settings.lost_seconds), now.plus_seconds(settings.kept_seconds));
    for image in lost::give_up(&app.imports, limit, kept_until).await? {
        tracing::warn!(image, "the node that had the staged data is lost; the image is queued again");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(0).plus_seconds(seconds)
    }

    /// Proves that a node that has just begun, or comes back after a gap, calls nobody lost before the others have had
    /// time to speak.
    #[test]
    fn sec_73_nobody_is_lost_because_the_watcher_slept() {
        let mut watch = Watch::default();
        assert!(!watch.may_judge(at(0), 15));
        for now in (0..=35).step_by(5) {
            watch.said(at(now), 15);
            assert_eq!(watch.may_judge(at(now), 15), now >= 30, "{now}");
        }
        watch.said(at(3600), 15);
        assert!(!watch.may_judge(at(3600), 15));
        watch.said(at(3615), 15);
        assert!(!watch.may_judge(at(3629), 15));
        watch.said(at(3630), 15);
        assert!(watch.may_judge(at(3630), 15));
    }
}
