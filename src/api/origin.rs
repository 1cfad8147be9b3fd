//! The URL by which a client reached us, taking proxies into account (`oslo_middleware/http_proxy_to_wsgi.py`).

use actix_web::{
    HttpRequest,
    http::header::{FORWARDED, HOST, HeaderMap},
};

use super::{Settings, connection::Exchange};

/// Scheme, host and prefix as the client sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `http` or `https`
    pub scheme: String,
    /// Host, with a port unless it is the scheme's own.
    pub host: String,
    /// Path under which a proxy mounts us; empty or beginning with `/`.
    pub prefix: String,
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty())
}

/// A parameter of the first element of a `Forwarded` header (RFC 7239).
fn forwarded<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let element = header.split(',').next().unwrap_or_default();
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The address on which the server listens, for requests that name no host.
pub fn own_host(request: &HttpRequest) -> String {
    let exchange = request.conn_data::<Exchange>();
    match exchange.map(Exchange::address) {
        None => request.app_config().host().to_owned(),
        // A socket in the file system has no name of its own.
        Some(address) if address.port() == 0 => "localhost".to_owned(),
        Some(address) => address.to_string(),
    }
}

/// What is spoken with whoever is connected.
pub fn own_scheme(request: &HttpRequest) -> &'static str {
    let exchange = request.conn_data::<Exchange>();
    if exchange.is_some_and(Exchange::is_encrypted) { "https" } else { "http" }
}

/// Whether whoever is connected is one of these proxies, or there are none to be held against.
pub fn is_trusted(proxies: &[ipnet::IpNet], request: &HttpRequest) -> bool {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    proxies.is_empty() || peer.is_some_and(|peer| proxies.iter().any(|network| network.contains(&peer)))
}

/// Whether forwarding headers are believed: with `enable_proxy_headers_parsing`, of everybody as in Glance, or of
/// `trusted_proxies` alone if there are any.
fn believes(settings: &Settings, request: &HttpRequest) -> bool {
    settings.enable_proxy_headers_parsing && is_trusted(&settings.trusted_proxies, request)
}

/// Where the client reached us. Forwarding headers count only with `enable_proxy_headers_parsing`.
pub fn of(settings: &Settings, request: &HttpRequest) -> Origin {
    let headers = request.headers();
    let mut origin = Origin {
        scheme: own_scheme(request).to_owned(),
        host: text(headers, HOST.as_str()).map_or_else(|| own_host(request), str::to_owned),
        prefix: String::new(),
    };
    if !believes(settings, request) {
        return origin;
    }
    let (scheme, host) = match text(headers, FORWARDED.as_str()) {
        Some(header) => (forwarded(header, "proto"), forwarded(header, "host")),
        None => (text(headers, "x-forwarded-proto"), text(headers, "x-forwarded-host")),
    };
    if let Some(scheme) = scheme {
        scheme.clone_into(&mut origin.scheme);
    }
    if let Some(host) = host {
        host.clone_into(&mut origin.host);
    }
    if let Some(prefix) = text(headers, "x-forwarded-prefix") {
        origin.prefix = format!("/{}", prefix.trim_matches('/'));
        if origin.prefix == "/" {
            origin.prefix.clear();
        }
    }
    origin
}

/// The absolute base of a link whose path is absolute already; a mount prefix is no part of it, as in the reference.
pub fn own_url(settings: &Settings, request: &HttpRequest) -> String {
    let origin = of(settings, request);
    format!("{}://{}", origin.scheme, origin.host)
}

/// The base of links in version documents: `public_endpoint`, else the origin with its prefix.
pub fn base_url(settings: &Settings, request: &HttpRequest) -> String {
    match &settings.public_endpoint {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None => {
            let origin = of(settings, request);
            format!("{}://{}{}", origin.scheme, origin.host, origin.prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use actix_web::test::TestRequest;

    use super::*;

    fn base(parse: bool, headers: &[(&str, &str)]) -> String {
        let mut request = TestRequest::default().insert_header(("host", "inside:9292"));
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let settings = Settings { enable_proxy_headers_parsing: parse, ..Settings::default() };
        base_url(&settings, &request.to_http_request())
    }

    #[test]
    fn forwarding_headers_count_only_when_asked_for() {
        let sent =
            [("x-forwarded-proto", "https"), ("x-forwarded-host", "out"), ("x-forwarded-prefix", "/image/")];
        assert_eq!(base(false, &sent), "http://inside:9292");
        assert_eq!(base(true, &sent), "https://out/image");
        let both =
            [("forwarded", "for=1.2.3.4;proto=https;host=\"a:1\", proto=http"), ("x-forwarded-host", "out")];
        assert_eq!(base(true, &both), "https://a:1");
    }
}
