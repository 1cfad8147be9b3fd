//! Figures that are looked up when somebody scrapes.

use super::catalogue::{Book, Gauges};

/// Figures that whoever scrapes looks up.
pub struct State {
    connections: Gauges,
    transfers: Gauges,
    database: Gauges,
    jobs: Gauges,
    blobs: Gauges,
    projects: Gauges,
}

impl State {
    pub(super) fn new(book: &mut Book) -> Self {
        let all: &[&str] = &["what"];
        Self {
            connections: book.gauges("connections", all, "Connections to the API: `open`, those of requests that are `served`, and the `limit` of these"),
            transfers: book.gauges("transfers", all, "Uploads and downloads: `under_way`, and their `limit` on this node"),
            database: book.gauges("database_pool", all, "Connections to the database: `in_use`, statements `waiting` for one, their `limit`, and whether the database is `there`"),
            jobs: book.gauges("jobs_known", &["kind", "state"], "Jobs in the database, of all nodes"),
            blobs: book.gauges("blobs", &["state"], "Rows of the ledger of stored data, of all nodes"),
            projects: book.gauges("project_bytes", &["project"], "Bytes of the images of the projects that have most, with `[vitrine] metrics_projects`"),
        }
    }

    fn set(family: &Gauges, values: &[(&'static str, usize)]) {
        for (what, value) in values {
            let value = i64::try_from(*value).unwrap_or(i64::MAX);
            family.get_or_create(&vec![("what", (*what).into())]).set(value);
        }
    }

    /// Connections that are open, those that are served, and how many of these there may be.
    pub fn connections(&self, open: usize, served: usize, limit: usize) {
        Self::set(&self.connections, &[("open", open), ("served", served), ("limit", limit)]);
    }

    /// Transfers under way, and how many there may be.
    pub fn transfers(&self, under_way: usize, limit: usize) {
        Self::set(&self.transfers, &[("under_way", under_way), ("limit", limit)]);
    }

    /// Connections to the database in use, statements that wait for one, how many connections there may be, and whether
    /// the database answers.
    pub fn database(&self, in_use: usize, waiting: usize, limit: usize, is_there: bool) {
        let values =
            [("in_use", in_use), ("waiting", waiting), ("limit", limit), ("there", usize::from(is_there))];
        Self::set(&self.database, &values);
    }

    /// Jobs by kind and state.
    pub fn jobs(&self, counts: Vec<(String, String, i64)>) {
        self.jobs.clear();
        for (kind, state, count) in counts {
            self.jobs.get_or_create(&vec![("kind", kind.into()), ("state", state.into())]).set(count);
        }
    }

    /// Blobs by state.
    pub fn blobs(&self, counts: Vec<(String, i64)>) {
        self.blobs.clear();
        for (state, count) in counts {
            self.blobs.get_or_create(&vec![("state", state.into())]).set(count);
        }
    }

    /// Bytes by project.
    pub fn projects(&self, bytes: Vec<(String, i64)>) {
        self.projects.clear();
        for (project, bytes) in bytes {
            self.projects.get_or_create(&vec![("project", project.into())]).set(bytes);
        }
    }
}
