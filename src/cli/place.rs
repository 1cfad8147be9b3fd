//! Where a command finds its configuration and its database: the arguments that most commands share.

use std::path::{Path, PathBuf};

use super::config::Files;
use crate::{
    config::{Config, Loaded, Override, load},
    db::{self, Db},
    server::StartError,
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
    let overrides = database.map(|value| Override {
        section: "database".to_owned(),
        option: "connection".to_owned(),
        value,
    });
    let loaded = load(&files.sources(overrides.into_iter().collect()));
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

    /// Opens the database, brought up to date; the embedded one is made when there is none.
    ///
    /// # Errors
    /// [`StartError`], also when there is no data folder.
    pub fn open(&self) -> Result<Db, StartError> {
        let settings = match self.config()?.database {
            Some(settings) => settings,
            None if self.data_dir.is_dir() => embedded(&self.data_dir.join("vitrine.sqlite")),
            None => {
                let shown = self.data_dir.display();
                return Err(StartError(format!(
                    "there is no data folder {shown}; start the server once, or choose another with --data-dir"
                )));
            }
        };
        let db = Db::open(&settings).map_err(StartError)?;
        db.migrate().map_err(|e| StartError(e.to_string()))?;
        Ok(db)
    }

    /// Opens a database that is there and of this version.
    ///
    /// # Errors
    /// [`StartError`], also when it is of an older version.
    pub fn open_as_it_is(&self, configured: Option<db::Settings>) -> Result<Db, StartError> {
        let settings = match configured {
            Some(settings) => settings,
            None => {
                let path = self.data_dir.join("vitrine.sqlite");
                if !path.is_file() {
                    return Err(StartError(format!("there is no database at {}", path.display())));
                }
                embedded(&path)
            }
        };
        let db = Db::open(&settings).map_err(StartError)?;
        let pending = db.pending_migrations().map_err(|e| StartError(e.to_string()))?;
        if pending.is_empty() {
            return Ok(db);
        }
        Err(StartError("the database is of an older version; start the server once first".to_owned()))
    }
}

fn embedded(path: &Path) -> db::Settings {
    db::Settings { connection: format!("sqlite:{}", path.display()), ..db::Settings::default() }
}
