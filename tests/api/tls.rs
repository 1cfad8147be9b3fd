//! TLS on the API's own listener: what is spoken and what is not, certificates that change, clients that have to show
//! one, and clients that stall.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Output},
    time::Duration,
};

use openssl::{
    ssl::{SslConnector, SslMethod, SslStream},
    x509::store::X509StoreBuilder,
};
use vitrine::api::TlsSettings;

use crate::support::*;

/// A server with a certificate, and what its clients need.
struct Secured {
    app: TestApp,
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Secured {
    fn start(
        database: Database,
        change: impl FnOnce(&mut vitrine::server::Options, &std::path::Path),
    ) -> Self {
        let (authority, folder) = (Authority::new("the authority"), scratch_folder());
        authority.file(folder.path(), "ca.pem");
        let (certificate, key) = authority.issue("first").files(folder.path(), "server");
        let app = database.app_with(|options| {
            let (client_authorities, clients_may_have_none) = (None, false);
            options.tls = Some(TlsSettings { certificate, key, client_authorities, clients_may_have_none });
            change(options, folder.path());
        });
        Self { app, authority, folder }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.app.address())
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The caller of a project, who believes the authority alone.
    fn as_member(&self, project: &str) -> Client {
        let root = reqwest::Certificate::from_pem(&self.authority.certificate().to_pem().unwrap()).unwrap();
        let http = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
        Client::new(http, self.url(""), Some(Persona::with_roles(project, MEMBER).token()))
    }

    /// curl, which believes the authority alone, and answers with the body and the status on a line of its own.
    fn curl(&self, arguments: &[&str], path: &str) -> Output {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}"]);
        curl.args(["--max-time", "60", "--cacert", &self.path("ca.pem")]);
        curl.args(arguments).arg(self.url(path)).output().unwrap()
    }

    /// Whether OpenSSL's own client comes to an agreement, and what it says.
    fn agrees(&self, arguments: &[&str]) -> (bool, String) {
        let mut client = Command::new("openssl");
        let address = self.app.address().to_string();
        client.args(["s_client", "-brief", "-connect", &address, "-CAfile", &self.path("ca.pem")]);
        let done = client.args(arguments).stdin(std::process::Stdio::null()).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    }

    /// A connection on which the test writes HTTP by hand.
    fn raw(&self) -> SslStream<TcpStream> {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(self.authority.certificate().clone()).unwrap();
        connector.set_verify_cert_store(store.build()).unwrap();
        let socket = TcpStream::connect(self.app.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        connector.build().connect("127.0.0.1", socket).unwrap()
    }

    /// The name in the certificate that is shown to a new connection.
    fn shown(&self) -> String {
        name_of(&self.raw())
    }
}

fn name_of(connection: &SslStream<TcpStream>) -> String {
    let certificate = connection.ssl().peer_certificate().unwrap();
    let name = certificate.subject_name().entries().next().unwrap();
    name.data().to_string().unwrap()
}

/// What curl got, and the status.
fn answer(output: &Output) -> (String, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (body.to_owned(), status.to_owned())
}

/// Reads up to the end of the head of an answer, and its body if that is so long.
fn head_and(connection: &mut SslStream<TcpStream>, body: usize) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).unwrap();
        text.extend(byte);
    }
    let mut rest = vec![0; body];
    connection.read_exact(&mut rest).unwrap();
    text.extend(rest);
    String::from_utf8(text).unwrap()
}

const CHECK: &[u8] = b"GET /healthcheck HTTP/1.1\r\nhost: x\r\n\r\n";

on_each_database! {
    /// Data goes to and fro over TLS, whole and in part, by curl and by another client; links lead back to it; nothing is
    /// said to whoever does not speak it.
    async fn data_goes_over_tls(database: Database) {
        let secured = Secured::start(database, |_, _| {});
        let alice = secured.as_member("alice");
        let id = alice.created(image().raw()).await;
        // More than a record of TLS has, and no multiple of one.
        let data = bytes((5 << 20) + 123);
        alice.upload(&id, data.clone()).await.expect(204);
        assert!(alice.download(&id).await.expect(200).body == data);
        let part = alice.download(&id).header("range", "bytes=1000000-4000000").await.expect(206);
        assert!(part.body == data[1_000_000..=4_000_000]);
        let token = format!("x-auth-token: {}", Persona::with_roles("alice", MEMBER).token());
        let got = secured.curl(&["--header", &token, "--output", &secured.path("got")], &format!("/v2/images/{id}/file"));
        assert_eq!(answer(&got).1, "200");
        assert!(std::fs::read(secured.folder.path().join("got")).unwrap() == data);
        let (versions, _) = answer(&secured.curl(&[], "/versions"));
        assert!(versions.contains(&format!("\"{}/v2/\"", secured.url(""))), "{versions}");
        assert_eq!(secured.app.raw().send(CHECK).status(), 0);
    }

    /// TLS 1.2 and 1.3 with ciphers that keep secrets, and nothing older or weaker, nor HTTP/2.
    async fn only_what_is_safe_is_spoken(database: Database) {
        let secured = Secured::start(database, |_, _| {});
        for (arguments, said) in [
            (&["-tls1_3"][..], "TLSv1.3"),
            (&["-tls1_2"][..], "ECDHE-ECDSA"),
            (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"][..], "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ] {
            let (agreed, text) = secured.agrees(arguments);
            assert!(agreed && text.contains(said), "{arguments:?}: {text}");
        }
        for arguments in [
            &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..],
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"][..],
            &["-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"][..],
        ] {
            let (agreed, text) = secured.agrees(arguments);
            assert!(!agreed, "{arguments:?}: {text}");
        }
        let got = secured.curl(&["--http2", "--write-out", "\n%{http_version}"], "/healthcheck");
        assert_eq!(answer(&got), ("OK".to_owned(), "1.1".to_owned()));
    }

    /// A certificate that is replaced is shown to whoever connects then; a connection that is open, and an upload on it,
    /// go on. A key that is not the certificate's changes nothing.
    async fn certificates_change_while_connections_go_on(database: Database) {
        let secured = Secured::start(database, |_, _| {});
        let alice = secured.as_member("alice");
        let id = alice.created(image().raw()).await;
        let mut open = secured.raw();
        let token = Persona::with_roles("alice", MEMBER).token();
        let head = format!(
            "PUT /v2/images/{id}/file HTTP/1.1\r\nhost: x\r\nx-auth-token: {token}\r\ncontent-type: {OCTETS}\r\n\
             content-length: 20\r\n\r\n0123456789"
        );
        open.write_all(head.as_bytes()).unwrap();
        alice.becomes(&id, "saving").await;
        assert_eq!(name_of(&open), "first");
        secured.authority.issue("second").files(secured.folder.path(), "server");
        let is = async |name: &str| match secured.shown() {
            shown if shown == name => Ok(()),
            shown => Err(shown),
        };
        eventually("the second is shown", async || is("second").await).await;
        let third = secured.authority.issue("third");
        std::fs::write(secured.path("server.pem"), third.certificate.to_pem().unwrap()).unwrap();
        let fourth = secured.authority.issue("fourth");
        fourth.files(secured.folder.path(), "other");
        assert_eq!(secured.shown(), "second");
        fourth.files(secured.folder.path(), "server");
        eventually("the fourth is shown", async || is("fourth").await).await;
        open.write_all(b"0123456789").unwrap();
        assert!(head_and(&mut open, 0).starts_with("HTTP/1.1 204"));
        open.write_all(CHECK).unwrap();
        assert!(head_and(&mut open, 2).ends_with("\r\n\r\nOK"));
        assert_eq!(alice.download(&id).await.expect(200).body, b"01234567890123456789".as_slice());
    }

    /// Where clients have to show a certificate, one without or with a stranger's is not let in; where they may, only the
    /// stranger's is not.
    async fn clients_show_certificates(database: Database) {
        for may_have_none in [false, true] {
            let clients = Authority::new("of clients");
            let secured = Secured::start(database, |options, folder| {
                let tls = options.tls.as_mut().unwrap();
                tls.client_authorities = Some(clients.file(folder, "clients.pem"));
                tls.clients_may_have_none = may_have_none;
            });
            clients.issue("one of ours").files(secured.folder.path(), "ours");
            Authority::new("strangers").issue("a stranger").files(secured.folder.path(), "strange");
            let with = |name: &str| {
                let (certificate, key) = (secured.path(&format!("{name}.pem")), secured.path(&format!("{name}.key")));
                answer(&secured.curl(&["--cert", &certificate, "--key", &key], "/healthcheck"))
            };
            let (ok, nothing) = (("OK".to_owned(), "200".to_owned()), (String::new(), "000".to_owned()));
            assert_eq!(with("ours"), ok);
            assert_eq!(with("strange"), nothing);
            let without = answer(&secured.curl(&[], "/healthcheck"));
            assert_eq!(without, if may_have_none { ok } else { nothing });
        }
    }

    /// Handshakes that stall, before or in the middle, many more of them than there may be connections: good requests are
    /// answered all the same, and those that wait longest are gone.
    async fn sec_79_stalled_handshakes_silence_nobody(database: Database) {
        let secured = Secured::start(database, |options, _| options.api.max_connections = Some(20));
        // The beginning of a hello that announces more.
        let hello: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        let token = format!("x-auth-token: {}", Persona::with_roles("alice", MEMBER).token());
        for sent in [&[][..], hello] {
            let mut stopped: Vec<Raw> = (0..200).map(|_| secured.app.raw()).collect();
            for raw in &mut stopped {
                raw.send(sent);
            }
            for path in ["/healthcheck", "/v2/images"] {
                // One that comes before the last of the others has been let in may have to go for it, and comes again.
                eventually("good requests are answered", async || {
                    match answer(&secured.curl(&["--header", &token], path)) {
                        (_, status) if status == "200" => Ok(()),
                        other => Err(other),
                    }
                })
                .await;
            }
            assert_eq!(stopped[0].read_all(), b"", "{sent:?}");
        }
        let alice = secured.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "data").await.expect(204);
    }

    /// A handshake has the time of a head and is cut then; a head within TLS that comes too slowly is told so.
    async fn sec_79_a_slow_handshake_is_cut(database: Database) {
        let secured = Secured::start(database, |options, _| options.api.request_patience = Duration::from_secs(5));
        let began = std::time::Instant::now();
        assert_eq!(secured.app.raw().send(b"\x16\x03\x01").read_all(), b"");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let mut raw = secured.raw();
        raw.write_all(b"GET /healthcheck HTTP/1.1\r\nhost: x\r\n").unwrap();
        let mut answer = Vec::new();
        raw.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    }

    /// One address has its share of connections over TLS too.
    async fn sec_79_an_address_has_its_share_of_tls(database: Database) {
        let secured = Secured::start(database, |options, _| options.api.max_connections_per_address = Some(3));
        let alice = secured.as_member("alice");
        let token = Persona::with_roles("alice", MEMBER).token();
        let mut open = Vec::new();
        let refused = loop {
            let answer = alice.create(image().raw()).await;
            if answer.status == 429 {
                break answer;
            }
            let id = answer.expect(201).json()["id"].as_str().unwrap().to_owned();
            let mut raw = secured.raw();
            let head = format!(
                "PUT /v2/images/{id}/file HTTP/1.1\r\nhost: x\r\nx-auth-token: {token}\r\ncontent-type: {OCTETS}\r\n\
                 content-length: 1000\r\n\r\n"
            );
            raw.write_all(head.as_bytes()).unwrap();
            open.push(raw);
            assert!(open.len() <= 5, "nobody is refused");
        };
        assert_eq!(refused.header("retry-after"), "5");
        drop(open);
        eventually("there is room again", async || {
            let answer = alice.list("").await;
            if answer.status == 200 { Ok(()) } else { Err(answer.status) }
        })
        .await;
    }
}
