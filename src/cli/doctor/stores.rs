//! The stores, those of the configuration and those added at run time: whether they open and answer, have room, bear the
//! mark of this database, and are each in a place of their own.

use std::{collections::BTreeMap, path::Path, time::Duration};

use futures::future::join_all;

use super::{
    case::Case,
    finding::Finding,
    places::{self, folders},
};
use crate::{
    cli::stores::{asked, open},
    config::{Config, StoreSettings},
    db::{self, Db},
    storage,
    store::{
        NamedStore,
        health::{Report, State, gibibytes},
        kinds::file,
        opening::Opener,
    },
    telemetry,
    work::seal::Seals,
};

/// How long a store may take for all that it is asked.
const PATIENCE: Duration = Duration::from_secs(30);
/// An answer that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);
/// Bytes below which there is little room.
const FREE_MIN: u64 = 1 << 30;

/// Looks at them.
pub async fn look(case: &Case) -> Vec<Finding> {
    let config = match case.config() {
        Ok(config) => config,
        Err(finding) => return vec![finding],
    };
    let db = case.database(config).await.ok();
    let marks = match &db {
        Some(db) => marks(db, config).await,
        None => BTreeMap::new(),
    };
    let looks = config.stores.list.iter().map(|one| of_configured(case, config, one, marks.get(&one.id)));
    let mut findings = join_all(looks).await.concat();
    if let Some(db) = &db {
        findings.extend(of_storages(case, config, db).await);
    }
    findings.extend(places::look(case, config).await);
    findings
}

/// The marks that stores are known to bear, by their ids.
async fn marks(db: &Db, config: &Config) -> BTreeMap<String, String> {
    let mut marks = BTreeMap::new();
    for store in config.stores.list.iter().map(|one| one.id.clone()) {
        let id = store.clone();
        let state = db.read("doctor.store", move |conn| db::stores::find(conn, &id)).await.ok().flatten();
        marks.extend(state.filter(|state| state.marked).map(|state| (store, state.mark)));
    }
    marks
}

/// One store of the configuration; `mark` is what it is known to bear.
async fn of_configured(
    case: &Case,
    config: &Config,
    one: &StoreSettings,
    mark: Option<&String>,
) -> Vec<Finding> {
    let id = &one.id;
    let kind = one.settings.kind().name;
    let look = async {
        // A server would make it, and so would whoever opens it.
        let folders = folders(one, &case.folder);
        let unmade =
            telemetry::blocking(move || folders.into_iter().find(|folder| !file::was_opened(folder)));
        if let Some(folder) = unmade.await.map_err(|fault| fault.to_string())? {
            return Ok((vec![judge_unmade(id, &folder, mark.is_some())], None));
        }
        let named = open(config, one, &case.folder).await?;
        let report = asked(&named).await;
        Ok::<_, String>((of_report(id, kind, &report), of_mark(&named, kind, mark).await))
    };
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(Ok((mut findings, marked))) => {
            if marked.is_some() {
                findings.retain(|finding| !finding.id.is_empty());
            }
            findings.extend(marked);
            findings
        }
        Ok(Err(why)) => vec![unusable(id, &why)],
        Err(_) => vec![unusable(id, &format!("it did not answer within {} s", PATIENCE.as_secs()))],
    }
}

/// A folder that no store was ever opened in.
fn judge_unmade(id: &str, folder: &Path, is_known: bool) -> Finding {
    let shown = folder.display();
    match is_known {
        true => Finding::failure(
            "store-gone",
            format!("store {id} had data in {shown}, where nothing of a store is now"),
            "Mount the file system that belongs there. Start no server before: it would take the empty folder for the store.",
        ),
        false => Finding::note(
            "store-not-made",
            format!("store {id} has not been used yet: nothing of a store is in {shown}"),
            "A server makes what it needs at its start. If it is to be on a file system of its own, mount that first.",
        ),
    }
}

fn unusable(id: &str, why: &str) -> Finding {
    Finding::failure(
        "store-unusable",
        format!("store {id} cannot be used: {why}"),
        "Images in it cannot be read, and none can be put there. See whether what is behind it runs, can be reached from \
         here, and takes the login of the configuration.",
    )
}

fn of_report(id: &str, kind: &str, report: &Report) -> Vec<Finding> {
    if report.state != State::Well || report.errors > 0 {
        let why = report.last_error.as_ref().map_or("it does not answer", |fault| &fault.reason);
        return vec![unusable(id, why)];
    }
    let mut findings = Vec::new();
    if let Some(room) = report.room.filter(|room| room.free < FREE_MIN) {
        findings.push(Finding::warning(
            "store-full",
            format!(
                "there is little room in store {id}: {} free of {}",
                gibibytes(room.free),
                gibibytes(room.total)
            ),
            "Make room, or let new images go to another store (default_backend, or a rule of placement).",
        ));
    }
    if let Some(latency) = report.latency.filter(|latency| latency.median > SLOW) {
        findings.push(Finding::warning(
            "store-slow",
            format!("store {id} takes {:.1} s for an answer", latency.median.as_secs_f64()),
            "See how far away it is, and what it is busy with.",
        ));
    }
    if findings.is_empty() {
        let [_, room, latency, ..] = report.words();
        findings.push(Finding::ok(format!("{id} ({kind}): room {room}, latency {latency}")));
    }
    findings
}

/// What the mark of a store says; nothing is written.
async fn of_mark(named: &NamedStore, kind: &str, known: Option<&String>) -> Option<Finding> {
    if !named.has_yard() {
        return None;
    }
    match named.mark(None).await {
        Ok(found) => judge_mark((&named.id, kind), known.map(String::as_str), found.as_deref()),
        Err(error) => Some(unusable(&named.id, &error.to_string())),
    }
}

/// A store by its id and kind, the mark that it is known to bear, and the one that it does.
fn judge_mark((id, kind): (&str, &str), known: Option<&str>, found: Option<&str>) -> Option<Finding> {
    match (known, found) {
        (Some(known), Some(found)) if known != found => Some(Finding::failure(
            "store-of-another",
            format!("store {id} bears the mark of another service or of another store"),
            "Correct the place in the configuration; if it was moved here on purpose, `vitrine store claim` takes it over.",
        )),
        (Some(known), None) => Some(Finding::failure(
            "store-mark-missing",
            format!("store {id} does not bear the mark that it has borne"),
            lost_mark(kind, known),
        )),
        _ => None,
    }
}

/// What to do about a mark that is gone. Nobody marks a store anew by himself: it would hide that the data are gone too.
fn lost_mark(kind: &str, known: &str) -> String {
    match kind {
        "file" => format!(
            "Mostly a file system is not mounted, and the folder below it is seen: mount it. If the data are there, write \
             {known} into the file .store-id of each folder of the store again."
        ),
        "rbd" => format!(
            "See whether the configuration names the right cluster and pool, and whether the pool was made anew. If the \
             images are there, set its metadata again: rbd.RBD().pool_metadata_set(ioctx, 'vitrine_store_id', '{known}') in \
             Python."
        ),
        _ => format!(
            "See whether the configuration names the right bucket and prefix, and whether somebody or a rule of the bucket \
             deletes objects. If the data are there, put {known} into an object .store-id beside them again."
        ),
    }
}

/// The stores that were added while servers run.
async fn of_storages(case: &Case, config: &Config, db: &Db) -> Vec<Finding> {
    let rows = match db.read("storages.list", db::storages::list).await {
        Ok(rows) => rows,
        Err(error) => return vec![Finding::skipped(error)],
    };
    let seals = Seals::new(db.clone());
    let opener = Opener {
        data_dir: case.folder.clone(),
        filter: config.imports.filter.clone(),
        patience: config.imports.patience,
        fencing: config.stores.fencing.clone(),
        folders: config.stores.storage_folders.clone(),
    };
    let looks = rows.iter().map(|row| async {
        let look = async {
            let named = storage::refresh::look(&seals, &opener, row).await?;
            Ok::<_, String>(of_report(&row.id, &row.kind, &asked(&named).await))
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(findings)) => findings,
            Ok(Err(why)) => vec![unusable(&row.id, &why)],
            Err(_) => vec![unusable(&row.id, "it did not answer in time")],
        }
    });
    join_all(looks).await.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which marks are wrong: a store that has never borne one may still get it.
    #[test]
    fn marks_are_judged() {
        let id = |known, found| judge_mark(("s", "file"), known, found).map_or("", |finding| finding.id);
        assert_eq!(id(None, None), "");
        assert_eq!(id(None, Some("a")), "");
        assert_eq!(id(Some("a"), Some("a")), "");
        assert_eq!(id(Some("a"), Some("b")), "store-of-another");
        assert_eq!(id(Some("a"), None), "store-mark-missing");
        for (kind, word) in [("file", "mount it"), ("s3", "bucket"), ("rbd", "pool")] {
            let remedy =
                judge_mark(("s", kind), Some("the-mark"), None).map(|f| f.remedy).unwrap_or_default();
            assert!(remedy.contains(word) && remedy.contains("the-mark"), "{kind}: {remedy}");
            assert_eq!(remedy.contains("mount"), kind == "file", "{remedy}");
        }
        assert_eq!(judge_unmade("s", Path::new("/x"), true).id, "store-gone");
        assert_eq!(judge_unmade("s", Path::new("/x"), false).id, "store-not-made");
    }

    /// Proves what is said of a report: the last error first, then room and latency.
    #[test]
    fn reports_are_judged() {
        use crate::store::{backend::Room, health::Latency};
        let well =
            Report { state: State::Well, errors: 0, last_error: None, ..Report::unopened(String::new()) };
        let ids = |report: &Report| of_report("s", "file", report).iter().map(|f| f.id).collect::<Vec<_>>();
        assert_eq!(ids(&well), [""]);
        assert_eq!(ids(&Report::unopened("broken".to_owned())), ["store-unusable"]);
        let room = Some(Room { free: FREE_MIN - 1, total: FREE_MIN });
        let slow = Duration::from_secs(2);
        let latency = Some(Latency { median: slow, longest: slow });
        assert_eq!(ids(&Report { room, latency, ..well }), ["store-full", "store-slow"]);
    }
}
