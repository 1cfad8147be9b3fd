//! Puts the house together: opens the database and the stores, starts the API and the jobs, stops cleanly.

pub mod database;
mod node;
pub mod stores;

use std::{
    fs::{self, File, TryLockError},
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    App as ActixApp, HttpServer,
    http::KeepAlive,
    web::{Data, ServiceConfig},
};

use tokio::sync::{Notify, Semaphore};

use crate::{
    access::{Access, protection::Protections},
    api,
    app::App,
    blob::{Blobs, Lease},
    cache::{self, Cache},
    config,
    db::{self, Db},
    identity::{
        Identity, Unauthenticated,
        builtin::{self, Builtin},
    },
    image::{self, Images},
    import::{self, Imports},
    jobs::Jobs,
    metadef,
    model::{image_schema::ImageSchema, node::Node, time::Timestamp},
    outbound::Fetcher,
    policy::{self, Enforcer},
    reconcile,
    store::{Stores, staging::Staging},
    work::{self, queue::Queue},
};

/// Uploads that one process receives at once; more wait. Each holds up to four blocking threads.
const UPLOADS_AT_ONCE: usize = 64;

/// Which identity service tells who is calling.
#[derive(Clone)]
pub enum IdentityChoice {
    /// The one that Vitrine brings along, at `/identity/v3`.
    Builtin(builtin::Settings),
    /// None: every caller is an admin without a project.
    Nobody,
    /// One that the embedder brings along; tests do.
    Given(Arc<dyn Identity>),
}

/// What `serve` is told.
#[derive(Clone)]
pub struct Options {
    /// Folder of everything that this server keeps for itself.
    pub data_dir: PathBuf,
    /// `ADDRESS:PORT` to listen on.
    pub bind: String,
    /// Database, when it is not the embedded one.
    pub database: Option<db::Settings>,
    /// The stores; a folder of images that is not named is the embedded one.
    pub stores: config::Stores,
    /// Threads that serve requests; `None` is one for each processor.
    pub workers: Option<usize>,
    /// Whether a connection may carry several requests.
    pub keep_alive: bool,
    /// The image cache, if there is one.
    pub cache: Option<cache::Settings>,
    /// The operator's settings about images.
    pub image: image::Settings,
    /// The operator's settings about imports.
    pub imports: import::Settings,
    /// The operator's settings about jobs.
    pub jobs: work::Settings,
    /// The operator's settings about HTTP.
    pub api: api::Settings,
    /// Who may do what.
    pub policy: policy::Settings,
    /// Who may touch which property; `None` protects nothing.
    pub protections: Option<Protections>,
    /// The declarations of `schema-image.json`; `None` are the ones shipped with the server.
    pub declarations: Option<serde_json::Value>,
    /// Who tells who is calling.
    pub identity: IdentityChoice,
}

impl Options {
    /// The embedded default: SQLite and a folder of images below `data_dir`.
    pub fn embedded(data_dir: PathBuf, bind: String) -> Self {
        Self {
            data_dir,
            bind,
            database: None,
            stores: config::Stores::default(),
            workers: None,
            keep_alive: true,
            cache: None,
            image: image::Settings::default(),
            imports: import::Settings::default(),
            jobs: work::Settings::default(),
            api: api::Settings::default(),
            policy: policy::Settings::default(),
            protections: None,
            declarations: None,
            identity: IdentityChoice::Builtin(builtin::Settings::default()),
        }
    }
}

/// Why the server does not start, in a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

fn failed(what: &str, reason: impl std::fmt::Display) -> StartError {
    StartError(format!("{what}: {reason}"))
}

/// A server that is ready to run.
pub struct Server {
    app: Arc<App>,
    state: Data<api::State>,
    builtin: Option<Builtin>,
    here: Node,
    listener: TcpListener,
    workers: Option<usize>,
    keep_alive: bool,
    /// Held for as long as the process runs: two servers on one folder would fight.
    _lock: File,
}

impl Server {
    /// Opens everything. Blocking.
    ///
    /// # Errors
    /// [`StartError`], which says what is wrong and what to do.
    pub fn open(options: &Options) -> Result<Self, StartError> {
        let lock = lock_folder(&options.data_dir)?;
        let listener = TcpListener::bind(&options.bind).map_err(|e| {
            failed(
                &format!("cannot listen on {}", options.bind),
                format!("{e}. Stop the other program or choose another place with --bind ADDRESS:PORT"),
            )
        })?;
        // Nobody else has a database in memory.
        let embedded = options.database.as_ref().is_none_or(db::Settings::is_in_memory);
        let db = database::open(options.database.as_ref(), &options.data_dir)?;
        if embedded {
            metadef::catalogue::seed(&db).map_err(|e| failed("the metadata definitions", e))?;
        }
        let stores = stores::open(&options.stores, &options.data_dir)?;
        let staging = stores::staging_folder(&options.stores, &options.data_dir);
        let staging = Staging::open(&staging).map_err(|e| failed("the staging folder cannot be used", e))?;
        warn_of_former_stores(&db, &stores)?;
        let settings = options.image.clone();
        let schema = ImageSchema::new(
            &settings.container_formats,
            &settings.disk_formats,
            options.declarations.as_ref(),
        )
        .map_err(|e| failed("the image schema", e))?;
        let cache = options.cache.clone().map(|settings| Cache::open(settings, db.clone()).map(Arc::new));
        let cache = cache.transpose().map_err(|e| failed("the image cache cannot be used", e))?;
        let policy = Enforcer::new(options.policy.clone()).map_err(|e| StartError(e.to_string()))?;
        let policy = Arc::new(policy);
        let images = Images {
            db: db.clone(),
            stores: Arc::new(stores),
            access: Access::new(Arc::clone(&policy), options.protections.clone()),
            settings: Arc::new(settings),
            schema: Arc::new(schema),
            doomed: Arc::new(Notify::new()),
        };
        let imports = assemble(images, staging, options);
        let app = Arc::new(App::new(imports, cache, policy, options.jobs));
        if embedded {
            // The lock on the folder says that nobody else writes: what a killed server left can go at once.
            let node = app.lease().node.clone();
            app.db
                .write_blocking(|conn| {
                    db::jobs::end_other_leases(conn, &node)?;
                    db::blobs::end_other_leases(conn, &node)
                })
                .map_err(|e| failed("the database", e))?;
        }
        let address = listener.local_addr().map_err(|e| failed("cannot listen", e))?;
        let mut embedded_identity = None;
        let identity: Arc<dyn Identity> = match &options.identity {
            IdentityChoice::Builtin(settings) => {
                let builtin = open_builtin(settings, &options.data_dir, address, &app.db)?;
                embedded_identity = Some(builtin.clone());
                Arc::new(builtin)
            }
            IdentityChoice::Nobody => Arc::new(Unauthenticated),
            IdentityChoice::Given(identity) => Arc::clone(identity),
        };
        let state = Data::new(api::State {
            app: Arc::clone(&app),
            identity,
            settings: options.api.clone(),
            mounts: api::Mounts::new(
                embedded_identity.as_ref().map(|builtin| builtin.settings.prefix.as_str()),
            ),
        });
        let here = node::describe(options, &app.lease().node, address, &app.policy);
        node::enter(&app.db, &here)?;
        let (workers, keep_alive) = (options.workers, options.keep_alive);
        Ok(Self { app, state, builtin: embedded_identity, here, listener, workers, keep_alive, _lock: lock })
    }

    /// Where it listens; tells the port when port 0 was asked for.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// The domain, for tests that look behind the API.
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// As [`Server::run`], for a caller without a runtime.
    ///
    /// # Errors
    /// [`StartError`] when the listener fails.
    pub fn run_blocking(self) -> Result<(), StartError> {
        actix_web::rt::System::new().block_on(self.run())
    }

    /// Serves until SIGTERM or SIGINT, then finishes what is under way.
    ///
    /// # Errors
    /// [`StartError`] when the listener fails.
    pub async fn run(self) -> Result<(), StartError> {
        self.serve(true, std::future::pending()).await
    }

    /// Serves until `stop` is ready, then finishes what is under way; leaves the signals of the process alone.
    ///
    /// # Errors
    /// [`StartError`] when the listener fails.
    pub async fn run_until(self, stop: impl Future<Output = ()> + 'static) -> Result<(), StartError> {
        self.serve(false, stop).await
    }

    async fn serve(self, signals: bool, stop: impl Future<Output = ()> + 'static) -> Result<(), StartError> {
        let Self { app, state, builtin, here, listener, workers, keep_alive, _lock } = self;
        let jobs = Jobs::start(&app, here);
        let housekeeping = builtin.clone().map(|builtin| crate::telemetry::spawn(keep_house(builtin)));
        let shutdown = state.settings.shutdown_seconds;
        let mut http = HttpServer::new(move || {
            let identity = builtin.clone().map(Data::new);
            let mounts = state.mounts.clone();
            let configure = move |config: &mut ServiceConfig| {
                if let Some(identity) = identity {
                    config.app_data(identity);
                }
                mounts.configure(config);
            };
            let app = ActixApp::new().app_data(state.clone()).configure(configure);
            api::layers(app, state.settings.gzip)
        })
        .shutdown_timeout(shutdown)
        .worker_max_blocking_threads(512)
        .client_request_timeout(Duration::from_secs(60));
        if let Some(workers) = workers {
            http = http.workers(workers);
        }
        if !keep_alive {
            http = http.keep_alive(KeepAlive::Disabled);
        }
        if !signals {
            http = http.disable_signals();
        }
        let http = http.listen(listener).map_err(|e| failed("cannot listen", e))?.run();
        let handle = http.handle();
        let stopper = crate::telemetry::spawn_local(async move {
            stop.await;
            handle.stop(true).await;
        });
        http.await.map_err(|e| failed("the server failed", e))?;
        stopper.abort();
        if let Some(housekeeping) = housekeeping {
            housekeeping.abort();
        }
        jobs.stop().await;
        let node = app.lease().node.clone();
        let ended = app
            .db
            .write("server.end_leases", move |conn| {
                db::jobs::end_leases(conn, &node)?;
                db::nodes::leave(conn, &node)?;
                db::blobs::end_leases(conn, &node)
            })
            .await;
        if let Err(error) = ended {
            tracing::warn!(%error, "leases could not be given back; they run out by themselves");
        }
        Ok(())
    }
}

/// Puts the rooms above the images together, under a fresh node name.
fn assemble(images: Images, staging: Staging, options: &Options) -> Imports {
    let lease = Lease { node: uuid::Uuid::new_v4().to_string(), seconds: options.jobs.lease_seconds };
    let settings = Arc::new(options.imports.clone());
    Imports {
        blobs: Blobs {
            images: images.clone(),
            staging,
            lease,
            uploads: Arc::new(Semaphore::new(UPLOADS_AT_ONCE)),
        },
        queue: Queue { db: images.db.clone(), enqueued: Arc::new(Notify::new()) },
        fetcher: Fetcher::new(settings.filter.clone(), settings.patience),
        images,
        settings,
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

/// A runtime for what runs before the server, or without one.
///
/// # Errors
/// [`StartError`] when the operating system gives it nothing to wait with.
pub fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(|e| failed("cannot start", e))
}

/// Opens the built-in identity; the first start makes its users and a `clouds.yaml` for them.
fn open_builtin(
    settings: &builtin::Settings,
    data_dir: &Path,
    address: SocketAddr,
    db: &Db,
) -> Result<Builtin, StartError> {
    let settings = builtin::Settings { data_dir: data_dir.to_owned(), ..settings.clone() };
    let builtin = Builtin::open(settings, db.clone()).map_err(|e| failed("the built-in identity", e))?;
    let host = match address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    let own_url = format!("http://{host}:{}", address.port());
    let base = builtin.settings.public_endpoint.clone().unwrap_or(own_url);
    let (prefix, region) = (builtin.settings.prefix.clone(), builtin.settings.region.clone());
    let path = data_dir.join("clouds.yaml");
    let (target, url) = (path.clone(), base.clone());
    let keep = move |passwords: &builtin::bootstrap::Passwords| {
        let text = builtin::clouds::render(&url, &prefix, &region, passwords);
        builtin::clouds::write(&target, &text).map_err(|e| format!("{}: {e}", target.display()))
    };
    let runtime = runtime()?;
    let first = runtime.block_on(builtin.bootstrap(keep)).map_err(|e| failed("the built-in identity", e))?;
    if first.is_none() && path.exists() {
        let auth_url = format!("{base}{}/v3", builtin.settings.prefix);
        builtin::clouds::follow(&path, &auth_url)
            .map_err(|e| failed(&format!("cannot update {}", path.display()), e))?;
    }
    let shown = path.canonicalize().unwrap_or(path);
    if !shown.exists() {
        // The node that made the users has their passwords.
        println!("Vitrine serves images at {base}.");
        return Ok(builtin);
    }
    println!("Vitrine serves images at {base}. To use it from another terminal:");
    println!("  export OS_CLIENT_CONFIG_FILE={}", shown.display());
    println!("  export OS_CLOUD=vitrine");
    println!("  openstack image list");
    Ok(builtin)
}

/// Looks once a minute for keys that other nodes have made; rotates them and forgets what no token needs once an hour.
async fn keep_house(builtin: Builtin) {
    let mut ticks = tokio::time::interval(Duration::from_secs(60));
    for minute in (0..60).cycle() {
        ticks.tick().await;
        let done =
            if minute == 0 { builtin.maintain(Timestamp::now()).await } else { builtin.reload_keys().await };
        if let Err(error) = done {
            tracing::error!(%error, "housekeeping of the built-in identity failed; it will be tried again");
        }
    }
}

/// Creates the data folder, readable by its owner only, and locks it for this process.
fn lock_folder(folder: &Path) -> Result<File, StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let shown = folder.display();
    let unusable = |e: std::io::Error| {
        failed(&format!("cannot use the data folder {shown}"), format!("{e}. Choose another with --data-dir"))
    };
    if !folder.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    }
    let lock = database::private_file(&folder.join("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError(format!(
            "another Vitrine uses the data folder {shown}; stop it or choose another with --data-dir"
        ))),
        Err(TryLockError::Error(e)) => Err(unusable(e)),
    }
}
