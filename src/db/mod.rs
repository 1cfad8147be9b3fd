//! The only room with SQL: one file for each aggregate, two entry points ([`Db::read`] and [`Db::write`]).
//!
//! Every closure runs on a blocking thread with one connection of a bounded pool. A write is one transaction, which
//! is repeated when the database requires it (serialization failure, deadlock, busy).

pub mod backup;
pub mod blobs;
pub mod cached_images;
pub mod check;
mod client_file;
mod conn;
mod connection;
pub mod consumers;
mod counted;
mod dialect;
mod error;
pub mod events;
pub mod families;
pub mod figures;
pub mod glance;
pub mod gone_servers;
pub mod identity;
pub mod image_creations;
pub mod image_dates;
pub mod image_downloads;
mod image_parts;
pub mod image_slugs;
pub mod images;
mod images_filter;
pub mod images_page;
pub mod images_seen;
mod job_rows;
pub mod jobs;
mod keyset;
mod lane;
pub mod ledger;
mod limits;
mod location_urls;
pub mod media_groups;
pub mod members;
pub mod metadefs;
mod migrate;
pub mod nodes;
pub mod notices;
mod patience;
pub mod placement;
pub mod project_limits;
pub mod purge;
pub mod quarantine;
pub mod queued;
pub mod quota;
mod rehearse;
pub mod retention;
pub mod rows;
pub mod schema;
mod schema_notices;
mod schema_of_lives;
mod schema_webhooks;
pub mod sealing_keys;
mod settings;
mod sort_keys;
pub mod staging_places;
pub mod statement;
pub mod storages;
pub mod stored;
pub mod stores;
pub mod tasks;
pub mod trash;
pub mod unified;
pub mod unprotected;
pub mod uploads;
pub(crate) mod url;
mod url_crypt;
pub mod usage;
pub mod usage_check;
pub mod usage_report;
mod usage_tables;
mod watch;
pub mod webhooks;

use std::{sync::Arc, time::Duration};

use connection::Session;
use counted::counted;
use lane::{Opener, Pooled, Seat};
use patience::patiently;
use url::Place;
use watch::Watch;

use crate::model::{clock::Clock, notice::Notices};

pub use conn::Conn;
pub use error::{DbError, DbResult, Key};
pub use limits::Limits;
pub use migrate::{Phase, Schema, SchemaError};
pub use settings::{IN_MEMORY, Sessions, Settings, SqlMode, Start};
pub use url_crypt::{LocationKey, opened as opened_url};

/// The database: a bounded pool behind two doors. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    watch: Arc<Watch>,
    limits: Limits,
    /// What OpenTelemetry calls its kind.
    system: &'static str,
    /// For how long work that must not be lost waits.
    patience: Duration,
    /// The time that rows are stamped with, and that everybody who has the database goes by.
    pub clock: Clock,
    /// Who is told of changes.
    pub notices: Notices,
    /// `metadata_encryption_key`: encrypts the URLs of locations in rows.
    pub location_key: Option<Arc<LocationKey>>,
}

impl Db {
    /// The database of `settings`, to which no connection is made yet.
    ///
    /// # Errors
    /// A sentence saying what is wrong with the address.
    pub fn new(settings: &Settings) -> std::result::Result<Self, String> {
        let place = Place::parse(&settings.connection)?;
        let lasting = settings.is_in_memory();
        let kept = settings.max_pool_size.max(1);
        let (size, kept) = if lasting { (1, 1) } else { (kept.saturating_add(settings.max_overflow), kept) };
        let sessions = match lasting {
            true => Sessions { recycle_seconds: None, ..settings.sessions.clone() },
            false => settings.sessions.clone(),
        };
        let system = counted::system(&place);
        let watch = Watch::new(Opener { place, limits: settings.limits, size, kept, lasting, sessions });
        let patience = Duration::from_secs(settings.pool_timeout_seconds.max(1));
        let (limits, clock, notices) = (settings.limits, Clock::default(), Notices::default());
        Ok(Self { watch: Arc::new(watch), limits, system, patience, clock, notices, location_key: None })
    }

    /// Opens the pool and a first connection, for which it waits as work does that must not be lost. Blocking.
    ///
    /// # Errors
    /// A sentence saying why the database cannot be reached.
    pub fn open(settings: &Settings) -> std::result::Result<Self, String> {
        let db = Self::new(settings)?;
        let first = db.watch.lane().connection(db.patience);
        drop(first.map_err(|e| settings.cannot_be_opened(e))?);
        Ok(db)
    }

    /// Asks the database on a connection of its own whether it is there. Blocking, as long as the client library likes.
    ///
    /// # Errors
    /// Why it is not, in its own words.
    pub fn ask(&self) -> std::result::Result<(), String> {
        self.watch.ask()
    }

    /// Whether the database answered when it was last called or probed. Never waits: if it has answered nobody since
    /// the last call, a probe is started, for the next caller. Call it on a runtime.
    pub fn is_there(&self) -> bool {
        self.watch.look();
        self.watch.admit().is_ok()
    }

    /// Whether the last probe failed.
    pub fn is_away(&self) -> bool {
        self.watch.is_away()
    }

    /// Applies the migrations of a phase that are missing, and names them. Several processes may do so at once. Blocking.
    ///
    /// # Errors
    /// [`SchemaError`]; in particular when the database is from a newer version.
    pub fn migrate(&self, phase: Phase) -> std::result::Result<Vec<String>, SchemaError> {
        migrate::run(&mut *self.connection()?, phase)
    }

    /// Applies the migrations up to a version to an empty database. Blocking.
    ///
    /// # Errors
    /// [`SchemaError`]; in particular when this binary does not know the version.
    pub fn migrate_to(&self, version: &str) -> std::result::Result<(), SchemaError> {
        migrate::run_to(&mut *self.connection()?, version)
    }

    /// Compares the schema with the one that this binary works on; changes nothing. Blocking.
    ///
    /// # Errors
    /// [`SchemaError::Failed`] when the database does not answer.
    pub fn schema(&self) -> std::result::Result<Schema, SchemaError> {
        migrate::compare(&mut *self.connection()?)
    }

    /// The version of the schema: that of the latest migration applied. `None` when there is none. Blocking.
    ///
    /// # Errors
    /// [`SchemaError::Failed`] when the database does not answer.
    pub fn schema_version(&self) -> std::result::Result<Option<String>, SchemaError> {
        Ok(migrate::applied(&mut *self.connection()?)?.pop())
    }

    /// Drops the indexes for sorted lists, before a table is filled. Lists are slow until [`Db::order_lists`] has run.
    /// Blocking.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn forget_orders(&self) -> DbResult<()> {
        sort_keys::lay_aside(&mut *self.watch.lane().connection(self.patience)?)
    }

    /// Makes those of these indexes that are missing. Blocking.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn order_lists(&self) -> DbResult<()> {
        sort_keys::make(&mut *self.watch.lane().connection(self.patience)?)
    }

    fn connection(&self) -> std::result::Result<Pooled, SchemaError> {
        self.watch.lane().connection(self.patience).map_err(|e| SchemaError::Failed(e.to_string()))
    }

    /// Runs `query` on one connection, all of it on one state of the database. `name` goes into logs.
    ///
    /// # Errors
    /// What the closure answers, or [`DbError::Unavailable`].
    pub async fn read<T, F>(&self, name: &'static str, query: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let seat = self.seat(false).await?;
        let work = self.work(name, seat, move |session| session.read(|conn| query(conn)));
        self.watch.guard(self.limits.answer(), work).await?
    }

    /// As [`Db::read_kept`], for what is one statement, and needs no transaction to see one state of the database.
    ///
    /// # Errors
    /// What the closure answers, or [`DbError::Unavailable`].
    pub async fn read_one<T, F>(&self, name: &'static str, question: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let seat = self.seat(false).await?;
        let work = self.work(name, seat, move |session| session.read_one(|conn| question(conn)));
        self.watch.guard(self.limits.answer(), work).await?
    }

    /// Like [`Db::read`], for prepared statements with plans for any values: the database does not plan them again.
    ///
    /// # Errors
    /// What the closure answers, or [`DbError::Unavailable`].
    pub async fn read_kept<T, F>(&self, name: &'static str, query: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let seat = self.seat(false).await?;
        let work = self.work(name, seat, move |session| session.read_kept(|conn| query(conn)));
        self.watch.guard(self.limits.answer(), work).await?
    }

    /// Runs `change` in one transaction; it may run several times, so it must depend on nothing but its
    /// input and the database.
    ///
    /// # Errors
    /// What the closure answers, or [`DbError::Unavailable`]; the change may have been made then.
    pub async fn write<T, F>(&self, name: &'static str, change: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let seat = self.seat(true).await?;
        let work = self.work(name, seat, move |session| session.write(|conn| change(conn)));
        self.watch.guard(self.limits.answer(), work).await?
    }

    /// As [`Db::read`], for the end of long work, which must not be lost because the database is away for a moment.
    ///
    /// # Errors
    /// What the closure answers, or [`DbError::Unavailable`].
    pub async fn read_patiently<T, F>(&self, name: &'static str, query: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + Sync + 'static,
    {
        self.insist(name, false, move |session| session.read(|conn| query(conn))).await
    }

    /// As [`Db::write`], likewise.
    ///
    /// # Errors
    /// What the closure answers, or [`DbError::Unavailable`]; the change may have been made then.
    pub async fn write_patiently<T, F>(&self, name: &'static str, change: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + Sync + 'static,
    {
        self.insist(name, true, move |session| session.write(|conn| change(conn))).await
    }

    /// Waits for the database, a seat, a connection, and then for the answer.
    async fn insist<T: Send + 'static>(
        &self,
        name: &'static str,
        writes: bool,
        transaction: impl Fn(&mut Session) -> DbResult<T> + Send + Sync + 'static,
    ) -> DbResult<T> {
        let transaction = Arc::new(transaction);
        let tries = async {
            loop {
                self.watch.return_of_the_database().await;
                // A lane is closed when the database goes away.
                let Some(seat) = self.watch.lane().seat(writes).await else { continue };
                let transaction = Arc::clone(&transaction);
                match self.work(name, seat, move |session| transaction(session)).await {
                    Err(DbError::Unreached(_)) => {
                        self.watch.suspect();
                        tokio::time::sleep(watch::PAUSE).await;
                    }
                    other => return other,
                }
            }
        };
        tokio::time::timeout(self.patience, tries).await.unwrap_or_else(|_| {
            Err(DbError::Unavailable(format!("no answer in {} seconds", self.patience.as_secs())))
        })
    }

    /// Runs `query` on one connection and one consistent state of the database, on the current thread and without a
    /// time limit.
    ///
    /// # Errors
    /// What the closure answers.
    pub fn read_blocking<T>(&self, query: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        let mut session = self.watch.lane().connection(self.patience)?;
        session.lift_limits()?;
        location_urls::with(self.location_key.clone(), || session.read(query))
    }

    /// Runs `change` in one transaction on the present thread, for the time before the server starts.
    ///
    /// # Errors
    /// What the closure answers.
    pub fn write_blocking<T>(&self, change: impl Fn(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        let mut session = self.watch.lane().connection(self.patience)?;
        location_urls::with(self.location_key.clone(), || session.write(|conn| change(conn)))
    }

    async fn seat(&self, writes: bool) -> DbResult<Seat> {
        let seat = self.watch.guard(self.limits.line(), self.watch.lane().seat(writes)).await?;
        seat.ok_or_else(|| DbError::Unavailable("it went away".to_owned()))
    }

    /// Does the work of one transaction on a thread, which has the seat until it is done, those who wait for it.
    async fn work<T: Send + 'static>(
        &self,
        name: &'static str,
        seat: Seat,
        transaction: impl Fn(&mut Session) -> DbResult<T> + Send + 'static,
    ) -> DbResult<T> {
        let (watch, limits, key) = (Arc::clone(&self.watch), self.limits, self.location_key.clone());
        counted(name, self.system, move || {
            let tries = || patiently(name, || transaction(&mut *seat.connection(limits)?));
            let result = location_urls::with(key, tries);
            if !matches!(result, Err(DbError::Unreached(_) | DbError::Unavailable(_) | DbError::Retry(_))) {
                watch.answered();
            }
            result
        })
        .await
    }
}
