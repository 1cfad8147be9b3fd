//! What the checks look at: a configuration, its data folder, and the database behind it, which all of them share.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::OnceCell;

use super::{finding::Finding, left::Left, options::Options};
use crate::{
    api::Endpoint,
    cli::place::Place,
    config::{Config, Loaded, Report},
    db::{self, Conn, Db, DbResult, url::Place as Address},
    model::node::Node,
    outbound::{Authorities, Client, Proxies, Settings, Tls},
    server::database::embedded,
    telemetry,
};

/// How long the database may take for its first answer.
const FIRST: Duration = Duration::from_secs(10);
/// How long it may take to close it.
const LAST: Duration = Duration::from_secs(2);

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
            let (file, settings) = (self.database_file(config), self.settings(config));
            let away = |why: String| NoDatabase::Away(settings.cannot_be_opened(why));
            let (asked, location_key) = (settings.clone(), config.location_key.clone());
            let ask = telemetry::blocking(move || {
                if let Some(file) = file.filter(|file| !file.is_file()) {
                    return Err(NoDatabase::NotMade(file));
                }
                let mut db = Db::new(&asked).map_err(NoDatabase::Away)?;
                db.ask().map_err(|why| NoDatabase::Away(asked.cannot_be_opened(why)))?;
                db.location_key = location_key;
                Ok(db)
            });
            match tokio::time::timeout(FIRST, ask).await {
                Ok(Ok(asked)) => asked,
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

    /// Closes the database. What hangs in that is not waited for.
    pub async fn close(self) {
        let database = self.database.into_inner();
        let closed = telemetry::blocking(move || drop(database));
        drop(tokio::time::timeout(LAST, closed).await);
    }
}

/// The address at which this machine reaches a server of its own.
///
/// # Errors
/// A finding when that cannot be asked from here.
pub fn own_url(config: &Config, node: &Node) -> Result<String, Finding> {
    let unasked = |why: &str| {
        Finding::note(
            "server-not-asked",
            format!("the server on this machine was not asked whether it answers: {why}"),
            "Ask it as its clients do: with --endpoint URL at their address, or by `curl --unix-socket PATH` or `curl --cert \
             FILE`.",
        )
    };
    let Ok(mut address) = node.bind.parse::<SocketAddr>() else {
        return Err(unasked(&format!("{} is no address in the network", node.bind)));
    };
    if address.port() == 0 {
        return Err(unasked("it listens on sockets in the file system alone"));
    }
    let listen = &config.listen;
    // The address is that of the first in the network.
    let is_secure = match listen.endpoints.iter().find(|one| !matches!(one, Endpoint::Unix(_))) {
        Some(first) => matches!(first, Endpoint::Https(_)),
        None => listen.tls.is_some(),
    };
    let wants_certificates = |tls: &&crate::api::TlsSettings| {
        is_secure && tls.client_authorities.is_some() && !tls.clients_may_have_none
    };
    if listen.tls.as_ref().filter(wants_certificates).is_some() {
        return Err(unasked("it requires certificates of its clients (tls_client_ca_file)"));
    }
    match address {
        SocketAddr::V4(_) if address.ip().is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(_) if address.ip().is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(format!("{}://{address}", if is_secure { "https" } else { "http" }))
}

/// A client whose questions the caller bounds in time; `authorities` is a file of them, `verify` whether servers have to
/// prove who they are.
///
/// # Errors
/// A sentence about the file.
pub async fn client(verify: bool, authorities: Option<PathBuf>, proxies: Proxies) -> Result<Client, String> {
    let read = |path: &Path| {
        let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let pem = std::fs::read(path).map_err(|e| told(&e))?;
        Authorities::from_pem(&pem).map_err(|e| told(&e))
    };
    let read = telemetry::blocking(move || authorities.as_deref().map(read).transpose());
    let authorities = read.await.map_err(|fault| fault.to_string())??;
    let tls = Tls { verify, authorities, ..Tls::default() };
    Client::new(&Settings { tls, proxies, ..Settings::new("tool") })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        api::TlsSettings,
        config::{Input, Sources, load},
        model::time::Timestamp,
    };

    fn at(bind: &str) -> Node {
        Node {
            id: "n".to_owned(),
            host: "h".to_owned(),
            bind: bind.to_owned(),
            version: "1".to_owned(),
            settings: BTreeMap::new(),
            started_at: Timestamp(0),
            seen_at: Timestamp(0),
            lease_until: Timestamp(0),
            draining_since: None,
        }
    }

    /// Proves at which address a server of this machine is asked, by which scheme, and when it is not.
    #[test]
    fn servers_here_have_an_address() {
        let loaded = load(&Sources::of_process(Vec::<Input>::new(), Vec::new()));
        let mut config = Config::assemble(&loaded).unwrap();
        let url = |config: &Config, bind: &str| own_url(config, &at(bind)).map_err(|finding| finding.id);
        for (bind, found) in [
            ("0.0.0.0:9292", Ok("http://127.0.0.1:9292")),
            ("10.0.0.0:9292", Ok("http://10.0.0.0:9292")),
            ("[::]:9292", Ok("http://[::1]:9292")),
            ("0.0.0.0:0", Err("server-not-asked")),
            ("/run/socket", Err("server-not-asked")),
        ] {
            assert_eq!(url(&config, bind), found.map(str::to_owned));
        }
        let tls = TlsSettings {
            certificate: "c".into(),
            key: "k".into(),
            client_authorities: Some("a".into()),
            clients_may_have_none: true,
        };
        config.listen.tls = Some(tls.clone());
        assert_eq!(url(&config, "1.2.3.4:5"), Ok("https://1.2.3.4:5".to_owned()));
        config.listen.tls = Some(TlsSettings { clients_may_have_none: false, ..tls });
        assert_eq!(url(&config, "1.2.3.4:5"), Err("server-not-asked"));
        config.listen.endpoints = vec![Endpoint::Unix("/s".into()), Endpoint::Http("1.2.3.4:5".to_owned())];
        assert_eq!(url(&config, "1.2.3.4:5"), Ok("http://1.2.3.4:5".to_owned()));
    }
}
