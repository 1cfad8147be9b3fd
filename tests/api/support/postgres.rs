//! One throw-away PostgreSQL cluster for the whole test process. Tests hand its databases on: to copy one and to drop it
//! takes a quarter of a second, to empty it some milliseconds.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use diesel::{Connection, PgConnection, RunQueryDsl, connection::SimpleConnection, sql_query};
use vitrine::db::{self, Db};

use super::scratch;

const TEMPLATE: &str = "template_vitrine";

/// Ends what its former test left running, deletes all rows, and numbers new ones from 1. A table that has grown is
/// emptied at once, since nothing tidies up behind deletions.
const EMPTY: &str = "
    SET session_replication_role = replica;
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    DO $$
    DECLARE
        name text;
        grown text;
    BEGIN
        SELECT string_agg(format('%I', relname), ', ') INTO grown FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '__diesel_schema_migrations'
            AND pg_relation_size(oid) > 65536;
        IF grown IS NOT NULL THEN EXECUTE 'TRUNCATE ' || grown || ' CASCADE'; END IF;
        FOR name IN SELECT tablename FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> '__diesel_schema_migrations'
        LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
        FOR name IN SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL
        LOOP EXECUTE format('ALTER SEQUENCE %I RESTART', name); END LOOP;
    END $$;";

/// A running cluster.
struct Cluster {
    port: u16,
    /// Serves the statements that create and drop databases; their order is one after the other.
    admin: Mutex<PgConnection>,
    /// Databases that no test uses.
    free: Mutex<Vec<String>>,
    next: AtomicU32,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// A database of its own for one test.
pub struct PostgresDatabase {
    name: String,
    /// Whether the next test may have it.
    is_handed_on: bool,
    /// What `--database` takes.
    pub url: String,
}

impl PostgresDatabase {
    /// A migrated database without rows. Starts the cluster when this is the first.
    pub fn create() -> Self {
        let cluster = CLUSTER.get_or_init(Cluster::start);
        let used = locked(&cluster.free).pop();
        let name = used.inspect(|name| cluster.empty(name)).unwrap_or_else(|| cluster.copy_of(TEMPLATE));
        Self { url: cluster.url(&name), name, is_handed_on: true }
    }

    /// A database without tables, which no other test gets.
    pub fn empty() -> Self {
        let cluster = CLUSTER.get_or_init(Cluster::start);
        let name = cluster.copy_of("template1");
        Self { url: cluster.url(&name), name, is_handed_on: false }
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // What a failed test leaves is nobody's.
        if let (Some(cluster), true) = (CLUSTER.get(), self.is_handed_on && !std::thread::panicking()) {
            locked(&cluster.free).push(std::mem::take(&mut self.name));
        }
    }
}

impl Cluster {
    fn start() -> Self {
        let programs = find_programs();
        let folder = scratch::root().join("postgres");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&folder).status().unwrap();
            assert!(owned.success(), "the user `postgres` is missing: install the Debian package postgresql");
        }
        let data = folder.join("data");
        let initdb = [&programs.join("initdb"), Path::new("-D"), &data];
        run(initdb.map(|p| p.to_str().unwrap()).iter().copied().chain([
            "--username=vitrine",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]));
        let port = (0..5).find_map(|_| start_on_free_port(&programs, &folder, &data));
        let port = port.expect("PostgreSQL did not start; see what it printed above");
        let url = |name: &str| format!("postgresql://vitrine@127.0.0.1:{port}/{name}");
        let mut admin = PgConnection::establish(&url("postgres")).unwrap();
        sql_query(format!("CREATE DATABASE {TEMPLATE}")).execute(&mut admin).unwrap();
        let settings =
            db::Settings { connection: url(TEMPLATE), max_pool_size: 1, ..db::Settings::default() };
        Db::open(&settings).unwrap().migrate(vitrine::db::Phase::Whole).unwrap();
        Self { port, admin: Mutex::new(admin), free: Mutex::new(Vec::new()), next: AtomicU32::new(0) }
    }

    fn url(&self, name: &str) -> String {
        format!("postgresql://vitrine@127.0.0.1:{}/{name}", self.port)
    }

    fn copy_of(&self, template: &str) -> String {
        let name = format!("test{}", self.next.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"));
        name
    }

    fn empty(&self, name: &str) {
        PgConnection::establish(&self.url(name)).unwrap().batch_execute(EMPTY).unwrap();
    }

    fn execute(&self, statement: &str) {
        let mut admin = locked(&self.admin);
        // The pool of the migration may still be closing its last connection to the template.
        for attempt in 0.. {
            match sql_query(statement).execute(&mut *admin) {
                Ok(_) => return,
                Err(error) if attempt < 50 && error.to_string().contains("being accessed") => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                Err(error) => panic!("{statement}: {error}"),
            }
        }
    }
}

/// Starts the server on a port that was free a moment ago; `None` when another program took it.
fn start_on_free_port(programs: &Path, folder: &Path, data: &Path) -> Option<u16> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = format!(
        "-p {port} -k {} -c listen_addresses=127.0.0.1 -c max_connections=300 -c shared_buffers=64MB \
         -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off",
        folder.display()
    );
    let log = folder.join("log");
    let started = output([
        programs.join("pg_ctl").to_str().unwrap(),
        "start",
        "--wait",
        "--silent",
        "-D",
        data.to_str().unwrap(),
        "-l",
        log.to_str().unwrap(),
        "-o",
        &options,
    ]);
    if started.status.success() {
        return Some(port);
    }
    eprintln!("{}", fs::read_to_string(&log).unwrap_or_default());
    None
}

/// The folder of the newest PostgreSQL that Debian installed.
fn find_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .max_by_key(|bin| {
            let version = bin.parent().and_then(Path::file_name).and_then(|v| v.to_str());
            version.and_then(|v| v.parse::<u32>().ok())
        })
        .expect("every test runs on PostgreSQL too: install the Debian package postgresql, or run make test")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Runs a program of PostgreSQL, which refuses to be root.
fn output<'a>(words: impl IntoIterator<Item = &'a str>) -> Output {
    let mut words: Vec<&str> = words.into_iter().collect();
    if is_root() {
        words.splice(0..0, ["runuser", "-u", "postgres", "--"]);
    }
    // pg_ctl hands its streams on to the server, which would hold a pipe open for ever.
    let captured = words.iter().all(|word| *word != "start");
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir("/").stdin(std::process::Stdio::null());
    if captured {
        return command.output().unwrap();
    }
    let status = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
    Output { status: status.unwrap(), stdout: Vec::new(), stderr: Vec::new() }
}

fn run<'a>(words: impl IntoIterator<Item = &'a str>) {
    let output = output(words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
