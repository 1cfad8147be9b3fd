//! Sources that mean harm or are broken: each is refused or cut with a clear message, and nothing is left behind.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use vitrine::outbound::{FetchError, Fetcher, Filter, Patience, Refusal, Resolve};

use super::{source::*, *};

fn impatient(options: &mut vitrine::server::Options) {
    reach_loopback(options);
    options.imports.patience = Patience {
        first_byte: Duration::from_millis(500),
        idle: Duration::from_millis(500),
        total: Duration::from_secs(10),
        ..Patience::default()
    };
    options.image.image_size_cap = 5_000_000;
}

on_each_database! {
    /// Whatever a source does, the image is queued again, the task says why, and nothing stays.
    async fn bad_sources_leave_nothing(database: Database) {
        let app = database.app_with(impatient);
        let alice = app.as_member("alice");
        let cases = [
            ("/silent", "did not begin to answer"),
            ("/stall", "stalls"),
            ("/trickle", "stalls"),
            ("/endless", "at most 5000000 bytes"),
            ("/large", "at most 5000000 bytes"),
            ("/short", "broke before all the data"),
            ("/missing", "answered 404"),
            ("/loop", "redirects too often"),
            ("/metadata", "allowed_networks"),
            ("/private", "allowed_networks"),
            ("/file", "the scheme"),
            ("/backed", "backing file"),
        ];
        let source = Source::start(|path| match path {
            "/silent" => Reply::Silent,
            "/stall" => Reply::Stall(1000, Vec::new()),
            "/trickle" => Reply::Trickle(Duration::from_millis(20)),
            "/endless" => Reply::Endless(bytes(65536)),
            "/large" => Reply::Promise(5_000_001, bytes(10)),
            "/short" => Reply::Promise(1000, bytes(999)),
            "/loop" => Reply::Redirect("/loop".to_owned()),
            "/metadata" => Reply::Redirect("http://169.254.169.254/latest/meta-data".to_owned()),
            "/private" => Reply::Redirect("http://10.1.2.3/".to_owned()),
            "/file" => Reply::Redirect("file:///etc/passwd".to_owned()),
            "/backed" => Reply::Data(qcow2(1 << 20, Some("/etc/passwd"))),
            _ => Reply::Status(404),
        });
        for (path, message) in cases {
            let id = alice.created(image().qcow2()).await;
            download(&alice, &id, &source.url(path)).await.expect(202);
            failed(&app, &alice, &id, "queued", message).await;
        }
        let id = alice.created(image().qcow2()).await;
        let good = Source::of(qcow2(1 << 20, None));
        download(&alice, &id, &source.url("/short")).await.expect(202);
        failed(&app, &alice, &id, "queued", "broke").await;
        download(&alice, &id, &good.url("/")).await.expect(202);
        holds(&alice, &id, &qcow2(1 << 20, None)).await;
    }

    /// Without an allowed network nothing on this machine or a private network is asked at all.
    async fn addresses_off_the_internet_are_refused_at_once(database: Database) {
        let app = database.app_with(|options| options.imports.filter.allowed_ports = Vec::new());
        let alice = app.as_member("alice");
        let source = Source::of(bytes(10));
        let id = alice.created(image().raw()).await;
        for uri in [
            source.url("/"),
            source.url("/").replace("127.0.0.1", "localhost"),
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "http://[::1]/".to_owned(),
            "http://[::ffff:127.0.0.1]/".to_owned(),
            "http://192.168.0.1/".to_owned(),
        ] {
            let answer = download(&alice, &id, &uri).await.expect(400);
            assert!(answer.text().contains("allowed_networks"), "{uri}: {answer:?}");
        }
        for uri in ["http://127.1/", "http://2130706433/", "http://0x7f.0.0.1/", "http://u:p@example.org/"] {
            download(&alice, &id, uri).await.expect(400);
        }
        assert_eq!(source.served(), 0);
    }

    /// Nobody learns from a refusal whether anything listens: for an open port, a closed one and a name the words are the
    /// same, and none of them is asked.
    async fn sec_27_a_refusal_tells_nothing_of_ports(database: Database) {
        let app = database.app_with(|options| options.imports.filter.allowed_ports = Vec::new());
        let alice = app.as_member("alice");
        let open = Source::of(bytes(10));
        let closed = {
            let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            format!("http://{}/", taken.local_addr().unwrap())
        };
        let refused = told(&alice, &open.url("/")).await;
        assert!(refused.contains("allowed_networks"), "{refused}");
        for uri in [closed, open.url("/").replace("127.0.0.1", "localhost"), "http://10.255.255.1:9/".to_owned()] {
            assert_eq!(told(&alice, &uri).await, refused, "{uri}");
        }
        assert_eq!(open.served(), 0);
    }
}

/// What an import is answered that is refused, for a new image.
async fn told(client: &Client, uri: &str) -> String {
    let id = client.created(image().raw()).await;
    let answer = download(client, &id, uri).await.expect_for(400, uri);
    answer.text().replace(answer.header("x-openstack-request-id"), "")
}

/// Answers the lists one after the other, and remembers how often it was asked.
struct Scripted {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parsed = answers.iter().rev().map(|list| list.iter().map(|text| text.parse().unwrap()).collect());
        Arc::new(Self { answers: Mutex::new(parsed.collect()), asked: AtomicUsize::new(0) })
    }
}

#[async_trait::async_trait]
impl Resolve for Scripted {
    async fn resolve(&self, _: &str) -> Vec<IpAddr> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.lock().unwrap().pop().unwrap_or_default()
    }
}

fn fetcher(resolver: &Arc<Scripted>, networks: &[&str]) -> Fetcher {
    let filter = Filter {
        allowed_ports: Vec::new(),
        allowed_networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
        ..Filter::default()
    };
    let patience = Patience { connect: Duration::from_secs(2), ..Patience::default() };
    Fetcher::new(filter, patience).with_resolver(Arc::clone(resolver) as Arc<dyn Resolve>)
}

fn named(source: &Source, path: &str) -> String {
    source.url(path).replace("127.0.0.1", "rebinding.example")
}

/// A name is resolved once for each hop, and the connection goes to the very address that was checked: an answer
/// that changes afterwards is never asked for.
#[test]
fn sec_34_a_name_that_changes_its_address_gains_nothing() {
    block_on(async {
        let source = Source::of(bytes(100));
        let resolver = Scripted::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
        let mut body = fetcher(&resolver, &["127.0.0.0/8"]).open(&named(&source, "/"), &[]).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap().len(), 100);
        assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);

        // The next hop resolves anew, and is refused for what it resolves to.
        let source = Source::start(|_| Reply::Redirect("http://rebinding.example/".to_owned()));
        let resolver = Scripted::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
        let refused = fetcher(&resolver, &["127.0.0.0/8"]).open(&named(&source, "/"), &[]).await;
        assert!(matches!(refused, Err(FetchError::Refused(Refusal::NotPublic))));
        assert_eq!((resolver.asked.load(Ordering::SeqCst), source.served()), (2, 1));
    });
}

/// One address that is not public spoils the name, whatever the others are.
#[test]
fn sec_34_every_address_of_a_name_counts() {
    block_on(async {
        let source = Source::of(bytes(100));
        let resolver = Scripted::new(&[&["93.184.216.34", "127.0.0.1"]]);
        let refused = fetcher(&resolver, &[]).open(&named(&source, "/"), &[]).await;
        assert!(matches!(refused, Err(FetchError::Refused(Refusal::NotPublic))));
        assert_eq!(source.served(), 0);
    });
}

/// What the first source is sent for it alone, a token, does not go on to where it redirects, though that may be asked.
#[test]
fn sec_36_a_token_stays_with_the_source_that_it_is_for() {
    block_on(async {
        let other = Source::of(bytes(100));
        let there = other.url("/");
        let first = Source::start(move |_| Reply::Redirect(there.clone()));
        let resolver = Scripted::new(&[]);
        let token = [("X-Auth-Token", "hush".to_owned())];
        let mut body = fetcher(&resolver, &["127.0.0.0/8"]).open(&first.url("/"), &token).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap().len(), 100);
        assert!(first.heads().concat().contains("hush"), "the token is sent to the source");
        assert!(!other.heads().concat().contains("hush"), "and to nobody else");
    });
}
