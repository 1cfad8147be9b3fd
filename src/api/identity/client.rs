//! The address of a client, taking proxies into account.

use std::net::IpAddr;

use actix_web::HttpRequest;

use crate::identity::builtin::Settings;

/// The address of a client: the peer, or what one of our proxies reports. A proxy appends the address that it sees, so
/// the last address that is not one of our proxies counts, not what a client may have written before it.
pub fn address(request: &HttpRequest, settings: &Settings) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let trusted = |address: &IpAddr| settings.trusted_proxies.iter().any(|network| network.contains(address));
    let believes = match settings.trusted_proxies.is_empty() {
        true => settings.trust_proxy_headers,
        false => trusted(&peer),
    };
    if !believes {
        return Some(peer);
    }
    let told = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = told.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut nearest = peer;
    for hop in hops.iter().rev() {
        let Some(address) = parse(hop) else { break };
        nearest = address;
        if !trusted(&address) {
            break;
        }
    }
    Some(nearest)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use actix_web::test::TestRequest;

    use super::*;

    /// `X-Forwarded-For` counts only where one of our proxies wrote it, and only what that proxy saw.
    #[test]
    fn sec_61_the_address_of_a_client_is_what_our_proxies_saw() {
        let (nobody, anybody): (&[&str], &[&str]) = (&[], &["0.0.0.0/0"]);
        let ours: &[&str] = &["10.0.0.0/8", "fd00::/8"];
        for (trusts, proxies, peer, told, expected) in [
            (false, nobody, "192.0.2.1:5", "203.0.113.9", "192.0.2.1"),
            (true, nobody, "192.0.2.1:5", "203.0.113.9", "203.0.113.9"),
            (true, nobody, "192.0.2.1:5", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
            (true, nobody, "192.0.2.1:5", "", "192.0.2.1"),
            (true, nobody, "192.0.2.1:5", "unknown", "192.0.2.1"),
            (true, ours, "192.0.2.1:5", "203.0.113.9", "192.0.2.1"),
            (false, ours, "10.0.0.1:5", "203.0.113.9", "203.0.113.9"),
            (false, ours, "10.0.0.1:5", "1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
            (false, ours, "10.0.0.1:5", "junk, 10.9.9.9", "10.9.9.9"),
            (false, ours, "[fd00::1]:5", "[2001:db8::1]:4711", "2001:db8::1"),
            (false, ours, "[::ffff:10.0.0.1]:5", "203.0.113.9:80", "203.0.113.9"),
            (false, anybody, "192.0.2.1:5", "1.1.1.1, 2.2.2.2", "1.1.1.1"),
        ] {
            let settings = Settings {
                trust_proxy_headers: trusts,
                trusted_proxies: proxies.iter().map(|network| network.parse().unwrap()).collect(),
                ..Settings::default()
            };
            let request = TestRequest::default().peer_addr(peer.parse().unwrap());
            let request = request.insert_header(("x-forwarded-for", told)).to_http_request();
            let expected = Some(expected.parse().unwrap());
            assert_eq!(address(&request, &settings), expected, "{trusts} {proxies:?} {peer} {told}");
        }
    }
}
