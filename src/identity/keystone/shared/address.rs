//! Where a memcached is, as `memcached_servers` says it.

use super::super::settings::SettingsError;

/// Where a memcached listens when the option does not say it.
const PORT: u16 = 11211;

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an address, that of IPv6 without brackets.
    pub(super) host: String,
    /// The TCP port.
    pub(super) port: u16,
}

impl Address {
    /// Reads `HOST`, `HOST:PORT`, `[IPV6]:PORT` and the same behind `inet6:`, which is how python-memcached marks an
    /// address in brackets.
    ///
    /// # Errors
    /// The text is none of these.
    pub(super) fn parse(text: &str) -> Result<Self, SettingsError> {
        let bad = || SettingsError::new("memcached_servers", format!("{text:?} is not HOST:PORT"));
        let rest = text.strip_prefix("inet6:").or(text.strip_prefix("inet:")).unwrap_or(text);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| bad())?),
            _ => (rest, PORT),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_sound = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains(['/', ' ', ':', '[', ']']),
        };
        if !is_sound {
            return Err(bad());
        }
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn addresses_are_read_as_python_memcached_writes_them() {
        for (text, host, port) in [
            ("localhost", "localhost", 11211),
            ("10.0.0.1:5", "10.0.0.1", 5),
            ("inet:10.0.0.1:5", "10.0.0.1", 5),
            ("inet6:[::1]:5", "::1", 5),
            ("[::1]", "::1", 11211),
        ] {
            let read = Address::parse(text).unwrap();
            assert_eq!((read.host.as_str(), read.port), (host, port), "{text}");
        }
        for text in
            ["", ":5", "a:b", "::1", "http://a:5", "a:70000", "[a]:5", "inet6:", "unix:/run/memcached"]
        {
            assert_eq!(Address::parse(text).unwrap_err().option, "memcached_servers", "{text}");
        }
    }
}
