//! The audit log: a line of JSON in CADF's form for each event, in a file or on standard error, from where systemd takes
//! it to the journal. A line is written once it is certain that the change was made, and at least once.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use crate::{
    db::{self, Db, DbResult},
    model::notice::Reader,
    store::private,
    telemetry,
};

/// Events that are written at once.
const BATCH: i64 = 500;
/// For how long, in seconds, the audit log is one node's.
const LEASE_SECONDS: i64 = 60;

/// Where audit records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard error.
    Stderr,
    /// A file, to which they are appended.
    File(PathBuf),
}

/// The audit log.
pub struct Audit {
    db: Db,
    place: Place,
    holder: String,
}

impl Audit {
    /// At this place.
    pub fn new(db: Db, place: Place) -> Self {
        Self { db, place, holder: Uuid::new_v4().to_string() }
    }

    /// Writes what waits, up to a batch. Returns whether there may be more.
    ///
    /// # Errors
    /// The database's; a file that cannot be written is told in the log, and tried again.
    pub async fn turn(&self) -> DbResult<bool> {
        if !self.db.read("notice.is_any", |conn| db::notices::is_any(conn, Reader::Audit)).await? {
            return Ok(false);
        }
        let (now, holder) = (self.db.clock.now(), self.holder.clone());
        let until = now.plus_seconds(LEASE_SECONDS);
        let claim = move |conn: &mut db::Conn| db::notices::claim(conn, Reader::Audit, &holder, now, until);
        if !self.db.write("notice.claim", claim).await? {
            return Ok(false);
        }
        let read = |conn: &mut db::Conn| db::notices::waiting(conn, Reader::Audit, BATCH);
        let waiting = self.db.read("notice.waiting", read).await?;
        let place = self.place.clone();
        let lines: String = waiting.iter().flat_map(|notice| [notice.body.as_str(), "\n"]).collect();
        let written = telemetry::blocking(move || append(&place, &lines)).await;
        let written = written.unwrap_or_else(|fault| Err(std::io::Error::other(fault.to_string())));
        if let Err(error) = written {
            tracing::error!(%error, "the audit log cannot be written; its records wait and it is tried again");
            return Ok(false);
        }
        telemetry::metrics().notices_told(Reader::Audit.as_str(), waiting.len());
        let sequences: Vec<i64> = waiting.iter().map(|notice| notice.sequence).collect();
        let told = move |conn: &mut db::Conn| db::notices::told(conn, &sequences);
        self.db.write_patiently("notice.told", told).await?;
        Ok(true)
    }

    /// Lets other nodes write at once.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn stop(&self) -> DbResult<()> {
        let holder = self.holder.clone();
        self.db.write("notice.release", move |conn| db::notices::release(conn, Reader::Audit, &holder)).await
    }
}

fn append(place: &Place, lines: &str) -> std::io::Result<()> {
    match place {
        Place::Stderr => std::io::stderr().lock().write_all(lines.as_bytes()),
        Place::File(path) => append_to(path, lines),
    }
}

/// The file is opened each time, so that it can be rotated.
fn append_to(path: &Path, lines: &str) -> std::io::Result<()> {
    let mut file = private::append(path)?;
    let length = file.metadata()?.len();
    let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
    if written.is_err() {
        // All of it is written again, and half a record would spoil the first.
        file.set_len(length)?;
    }
    written
}
