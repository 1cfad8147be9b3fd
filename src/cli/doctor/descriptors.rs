//! The limit on open descriptors, and what the configuration makes of it.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use nix::sys::resource::{Resource, getrlimit};

use super::{case::Case, finding::Finding};
use crate::{
    config::Config,
    server::limits::{connections, transfers},
    telemetry,
};

/// Fewer than this are few for any server: systemd's and most shells' lowest limit.
const FEW: usize = 1024;

/// Looks at that of the server which runs on the data folder, or else at its own.
pub async fn look(case: &Case) -> Vec<Finding> {
    let config = match case.config() {
        Ok(config) => config,
        Err(finding) => return vec![finding],
    };
    let lock = case.folder.join("lock");
    let of_server = telemetry::blocking(move || holder(&lock).and_then(limit_of)).await.ok().flatten();
    let (whose, limit) = match of_server {
        Some((process, limit)) => (format!("the server (process {process})"), limit),
        None => {
            let own = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(_, hard)| hard);
            ("this shell".to_owned(), usize::try_from(own).unwrap_or(usize::MAX))
        }
    };
    let set = case.loaded.is_set("vitrine", "max_transfers").then_some(config.transfers.at_once);
    vec![judge(&whose, limit, config, set)]
}

/// What a server does with so many descriptors; `set` are the transfers that are asked for.
fn judge(whose: &str, limit: usize, config: &Config, set: Option<usize>) -> Finding {
    let bounds = connections(&config.api, limit);
    let granted = transfers(config.transfers, bounds).at_once;
    let what = format!(
        "{whose} may open {limit} descriptors: {} connections and {granted} uploads and downloads at once",
        bounds.served
    );
    let remedy = "Raise it: LimitNOFILE in the unit of the service, `ulimit -n` or --ulimit nofile elsewhere; then start \
                  the server again.";
    if bounds.served > limit / 2 {
        return Finding::warning(
            "descriptors-few",
            format!("{what}, of which there is no room for all"),
            remedy,
        );
    }
    if let Some(set) = set.filter(|set| *set > granted) {
        return Finding::warning(
            "descriptors-few",
            format!("{what}, where max_transfers asks for {set}"),
            remedy,
        );
    }
    if limit < FEW {
        return Finding::warning("descriptors-few", what, remedy);
    }
    Finding::ok(what)
}

/// The process that has locked a file (`/proc/locks`).
fn holder(lock: &Path) -> Option<u32> {
    let about = fs::metadata(lock).ok()?;
    let place = (about.dev(), about.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    lockers(&locks, about.ino()).find(|process| has_open(*process, place))
}

/// The processes that have locked a file with this inode, on whatever device: file systems with parts of their own
/// (btrfs, overlays) have another number there than they tell of their files.
fn lockers(locks: &str, inode: u64) -> impl Iterator<Item = u32> {
    locks.lines().filter_map(move |line| {
        let mut fields = line.split_whitespace().skip(4);
        let (process, place) = (fields.next()?, fields.next()?);
        let (_, found) = place.rsplit_once(':')?;
        (found.parse() == Ok(inode)).then(|| process.parse().ok()).flatten()
    })
}

/// Whether a process has a file open, by its device and inode.
fn has_open(process: u32, place: (u64, u64)) -> bool {
    let is_it =
        |file: fs::DirEntry| fs::metadata(file.path()).is_ok_and(|about| (about.dev(), about.ino()) == place);
    fs::read_dir(format!("/proc/{process}/fd")).is_ok_and(|files| files.flatten().any(is_it))
}

/// The process with its limit on descriptors.
fn limit_of(process: u32) -> Option<(u32, usize)> {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let limit = line.split_whitespace().next()?;
    Some((process, limit.parse().unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{Input, Sources, load};

    /// Proves which limits are few, alone or for what is asked for.
    #[test]
    fn limits_are_judged() {
        let loaded = load(&Sources::of_process(Vec::<Input>::new(), Vec::new()));
        let mut config = Config::assemble(&loaded).unwrap();
        let id = |config: &Config, limit, set| judge("it", limit, config, set).id;
        assert_eq!(id(&config, 1024, None), "");
        assert_eq!(id(&config, 1023, None), "descriptors-few");
        assert_eq!(id(&config, 1024, Some(264)), "");
        assert_eq!(id(&config, 1024, Some(265)), "descriptors-few");
        config.api.max_connections = Some(5000);
        assert_eq!(id(&config, 10_000, None), "");
        assert_eq!(id(&config, 9_999, None), "descriptors-few");
    }

    /// Proves that the process is found which has locked a file.
    #[test]
    fn the_holder_of_a_lock_is_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(holder(file.path()), None);
        file.as_file().try_lock().unwrap();
        let process = holder(file.path());
        assert_eq!(process, Some(std::process::id()));
        assert!(limit_of(process.unwrap()).unwrap().1 > 0);
    }

    /// Proves that whoever has locked a file is found by its inode, whatever the device is called, and that one who waits
    /// for a lock is not taken for him.
    #[test]
    fn locks_are_read() {
        let locks = "1: FLOCK  ADVISORY  WRITE 71 00:2a:9 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 9 00:2a:9 0 EOF\n\
                     2: POSIX  ADVISORY  READ 72 fd:01:9 0 0\n3: FLOCK  ADVISORY  WRITE 73 00:2a:99 0 EOF\n";
        assert_eq!(lockers(locks, 9).collect::<Vec<_>>(), [71, 72]);
        assert_eq!(lockers(locks, 42).count(), 0);
        let file = tempfile::NamedTempFile::new().unwrap();
        let about = fs::metadata(file.path()).unwrap();
        assert!(has_open(std::process::id(), (about.dev(), about.ino())));
        assert!(!has_open(std::process::id(), (about.dev(), 0)));
    }
}
