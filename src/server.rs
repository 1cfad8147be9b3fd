//! Puts the house together: opens the database and the stores, starts the API and the jobs, stops cleanly.

use std::{
    fs::{self, File, TryLockError},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix_web::{App as ActixApp, HttpServer, http::KeepAlive, web::Data};

use crate::{
    api,
    app::App,
    config::{self, StoreKind},
    db::{self, Db},
    identity::{Identity, Unauthenticated},
    image::{self, protection::Protections},
    jobs::Jobs,
    model::image_schema::ImageSchema,
    policy::{self, Enforcer},
    store::{NamedStore, Store, Stores, file::FileStore, http::HttpStore},
};

/// Which identity service tells who is calling.
#[derive(Clone)]
pub enum IdentityChoice {
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
    /// The operator's settings about images.
    pub image: image::Settings,
    /// The operator's settings about HTTP.
    pub api: api::Settings,
    /// Who may do what.
    pub policy: policy::Settings,
    /// Who may touch which property; `None` protects nothing.
    pub protections: Option<Protections>,
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
            image: image::Settings::default(),
            api: api::Settings::default(),
            policy: policy::Settings::default(),
            protections: None,
            identity: IdentityChoice::Nobody,
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
        let embedded = options.database.is_none();
        let database = options.database.clone().unwrap_or_else(|| db::Settings {
            connection: format!("sqlite:{}", options.data_dir.join("vitrine.sqlite").display()),
            ..db::Settings::default()
        });
        let db = Db::open(&database).map_err(StartError)?;
        db.migrate().map_err(|e| StartError(e.to_string()))?;
        let stores = open_stores(options)?;
        let settings = options.image.clone();
        let schema = ImageSchema::new(&settings.container_formats, &settings.disk_formats, None)
            .map_err(|e| failed("the image schema", e))?;
        let policy = Enforcer::new(options.policy.clone()).map_err(|e| StartError(e.to_string()))?;
        let policy = Arc::new(policy);
        let app = Arc::new(App::new(db, stores, policy, options.protections.clone(), settings, schema));
        if embedded {
            // The lock on the folder says that nobody else writes: what a killed server left can go at once.
            let node = app.node.clone();
            app.db
                .write_blocking(|conn| {
                    db::jobs::end_leases(conn, &node, true)?;
                    db::blobs::end_other_leases(conn, &node)
                })
                .map_err(|e| failed("the database", e))?;
        }
        let identity: Arc<dyn Identity> = match &options.identity {
            IdentityChoice::Nobody => Arc::new(Unauthenticated),
            IdentityChoice::Given(identity) => Arc::clone(identity),
        };
        let state = Data::new(api::State { app: Arc::clone(&app), identity, settings: options.api.clone() });
        let (workers, keep_alive) = (options.workers, options.keep_alive);
        Ok(Self { app, state, listener, workers, keep_alive, _lock: lock })
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

    /// Serves until SIGTERM or SIGINT, then finishes what is under way.
    ///
    /// # Errors
    /// [`StartError`] when the listener fails.
    pub async fn run(self) -> Result<(), StartError> {
        let Self { app, state, listener, workers, keep_alive, _lock } = self;
        let jobs = Jobs::start(&app);
        let shutdown = state.settings.shutdown_seconds;
        let mut http = HttpServer::new(move || {
            api::layers(ActixApp::new().app_data(state.clone()).configure(api::configure))
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
        let http = http.listen(listener).map_err(|e| failed("cannot listen", e))?.run();
        http.await.map_err(|e| failed("the server failed", e))?;
        jobs.stop().await;
        let node = app.node.clone();
        let ended = app
            .db
            .write("server.end_leases", move |conn| {
                db::jobs::end_leases(conn, &node, false)?;
                db::blobs::end_leases(conn, &node)
            })
            .await;
        if let Err(error) = ended {
            tracing::warn!(%error, "leases could not be given back; they run out by themselves");
        }
        Ok(())
    }
}

/// Opens the stores of the configuration.
fn open_stores(options: &Options) -> Result<Stores, StartError> {
    let mut list = Vec::new();
    for settings in &options.stores.list {
        let unusable = |reason: String| failed(&format!("store {} cannot be used", settings.id), reason);
        let store: Arc<dyn Store> = match &settings.kind {
            StoreKind::File(folder) => {
                let folder = folder.clone().unwrap_or_else(|| options.data_dir.join("images"));
                Arc::new(FileStore::open(&folder).map_err(|e| unusable(e.to_string()))?)
            }
            StoreKind::Http(settings) => Arc::new(HttpStore::new(settings).map_err(unusable)?),
        };
        list.push(NamedStore {
            id: settings.id.clone(),
            description: settings.description.clone(),
            weight: settings.weight,
            store,
        });
    }
    Stores::new(list, &options.stores.default, options.stores.multiple).map_err(StartError)
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
    let lock = File::create(folder.join("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError(format!(
            "another Vitrine uses the data folder {shown}; stop it or choose another with --data-dir"
        ))),
        Err(TryLockError::Error(e)) => Err(unusable(e)),
    }
}
