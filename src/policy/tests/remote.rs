//! Remote checks against a small policy server on the loopback interface.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use serde_json::{Value, json};

use super::*;

/// Serves one answer per connection and hands each request's body on; ends with the listener.
struct Server {
    url: String,
    bodies: mpsc::Receiver<(String, String)>,
}

fn serve(status: &'static str, answer: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let Some(request) = request(&mut stream) else {
                continue;
            };
            let length = answer.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\
                Connection: close\r\n\r\n{answer}"
            );
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    Server { url, bodies }
}

fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        text.extend_from_slice(buffer.get(..read)?);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
        });
        if body.len() >= length.unwrap_or(0) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

fn enforcer(check: &str, change: impl FnOnce(&mut Settings)) -> Enforcer {
    let mut files = Files::with(&json!({"get_image": check, "get_images": "rule:get_image"}).to_string());
    change(&mut files.settings);
    files.enforcer()
}

/// Only the bare word True allows, quoted or not, whatever the status.
#[tokio::test]
async fn only_true_allows() {
    let table = [
        ("200 OK", "True", true),
        ("200 OK", "\"True\"", true),
        ("500 Oops", "True", true),
        ("200 OK", "true", false),
        ("200 OK", "True\n", false),
        ("200 OK", "", false),
    ];
    for (status, answer, expected) in table {
        let server = serve(status, answer);
        let enforcer = enforcer(&server.url, |_| {});
        let decided = enforcer.check("get_image", &caller("p", &[]), &Empty).await;
        assert_eq!(decided, Ok(expected), "{status} {answer:?}");
    }
}

/// The question names the enforced rule, the target and the caller, in either encoding; the URL
/// takes values of the target, and no question is asked that the rest of the rule makes needless.
#[tokio::test]
async fn question_is_complete() {
    let server = serve("200 OK", "True");
    let check = format!("role:admin or not (not {}/%(visibility)s)", server.url);
    let target = image("p", "public");
    let member = caller("p", &["member"]);
    for json in [true, false] {
        let kind = if json { RemoteContentType::Json } else { RemoteContentType::Form };
        let enforcer = enforcer(&check, |settings| settings.remote_content_type = kind);
        assert!(enforcer.is_remote("get_image") && enforcer.is_remote("get_images"));
        assert!(!enforcer.is_remote("modify_image"));
        assert_eq!(enforcer.check("get_image", &caller("p", &["admin"]), &target).await, Ok(true));
        assert_eq!(enforcer.check("get_images", &member, &target).await, Ok(true));
        let (head, body) = server.bodies.recv().unwrap();
        assert!(head.starts_with("POST /public HTTP/1.1"), "{head}");
        let question: Value = if json {
            serde_json::from_str(&body).unwrap()
        } else {
            let url = crate::outbound::Url::parse(&format!("http://x/?{body}")).unwrap();
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            url.query_pairs().map(|(key, value)| (key.into_owned(), read(&value))).collect()
        };
        assert_eq!(question["rule"], "get_images");
        assert_eq!(question["target"]["visibility"], "public");
        assert_eq!(question["target"]["member_id"], Value::Null);
        assert_eq!(question["credentials"]["roles"], json!(["member"]));
        assert_eq!(question["credentials"]["domain_id"], Value::Null);
        assert_eq!(question["credentials"]["is_admin_project"], true);
    }
    assert!(server.bodies.try_recv().is_err(), "one question for each decision that needs it");
}

/// Silence and refusal are errors for the caller to report, never a yes and never a hang.
#[tokio::test]
async fn failure_is_an_error() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone_url = format!("not http://{}", gone.local_addr().unwrap());
    drop(gone);
    for check in [silent_url.as_str(), gone_url.as_str(), "http:nonsense"] {
        let enforcer = enforcer(check, |settings| settings.remote_timeout = 0.2);
        let error = enforcer.check("get_image", &caller("p", &[]), &Empty).await.unwrap_err();
        assert!(matches!(error, PolicyError::Remote { .. }), "{error}");
        assert!(!enforcer.allows("get_image", &caller("p", &[]), &Empty), "the fast path denies");
    }
    let unknown_key = enforcer("not http://h/%(missing)s", |_| {});
    assert_eq!(unknown_key.check("get_image", &caller("p", &[]), &Empty).await, Ok(false));
}

/// Options that cannot work are refused at the start, each by name.
#[test]
fn bad_options_stop_the_start() {
    let with = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        Enforcer::new(settings).unwrap_err()
    };
    let error = with(|settings| settings.remote_timeout = -1.0);
    assert!(matches!(error, PolicyError::Setting { option: "remote_timeout", .. }), "{error}");
    let error = with(|settings| settings.remote_ssl_client_crt_file = Some("/nowhere.pem".into()));
    assert!(matches!(error, PolicyError::Unreadable { .. }), "{error}");
    let error = with(|settings| {
        settings.remote_ssl_verify_server_crt = true;
        settings.remote_ssl_ca_crt_file = Some("/nowhere.pem".into());
    });
    assert!(matches!(error, PolicyError::Unreadable { .. }), "{error}");
}
