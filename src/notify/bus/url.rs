//! The URL of a message bus (`oslo_messaging/transport.py: TransportURL.parse`).

use percent_encoding::percent_decode_str;

/// The port of AMQP.
const PORT: u16 = 5672;
/// What RabbitMQ lets in from its own machine when it is fresh, and kombu tries when nothing is said.
const GUEST: &str = "guest";

/// One node of a broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or address.
    pub name: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Host {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// A URL in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The hosts, at least one.
    pub hosts: Vec<Host>,
    /// The virtual host.
    pub vhost: String,
    /// Options that take the place of those in the configuration.
    pub query: Vec<(String, String)>,
}

/// Parses a URL.
///
/// # Errors
/// A sentence, without anything secret, saying what is wrong.
pub fn parse(text: &str) -> Result<Url, String> {
    let (scheme, rest) = text.split_once("://").ok_or("it is not of the form rabbit://HOST")?;
    if !matches!(scheme, "rabbit" | "kombu") {
        return Err(format!("Vitrine speaks to brokers as rabbit://, not as {scheme}://"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (places, path) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts: Result<Vec<Host>, String> =
        places.split(',').filter(|place| !place.is_empty()).map(host).collect();
    let mut hosts = hosts?;
    if hosts.is_empty() {
        hosts.push(host("localhost")?);
    }
    let path = decoded(path);
    let vhost = if path.is_empty() { "/".to_owned() } else { path };
    let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Ok(Url { hosts, vhost, query })
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn host(text: &str) -> Result<Host, String> {
    let (login, place) = text.rsplit_once('@').unwrap_or(("", text));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let or_guest = |text: &str| if text.is_empty() { GUEST.to_owned() } else { decoded(text) };
    let (name, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None => match place.split_once(':') {
            // An address of IPv6 without brackets has no port.
            Some((_, port)) if port.contains(':') => (place, None),
            Some((name, port)) => (name, Some(port)),
            None => (place, None),
        },
    };
    let port = match port.filter(|port| !port.is_empty()) {
        Some(port) => port.parse().map_err(|_| format!("`{port}` is no port"))?,
        None => PORT,
    };
    let name = if name.is_empty() { "localhost" } else { name };
    Ok(Host { name: name.to_owned(), port, user: or_guest(user), password: or_guest(password) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hosts(text: &str) -> Vec<String> {
        let url = parse(text).unwrap();
        let told = url.hosts.iter().map(|h| format!("{}:{}@{}:{}", h.user, h.password, h.name, h.port));
        told.chain([url.vhost]).collect()
    }

    /// Proves that URLs are read as oslo.messaging reads them.
    #[test]
    fn urls_are_read_as_by_oslo() {
        for (text, expected) in [
            ("rabbit://", vec!["guest:guest@localhost:5672", "/"]),
            ("rabbit://h", vec!["guest:guest@h:5672", "/"]),
            ("rabbit://h/", vec!["guest:guest@h:5672", "/"]),
            ("rabbit://h//", vec!["guest:guest@h:5672", "/"]),
            ("rabbit://u:p@h:1/v", vec!["u:p@h:1", "v"]),
            ("rabbit://u:p%40%2F@h/a%2Fb", vec!["u:p@/@h:5672", "a/b"]),
            ("rabbit://u:p@h1:1,u2:p2@h2/v", vec!["u:p@h1:1", "u2:p2@h2:5672", "v"]),
            ("rabbit://u:p@[::1]:7,u:p@[fe80::1]/", vec!["u:p@::1:7", "u:p@fe80::1:5672", "/"]),
            ("kombu://u:p@h", vec!["u:p@h:5672", "/"]),
        ] {
            assert_eq!(hosts(text), expected, "{text}");
        }
        let query = parse("rabbit://h/v?ssl=1&ssl_ca_file=%2Fa%2Bb").unwrap().query;
        assert_eq!(query, [("ssl", "1"), ("ssl_ca_file", "/a+b")].map(|(a, b)| (a.into(), b.into())));
    }

    /// Proves that what cannot be spoken to is refused, without its password being told.
    #[test]
    fn other_urls_are_refused() {
        for (text, part) in
            [("kafka://u:p@h", "kafka://"), ("h:5672", "rabbit://"), ("rabbit://u:hush@h:x/", "`x`")]
        {
            let why = parse(text).unwrap_err();
            assert!(why.contains(part) && !why.contains("hush"), "{why}");
        }
        assert_eq!(format!("{:?}", parse("rabbit://u:hush@h").unwrap().hosts), "[h:5672]");
    }
}
