//! Servers with scripted responses: many pages, occasional failures, no support for conditions.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::Mutex,
    time::Duration,
};

use super::*;

/// What a server was asked: the head, line by line.
type Head = Vec<String>;

/// Serves what `answer` says of each request, and tells all that was asked.
fn serve(answer: impl Fn(&Head, usize) -> (u16, String) + Send + 'static) -> (String, Arc<Mutex<Vec<Head>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<Head>>> = Arc::default();
    let told = Arc::clone(&asked);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let lines = reader.by_ref().lines().map_while(Result::ok);
            let head: Head =
                lines.take_while(|line| !line.is_empty()).map(|l| l.to_ascii_lowercase()).collect();
            let length = value(&head, "content-length").map_or(0, |length| length.parse().unwrap());
            reader.take(length).read_to_end(&mut Vec::new()).unwrap();
            let (status, body) = answer(&head, number);
            told.lock().unwrap().push(head);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} So\r\nContent-Length: {length}\r\nConnection: close\r\nETag: \"t\"\r\n\r\n"
            );
            // Nobody may wait for it any more.
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    (endpoint, asked)
}

/// The value of a header.
fn value<'a>(head: &'a Head, name: &str) -> Option<&'a str> {
    head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A store on such a server.
fn store_on(endpoint: &str) -> Settings {
    let address = Address::new(endpoint, "", "images", "path").unwrap();
    let keys = Some(("key".to_owned(), "secret".to_owned()));
    Settings { address: Some(address), keys, patience: Duration::from_secs(5), ..Settings::default() }
}

/// KiB of memory that this process has had at most.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Proves that a million names take no more memory than a few pages of them: in a process that does nothing else.
#[test]
fn a_million_names_are_listed_in_constant_memory() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::kinds::s3::tests::scripted::names_are_listed_page_by_page"])
        .env("S3_NAMES", "1000000")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

/// Proves that names are asked for page by page, as they are looked at, however many there are. With S3_NAMES it is so
/// many, and memory is looked at.
#[tokio::test]
async fn names_are_listed_page_by_page() {
    let pages = std::env::var("S3_NAMES").map_or(20, |names| names.parse::<usize>().unwrap() / 1000);
    // The same in each page: to make a million names takes longer than to read them.
    let key = |i| format!("<Contents><Key>n{i:09}</Key></Contents>");
    let keys: String = (0..1000).map(key).collect();
    let (endpoint, asked) = serve(move |head, _| {
        let token = head[0].split("continuation-token=").nth(1);
        let page: usize = token.map_or(0, |rest| rest.split(['&', ' ']).next().unwrap().parse().unwrap());
        if !head[0].contains("list-type=2") {
            return (200, "<ListMultipartUploadsResult></ListMultipartUploadsResult>".to_owned());
        }
        let (more, next) = (page + 1 < pages, page + 1);
        let next = format!("<NextContinuationToken>{next}</NextContinuationToken>");
        (200, format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{keys}{next}</ListBucketResult>"))
    });
    let (_, named) = opened(&store_on(&endpoint));
    let mut list = named.list();
    let mut before = None;
    for page in 1..=pages {
        for _ in 0..1000 {
            assert!(!list.try_next().await.unwrap().unwrap().unfinished);
        }
        assert_eq!(asked.lock().unwrap().len(), page);
        if page == 10 {
            before = std::env::var_os("S3_NAMES").map(|_| peak());
        }
    }
    if let Some(before) = before {
        let (more, room) = (peak() - before, 16 << 10);
        assert!(more < room, "{more} KiB for {pages} pages");
    }
    assert_eq!(list.try_next().await.unwrap(), None);
    assert_eq!(asked.lock().unwrap().len(), pages + 1);
}

/// Proves that a request which fails for a while is sent again, signed again, with its condition, and that one refused
/// for good is not; that a server which does not know conditions is asked without; and that each body is proved.
#[tokio::test]
async fn requests_are_repeated_where_that_helps() {
    let (endpoint, asked) = serve(|head, number| match (number, head[0].starts_with("head")) {
        (_, true) => (404, String::new()),
        (1, _) => (503, "<Error><Code>SlowDown</Code></Error>".to_owned()),
        (2, _) => (400, "<Error><Code>RequestTimeout</Code></Error>".to_owned()),
        (3, _) if value(head, "if-none-match") == Some("*") => (501, String::new()),
        (4, _) => (200, String::new()),
        _ => (400, "<Error><Code>InvalidArgument</Code></Error>".to_owned()),
    });
    let (_, named) = opened(&store_on(&endpoint));
    put(&named, &id(), "name", b"data").await.unwrap();
    let error = put(&named, &id(), "name", b"data").await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Io, "{error}");
    let asked = asked.lock().unwrap();
    let puts: Vec<_> = asked.iter().filter(|head| head[0].starts_with("put")).collect();
    let conditions: Vec<_> = puts.iter().map(|head| value(head, "if-none-match")).collect();
    assert_eq!(conditions, [Some("*"), Some("*"), Some("*"), None, None]);
    let sha256 = line::hex(&openssl::hash::hash(openssl::hash::MessageDigest::sha256(), b"data").unwrap());
    for head in puts {
        assert_eq!(value(head, "x-amz-content-sha256"), Some(sha256.as_str()));
        assert!(value(head, "authorization").unwrap().starts_with("aws4-hmac-sha256 credential=key/"));
    }
}

/// Proves that a server which takes all and says nothing is given up in time, and one that is full says so.
#[tokio::test]
async fn servers_that_are_silent_or_full_are_told_apart() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let (_, named) = opened(&Settings { patience: Duration::from_secs(1), ..store_on(&endpoint) });
    let error = named.stat("s3://".to_owned().as_str()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::BadUrl);
    let url = format!("{}/images/o", endpoint.replace("http", "s3"));
    assert_eq!(named.stat(&url).await.unwrap_err().kind, StoreErrorKind::Unavailable);
    drop(silent);
    assert_eq!(named.stat(&url).await.unwrap_err().kind, StoreErrorKind::Unavailable);
    let (endpoint, _) = serve(|head, _| match head[0].starts_with("head") {
        true => (404, String::new()),
        false => (403, "<Error><Code>QuotaExceeded</Code></Error>".to_owned()),
    });
    let (_, named) = opened(&store_on(&endpoint));
    assert_eq!(put(&named, &id(), "name", b"data").await.unwrap_err().kind, StoreErrorKind::Full);
}
