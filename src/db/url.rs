//! Translates the database URL from SQLAlchemy's spelling to what the client libraries read. An option that has no
//! effect here is refused, because whoever wrote `ssl_ca` relies on it.

use super::{Limits, client_file};

/// Seconds after which a connection whose other end says nothing at all is lost.
const LOST_SECONDS: u64 = 10;

/// The kind of database, and its address for the client library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file, or what SQLite takes for one.
    Sqlite(String),
    /// A URL as libpq reads it, with all its options; libpq refuses those that it does not know.
    Postgres(String),
    /// A URL as diesel reads it.
    Mysql {
        /// With no option but those that diesel hands on.
        url: String,
        /// Whether the URL asks for TLS. The library continues without when the server has none, so the session is
        /// asked.
        encrypted: bool,
        /// Whether the server must be the one that the URL names.
        named: bool,
    },
}

impl Place {
    /// Reads `url`; SQLAlchemy's names of drivers (`mysql+pymysql`) are passed over.
    ///
    /// # Errors
    /// A sentence naming the scheme or the option that is not supported, never a value.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url
            .split_once(':')
            .ok_or("connection: no scheme; use sqlite:PATH, postgresql://… or mysql://…")?;
        match scheme.split('+').next().unwrap_or(scheme) {
            "sqlite" => sqlite(rest),
            "postgresql" | "postgres" => Ok(Self::Postgres(format!("postgresql:{rest}"))),
            "mysql" | "mariadb" => mysql(rest),
            other => Err(format!(
                "connection: the scheme {other:?} is not supported; use sqlite, postgresql or mysql"
            )),
        }
    }

    /// The same place, reached within the limits: what libpq can bound by itself it does, unless the URL says otherwise.
    #[must_use]
    pub fn within(&self, limits: Limits) -> Self {
        let url = match self {
            Self::Sqlite(_) => return self.clone(),
            Self::Mysql { url, encrypted, named } => {
                let url = if *named { checking_the_name(url) } else { url.clone() };
                return Self::Mysql { url, encrypted: *encrypted, named: *named };
            }
            Self::Postgres(url) => url,
        };
        let (wait, lost) =
            (limits.wait().as_secs().max(2).to_string(), LOST_SECONDS.saturating_mul(1000).to_string());
        let mut url = url.clone();
        for (name, value) in [
            ("connect_timeout", &*wait),
            ("keepalives_idle", "4"),
            ("keepalives_interval", "2"),
            ("keepalives_count", "3"),
            ("tcp_user_timeout", &*lost),
        ] {
            if !url.contains(&format!("{name}=")) {
                url.push(if url.contains('?') { '&' } else { '?' });
                url.push_str(&format!("{name}={value}"));
            }
        }
        Self::Postgres(url)
    }

    /// For messages: the URL without its password, if any, and without options, which may hold one too.
    pub fn shown(&self) -> String {
        let url = match self {
            Self::Sqlite(path) => return format!("sqlite:{path}"),
            Self::Postgres(url) | Self::Mysql { url, .. } => url,
        };
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let place = rest.split('?').next().unwrap_or_default();
        match place.rsplit_once('@') {
            Some((user, place)) => {
                let user = user.split(':').next().unwrap_or_default();
                format!("{scheme}://{user}:***@{place}")
            }
            // A question mark in a password, written as it is.
            None if rest.contains('@') => format!("{scheme}://***"),
            None => format!("{scheme}://{place}"),
        }
    }
}

/// SQLAlchemy writes `sqlite:///relative` and `sqlite:////absolute`, with options; `sqlite:PATH` is a path and no more.
fn sqlite(rest: &str) -> Result<Place, String> {
    let Some(path) = rest.strip_prefix("///") else { return Ok(Place::Sqlite(rest.to_owned())) };
    match path.split_once('?') {
        None | Some((_, "")) => Ok(Place::Sqlite(path.trim_end_matches('?').to_owned())),
        Some((_, options)) => {
            let name = form_urlencoded::parse(options.as_bytes()).next().map(|(name, _)| name);
            Err(refused(&name.unwrap_or_default(), "a URL of SQLite has no options here"))
        }
    }
}

fn mysql(rest: &str) -> Result<Place, String> {
    if rest.contains('#') {
        return Err("connection: write # as %23 in the URL".to_owned());
    }
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let options = client_file::merged(place, options, is_local(place))?;
    let mut kept = form_urlencoded::Serializer::new(String::new());
    let (mut seen, mut encrypted, mut named) = (Vec::new(), false, false);
    if host(place).contains([';', '=']) {
        return Err("connection: the host of the URL is no name and no address".to_owned());
    }
    for (name, value) in form_urlencoded::parse(options.as_bytes()) {
        if seen.contains(&name) {
            return Err(refused(&name, "it stands there twice"));
        }
        match (&*name, &*value) {
            // SQLAlchemy passes over an option without a value, and with ssl_ca the certificate is checked anyway.
            ("ssl_verify_cert", "") => {}
            (_, "") => return Err(refused(&name, "it has no value")),
            ("unix_socket", socket) => {
                if !is_local(place) {
                    return Err(refused(&name, "the host beside it must be localhost"));
                }
                kept.append_pair("unix_socket", socket);
            }
            ("ssl_ca" | "ssl_cert" | "ssl_key", file) => {
                std::fs::File::open(file)
                    .map_err(|e| refused(&name, &format!("cannot read the file: {e}")))?;
                encrypted = true;
                kept.append_pair(&name, file);
            }
            ("charset", "utf8" | "utf8mb3" | "utf8mb4" | "UTF8" | "UTF8MB4") => {}
            ("charset", _) => return Err(refused(&name, "the connection always speaks utf8mb4")),
            ("ssl_verify_cert", "true" | "True" | "1") => {}
            ("ssl_verify_identity" | "ssl_check_hostname", "true" | "True" | "1") => named = true,
            ("ssl_verify_identity" | "ssl_check_hostname", "false" | "False" | "0") => {}
            // A plug-in of SQLAlchemy that counts statements; the load of the configuration says that nothing does so here.
            ("plugin", "dbcounter") => {}
            ("ssl_verify_cert", _) => {
                return Err(refused(&name, "with ssl_ca the server's certificate is always checked"));
            }
            _ => return Err(refused(&name, reason(&name))),
        }
        seen.push(name);
    }
    let has = |name: &str| seen.iter().any(|seen| seen == name);
    if named && (is_local(place) || host(place).starts_with('[')) {
        return Err(refused("ssl_verify_identity", "the URL has no name of a server to compare with"));
    }
    if (named || has("ssl_cert") || has("ssl_key") || has("ssl_verify_cert")) && !has("ssl_ca") {
        return Err(refused(
            "ssl_ca",
            "it is missing: without it the certificate of the server would not be checked",
        ));
    }
    if has("ssl_cert") != has("ssl_key") {
        return Err(refused("ssl_cert", "it needs ssl_key beside it, and ssl_key needs ssl_cert"));
    }
    let options = kept.finish();
    let mark = if options.is_empty() { "" } else { "?" };
    Ok(Place::Mysql { url: format!("mysql:{place}{mark}{options}"), encrypted, named })
}

/// The host of what stands behind `mysql:`, with its port.
fn host(place: &str) -> &str {
    let host = place.strip_prefix("//").unwrap_or(place).split('/').next().unwrap_or_default();
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

/// Whether the host is left out or `localhost`: the library takes a socket then, and ignores one beside any other.
fn is_local(place: &str) -> bool {
    let host = host(place);
    host.is_empty() || host == "localhost" || host.starts_with("localhost:")
}

/// The same place, where the library compares the name in the certificate. diesel has no option for that, but MariaDB's
/// library reads some from the host; MySQL's looks for a host of that name, and finds none.
fn checking_the_name(url: &str) -> String {
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let place = place.strip_prefix("mysql://").unwrap_or(place);
    let (server, database) = place.split_once('/').unwrap_or((place, ""));
    let (user, server) = server.rsplit_once('@').map_or((None, server), |(user, rest)| (Some(user), rest));
    let (name, port) = server.split_once(':').map_or((server, None), |(name, port)| (name, Some(port)));
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("mysql://{user}host={name};ssl-verify-server-cert=1{port}/{database}?{options}")
}

/// Why an option of MySQL is not taken.
fn reason(name: &str) -> &'static str {
    match name {
        "read_default_group" => "it needs read_default_file beside it",
        "plugin" => "a plug-in of SQLAlchemy is a part of Python",
        "ssl_mode" | "ssl" | "ssl_disabled" => "give ssl_ca to use TLS, and no option of TLS to do without",
        "ssl_verify_identity" | "ssl_check_hostname" => "it is true or false",
        "connect_timeout" | "read_timeout" | "write_timeout" => {
            "database_wait in [vitrine] is how long a request waits for a connection"
        }
        _ => {
            "it is not known; known are charset, ssl_ca, ssl_cert, ssl_key, ssl_verify_cert, ssl_verify_identity and unix_socket"
        }
    }
}

fn refused(name: &str, why: &str) -> String {
    format!("connection: the option {name:?} of the URL cannot be obeyed: {why}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn encrypted(url: &str) -> Place {
        Place::Mysql { url: url.to_owned(), encrypted: true, named: false }
    }

    fn clear(url: &str) -> Place {
        Place::Mysql { url: url.to_owned(), encrypted: false, named: false }
    }

    /// Each option reaches the client library, or is met by what the connection does anyway.
    #[test]
    fn obeyed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let file = file.path().display();
        let escaped = file.to_string().replace('/', "%2F");
        let postgres = |url: &str| Place::Postgres(url.to_owned());
        for (url, place) in [
            ("sqlite:PATH?x=1", Place::Sqlite("PATH?x=1".to_owned())),
            ("sqlite:///a.db", Place::Sqlite("a.db".to_owned())),
            ("sqlite:////var/a.db", Place::Sqlite("/var/a.db".to_owned())),
            (
                "postgresql+psycopg2://u:p@h/d?sslmode=verify-full&sslrootcert=x",
                postgres("postgresql://u:p@h/d?sslmode=verify-full&sslrootcert=x"),
            ),
            ("postgres://h/d?host=/run/postgresql", postgres("postgresql://h/d?host=/run/postgresql")),
            ("mysql+pymysql://u:p@h:3307/d?charset=utf8", clear("mysql://u:p@h:3307/d")),
            ("mariadb://h/d?charset=utf8mb4", clear("mysql://h/d")),
            ("mysql+pymysql://h/d?charset=utf8&plugin=dbcounter", clear("mysql://h/d")),
            (
                &format!("mysql+pymysql://h/d?ssl_ca={file}&ssl_verify_cert"),
                encrypted(&format!("mysql://h/d?ssl_ca={escaped}")),
            ),
            (
                "mysql://u@localhost/d?unix_socket=/run/s",
                clear("mysql://u@localhost/d?unix_socket=%2Frun%2Fs"),
            ),
            ("mysql:///d?unix_socket=/run/s", clear("mysql:///d?unix_socket=%2Frun%2Fs")),
            (
                &format!("mysql://h/d?ssl_ca={file}&ssl_verify_cert=true"),
                encrypted(&format!("mysql://h/d?ssl_ca={escaped}")),
            ),
            (
                &format!("mysql://h/d?ssl_ca={file}&ssl_cert={file}&ssl_key={file}"),
                encrypted(&format!("mysql://h/d?ssl_ca={escaped}&ssl_cert={escaped}&ssl_key={escaped}")),
            ),
        ] {
            assert_eq!(Place::parse(url), Ok(place), "{url}");
        }
    }

    /// The name in a certificate is compared where the URL asks for it, and what else it says stays.
    #[test]
    fn names_are_compared() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let file = file.path().display();
        let escaped = file.to_string().replace('/', "%2F");
        for (server, expected) in [
            ("u:p%40@h:3307/d", "u:p%40@host=h;ssl-verify-server-cert=1:3307/d"),
            ("h/d", "host=h;ssl-verify-server-cert=1/d"),
        ] {
            let url = format!("mysql+pymysql://{server}?ssl_ca={file}&ssl_verify_identity=true");
            let Place::Mysql { url, .. } = Place::parse(&url).unwrap().within(Limits::default()) else {
                panic!("another place")
            };
            assert_eq!(url, format!("mysql://{expected}?ssl_ca={escaped}"));
        }
    }

    /// What cannot be obeyed is refused by a sentence that names it.
    #[test]
    fn refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let file = file.path().display();
        for (url, named) in [
            ("PATH", "no scheme"),
            ("oracle://h/d", "\"oracle\""),
            ("sqlite:///a.db?timeout=5", "\"timeout\""),
            (
                "mysql://h/d?ssl_ca=/no/such/file",
                "\"ssl_ca\" of the URL cannot be obeyed: cannot read the file",
            ),
            (&format!("mysql://h/d?ssl_cert={file}&ssl_key={file}"), "\"ssl_ca\""),
            (&format!("mysql://h/d?ssl_ca={file}&ssl_cert={file}"), "needs ssl_key"),
            ("mysql://h/d?ssl_verify_cert=true", "\"ssl_ca\""),
            ("mysql://h/d?ssl_verify_cert=false", "\"ssl_verify_cert\""),
            ("mysql://h/d?ssl_verify_identity=true", "\"ssl_ca\""),
            ("mysql://h/d?ssl_verify_identity=perhaps", "\"ssl_verify_identity\""),
            (&format!("mysql://localhost/d?ssl_ca={file}&ssl_verify_identity=true"), "no name of a server"),
            (&format!("mysql://[::1]/d?ssl_ca={file}&ssl_check_hostname=1"), "no name of a server"),
            ("mysql://u:p@h;ssl-verify-server-cert=0/d", "no name and no address"),
            ("mysql://h/d?ssl_mode=required", "\"ssl_mode\""),
            ("mysql://h/d?read_default_file=/nowhere/my.cnf", "\"read_default_file\""),
            ("mysql://h/d?read_default_group=client", "\"read_default_group\""),
            ("mysql://h/d?plugin=other", "\"plugin\""),
            ("mysql://h/d?charset=latin1", "\"charset\""),
            ("mysql://h/d?charset=", "no value"),
            ("mysql://h/d?charset=utf8&charset=utf8", "twice"),
            ("mysql://h/d?unix_socket=/run/s", "localhost"),
            ("mysql://u:p@h/d?read_timeout=5", "\"read_timeout\""),
            ("mysql://h/d?novel=1", "known are charset"),
            ("mysql://u:a#b@h/d", "%23"),
        ] {
            let why = Place::parse(url).unwrap_err();
            assert!(why.contains(named), "{url}: {why}");
        }
    }

    /// A message shows where the database is, never a password.
    #[test]
    fn shown() {
        for (url, shown) in [
            ("mysql://u:secret@h:1/d?charset=utf8", "mysql://u:***@h:1/d"),
            ("postgresql://u:se@cret@h/d?password=secret", "postgresql://u:***@h/d"),
            ("postgresql://h/d", "postgresql://h/d"),
            ("postgresql:/u:secret@h/d", "postgresql:///u:***@h/d"),
            ("postgresql:u:secret@h/d", "postgresql://u:***@h/d"),
            ("postgresql://u:sec?ret@h/d", "postgresql://***"),
            ("sqlite:///a.db", "sqlite:a.db"),
        ] {
            assert_eq!(Place::parse(url).unwrap().shown(), shown);
        }
    }
}
