//! Assembles the service: opens the database and the stores, starts the API and the jobs, stops cleanly.

mod awaited;
pub mod database;
mod error;
mod folder;
pub mod handles;
mod hangup;
mod http;
mod identity;
mod inherited;
pub mod limits;
mod listeners;
mod node;
mod options;
mod stop;
pub mod stores;
pub mod supervisor;
mod traces;

use std::{fs::File, sync::Arc, time::Duration};

use actix_web::web::Data;

pub use error::{StartError, runtime};
pub use options::{IdentityChoice, LimitsChoice, Options, Reread};

use error::failed;
use http::Http;
use supervisor::{SERVING, Supervisor, Word};
use traces::Traces;

use crate::{
    api,
    app::App,
    blob::{Blobs, Leases, Transfers},
    cache::Cache,
    db::{self, Db},
    identity::builtin::Builtin,
    image::Images,
    import::{
        Imports, Shares,
        confine::{Confinement, inside},
        settings::Plugin,
    },
    jobs::Jobs,
    key_manager::KeyManager,
    metadef,
    model::{caller::Caller, image::Image, node::Node, notice::Notices, time::Timestamp},
    notify::{audit::Audit, bus::Bus},
    outbound::Fetcher,
    policy::Enforcer,
    reconcile, storage,
    store::{Stores, staging::Staging},
    work::{endings::Endings, queue::Queue, seal::Seals},
};

/// How long a server that is to stop at once may take to give back its leases.
const HURRY: Duration = Duration::from_secs(2);

/// How a server has come to its end.
enum Ended {
    /// What was under way is finished.
    Finished,
    /// It was told not to wait for that.
    CutOff,
}

/// A server that is ready to run.
pub struct Server {
    app: Arc<App>,
    state: Data<api::State>,
    builtin: Option<Builtin>,
    here: Node,
    http: Http,
    traces: Traces,
    reread: Option<Reread>,
    /// What ends it at a signal until it serves.
    starting: Option<awaited::Starting>,
    /// Held for as long as the process runs: two servers on one folder would fight.
    _lock: File,
}

impl Server {
    /// Opens everything. Blocking.
    ///
    /// # Errors
    /// [`StartError`], which says what is wrong and what to do.
    pub fn open(options: &Options) -> Result<Self, StartError> {
        let bounds = limits::connections(&options.api, limits::descriptors());
        let options = &Options { transfers: limits::transfers(options.transfers, bounds), ..options.clone() };
        let lock = folder::lock(&options.data_dir)?;
        let http = Http::open(options, bounds)?;
        // Nobody else has a database in memory.
        let embedded = options.database.as_ref().is_none_or(db::Settings::is_in_memory);
        let place = awaited::Place::of(&http.listeners, bounds, &options.api);
        let (mut db, starting) = database::open_at(place, options)?;
        // It may have been ready while it waited for its database.
        Supervisor::of_process().tell(Word::Alive);
        db.notices = Notices::new(options.notifying.notices.clone());
        db.location_key.clone_from(&options.location_key);
        if embedded {
            metadef::catalogue::seed(&db).map_err(|e| failed("the metadata definitions", e))?;
        }
        let stores = stores::open(&options.stores, &options.data_dir, &options.imports)?;
        let staging = stores::staging_folder(&options.stores, &options.data_dir);
        let staging = Staging::open(&staging).map_err(|e| failed("the staging folder cannot be used", e))?;
        warn_of_former_stores(&db, &stores)?;
        warn_of_sealed_locations(&db)?;
        let cache = options.cache.clone().map(|settings| Cache::open(settings, db.clone()).map(Arc::new));
        let cache = cache.transpose().map_err(|e| failed("the image cache cannot be used", e))?;
        let policy = Arc::new(Enforcer::new(options.policy.clone()).map_err(|e| StartError(e.to_string()))?);
        let (protections, settings) = (options.protections.clone(), options.image.clone());
        let declarations = options.declarations.as_ref();
        let images =
            handles::images(db.clone(), stores, Arc::clone(&policy), protections, settings, declarations)?;
        let images = Images {
            unified: identity::limits(&options.limits, &db),
            key_manager: key_manager(options)?,
            ..images
        };
        check_confinement(options)?;
        let (imports, opener) = (assemble(images, staging, options), stores::opener(options));
        let app = App {
            bus: options.notifying.bus.clone().map(|settings| Bus::new(db.clone(), settings)),
            audit: options.notifying.audit.clone().map(|place| Audit::new(db, place)),
            ..App::new(imports, cache, policy, opener, (options.jobs, options.usage))
        };
        let traces = Traces::open(options.traces.as_ref(), &app.leases().node)?;
        let app = Arc::new(app.traced(traces.tracer.clone()));
        if embedded {
            end_leases(&app).map_err(|e| failed("the database", e))?;
        }
        let address = http.address().map_err(|e| failed("cannot listen", e))?;
        let (identity, builtin) = identity::open(options, (http.scheme(), address), &app.db)?;
        let state = Data::new(api::State {
            app: Arc::clone(&app),
            identity,
            settings: options.api.clone(),
            mounts: api::mounts(
                builtin.as_ref().map(|builtin| builtin.settings.prefix.as_str()),
                !options.api.metrics_networks.is_empty(),
            ),
            gate: api::Gate::new(bounds),
            counted: api::Counted::default(),
            health: api::health::Health::new(options.api.health.clone()),
        });
        let here = node::describe(options, &app.leases().node, address, &app.policy, app.db.clock.now());
        node::enter(&app.db, &here)?;
        let reread = options.reread.clone();
        Ok(Self { app, state, builtin, here, http, traces, reread, starting, _lock: lock })
    }

    /// The first address in the network on which it listens, with the actual port if port 0 was requested.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.http.address()
    }

    /// The domain, for tests that look behind the API.
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// The JSON of the images of a page, for benches.
    ///
    /// # Errors
    /// Only those of the writer of JSON.
    pub fn rendered(&self, caller: &Caller, images: &[Image]) -> serde_json::Result<String> {
        api::rendered(&self.state, caller, images)
    }

    /// As [`Server::run`], for a caller without a runtime.
    ///
    /// # Errors
    /// [`StartError`] when the listener fails.
    pub fn run_blocking(self) -> Result<(), StartError> {
        let db = self.app.db.clone();
        let system = actix_web::rt::System::new();
        let ended = system.block_on(self.serve(true, std::future::pending()));
        if db.is_away() || matches!(ended, Ok(Ended::CutOff)) {
            // The end of a runtime waits for its threads, and those that hang on the database never come.
            std::mem::forget(system);
        }
        ended.map(drop)
    }

    /// Serves until SIGTERM, then drains, finishes what is under way and stops; at once at SIGINT, SIGQUIT or a second signal.
    ///
    /// # Errors
    /// [`StartError`] when the listener fails.
    pub async fn run(self) -> Result<(), StartError> {
        self.serve(true, std::future::pending()).await.map(drop)
    }

    /// Serves until `stop` is ready, then drains and stops as at SIGTERM; leaves the signals of the process alone.
    ///
    /// # Errors
    /// [`StartError`] when the listener fails.
    pub async fn run_until(self, stop: impl Future<Output = ()> + 'static) -> Result<(), StartError> {
        self.serve(false, stop).await.map(drop)
    }

    async fn serve(self, signals: bool, stop: impl Future<Output = ()>) -> Result<Ended, StartError> {
        let Self { app, state, builtin, here, http, traces, reread, starting, _lock } = self;
        let mut stopper = stop::Stopper::new(signals, stop)?;
        let supervisor = if signals { Supervisor::of_process() } else { Supervisor::default() };
        supervisor.tell(Word::Alive);
        // Data in storages is served from the first request on.
        if let Err(error) = storage::refresh::refresh(&app.storages).await {
            tracing::warn!(%error, "the storages of the database are not known yet");
        }
        supervisor.tell(Word::Alive);
        let traces = traces.start();
        let jobs = Jobs::start(&app, here);
        let housekeeping =
            builtin.clone().map(|builtin| crate::telemetry::spawn(identity::keep_house(builtin)));
        let (tls, policy) = (http.tls(), Arc::clone(&app.policy));
        let hangup = hangup::Hangup { tls, policy, reread, supervisor: supervisor.clone() };
        let hangup = if signals { Some(crate::telemetry::spawn(hangup.obey()?)) } else { None };
        let watching = http.tls().map(|tls| crate::telemetry::spawn(tls.watch()));
        let unheard = |e| failed("cannot listen", e);
        let (ears, files) = (http.ears().map_err(unheard)?, http.files());
        let http = http.start(state.clone(), builtin).map_err(unheard)?;
        let handle = http.handle();
        drop(starting);
        supervisor.tell(Word::Ready(SERVING));
        crate::telemetry::spawn(supervisor.clone().keep_telling());
        let tell = || {
            supervisor.tell(Word::Stopping);
            node::drains(&app.db, &app.leases().node);
        };
        let mut ended = tokio::select! {
            ended = http => ended.map(|()| Ended::Finished).map_err(|e| failed("the server failed", e))?,
            () = stopper.stop((&state.health, tell), state.settings.drain_seconds, ears, handle) => Ended::CutOff,
        };
        listeners::forget(&files);
        for task in [housekeeping, watching, hangup].into_iter().flatten() {
            task.abort();
        }
        let mut rest = std::pin::pin!(async {
            give_back(&app, jobs).await;
            traces.finish().await;
        });
        if matches!(ended, Ended::Finished) {
            tokio::select! {
                () = &mut rest => return Ok(ended),
                () = stopper.again() => ended = Ended::CutOff,
            }
        }
        if tokio::time::timeout(HURRY, rest).await.is_err() {
            tracing::warn!("leases were not given back in time; they run out by themselves");
        }
        Ok(ended)
    }
}

/// Ends the leases of those who died. The lock on the folder says that nobody else writes: what a killed server left can
/// go at once.
fn end_leases(app: &App) -> db::DbResult<()> {
    let node = app.leases().node.clone();
    app.db.write_blocking(|conn| {
        db::jobs::end_other_leases(conn, &node)?;
        db::notices::end_leases(conn)?;
        db::blobs::end_leases(conn).map(drop)
    })
}

/// Ends the work that no request waits for, and lets others have what this node held.
async fn give_back(app: &App, jobs: Jobs) {
    jobs.stop().await;
    let (node, holders) = (app.leases().node.clone(), app.leases().holders());
    let ended = app
        .db
        .write("server.end_leases", move |conn| {
            db::jobs::end_leases(conn, &node)?;
            db::nodes::leave(conn, &node)?;
            db::blobs::set_leases(conn, &holders, Timestamp(0))
        })
        .await;
    if let Err(error) = ended {
        tracing::warn!(%error, "leases could not be given back; they run out by themselves");
    }
}

/// Puts the rooms above the images together, under a fresh node name.
fn assemble(images: Images, staging: Staging, options: &Options) -> Imports {
    let leases = Leases::new(options.jobs.lease_seconds, images.db.clock.clone());
    let settings = Arc::new(options.imports.clone());
    Imports {
        blobs: Blobs {
            images: images.clone(),
            staging,
            leases,
            transfers: Transfers::new(options.transfers),
        },
        queue: Queue { db: images.db.clone(), enqueued: Arc::default(), endings: Endings::default() },
        fetcher: Fetcher::new(settings.filter.clone(), settings.patience),
        seals: Seals::new(images.db.clone()),
        images,
        shares: Shares::new(&settings),
        settings,
    }
}

fn key_manager(options: &Options) -> Result<KeyManager, StartError> {
    KeyManager::open(options.key_manager.clone()).map_err(|e| StartError(e.to_string()))
}

/// Whether the kernel can confine the converter, where there is work for one.
fn check_confinement(options: &Options) -> Result<(), StartError> {
    let of_stores = options.stores.list.iter().any(|store| store.disk_format.is_some());
    if !of_stores && !options.imports.plugins.contains(&Plugin::Conversion) {
        return Ok(());
    }
    match (inside::available(), options.imports.confinement) {
        (Ok(()), _) => Ok(()),
        (Err(why), Confinement::Wanted) => {
            tracing::warn!(
                why,
                "the kernel cannot confine the converter; it runs with more rights than it needs"
            );
            Ok(())
        }
        (Err(why), Confinement::Required) => Err(failed(
            if of_stores { "vitrine_disk_format" } else { "image_conversion" },
            format!(
                "the kernel cannot confine the converter: {why}. Use Linux 5.13 or later with Landlock, or set \
                 [vitrine] converter_confinement = wanted"
            ),
        )),
    }
}

/// Another node may have the stores that this one does not know, so nothing is changed.
fn warn_of_former_stores(db: &Db, stores: &Stores) -> Result<(), StartError> {
    for (store, locations) in reconcile::former_ids(db, stores).map_err(|e| failed("the database", e))? {
        tracing::warn!(
            store,
            locations,
            "images have data in a store that is not configured here; it is read where another store has its URL, and \
             deleted by nodes that know the store. If it was renamed, run `vitrine store adopt --from {store}`"
        );
    }
    Ok(())
}

/// Has the log say when the key of locations is not the one that they were encrypted with.
fn warn_of_sealed_locations(db: &Db) -> Result<(), StartError> {
    let (sealed, all) =
        db.read_blocking(db::check::sealed_of_some).map_err(|e| failed("the database", e.to_string()))?;
    if sealed > 0 {
        tracing::error!(
            "{sealed} of {all} locations cannot be decrypted with the metadata_encryption_key; data that is nowhere else \
             is not served. `vitrine check` names them"
        );
    }
    Ok(())
}
