//! What the checks look at: a configuration, its data folder, and the database behind it, which all of them share.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::OnceCell;

use super::{finding::Finding, left::Left, options::Options};
use crate::{
    cli::place::Place,
    config::{Config, Loaded, Report},
    db::{self, Conn, Db, DbResult, url::Place as Address},
    model::node::Node,
    outbound::{Authorities, Client, Settings, Tls},
    server::database::embedded,
    telemetry,
};

/// How long the database may take for its first answer.
const FIRST: Duration = Duration::from_secs(10);

/// Why there is no database to look at.
#[derive(Clone, Debug)]
pub enum NoDatabase {
    /// Nobody has made one.
    NotMade(PathBuf),
    /// It does not answer, or not as it should.
    Away(String),
}

impl std::fmt::Display for NoDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotMade(_) => f.write_str("there is no database yet"),
            Self::Away(_) => f.write_str("the database does not answer"),
        }
    }
}

/// Everything that is looked at.
pub struct Case {
    /// How the trial upload is made.
    pub options: Options,
    /// The configuration as it was read.
    pub loaded: Arc<Loaded>,
    /// What `vitrine config check` says of it.
    pub report: Report,
    /// The configuration, if a server could start with it.
    pub config: Option<Config>,
    /// The data folder.
    pub folder: PathBuf,
    /// The image of a trial upload, until it is deleted.
    pub left: Left,
    database: OnceCell<Result<Db, NoDatabase>>,
}

impl Case {
    /// Reads the configuration; nothing else is looked at yet.
    pub fn new(place: &Place, options: Options) -> Self {
        let loaded = place.loaded();
        let (report, config) = match Config::assemble(&loaded) {
            Ok(config) => (loaded.report().clone(), Some(config)),
            Err(findings) => (loaded.report().with(findings), None),
        };
        let folder = config.as_ref().map(|config| place.folder(config)).unwrap_or_default();
        let (left, database) = (Left::default(), OnceCell::new());
        Self { options, loaded, report, config, folder, left, database }
    }

    /// The configuration.
    ///
    /// # Errors
    /// A finding when a server could not start with it.
    pub fn config(&self) -> Result<&Config, Finding> {
        self.config.as_ref().ok_or_else(|| Finding::skipped("the configuration cannot be used"))
    }

    /// How the database is reached.
    pub fn settings(&self, config: &Config) -> db::Settings {
        config.database.clone().unwrap_or_else(|| db::Settings {
            connection: format!("sqlite:{}", embedded(&self.folder).display()),
            limits: config.database_limits,
            ..db::Settings::default()
        })
    }

    /// The file of the database, if it is one.
    pub fn database_file(&self, config: &Config) -> Option<PathBuf> {
        match Address::parse(&self.settings(config).connection) {
            Ok(Address::Sqlite(path)) if path != ":memory:" => Some(PathBuf::from(path)),
            _ => None,
        }
    }

    /// The database, once it has answered; asked once for all checks.
    ///
    /// # Errors
    /// [`NoDatabase`]
    pub async fn database(&self, config: &Config) -> Result<Db, NoDatabase> {
        let open = || async {
            if let Some(file) = self.database_file(config).filter(|file| !file.is_file()) {
                return Err(NoDatabase::NotMade(file));
            }
            let settings = self.settings(config);
            let away = |why: String| NoDatabase::Away(settings.cannot_be_opened(why));
            let db = Db::new(&settings).map_err(NoDatabase::Away)?;
            let asked = db.clone();
            let ask = telemetry::blocking(move || asked.ask());
            match tokio::time::timeout(FIRST, ask).await {
                Ok(Ok(Ok(()))) => Ok(db),
                Ok(Ok(Err(why))) => Err(away(why)),
                Ok(Err(fault)) => Err(away(fault.to_string())),
                Err(_) => Err(away(format!("it did not answer within {} s", FIRST.as_secs()))),
            }
        };
        self.database.get_or_init(open).await.clone()
    }

    /// What a question to the database answers.
    ///
    /// # Errors
    /// A finding when the database does not answer.
    pub async fn ask<T: Send + 'static>(
        &self,
        config: &Config,
        question: fn(&mut Conn) -> DbResult<T>,
    ) -> Result<T, Finding> {
        let db = self.database(config).await.map_err(Finding::skipped)?;
        db.read("doctor.ask", question).await.map_err(Finding::skipped)
    }

    /// The nodes that say they run, and which of them is on this machine.
    ///
    /// # Errors
    /// A finding when the database does not answer.
    pub async fn running(&self, config: &Config) -> Result<(Vec<Node>, Option<Node>), Finding> {
        let mut nodes = self.ask(config, db::nodes::list).await?;
        let now = self.database(config).await.map_err(Finding::skipped)?.clock.now();
        nodes.retain(|node| !node.is_stale(now));
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let here = nodes.iter().find(|node| node.host == host.trim()).cloned();
        Ok((nodes, here))
    }
}

/// The address at which this machine reaches a server of its own.
pub fn own_url(config: &Config, node: &Node) -> String {
    let scheme = if config.listen.tls.is_some() { "https" } else { "http" };
    let place = node.bind.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    format!("{scheme}://{place}")
}

/// A client whose questions the caller bounds in time; `authorities` is a file of them, `verify` whether servers have to
/// prove who they are.
///
/// # Errors
/// A sentence about the file.
pub fn client(verify: bool, authorities: Option<&Path>) -> Result<Client, String> {
    let read = |path: &Path| {
        let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let pem = std::fs::read(path).map_err(|e| told(&e))?;
        Authorities::from_pem(&pem).map_err(|e| told(&e))
    };
    let tls = Tls { verify, authorities: authorities.map(read).transpose()?, ..Tls::default() };
    Client::new(&Settings { tls, ..Settings::new("tool") })
}
