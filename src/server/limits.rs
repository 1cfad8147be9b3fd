//! The resource limits of the process, and how they are shared.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{api, blob::transfers};

/// Connections at most where the limit on descriptors lets more be: each takes some memory.
const CONNECTIONS_MAX: usize = 16_384;
/// Connections that may wait for a request when all others are taken.
const RESERVE: usize = 64;
/// Those who read the figures, at a place of their own.
pub const SCRAPERS: api::Bounds = api::Bounds { served: 16, per_address: 16, reserve: 4 };
/// What is taken for the limit where the system does not tell.
const DESCRIPTORS_UNKNOWN: usize = 1024;

/// Raises the limit on open descriptors as far as the system lets us; returns what it is now.
pub fn descriptors() -> usize {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match raised {
        Ok(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        Err(error) => {
            tracing::warn!(%error, "the limit on open descriptors could not be raised");
            let soft =
                getrlimit(Resource::RLIMIT_NOFILE).ok().and_then(|(soft, _)| usize::try_from(soft).ok());
            soft.unwrap_or(DESCRIPTORS_UNKNOWN)
        }
    }
}

/// How many connections there may be, given the limit on descriptors: some are kept back for the database, the log,
/// imports and commands, and of the rest each connection may need a second one, for a file.
pub fn connections(settings: &api::Settings, descriptors: usize) -> api::Bounds {
    let kept = (descriptors / 4).min(1024);
    let possible = (descriptors.saturating_sub(kept).saturating_sub(RESERVE) / 2).clamp(1, CONNECTIONS_MAX);
    let served = settings.max_connections.unwrap_or(possible);
    if served > descriptors / 2 {
        tracing::warn!(
            max_connections = served,
            descriptors,
            "max_connections is more than the limit on open descriptors (ulimit -n) has room for"
        );
    }
    let per_address = settings.max_connections_per_address.unwrap_or((served / 2).max(1));
    api::Bounds { served, per_address, reserve: RESERVE }
}

/// How many transfers there may be: others need connections too, and a project alone never has more than half of them.
pub fn transfers(settings: transfers::Settings, bounds: api::Bounds) -> transfers::Settings {
    let at_once = settings.at_once.min(bounds.served.saturating_mul(3) / 4).max(1);
    transfers::Settings { at_once, per_project: settings.per_project.min(at_once.div_ceil(2)) }
}

/// Connections that a worker accepts before others wait in the system's queue. The gate closes surplus connections, so
/// this rarely matters.
pub fn of_worker(bounds: api::Bounds, workers: usize) -> usize {
    let all = bounds.served.saturating_add(bounds.reserve.saturating_mul(2));
    all.div_ceil(workers.max(1)).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the usual limits leave room for files, that what the operator says counts, and that no project may have
    /// all transfers.
    #[test]
    fn sec_79_shares_follow_from_the_descriptors() {
        let mut settings = api::Settings::default();
        let bounds = |settings: &api::Settings, descriptors| {
            let bounds = connections(settings, descriptors);
            let transfers = transfers(transfers::Settings::default(), bounds);
            (bounds.served, bounds.per_address, transfers.at_once, transfers.per_project)
        };
        assert_eq!(bounds(&settings, 1024), (352, 176, 264, 132));
        assert_eq!(bounds(&settings, 20_000), (9456, 4728, 4096, 2048));
        assert_eq!(bounds(&settings, usize::MAX), (16_384, 8192, 4096, 2048));
        assert_eq!(bounds(&settings, 0), (1, 1, 1, 1));
        (settings.max_connections, settings.max_connections_per_address) = (Some(100), Some(7));
        assert_eq!(bounds(&settings, 1024), (100, 7, 75, 38));
        let (all, workers) = (connections(&settings, 1024), 3);
        assert!(of_worker(all, workers) * workers >= all.served + all.reserve);
    }
}
