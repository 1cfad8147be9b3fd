//! Servers with scripted responses: a forgotten token, an interruption, acceptance of wrong data, a million names.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

use super::*;

/// What a server was asked: the head, line by line, in lower case, and the body.
pub(super) struct Request {
    pub(super) head: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// Status, headers and body of an answer; and bytes that it lacks.
pub(super) struct Said(
    pub(super) u16,
    pub(super) Vec<(&'static str, String)>,
    pub(super) Vec<u8>,
    pub(super) usize,
);

pub(super) fn said(status: u16) -> Said {
    Said(status, Vec::new(), Vec::new(), 0)
}

impl Request {
    pub(super) fn is(&self, beginning: &str) -> bool {
        self.head[0].starts_with(beginning)
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        head.push(line.to_ascii_lowercase());
    }
    let mut request = Request { head, body: Vec::new() };
    if request.value("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut piece = vec![0; size + 2];
            reader.read_exact(&mut piece).unwrap();
            if size == 0 {
                return request;
            }
            request.body.extend_from_slice(&piece[..size]);
        }
    }
    let length = request.value("content-length").map_or(0, |length| length.parse().unwrap());
    reader.take(length).read_to_end(&mut request.body).unwrap();
    request
}

/// Serves logins, each with another token, and what `answer` says of the rest, given how often was asked before. Tells all
/// that was asked.
pub(super) fn serve(
    answer: impl Fn(&Request, usize) -> Said + Send + 'static,
) -> (Settings, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
    let (told, storage) = (Arc::clone(&asked), endpoint.clone());
    std::thread::spawn(move || {
        let mut logins = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = read(&stream);
            let number = told.lock().unwrap().len();
            let Said(status, headers, body, lacking) = if request.is("get /auth") {
                logins += 1;
                let token = ("X-Auth-Token", format!("t{logins}"));
                Said(200, vec![token, ("X-Storage-Url", format!("{storage}/v1/a"))], Vec::new(), 0)
            } else {
                answer(&request, number)
            };
            let length = body.len() + lacking;
            let mut head =
                format!("HTTP/1.1 {status} So\r\nContent-Length: {length}\r\nConnection: close\r\n");
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            let has_body = !request.is("head");
            if !request.is("get /auth") {
                told.lock().unwrap().push(request);
            }
            // Nobody may wait for it any more.
            let _ = stream.write_all(format!("{head}\r\n").as_bytes());
            if has_body {
                let _ = stream.write_all(&body);
            }
        }
    });
    let settings = Settings {
        accounts: vec![account(&format!("{endpoint}/auth"))],
        container: "c".to_owned(),
        patience: Patience::of(Duration::from_secs(5)),
        ..Settings::default()
    };
    (settings, asked)
}

pub(super) fn md5(bytes: &[u8]) -> String {
    crate::model::hash::hex(&openssl::hash::hash(openssl::hash::MessageDigest::md5(), bytes).unwrap())
}

/// A server that has a container and no object, and takes all.
fn takes(request: &Request) -> Said {
    match () {
        () if request.is("head /v1/a/c ") => said(204),
        () if request.is("head") => said(404),
        () if request.is("put") => Said(201, vec![("ETag", md5(&request.body))], Vec::new(), 0),
        () => said(204),
    }
}

/// Proves that a token that ends in the middle of an upload is replaced, and that the segment that was refused for it is
/// sent again, neither more nor less, whether the server says so at once or after it has taken all.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_is_replaced() {
    let (settings, asked) = serve(|request, _| {
        let is_second = request.is("put") && request.head[0].contains("-00002 ");
        if is_second && request.value("x-auth-token") == Some("t1") { said(401) } else { takes(request) }
    });
    let (_, named) = opened(&Settings { segment: 3_000_000, large: 1, ..settings });
    let bytes = data(7_000_000);
    upload(&named, &id(), "name", &bytes, None).await.unwrap();
    let asked = asked.lock().unwrap();
    let accepted = asked.iter().filter(|request| {
        request.is("put")
            && request.head[0].contains("-0000")
            && (!request.head[0].contains("-00002") || request.value("x-auth-token") == Some("t2"))
    });
    let accepted: Vec<_> = accepted.map(|request| request.body.as_slice()).collect();
    assert_eq!(accepted.len(), 3);
    assert!(accepted.concat() == bytes);
}

/// Proves that a segment that is longer than what is kept of it is sent by pieces, its size unknown, and that a token that
/// has ended is replaced before it is begun.
#[tokio::test(flavor = "multi_thread")]
async fn long_segments_are_streamed() {
    let (settings, asked) = serve(|request, number| {
        // Asked were the container, the mark, the container, and the first segment.
        let has_ended = number >= 4 && request.value("x-auth-token") == Some("t1");
        if request.is("head /v1/a/c ") && has_ended { said(401) } else { takes(request) }
    });
    let (_, named) = opened(&Settings { segment: 6_000_000, large: 1, ..settings });
    let bytes = data(11_000_000);
    upload(&named, &id(), "name", &bytes, None).await.unwrap();
    let asked = asked.lock().unwrap();
    let segments: Vec<_> = asked.iter().filter(|request| request.head[0].contains("-0000")).collect();
    assert_eq!(segments.iter().map(|request| request.body.len()).collect::<Vec<_>>(), [6_000_000, 5_000_000]);
    assert!(segments.iter().all(|request| request.value("transfer-encoding") == Some("chunked")));
    assert!(segments.iter().flat_map(|request| &request.body).eq(&bytes));
    let tokens: Vec<_> = segments.iter().map(|request| request.value("x-auth-token").unwrap()).collect();
    assert_eq!(tokens, ["t1", "t2"]);
    let manifest = asked.iter().find(|request| request.value("x-object-manifest").is_some()).unwrap();
    assert!(manifest.is("put /v1/a/c/name "), "{:?}", manifest.head);
}

/// Proves that other data than was sent is found out, in small objects, segments and what is streamed, and that it is sent
/// again where it can be.
#[tokio::test(flavor = "multi_thread")]
async fn other_data_than_was_sent_is_found_out() {
    let (settings, _) = serve(|request, _| {
        if request.is("put") && !request.body.is_empty() {
            return Said(201, vec![("ETag", md5(b"other"))], Vec::new(), 0);
        }
        takes(request)
    });
    for length in [5, 3_000_000, 5_000_000] {
        let (_, named) = opened(&Settings { segment: 5_000_000, large: 1, ..settings.clone() });
        let error = upload(&named, &id(), "name", &data(length), None).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("other data"), "{error}");
    }
}

/// Proves that an object whose answer was lost is looked up: it is there, or others have the name.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_looked_up() {
    for own in [true, false] {
        let (settings, asked) = serve(move |request, number| match () {
            () if request.is("head /v1/a/c ") => said(204),
            () if request.is("head") && number < 2 => said(404),
            () if request.is("head") => {
                let blob = if own { "blob" } else { "another" };
                Said(200, vec![("X-Object-Meta-Vitrine-Blob", blob.to_owned())], Vec::new(), 0)
            }
            () if request.is("put") => said(412),
            () => said(204),
        });
        let (_, named) = opened(&settings);
        let done = upload(&named, "blob", "name", b"data", None).await;
        let put = asked.lock().unwrap().iter().position(|request| request.is("put")).unwrap();
        assert_eq!(asked.lock().unwrap()[put].value("if-none-match"), Some("*"));
        match own {
            true => assert_eq!(done.unwrap(), "swift+config://ref1/c/name"),
            false => assert_eq!(done.unwrap_err().kind, StoreErrorKind::Exists),
        }
    }
}

/// Proves that a download that breaks off continues with the next byte, as often as the option says and no more, and
/// not with other data.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_download_goes_on() {
    const WHOLE: &[u8] = b"0123456789";
    let serve = |replaced: bool| {
        serve(move |request, number| {
            let range = request.value("range").map(|range| range.strip_prefix("bytes=").unwrap());
            let first: usize = range.map_or(0, |range| range.split('-').next().unwrap().parse().unwrap());
            let etag = if replaced && number > 0 { "other" } else { "tag" };
            let mut headers = vec![("ETag", etag.to_owned())];
            if range.is_some() {
                headers.push(("Content-Range", format!("bytes {first}-9/10")));
            }
            // Three bytes at a time.
            let body = WHOLE[first..WHOLE.len().min(first + 3)].to_vec();
            let lacking = WHOLE.len() - first - body.len();
            Said(if range.is_some() { 206 } else { 200 }, headers, body, lacking)
        })
    };
    let url = "swift+config://ref1/c/o";
    for (retries, expected) in [(3, Some(WHOLE)), (2, None), (0, None)] {
        let (settings, asked) = serve(false);
        let (_, named) = opened(&Settings { retries, ..settings });
        assert_eq!(get(&named, url, None).await.ok().as_deref(), expected, "{retries}");
        let asked = asked.lock().unwrap();
        let firsts: Vec<_> = asked.iter().map(|request| request.value("range")).collect();
        let all = [None, Some("bytes=3-9"), Some("bytes=6-9"), Some("bytes=9-9")];
        assert_eq!(firsts, all[..=usize::try_from(retries).unwrap()]);
    }
    let (settings, _) = serve(true);
    let (_, named) = opened(&Settings { retries: 3, ..settings });
    assert_eq!(get(&named, url, None).await.unwrap_err().kind, StoreErrorKind::Io);
}

/// Proves that names are asked for page by page, as they are looked at, however many there are: SWIFT_NAMES=1000000 tries
/// it with a million.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_listed_page_by_page() {
    let pages = std::env::var("SWIFT_NAMES").map_or(20, |names| names.parse::<usize>().unwrap() / 1000);
    let (settings, asked) = serve(move |request, _| {
        let after = request.head[0].split("marker=n").nth(1);
        let from = after.map_or(0, |rest| rest[..9].parse::<usize>().unwrap() + 1);
        if from >= pages * 1000 {
            return Said(200, Vec::new(), b"[]".to_vec(), 0);
        }
        let names: Vec<_> = (from..from + 1000).map(|i| json!({"name": format!("n{i:09}")})).collect();
        Said(200, Vec::new(), serde_json::to_vec(&names).unwrap(), 0)
    });
    let (_, named) = opened(&settings);
    let mut list = named.list();
    for page in 1..=pages {
        for _ in 0..1000 {
            assert!(!list.try_next().await.unwrap().unwrap().unfinished);
        }
        assert_eq!(asked.lock().unwrap().len(), page);
    }
    assert_eq!(list.try_next().await.unwrap(), None);
}

/// Proves that a server which takes all and says nothing is given up in time, and one that is full says so.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_silent_or_full_are_told_apart() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings = Settings {
        accounts: vec![account(&endpoint)],
        patience: Patience::of(Duration::from_secs(1)),
        ..Settings::default()
    };
    let (_, named) = opened(&settings);
    let url = "swift+config://ref1/c/o";
    assert_eq!(named.stat(url).await.unwrap_err().kind, StoreErrorKind::Unavailable);
    drop(silent);
    assert_eq!(named.stat(url).await.unwrap_err().kind, StoreErrorKind::Unavailable);
    let (settings, _) = serve(|request, _| if request.is("put") { said(413) } else { takes(request) });
    let (_, named) = opened(&settings);
    assert_eq!(put(&named, &id(), "name", b"data").await.unwrap_err().kind, StoreErrorKind::Full);
}
