//! The arguments for the configuration and the database that most commands share.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::config::Files;
use crate::{
    config::{Config, Loaded, Override, load},
    db::{self, Db},
    server::{StartError, database},
};

/// The configuration and the database of a command.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    #[command(flatten)]
    files: Files,
    /// Folder of the server's database and images; defaults to `[vitrine] data_dir`, otherwise `data`.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Database other than the embedded one: postgresql://… or mysql://…
    #[arg(long)]
    database: Option<String>,
    /// Values from the command line, which override files.
    #[arg(skip)]
    overrides: Vec<Override>,
    /// The data folder where neither the command line nor the configuration names one.
    #[arg(skip = DATA_DIR)]
    fallback: &'static str,
    /// The configuration, once it has been read.
    #[arg(skip)]
    read: OnceLock<Arc<Loaded>>,
}

/// The data folder of `vitrine`, unless one is named.
pub const DATA_DIR: &str = "data";

/// A value that overrides the configuration.
pub fn overriding(section: &str, option: &str, value: impl Into<String>) -> Override {
    Override { section: section.to_owned(), option: option.to_owned(), value: value.into() }
}

fn assembled(loaded: Arc<Loaded>) -> Result<(Arc<Loaded>, Config), StartError> {
    match Config::assemble(&loaded) {
        Ok(config) => Ok((loaded, config)),
        Err(findings) => {
            let lines: Vec<_> = findings.iter().map(|finding| finding.line()).collect();
            Err(StartError(format!("the configuration cannot be used:\n  {}", lines.join("\n  "))))
        }
    }
}

impl Place {
    /// The place named by files and overriding values; `fallback` is the data folder if they name none.
    pub fn of(files: Files, overrides: Vec<Override>, fallback: &'static str) -> Self {
        Self { files, data_dir: None, database: None, overrides, fallback, read: OnceLock::new() }
    }

    /// The same with further values that win over files.
    #[must_use]
    pub fn but(mut self, overrides: Vec<Override>) -> Self {
        self.overrides.extend(overrides);
        self.read = OnceLock::new();
        self
    }

    /// The configuration, which is read once.
    pub fn loaded(&self) -> Arc<Loaded> {
        let read = || {
            let database = self.database.clone().map(|value| overriding("database", "connection", value));
            let overrides = self.overrides.iter().cloned().chain(database).collect();
            Arc::new(load(&self.files.clone().sources(overrides)))
        };
        self.read.get_or_init(read).clone()
    }

    /// The configuration as it was read, and as settings.
    ///
    /// # Errors
    /// [`StartError`] with every finding that forbids to start.
    pub fn configuration(&self) -> Result<(Arc<Loaded>, Config), StartError> {
        assembled(self.loaded())
    }

    /// The configuration.
    ///
    /// # Errors
    /// [`StartError`] with every finding that forbids to start.
    pub fn config(&self) -> Result<Config, StartError> {
        Ok(self.configuration()?.1)
    }

    /// The data folder.
    pub fn folder(&self, config: &Config) -> PathBuf {
        let named = self.data_dir.clone().or_else(|| config.data_dir.clone());
        named.unwrap_or_else(|| self.fallback.into())
    }

    /// Opens the database; the embedded one is upgraded, and created if it does not exist.
    ///
    /// # Errors
    /// [`StartError`], also when there is no data folder, or another database is not of this version.
    pub fn open(&self) -> Result<Db, StartError> {
        let (config, folder) = self.database()?;
        let settings = config.database.as_ref();
        require_folder(settings, &folder)?;
        Ok(keyed(database::open(settings, db::Limits::default(), &folder)?, &config))
    }

    /// Opens the database of a configuration, which must be there and of this version.
    ///
    /// # Errors
    /// [`StartError`], also when it is of another version.
    pub fn open_as_it_is(&self, config: &Config) -> Result<Db, StartError> {
        let db = existing(config, &self.folder(config))?;
        database::require_current(&db, "run `vitrine db sync` first")?;
        Ok(db)
    }

    /// Opens a database that is there, of whatever version.
    ///
    /// # Errors
    /// [`StartError`] when there is none.
    pub fn connect(&self) -> Result<Db, StartError> {
        let (config, folder) = self.database()?;
        existing(&config, &folder)
    }

    /// Opens a database of any version; the embedded one is created if it does not exist.
    ///
    /// # Errors
    /// [`StartError`], also when there is no data folder.
    pub fn connect_or_create(&self) -> Result<Db, StartError> {
        let (config, folder) = self.database()?;
        let settings = config.database.as_ref();
        require_folder(settings, &folder)?;
        Ok(keyed(database::connect(settings, db::Limits::default(), &folder)?, &config))
    }

    fn database(&self) -> Result<(Config, PathBuf), StartError> {
        let config = self.config()?;
        let folder = self.folder(&config);
        Ok((config, folder))
    }
}

/// The same with the key of its locations.
fn keyed(mut db: Db, config: &Config) -> Db {
    db.location_key.clone_from(&config.location_key);
    db
}

fn existing(config: &Config, folder: &Path) -> Result<Db, StartError> {
    let path = database::embedded(folder);
    if config.database.is_none() && !path.is_file() {
        return Err(StartError(format!("there is no database at {}", path.display())));
    }
    Ok(keyed(database::connect(config.database.as_ref(), db::Limits::default(), folder)?, config))
}

fn require_folder(configured: Option<&db::Settings>, folder: &Path) -> Result<(), StartError> {
    if configured.is_some() || folder.is_dir() {
        return Ok(());
    }
    Err(StartError(format!(
        "there is no data folder {}; start the server once, or choose another with --data-dir",
        folder.display()
    )))
}
