//! Where a command finds its configuration and its database: the arguments that most commands share.

use std::path::PathBuf;

use super::config::Files;
use crate::{
    config::{Config, Loaded, Override, load},
    db::{self, Db},
    server::{StartError, database},
};

/// Which configuration and which database.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    #[command(flatten)]
    files: Files,
    /// Folder of the server's database and images.
    #[arg(long, default_value = "data")]
    pub data_dir: PathBuf,
    /// Database other than the embedded one: postgresql://… or mysql://…
    #[arg(long)]
    database: Option<String>,
}

/// Reads the configuration; `database` wins over what it says.
///
/// # Errors
/// [`StartError`] with every finding that forbids to start.
pub fn configuration(files: Files, database: Option<String>) -> Result<(Loaded, Config), StartError> {
    let database = database.map(|value| overriding("database", "connection", value));
    overridden(files, database.into_iter().collect())
}

/// A value that wins over what the configuration says.
pub fn overriding(section: &str, option: &str, value: impl Into<String>) -> Override {
    Override { section: section.to_owned(), option: option.to_owned(), value: value.into() }
}

/// As [`configuration`], with any values of the command line.
///
/// # Errors
/// As [`configuration`].
pub fn overridden(files: Files, overrides: Vec<Override>) -> Result<(Loaded, Config), StartError> {
    let loaded = load(&files.sources(overrides));
    match Config::assemble(&loaded) {
        Ok(config) => Ok((loaded, config)),
        Err(findings) => {
            let lines: Vec<_> = findings.iter().map(|finding| finding.line()).collect();
            Err(StartError(format!("the configuration cannot be used:\n  {}", lines.join("\n  "))))
        }
    }
}

impl Place {
    /// The configuration.
    ///
    /// # Errors
    /// As [`configuration`].
    pub fn config(&self) -> Result<Config, StartError> {
        Ok(configuration(self.files.clone(), self.database.clone())?.1)
    }

    /// Opens the database: the embedded one brought up to date, and made when there is none.
    ///
    /// # Errors
    /// [`StartError`], also when there is no data folder, or another database is not of this version.
    pub fn open(&self) -> Result<Db, StartError> {
        let settings = self.config()?.database;
        self.require_folder(settings.as_ref())?;
        database::open(settings.as_ref(), db::Limits::default(), &self.data_dir)
    }

    /// Opens a database that is there and of this version.
    ///
    /// # Errors
    /// [`StartError`], also when it is of another version.
    pub fn open_as_it_is(&self, configured: Option<db::Settings>) -> Result<Db, StartError> {
        let db = self.connect_to(configured.as_ref())?;
        database::require_current(&db, "run `vitrine db sync` first")?;
        Ok(db)
    }

    /// Opens a database that is there, of whatever version.
    ///
    /// # Errors
    /// [`StartError`] when there is none.
    pub fn connect(&self) -> Result<Db, StartError> {
        self.connect_to(self.config()?.database.as_ref())
    }

    /// Opens a database of whatever version; the embedded one is made when there is none.
    ///
    /// # Errors
    /// [`StartError`], also when there is no data folder.
    pub fn connect_or_create(&self) -> Result<Db, StartError> {
        let settings = self.config()?.database;
        self.require_folder(settings.as_ref())?;
        database::connect(settings.as_ref(), db::Limits::default(), &self.data_dir)
    }

    fn connect_to(&self, configured: Option<&db::Settings>) -> Result<Db, StartError> {
        let path = database::embedded(&self.data_dir);
        if configured.is_none() && !path.is_file() {
            return Err(StartError(format!("there is no database at {}", path.display())));
        }
        database::connect(configured, db::Limits::default(), &self.data_dir)
    }

    fn require_folder(&self, configured: Option<&db::Settings>) -> Result<(), StartError> {
        if configured.is_some() || self.data_dir.is_dir() {
            return Ok(());
        }
        Err(StartError(format!(
            "there is no data folder {}; start the server once, or choose another with --data-dir",
            self.data_dir.display()
        )))
    }
}
