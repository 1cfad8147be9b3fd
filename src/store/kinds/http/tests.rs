//! The http store against servers of all kinds, with and without TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{IpAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
};

use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    ssl::{SslAcceptor, SslMethod},
    x509::{
        X509, X509Name,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

use super::*;
use crate::{outbound::Resolve, store::conformance};

/// Lets this machine be read from, at each port.
fn loopback() -> Filter {
    let allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    Filter { allowed_ports: Vec::new(), allowed_networks, ..Filter::default() }
}

/// Serves `data` at `/data`, with or without ranges, and redirects of every kind. Returns its base URL.
fn serve(data: Vec<u8>, knows_ranges: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &data, knows_ranges);
        }
    });
    base
}

fn answer(mut stream: TcpStream, data: &[u8], knows_ranges: bool) {
    let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map(|line| line.unwrap_or_default())
        .take_while(|line| !line.is_empty())
        .collect();
    let (Some(first), close) = (lines.first(), "Connection: close") else { return };
    let path = first.split([' ', '?']).nth(1).unwrap();
    let target = first.split([' ', '?']).nth(2).unwrap_or_default();
    let range =
        lines.iter().find_map(|l| l.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let (status, part) = match (path, range.filter(|_| knows_ranges)) {
        ("/data", None) => ("200 OK".to_owned(), data),
        ("/data", Some(range)) => {
            let (from, to) = range.split_once('-').unwrap();
            let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
            ("206 Partial Content".to_owned(), &data[from..=to.min(data.len() - 1)])
        }
        ("/drip", _) => return drip(stream, data),
        ("/loop", _) => (format!("302 Found\r\nLocation: {path}"), &[][..]),
        ("/to", _) => (format!("302 Found\r\nLocation: {target}"), &[][..]),
        ("/moved", _) => ("301 Moved Permanently\r\nLocation: /data".to_owned(), &[][..]),
        ("/other", _) => ("307 Temporary Redirect\r\nLocation: /data".to_owned(), &[][..]),
        ("/broken", _) => ("500 Internal Server Error".to_owned(), &[][..]),
        _ => ("404 Not Found".to_owned(), &[][..]),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{close}\r\n\r\n", part.len());
    stream.write_all(head.as_bytes()).unwrap();
    if !first.starts_with("HEAD") {
        // The reader may have seen enough.
        let _ = stream.write_all(part);
    }
}

/// Sends a byte every twenty milliseconds until nobody listens any more.
fn drip(mut stream: TcpStream, data: &[u8]) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", data.len());
    if stream.write_all(head.as_bytes()).is_err() {
        return;
    }
    for byte in data {
        std::thread::sleep(Duration::from_millis(20));
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
    }
}

/// Proves that a server that drips is given up, by the pace that it does not keep and by the time that all may take.
#[tokio::test]
async fn sec_37_a_server_that_drips_is_given_up() {
    let idle = Patience { idle: Duration::from_millis(300), ..Patience::default() };
    let total = Patience { total: Duration::from_millis(300), ..Patience::default() };
    for (patience, words) in [(idle, "hardly anything"), (total, "longer than")] {
        let base = serve(vec![0; 1 << 20], true);
        let store = HttpStore::new(&Settings::default(), &loopback(), patience).unwrap();
        let store = conformance::named(store);
        let error = conformance::get(&store, &format!("{base}/drip"), None).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// Proves that the http store keeps the promises of stores that only read, on servers with ranges and without.
#[tokio::test]
async fn the_http_store_conforms() {
    let store =
        conformance::named(HttpStore::new(&Settings::default(), &loopback(), Patience::default()).unwrap());
    for knows_ranges in [true, false] {
        let data = conformance::data(123_457);
        let base = serve(data.clone(), knows_ranges);
        let (url, absent) = (format!("{base}/data"), format!("{base}/absent"));
        let held = conformance::Held { url: &url, bytes: &data, absent: &absent };
        conformance::conforms(&store, Some(held)).await;
    }
}

/// Proves which redirects are followed and what other answers mean, and that no URL in an error has a secret.
#[tokio::test]
async fn answers_are_understood_as_the_reference_does() {
    let base = serve(b"0123".to_vec(), true);
    let store =
        conformance::named(HttpStore::new(&Settings::default(), &loopback(), Patience::default()).unwrap());
    assert_eq!(conformance::get(&store, &format!("{base}/moved"), None).await.unwrap(), b"0123");
    for path in ["other", "loop", "broken"] {
        let url = format!("{base}/{path}?token=hush").replace("://", "://user:hush@");
        let error = store.read(&url, None).await.err().unwrap();
        assert_eq!(error.kind, StoreErrorKind::BadUrl, "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = store.read(&format!("http://{closed}/"), None).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
}

/// Knows `inside.example`, and `turning.example`, which moves inside after the first time.
struct Scripted(AtomicBool);

#[async_trait]
impl Resolve for Scripted {
    async fn resolve(&self, name: &str) -> Vec<IpAddr> {
        let turned = name == "turning.example" && !self.0.swap(true, Ordering::SeqCst);
        vec![if turned { [127, 0, 0, 1] } else { [127, 0, 0, 2] }.into()]
    }
}

/// Proves that each hop passes the filter, and that a connection goes to the address that was checked.
#[tokio::test]
async fn sec_32_every_hop_is_filtered() {
    let filter = Filter { allowed_networks: vec!["127.0.0.1/32".parse().unwrap()], ..loopback() };
    let mut store = HttpStore::new(&Settings::default(), &filter, Patience::default()).unwrap();
    store.fetcher = store.fetcher.with_resolver(Arc::new(Scripted(AtomicBool::new(false))));
    let store = conformance::named(store);
    let inner = TcpListener::bind("127.0.0.2:0").unwrap();
    inner.set_nonblocking(true).unwrap();
    let port = inner.local_addr().unwrap().port();
    let base = serve(b"0123".to_vec(), true);
    assert_eq!(conformance::get(&store, &format!("{base}/to?{base}/data"), None).await.unwrap(), b"0123");
    let turning = base.replace("127.0.0.1", "turning.example");
    for target in ["127.0.0.2", "0x7f.2", "[::ffff:127.0.0.2]", "inside.example"] {
        let target = format!("http://{target}:{port}/");
        for url in [target.clone(), format!("{base}/to?{target}")] {
            for error in [store.read(&url, None).await.err(), store.stat(&url).await.err()] {
                assert_eq!(error.unwrap().kind, StoreErrorKind::BadUrl, "{url}");
            }
        }
    }
    assert_eq!(conformance::get(&store, &format!("{turning}/data"), None).await.unwrap(), b"0123");
    let error = store.read(&format!("http://turning.example:{port}/"), None).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::BadUrl, "{error}");
    assert_eq!(inner.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Serves `0123` by TLS with a certificate of its own making, for an address and until a day; returns its base URL and
/// the certificate.
fn serve_by_tls(address: &str, from: i64, until: i64) -> (String, Vec<u8>) {
    let day = |unix| Asn1Time::from_unix(unix).unwrap();
    let key = EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap();
    let key = PKey::from_ec_key(key).unwrap();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "source").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&day(from)).unwrap();
    builder.set_not_after(&day(until)).unwrap();
    builder.append_extension(BasicConstraints::new().ca().build().unwrap()).unwrap();
    let names = SubjectAlternativeName::new().ip(address).build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls_server()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/data", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = acceptor.accept(stream.unwrap()) else { continue };
            if stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n0123");
                let _ = stream.shutdown();
            }
        }
    });
    (url, certificate.to_pem().unwrap())
}

/// Proves that the certificates of servers are checked unless the operator says otherwise.
#[tokio::test]
async fn sec_4_certificates_are_verified() {
    const YEAR: i64 = 31_556_952;
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let reads = async |settings: Settings, url: &str| {
        let store = conformance::named(HttpStore::new(&settings, &loopback(), Patience::default()).unwrap());
        match conformance::get(&store, url, None).await {
            Ok(data) => Ok(data),
            Err(error) => Err(error.kind),
        }
    };
    let trusting = |pem: &[u8]| Settings { ca_certificates: Some(pem.to_vec()), ..Settings::default() };
    let insecure = Settings { insecure: true, ..Settings::default() };
    let (url, pem) = serve_by_tls("127.0.0.1", now - YEAR, now + YEAR);
    assert_eq!(reads(Settings::default(), &url).await, Err(StoreErrorKind::Unavailable), "of nobody we know");
    assert_eq!(reads(trusting(&pem), &url).await, Ok(b"0123".to_vec()));
    assert_eq!(reads(insecure.clone(), &url).await, Ok(b"0123".to_vec()));
    let (_, another) = serve_by_tls("127.0.0.1", now - YEAR, now + YEAR);
    assert_eq!(reads(trusting(&another), &url).await, Err(StoreErrorKind::Unavailable), "of another");
    for (address, until) in [("127.0.0.9", now + YEAR), ("127.0.0.1", now - YEAR / 2)] {
        let (url, pem) = serve_by_tls(address, now - YEAR, until);
        assert_eq!(reads(trusting(&pem), &url).await, Err(StoreErrorKind::Unavailable), "{address} {until}");
        assert_eq!(reads(insecure.clone(), &url).await, Ok(b"0123".to_vec()));
    }
}

/// Proves that nobody is trusted blindly unless the option is written.
#[test]
fn sec_4_https_insecure_has_to_be_written() {
    let declared = OPTIONS.iter().find(|option| option.name == INSECURE).unwrap();
    assert_eq!((declared.default, Settings::default().insecure), (Some("false"), false));
}
