//! The connection of a store to its cluster: opened on demand, and reopened when the cluster has closed it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use super::{
    ceph::{Ceph, Cluster, Pool},
    failed::{classified, is_end_of_connection},
    options::Settings,
};
use crate::{
    store::{StoreError, StoreErrorKind, StoreResult},
    telemetry::crew::Crew,
};

/// How long Ceph may take for one answer, unless the operator says so.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a store waits for its cluster when it is opened; after that it is opened without.
const OPENING: Duration = Duration::from_secs(10);
/// For how long after a failure nobody tries to connect again.
const PAUSE: Duration = Duration::from_secs(2);
/// The id of a cluster that its configuration does not tell.
const NO_FSID: &str = "00000000-0000-0000-0000-000000000000";

/// What a store's connection is made of, and the pool once it is there.
pub(super) struct Link {
    ceph: &'static Ceph,
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pool: Option<Arc<Pool>>,
    failed: Option<(Instant, StoreErrorKind, String)>,
}

impl Link {
    /// Loads Ceph's libraries and reads its configuration.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self { ceph: Ceph::load()?, settings: settings.clone(), state: Mutex::default() })
    }

    /// The id of the cluster, as it or its configuration tells. A cluster that refuses us is a failure; one that does not
    /// answer may be back later.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn first(self: &Arc<Self>, crew: &Crew) -> Result<String, String> {
        let configured = self.configured().map_err(|error| error.to_string())?;
        let told = configured.option("fsid").ok().filter(|fsid| !fsid.is_empty() && fsid != NO_FSID);
        let (sender, connected) = mpsc::channel();
        let link = Arc::clone(self);
        crew.later(move || drop(sender.send(link.pool().map(drop))));
        let error = match connected.recv_timeout(OPENING) {
            Ok(Ok(())) => return self.fsid().map_err(|error| error.to_string()),
            Ok(Err(error)) if error.kind != StoreErrorKind::Unavailable => return Err(error.to_string()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the cluster did not answer within {} s", OPENING.as_secs()),
        };
        let fsid = told.ok_or_else(|| format!("{error}; and its configuration does not tell its fsid"))?;
        tracing::error!(error, "a store is opened although its cluster cannot be reached");
        Ok(fsid)
    }

    fn fsid(&self) -> io::Result<String> {
        match &self.state().pool {
            Some(pool) => pool.cluster().fsid(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> String {
        format!("pool {}", self.settings.pool)
    }

    /// The pool, connected. Blocking: those who come while it is being connected wait, and have the answer that comes
    /// then.
    pub(super) fn pool(&self) -> StoreResult<Arc<Pool>> {
        let began = Instant::now();
        let mut state = self.state();
        if let Some(pool) = &state.pool {
            return Ok(Arc::clone(pool));
        }
        if let Some((when, kind, text)) = &state.failed
            && (*when >= began || when.elapsed() < PAUSE)
        {
            return Err(StoreError::new(*kind, self.place(), text.clone()));
        }
        match self.connect() {
            Ok(pool) => {
                let pool = Arc::new(pool);
                *state = State { pool: Some(Arc::clone(&pool)), failed: None };
                Ok(pool)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.kind, error.source.to_string()));
                Err(error)
            }
        }
    }

    fn configured(&self) -> StoreResult<Cluster> {
        let Settings { user, conf, .. } = &self.settings;
        let shown =
            conf.as_ref().map_or("Ceph's configuration".to_owned(), |path| path.display().to_string());
        let cluster = Cluster::configured(self.ceph, user.as_deref(), conf.as_deref());
        let cluster = cluster.map_err(|error| classified(shown.clone(), error))?;
        self.bound(&cluster).map_err(|error| classified(shown, error))?;
        Ok(cluster)
    }

    /// Bounds what the cluster may take: without that, calls wait for ever. What we read ahead and write at once is ours
    /// to say, so that the library keeps no copies of it.
    fn bound(&self, cluster: &Cluster) -> io::Result<()> {
        let own = self.settings.timeout.unwrap_or(PATIENCE).as_secs().to_string();
        for option in ["rados_osd_op_timeout", "rados_mon_op_timeout"] {
            let configured = cluster.option(option)?.parse::<f64>().is_ok_and(|seconds| seconds > 0.0);
            if self.settings.timeout.is_some() || !configured {
                cluster.set(option, &own)?;
            }
        }
        cluster.set("client_mount_timeout", &own)?;
        // Calls that are given up before the library has looked for a newer map of the cluster would never find an OSD that
        // came back elsewhere.
        let seconds = own.parse::<f64>().unwrap_or_default();
        cluster.set("objecter_tick_interval", &(seconds / 8.0).min(5.0).to_string())?;
        cluster.set("objecter_timeout", &(seconds / 4.0).min(10.0).to_string())?;
        cluster.set("rbd_cache", "false")
    }

    fn connect(&self) -> StoreResult<Pool> {
        let cluster = self.configured()?;
        let user = self.settings.user.as_deref().unwrap_or("Ceph's default");
        cluster.connect().map_err(|error| {
            let text = format!("user {user} cannot connect to the cluster: {error}");
            // A key that is missing or wrong is no blob that is.
            let kind = match classified("", error).kind {
                StoreErrorKind::Unavailable => StoreErrorKind::Unavailable,
                _ => StoreErrorKind::Denied,
            };
            StoreError::new(kind, self.place(), text)
        })?;
        Pool::open(Arc::new(cluster), &self.settings.pool).map_err(|error| {
            let failed = classified(self.place(), error);
            match failed.kind {
                StoreErrorKind::NotFound => {
                    StoreError::new(StoreErrorKind::Gone, self.place(), "the cluster has no such pool")
                }
                _ => failed,
            }
        })
    }

    /// What a call's failure means. A connection that the cluster has ended is given up, by `crew`.
    pub(super) fn failed(&self, place: &str, error: io::Error, crew: &Crew) -> StoreError {
        if is_end_of_connection(&error) {
            tracing::warn!(place, %error, "the cluster closed the connection; it is opened again");
            self.let_go(crew);
        }
        classified(place, error)
    }

    /// Gives the connection up, which may take its time.
    pub(super) fn let_go(&self, crew: &Crew) {
        let pool = self.state().pool.take();
        crew.later(move || drop(pool));
    }
}
