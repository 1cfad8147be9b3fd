//! The test app: a real server on a port of its own, callers of every kind, and a look behind the API.

mod away;
mod barbican;
mod builders;
mod certificates;
mod client;
mod database;
mod limits;
mod mariadb;
mod neighbour;
mod persona;
mod postgres;
mod raw;
mod records;
mod relay;
mod scratch;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use tempfile::TempDir;
use tokio::sync::oneshot;
use vitrine::{
    app::App,
    db, jobs,
    model::{blob::BlobState, clock::Clock, time::Timestamp},
    server::{IdentityChoice, Options, Server},
    store::NamedStore,
};

pub use away::{Far, with_far};
pub use barbican::{Barbican, Mood, Publisher, with_all};
pub use builders::{NewImage, bytes, fresh_id, image, qcow2, unused_place};
pub use certificates::Authority;
pub use client::{Answer, Client, OCTETS, PATCH_V20, PATCH_V21, Request, keys};
pub use database::{Database, TestDatabase};
pub use limits::limited;
pub use persona::{ADMIN, MEMBER, Persona, READER};
pub use raw::Raw;
pub use records::record;
pub use relay::Relay;
pub use scratch::scratch_folder;
pub use source::{WebSource, reach_loopback};

/// Makes three tests, `sqlite`, `postgres` and `mariadb`, of each function, which are all `async` or all not.
macro_rules! on_each_database {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: Database) $body:block)*) => {
        $(
            $(#[$meta])*
            mod $name {
                #[allow(unused_imports)] // one that is used by most tests of a file
                use super::*;

                async fn test($database: crate::support::Database) $body

                #[test]
                fn sqlite() {
                    crate::support::block_on(test(crate::support::Database::Sqlite));
                }

                #[test]
                fn postgres() {
                    crate::support::block_on(test(crate::support::Database::Postgres));
                }

                #[test]
                fn mariadb() {
                    crate::support::block_on(test(crate::support::Database::Mariadb));
                }
            }
        )*
    };
    ($($(#[$meta:meta])* fn $name:ident($database:ident: Database) $body:block)*) => {
        $(
            $(#[$meta])*
            mod $name {
                #[allow(unused_imports)] // one that is used by most tests of a file
                use super::*;

                fn test($database: crate::support::Database) $body

                #[test]
                fn sqlite() {
                    test(crate::support::Database::Sqlite);
                }

                #[test]
                fn postgres() {
                    test(crate::support::Database::Postgres);
                }

                #[test]
                fn mariadb() {
                    test(crate::support::Database::Mariadb);
                }
            }
        )*
    };
}
pub(crate) use on_each_database;

/// Runs a test.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// Nobody is sent away because the machine of the test is slow.
const LIMITS: db::Limits = db::Limits { wait_seconds: 60, statement_seconds: 60 };

/// A running server. Dropping it stops the server and fails the test when anything but the data of live images
/// is left in the store or the ledger.
pub struct TestApp {
    http: reqwest::Client,
    running: Option<Running>,
    options: Options,
    // Fields drop in this order: the server first, then what it stands on.
    _database: TestDatabase,
    folder: TempDir,
}

struct Running {
    address: SocketAddr,
    app: Arc<App>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl TestApp {
    /// Starts a server with a database and a data folder of its own.
    pub fn start(database: Database, change: impl FnOnce(&mut Options)) -> Self {
        Self::start_on(database, |_, options| change(options))
    }

    /// As [`TestApp::start`], for a change that depends on where the database is.
    pub fn start_on(database: Database, change: impl FnOnce(&TestDatabase, &mut Options)) -> Self {
        let folder = scratch_folder();
        let database = TestDatabase::create(database, folder.path());
        let mut options = Options::embedded(folder.path().to_owned(), "127.0.0.1:0".to_owned());
        // The embedded database already is where the server looks for it.
        if !matches!(database, TestDatabase::Sqlite(_)) {
            let connection = database.url().to_owned();
            options.database = Some(db::Settings { connection, limits: LIMITS, ..Default::default() });
        }
        options.database_limits = LIMITS;
        options.identity = IdentityChoice::Given(Arc::new(persona::TestIdentity));
        options.api.shutdown_seconds = Some(5);
        // Who asks /healthcheck here is no balancer.
        options.api.drain_seconds = 0;
        // The tests are another program.
        options.imports.confine_helper = env!("CARGO_BIN_EXE_vitrine").into();
        change(&database, &mut options);
        let http = new_http();
        let running = Some(run(&options));
        Self { http, running, options, _database: database, folder }
    }

    /// Stops the server and starts it again on the same database and folder; `between` runs while it is down.
    pub fn restart(&mut self, between: impl FnOnce(&Self)) {
        self.halt();
        between(self);
        self.http = new_http();
        self.running = Some(run(&self.options));
    }

    /// Restarts the server with other options, on the same database and folder.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Options)) {
        self.halt();
        change(&mut self.options);
        self.http = new_http();
        self.running = Some(run(&self.options));
    }

    fn halt(&mut self) {
        // Idle connections would keep a server waiting.
        self.http = new_http();
        if let Some(Running { stop, thread, app, .. }) = self.running.take() {
            drop(app);
            drop(stop);
            thread.join().expect("the server panicked");
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("a running server")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running().address
    }

    /// The parts behind the API.
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.running().app)
    }

    /// The data folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The folder of the store.
    pub fn store_folder(&self) -> PathBuf {
        self.folder.path().join("images")
    }

    /// A caller with any token, or none.
    pub fn with_token(&self, token: Option<&str>) -> Client {
        let base = format!("http://{}", self.address());
        Client::new(self.http.clone(), base, token.map(str::to_owned))
    }

    pub fn as_persona(&self, persona: &Persona) -> Client {
        self.with_token(Some(&persona.token()))
    }

    /// A user of `project` with exactly these roles.
    pub fn as_role(&self, project: &str, roles: &[&str]) -> Client {
        self.as_persona(&Persona::with_roles(project, roles))
    }

    /// The usual user of a project.
    pub fn as_member(&self, project: &str) -> Client {
        self.as_role(project, MEMBER)
    }

    /// One who may only look.
    pub fn as_reader(&self, project: &str) -> Client {
        self.as_role(project, READER)
    }

    /// An admin, in a project of its own.
    pub fn as_admin(&self) -> Client {
        self.as_role("admin-project", ADMIN)
    }

    /// An admin whose token is for the system and no project.
    pub fn as_system(&self) -> Client {
        self.as_persona(&Persona::system())
    }

    /// Another service of the cloud.
    pub fn as_service(&self) -> Client {
        self.as_role("service", &["service"])
    }

    /// No token at all.
    pub fn as_nobody(&self) -> Client {
        self.with_token(None)
    }

    /// A connection on which the test writes HTTP by hand.
    pub fn raw(&self) -> Raw {
        Raw::open(self.address())
    }

    /// What is wrong with store and ledger now, in sentences.
    pub async fn faults(&self) -> Vec<String> {
        faults(&self.app()).await
    }

    /// Requires that the reaper brings store and ledger in order.
    pub async fn settles(&self) {
        settles(&self.app()).await;
    }

    /// Puts the clock of the server forward.
    pub fn later(&self, seconds: i64) {
        self.app().db.clock.turn(seconds);
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let app = self.running.as_ref().map(|running| Arc::clone(&running.app));
        self.halt();
        if std::thread::panicking() {
            return;
        }
        if let Some(app) = app {
            // The test may still be on a runtime of its own, in which no other can be entered.
            let check = std::thread::spawn(move || block_on(settles(&app)));
            check.join().expect("something was left behind");
        }
    }
}

fn new_http() -> reqwest::Client {
    // `Location` is asserted, not followed. Connections are given up well before the server closes them (after
    // five seconds without a request), or a request could meet the end of its connection.
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    builder.timeout(Duration::from_secs(60)).pool_idle_timeout(Duration::from_secs(1)).build().unwrap()
}

/// Runs a server on a thread with a system of its own.
fn run(options: &Options) -> Running {
    let (ready, started) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let options = options.clone();
    let thread = std::thread::spawn(move || {
        let server = Server::open(&options).unwrap();
        ready.send((server.address().unwrap(), server.app())).unwrap();
        let stopped = async move { drop(stopped.await) };
        actix_web::rt::System::new().block_on(server.run_until(stopped)).unwrap();
    });
    let Ok((address, app)) = started.recv() else {
        std::panic::resume_unwind(thread.join().expect_err("a server that did not start"));
    };
    Running { address, app, stop, thread }
}

/// Reaps until nothing is wrong. The server's own reaper may be at work on the same blobs, hence the patience.
async fn settles(app: &App) {
    eventually("store and ledger in order", async || {
        jobs::reap::sweep(app).await.unwrap();
        let faults = faults(app).await;
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    })
    .await;
}

/// The present moment of a clock that nobody turns.
pub fn now() -> Timestamp {
    Clock::default().now()
}

/// Asks again until the answer is `Ok`; a minute without one fails the test with the last `Err`.
pub async fn eventually<T, E: std::fmt::Debug>(what: &str, ask: impl AsyncFn() -> Result<T, E>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(error) => assert!(Instant::now() < deadline, "never {what}: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Holds the store against the ledger, and the ledger against the images.
async fn faults(app: &App) -> Vec<String> {
    let mut faults = Vec::new();
    for named in app.stores.iter().filter(|named| named.capabilities().writes) {
        faults.extend(faults_of(app, &named).await);
    }
    faults.extend(usage_faults(app).await);
    faults
}

/// Holds the ledger of usage against the images that came by the API: what tests write behind its back was never made.
async fn usage_faults(app: &App) -> Vec<String> {
    let read = |conn: &mut db::Conn| {
        let (mut faults, _) = db::usage_check::images(conn, "", 10_000)?;
        faults.extend(db::usage_check::strays(conn, 10_000)?);
        let mut told = Vec::new();
        for (id, fault) in faults {
            let first = db::events::of_image(conn, &id, 0, 1)?;
            if first.first().is_some_and(|event| event.kind == "image.create") {
                told.push(format!("image {id}: {fault}"));
            }
        }
        Ok(told)
    };
    app.db.read("test.usage", read).await.unwrap()
}

async fn faults_of(app: &App, named: &NamedStore) -> Vec<String> {
    let mut faults = Vec::new();
    let store = named.id.clone();
    let files: BTreeMap<String, bool> =
        named.list().map_ok(|listed| (listed.name, listed.unfinished)).try_collect().await.unwrap();
    let ledger =
        app.db.read("test.ledger", move |conn| db::blobs::names_in_store(conn, &store)).await.unwrap();
    let mut live = BTreeSet::new();
    for (name, state, id) in ledger {
        if state != BlobState::Live.as_str() {
            faults.push(format!("blob {id} of {name} is {state}"));
        } else if files.get(&name) != Some(&false) {
            faults.push(format!("blob {id} is live, but the store has no {name}"));
        }
        live.insert(name);
    }
    // What is hidden is no blob's.
    for (name, unfinished) in files.into_iter().filter(|(name, _)| !name.starts_with('.')) {
        if unfinished || !live.contains(&name) {
            faults.push(format!("the store holds {name}, which the ledger does not know as live"));
        }
    }
    faults
}
