//! The databases on which every test runs, each test in one of its own.

use std::{fs, path::Path, path::PathBuf, sync::OnceLock};

use vitrine::db::{self, Db};

use super::{TestApp, mariadb::MariadbDatabase, postgres::PostgresDatabase, scratch};

/// On which database a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
    Mariadb,
}

impl Database {
    /// A server with the default settings.
    pub fn app(self) -> TestApp {
        TestApp::start(self, |_| {})
    }

    /// A server whose options the test changes first.
    pub fn app_with(self, change: impl FnOnce(&mut vitrine::server::Options)) -> TestApp {
        TestApp::start(self, change)
    }
}

/// A migrated SQLite file, made once and copied for each test.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let file = scratch::root().join("template.sqlite");
        let settings = db::Settings {
            connection: format!("sqlite:{}", file.display()),
            max_pool_size: 1,
            ..db::Settings::default()
        };
        let db = Db::open(&settings).unwrap();
        db.migrate(vitrine::db::Phase::Whole).unwrap();
        // The last connection that closes folds the write-ahead log into the file.
        drop(db);
        let log = file.with_extension("sqlite-wal");
        while log.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        file
    })
}

/// A database that goes with its owner.
pub enum TestDatabase {
    Sqlite(String),
    Postgres(PostgresDatabase),
    Mariadb(MariadbDatabase),
}

impl TestDatabase {
    /// A fresh, migrated database. A SQLite file is `vitrine.sqlite` in `folder`.
    pub fn create(database: Database, folder: &Path) -> Self {
        match database {
            Database::Sqlite => {
                let file = folder.join("vitrine.sqlite");
                fs::copy(template(), &file).unwrap();
                Self::Sqlite(format!("sqlite:{}", file.display()))
            }
            Database::Postgres => Self::Postgres(PostgresDatabase::create()),
            Database::Mariadb => Self::Mariadb(MariadbDatabase::create()),
        }
    }

    /// A database without a schema. That of SQLite would be `vitrine.sqlite` in `folder`; there is no file yet.
    pub fn empty(database: Database, folder: &Path) -> Self {
        match database {
            Database::Sqlite => Self::Sqlite(format!("sqlite:{}", folder.join("vitrine.sqlite").display())),
            Database::Postgres => Self::Postgres(PostgresDatabase::empty()),
            Database::Mariadb => Self::Mariadb(MariadbDatabase::empty()),
        }
    }

    /// Where it is, as `--database` takes it.
    pub fn url(&self) -> &str {
        match self {
            Self::Sqlite(url) => url,
            Self::Postgres(database) => &database.url,
            Self::Mariadb(database) => &database.url,
        }
    }
}
