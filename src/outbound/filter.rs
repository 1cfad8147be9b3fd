//! Which URIs may be fetched: scheme, host and port against the operator's lists, and addresses against the public
//! Internet (`glance/common/utils.py: validate_import_uri, normalize_hostname`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use reqwest::Url;

/// `[import_filtering_opts]`: at each level a list of what is allowed, unless empty, makes the other irrelevant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation
pub struct Filter {
    pub allowed_schemes: Vec<String>,
    pub disallowed_schemes: Vec<String>,
    /// Also trusted: their addresses need not be on the public Internet.
    pub allowed_hosts: Vec<String>,
    pub disallowed_hosts: Vec<String>,
    pub allowed_ports: Vec<u16>,
    pub disallowed_ports: Vec<u16>,
    /// Networks that are not on the public Internet and may be fetched from all the same.
    pub allowed_networks: Vec<IpNet>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            allowed_schemes: vec!["http".to_owned(), "https".to_owned()],
            disallowed_schemes: Vec::new(),
            allowed_hosts: Vec::new(),
            disallowed_hosts: Vec::new(),
            allowed_ports: vec![80, 443],
            disallowed_ports: Vec::new(),
            allowed_networks: Vec::new(),
        }
    }
}

impl Filter {
    /// Whether the addresses of a host need not be public.
    pub(super) fn trusts(&self, host: &str) -> bool {
        let host = same_name(host);
        self.allowed_hosts.iter().any(|allowed| same_name(allowed) == host)
    }
}

/// Why a URI is refused, in words for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is none, or says what a source may not say.
    #[error("the URI is not usable: {0}")]
    Unreadable(&'static str),
    /// The lists of the operator refuse it.
    #[error("{what} {value:?} is not allowed by the operator ([import_filtering_opts])")]
    Listed {
        /// `the scheme`, `the host` or `the port`.
        what: &'static str,
        /// What was found.
        value: String,
    },
    /// The host has no address.
    #[error("the host name cannot be resolved")]
    Unresolved,
    /// The host is on a network that is not public.
    #[error(
        "the source is not on the public Internet; the operator can allow its network with \
         [import_filtering_opts] allowed_networks"
    )]
    NotPublic,
}

/// A URI that passed the lists.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The parsed URI.
    pub url: Url,
    /// The host if it is a name.
    pub name: Option<String>,
    /// The host if it is an address.
    pub address: Option<IpAddr>,
    /// The port, also if it is the scheme's own.
    pub port: u16,
    /// The host is in `allowed_hosts`: its addresses need not be public.
    pub trusted: bool,
}

fn listed<T: PartialEq>(value: &T, allowed: &[T], denied: &[T]) -> bool {
    if allowed.is_empty() { !denied.contains(value) } else { allowed.contains(value) }
}

/// Checks a URI against the lists, without looking at the network.
///
/// # Errors
/// The [`Refusal`].
pub fn check(filter: &Filter, uri: &str) -> Result<Checked, Refusal> {
    if uri.is_empty() {
        return Err(Refusal::Unreadable("it is empty"));
    }
    if uri.chars().any(|c| c.is_ascii_control() || c.is_ascii_whitespace() || c == '\\') {
        return Err(Refusal::Unreadable("it has blanks, control characters or backslashes"));
    }
    let url = Url::parse(uri).map_err(|_| Refusal::Unreadable("it is malformed"))?;
    let refused = |what, value: &str| Refusal::Listed { what, value: value.to_owned() };
    let scheme = url.scheme().to_owned();
    let fetchable = matches!(scheme.as_str(), "http" | "https");
    if !fetchable || !listed(&scheme, &filter.allowed_schemes, &filter.disallowed_schemes) {
        return Err(refused("the scheme", &scheme));
    }
    // The URL standard reads `http:///host` as `http://host`; nobody should have to know that.
    if uri.split_once("://").is_none_or(|(_, rest)| rest.starts_with('/')) {
        return Err(Refusal::Unreadable("it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::Unreadable("it carries a user name or a password"));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let address = host.parse::<IpAddr>().ok();
    if host.is_empty() || !spelled_out(uri, &host, address) {
        return Err(Refusal::Unreadable("its host is missing, or a shortened or encoded address"));
    }
    let names = |list: &[String]| list.iter().map(|host| same_name(host)).collect::<Vec<_>>();
    let (own, allowed) = (same_name(&host), names(&filter.allowed_hosts));
    if !listed(&own, &allowed, &names(&filter.disallowed_hosts)) {
        return Err(refused("the host", &host));
    }
    let port = url.port_or_known_default().unwrap_or_default();
    if !listed(&port, &filter.allowed_ports, &filter.disallowed_ports) {
        return Err(refused("the port", &port.to_string()));
    }
    let trusted = filter.trusts(&host);
    let name = address.is_none().then(|| host.clone());
    Ok(Checked { url, name, address, port, trusted })
}

/// The one spelling of a host that the lists are compared by: `Evil.example.` is `evil.example`, and an IPv4 address
/// stays the same within an IPv6 address.
fn same_name(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
    }
}

/// Whether an IPv4 address stands in the text as it is: parsers of URLs also read `0x7f.1` and `2130706433`.
fn spelled_out(uri: &str, host: &str, address: Option<IpAddr>) -> bool {
    let authority = uri.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    match address {
        _ if authority.is_empty() => false,
        Some(IpAddr::V4(_)) => authority == host || authority.split(':').next() == Some(host),
        _ => !host.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
    }
}

/// Checks the addresses of a source: all of them must be public or in an allowed network, unless its host is `trusted`.
///
/// # Errors
/// [`Refusal::Unresolved`] when there are none, [`Refusal::NotPublic`].
pub(super) fn check_addresses(filter: &Filter, trusted: bool, addresses: &[IpAddr]) -> Result<(), Refusal> {
    if addresses.is_empty() {
        return Err(Refusal::Unresolved);
    }
    let allowed = |address: &IpAddr| {
        let address = address.to_canonical();
        is_public(address) || filter.allowed_networks.iter().any(|network| network.contains(&address))
    };
    if trusted || addresses.iter().all(allowed) { Ok(()) } else { Err(Refusal::NotPublic) }
}

/// Whether an address is globally reachable, by the IANA registries of special-purpose addresses.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = a == 0
        || a >= 224
        || v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || (a == 100 && (b & 0xc0) == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b & 0xfe) == 18);
    !special
}

/// Only what is given out for global use, without what tunnels to IPv4 or is for documentation.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    let global = (first & 0xe000) == 0x2000;
    let tunnels = first == 0x2002 || (first == 0x2001 && second < 0x0200);
    let documentation = (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    global && !tunnels && !documentation
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn only_plain_uris_of_allowed_schemes_and_ports_pass() {
        let filter = Filter::default();
        for good in [
            "http://images.example.org/a.qcow2",
            "https://images.example.org:443/a?b=c#d",
            "http://93.184.216.34/x",
            "http://[2606:2800:220:1::1]:80/",
            "HTTPS://EXAMPLE.org/",
        ] {
            assert!(check(&filter, good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "x",
            "file:///etc/passwd",
            "ftp://example.org/",
            "http://",
            "http:///x",
            "http://example.org:8080/",
            "http://example.org:99999/",
            "http://example.org:abc/",
            "http://user@example.org/",
            "http://user:pass@example.org/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://exa mple.org/",
            "http://example.org\\@127.0.0.1/",
        ] {
            assert!(check(&filter, bad).is_err(), "{bad}");
        }
    }

    /// Proves that a URL that names no port has that of its scheme, for the lists too.
    #[test]
    fn sec_35_a_url_without_a_port_has_that_of_its_scheme() {
        let https = Filter { allowed_ports: vec![443], ..Filter::default() };
        let no_http = Filter { allowed_ports: vec![], disallowed_ports: vec![80], ..Filter::default() };
        for filter in [https, no_http] {
            let refused = check(&filter, "http://example.org/").unwrap_err();
            assert!(matches!(refused, Refusal::Listed { what: "the port", .. }), "{refused}");
            assert_eq!(check(&filter, "https://example.org/").unwrap().port, 443);
        }
    }

    /// Proves that no list of the operator's makes a scheme fetchable that is not: there is no reader of files to reach.
    #[test]
    fn sec_55_no_list_allows_files() {
        let schemes = ["file", "filesystem", "ftp", "gopher", "data", "jar"].map(str::to_owned).to_vec();
        let filter = Filter { allowed_schemes: schemes.clone(), allowed_ports: vec![], ..Filter::default() };
        for scheme in schemes {
            for uri in
                [format!("{scheme}:///etc/passwd"), format!("{}://host/etc/passwd", scheme.to_uppercase())]
            {
                let refused = check(&filter, &uri).unwrap_err();
                assert!(matches!(refused, Refusal::Listed { what: "the scheme", .. }), "{uri}: {refused}");
            }
        }
    }

    #[test]
    fn an_allow_list_makes_the_deny_list_irrelevant() {
        let filter = Filter {
            allowed_hosts: vec!["good.example".into()],
            disallowed_hosts: vec!["good.example".into()],
            allowed_ports: vec![],
            disallowed_ports: vec![22],
            ..Filter::default()
        };
        assert!(check(&filter, "http://good.example:8080/").unwrap().trusted);
        assert!(check(&filter, "http://good.example:22/").is_err());
        assert!(check(&filter, "http://other.example/").is_err());
    }

    /// Proves that no other spelling of a host gets past the list that names it, or is kept out by it.
    #[test]
    fn a_host_is_one_host_however_it_is_spelled() {
        let hosts = ["Listed.Example", "93.184.216.34", "2606:2800:220:1::1"].map(str::to_owned).to_vec();
        let denies = Filter { disallowed_hosts: hosts.clone(), ..Filter::default() };
        let allows = Filter { allowed_hosts: hosts, ..Filter::default() };
        for same in [
            "http://listed.example/",
            "http://LISTED.example/",
            "http://listed.example./",
            "http://93.184.216.34/",
            "http://[::ffff:93.184.216.34]/",
            "http://[::ffff:5db8:d822]/",
            "http://[2606:2800:0220:1:0:0:0:1]/",
        ] {
            let refused = check(&denies, same).unwrap_err();
            assert!(matches!(refused, Refusal::Listed { what: "the host", .. }), "{same}: {refused}");
            assert!(check(&allows, same).unwrap().trusted, "{same}");
        }
        for other in ["http://sub.listed.example/", "http://unlisted.example/", "http://93.184.216.35/"] {
            assert!(!check(&denies, other).unwrap().trusted, "{other}");
            assert!(check(&allows, other).is_err(), "{other}");
        }
    }

    #[test]
    fn addresses_off_the_public_internet_are_refused_unless_their_network_is_allowed() {
        let mut filter = Filter::default();
        let checked = check(&filter, "http://example.org/").unwrap();
        let judge = |filter: &Filter, text: &[&str]| {
            let addresses: Vec<IpAddr> = text.iter().map(|t| t.parse().unwrap()).collect();
            check_addresses(filter, checked.trusted, &addresses)
        };
        for bad in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "192.0.0.8",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::1",
            "2001:db8::1",
        ] {
            assert_eq!(judge(&filter, &[bad]), Err(Refusal::NotPublic), "{bad}");
            assert_eq!(
                judge(&filter, &["93.184.216.34", bad]),
                Err(Refusal::NotPublic),
                "{bad} beside a good one"
            );
        }
        for good in ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"] {
            assert_eq!(judge(&filter, &[good]), Ok(()), "{good}");
        }
        assert_eq!(judge(&filter, &[]), Err(Refusal::Unresolved));
        filter.allowed_networks = vec!["10.0.0.0/8".parse().unwrap()];
        assert_eq!(judge(&filter, &["10.1.2.3"]), Ok(()));
        assert_eq!(judge(&filter, &["::ffff:10.1.2.3"]), Ok(()));
        assert_eq!(judge(&filter, &["11.0.0.1", "127.0.0.1"]), Err(Refusal::NotPublic));
    }
}
