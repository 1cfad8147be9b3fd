//! One throw-away MariaDB server for the whole test process. Tests hand its databases on: a new one takes a second to
//! migrate, an emptied one some milliseconds.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{
    Connection, MysqlConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Text},
};
use vitrine::db::{self, Db};

use openssl::{asn1::Asn1Time, bn::BigNum, hash::MessageDigest, pkey::PKey, rsa::Rsa, x509};

use super::scratch;

/// What makes the server quick to start and careless with its data. Like an operator's server, it is strict and checks
/// foreign keys.
const OPTIONS: [&str; 11] = [
    "--skip-networking",
    "--skip-grant-tables",
    "--skip-log-bin",
    "--performance-schema=0",
    "--max-connections=400",
    "--innodb-flush-method=nosync",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-file-per-table=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
];

/// A running server.
struct Server {
    socket: PathBuf,
    certificates: [PathBuf; 2],
    /// Makes and empties databases, one after the other.
    admin: Mutex<MysqlConnection>,
    /// Databases that no test uses.
    free: Mutex<Vec<String>>,
    next: AtomicU32,
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// A database of its own for one test.
pub struct MariadbDatabase {
    name: String,
    /// Whether the next test may have it.
    is_handed_on: bool,
    /// What `--database` takes.
    pub url: String,
    /// Certificates: the one by which the server is known, and one that it has nothing to do with.
    pub certificates: [PathBuf; 2],
}

impl MariadbDatabase {
    /// A migrated database without rows. Starts the server when this is the first.
    pub fn create() -> Self {
        let server = SERVER.get_or_init(Server::start);
        let used = locked(&server.free).pop();
        let name = match used {
            Some(name) => {
                server.empty(&name);
                name
            }
            None => server.new_database(),
        };
        Self::named(server, name, true)
    }

    /// A database without tables, which no other test gets.
    pub fn empty() -> Self {
        let server = SERVER.get_or_init(Server::start);
        Self::named(server, server.bare_database(), false)
    }

    fn named(server: &Server, name: String, is_handed_on: bool) -> Self {
        Self { url: server.url(&name), name, is_handed_on, certificates: server.certificates.clone() }
    }
}

impl Drop for MariadbDatabase {
    fn drop(&mut self) {
        // What a failed test leaves is nobody's.
        if let (Some(server), true) = (SERVER.get(), self.is_handed_on && !std::thread::panicking()) {
            locked(&server.free).push(std::mem::take(&mut self.name));
        }
    }
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
    /// What its next row is numbered; 0 where rows have no number.
    #[diesel(sql_type = BigInt)]
    next: i64,
}

#[derive(QueryableByName)]
struct Session {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl Server {
    fn start() -> Self {
        let folder = scratch::root().join("mariadb");
        let data = folder.join("data");
        fs::create_dir(&folder).unwrap();
        let socket = folder.join("socket");
        let mut install = command("mariadb-install-db", &data);
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        let installed = install.args(["--innodb-flush-method=nosync"]).output().unwrap();
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let certificates = ["server", "other"].map(|name| self_signed(&folder, name));
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut server = command("mariadbd", &data)
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()))
            .arg(format!("--ssl-cert={}", certificates[0].display()))
            .arg(format!("--ssl-key={}", folder.join("server.key").display()))
            .args(OPTIONS)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut admin = connect(&socket, &mut server, &folder.join("log"));
        admin.batch_execute("SET SESSION foreign_key_checks = 0").unwrap();
        let admin = Mutex::new(admin);
        Self { socket, certificates, admin, free: Mutex::new(Vec::new()), next: AtomicU32::new(0) }
    }

    fn url(&self, name: &str) -> String {
        format!("mysql://root@localhost/{name}?unix_socket={}", self.socket.display())
    }

    fn bare_database(&self) -> String {
        let name = format!("test{}", self.next.fetch_add(1, Ordering::Relaxed));
        locked(&self.admin).batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        name
    }

    fn new_database(&self) -> String {
        let name = self.bare_database();
        let settings =
            db::Settings { connection: self.url(&name), max_pool_size: 1, ..db::Settings::default() };
        Db::open(&settings).unwrap().migrate(vitrine::db::Phase::Whole).unwrap();
        name
    }

    /// Ends what its former test left running, deletes all rows, and numbers new ones from 1.
    fn empty(&self, name: &str) {
        let mut admin = locked(&self.admin);
        let sessions: Vec<Session> =
            sql_query("SELECT CAST(id AS SIGNED) AS id FROM information_schema.processlist WHERE db = ?")
                .bind::<Text, _>(name)
                .load(&mut *admin)
                .unwrap();
        for session in sessions {
            // One that has gone by itself is as good.
            drop(admin.batch_execute(&format!("KILL {}", session.id)));
        }
        let tables: Vec<Table> = sql_query(
            "SELECT table_name AS name, CAST(COALESCE(auto_increment, 0) AS SIGNED) AS next \
             FROM information_schema.tables \
             WHERE table_schema = ? AND table_name <> '__diesel_schema_migrations'",
        )
        .bind::<Text, _>(name)
        .load(&mut *admin)
        .unwrap();
        let mut statements = String::new();
        for Table { name: table, next } in tables {
            statements += &format!("DELETE FROM {name}.{table};");
            if next > 1 {
                statements += &format!("ALTER TABLE {name}.{table} AUTO_INCREMENT = 1;");
            }
        }
        admin.batch_execute(&statements).unwrap();
    }
}

/// Writes a certificate and its key; answers where the certificate is.
fn self_signed(folder: &Path, name: &str) -> PathBuf {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut subject = x509::X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut certificate = x509::X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    certificate.set_subject_name(&subject).unwrap();
    certificate.set_issuer_name(&subject).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    let authority = x509::extension::BasicConstraints::new().critical().ca().build().unwrap();
    certificate.append_extension(authority).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let path = folder.join(format!("{name}.pem"));
    fs::write(&path, certificate.build().to_pem().unwrap()).unwrap();
    path
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// One of the server's programs, on a data folder. As root it must be told that it may be.
fn command(program: &str, data: &Path) -> Command {
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(|folder| Path::new(folder).join(program));
    let found = found.iter().find(|path| path.exists());
    let program = found.expect("every test runs on MariaDB too: install the Debian package mariadb-server");
    let mut command = Command::new(program);
    command.arg("--no-defaults").arg(format!("--datadir={}", data.display())).stdin(Stdio::null());
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        command.arg("--user=root");
    }
    command
}

/// Waits until the server takes connections.
fn connect(socket: &Path, server: &mut Child, log: &Path) -> MysqlConnection {
    let url = format!("mysql://root@localhost?unix_socket={}", socket.display());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match MysqlConnection::establish(&url) {
            Ok(connection) => return connection,
            Err(error) => {
                let ended = server.try_wait().unwrap();
                assert!(
                    ended.is_none() && Instant::now() < deadline,
                    "MariaDB did not start: {error}\n{}",
                    fs::read_to_string(log).unwrap_or_default()
                );
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
