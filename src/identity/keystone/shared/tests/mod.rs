//! Against a real memcached, and against servers that lie, hang and are away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod links;
mod nodes;
mod peers;

use std::net::TcpListener;

use futures::future::join;

use self::peers::{Real, liar};
use super::super::settings::{Memcached, Secret, SecurityStrategy};
use super::*;

const TOKEN: &str = "gAAAA-a-token";
const BODY: &[u8] = br#"{"token":{"user":{"id":"alice"}}}"#;
const LIFE: Duration = Duration::from_secs(300);
const STRATEGIES: [SecurityStrategy; 3] =
    [SecurityStrategy::None, SecurityStrategy::Mac, SecurityStrategy::Encrypt];

fn settings(server: &str, strategy: SecurityStrategy, secret: &str) -> Memcached {
    Memcached {
        servers: vec![server.to_owned()],
        security_strategy: strategy,
        secret_key: Some(Secret(secret.to_owned())),
        ..Memcached::default()
    }
}

fn open(settings: &Memcached) -> Shared {
    Shared::new(settings, LIFE).unwrap().unwrap()
}

fn shared(server: &str, strategy: SecurityStrategy, secret: &str) -> Shared {
    open(&settings(server, strategy, secret))
}

/// What became of a look-up.
async fn looked_up(shared: &Shared) -> &'static str {
    shared.looked_up(TOKEN).await.0
}

fn user(found: &Found) -> Value {
    serde_json::from_slice::<Value>(&found.body).unwrap()["token"]["user"]["id"].clone()
}

/// Proves that another node finds what one has kept, that only `ENCRYPT` hides it, and that another secret or another
/// strategy finds nothing.
#[tokio::test]
async fn what_one_keeps_another_finds_and_only_with_the_secret() {
    for strategy in STRATEGIES {
        let server = Real::start(&[]);
        let one = shared(&server.address, strategy, "secret");
        assert_eq!(looked_up(&one).await, "miss");
        assert_eq!(one.kept(TOKEN, BODY).await, "stored");
        let found = shared(&server.address, strategy, "secret").get(TOKEN).await.unwrap();
        assert_eq!(user(&found), "alice");
        assert!(found.life <= LIFE && found.life > LIFE - Duration::from_secs(60), "{:?}", found.life);
        let entry = one.protection.entry(TOKEN).unwrap();
        assert!(!entry.name().contains(TOKEN));
        let value = server.value(entry.name());
        let text = String::from_utf8(value).unwrap();
        let (_, encoded) = text.split_at_checked(64).unwrap_or_default();
        let bare = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded);
        let seen = [text.clone().into_bytes(), bare.unwrap_or_default()].concat();
        let is_readable = seen.windows(5).any(|window| window == b"alice");
        assert_eq!(is_readable, strategy != SecurityStrategy::Encrypt, "{strategy:?}");
        for other in STRATEGIES {
            let stranger = shared(&server.address, other, "another secret");
            let is_open = (strategy, other) == (SecurityStrategy::None, SecurityStrategy::None);
            let expected = if is_open { "hit" } else { "miss" };
            assert_eq!(looked_up(&stranger).await, expected, "{strategy:?} read as {other:?}");
        }
    }
}

/// Proves that nothing is believed which was changed, shortened, or is the entry of another token or secret.
#[tokio::test]
async fn a_forged_moved_or_shortened_entry_is_not_believed() {
    for strategy in [SecurityStrategy::Mac, SecurityStrategy::Encrypt] {
        let server = Real::start(&[]);
        let one = shared(&server.address, strategy, "secret");
        one.set(TOKEN, BODY).await;
        let name = one.protection.entry(TOKEN).unwrap().name().to_owned();
        let value = server.value(&name);
        for at in [0, 63, 64, value.len() - 1] {
            let mut forged = value.clone();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            server.put(&name, 0, &forged);
            assert_eq!(looked_up(&one).await, "rejected", "{strategy:?}: byte {at}");
        }
        for length in [0, 3, 64, value.len() - 4] {
            server.put(&name, 0, &value[..length]);
            assert_eq!(looked_up(&one).await, "rejected", "{strategy:?}: {length} bytes");
        }
        server.put(&name, 0, BODY);
        assert_eq!(looked_up(&one).await, "rejected", "{strategy:?}: without a protection");
        let other = one.protection.entry("another token").unwrap().sealed(BODY).unwrap();
        server.put(&name, 0, &other);
        assert_eq!(looked_up(&one).await, "rejected", "{strategy:?}: another token's");
        let stranger = Protection::new(&settings("localhost", strategy, "another secret")).unwrap();
        server.put(&name, 0, &stranger.entry(TOKEN).unwrap().sealed(BODY).unwrap());
        assert_eq!(looked_up(&one).await, "rejected", "{strategy:?}: another secret's");
        server.put(&name, 0, &value);
        assert_eq!(looked_up(&one).await, "hit", "{strategy:?}: as it was");
    }
}

/// Proves that entries as other clients change them are understood, and that no pickle and no bomb is opened.
#[tokio::test]
async fn entries_of_other_clients_are_read_and_pickles_are_not() {
    use std::io::Write;
    let zipped = |bytes: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let server = Real::start(&[]);
    let one = shared(&server.address, SecurityStrategy::None, "");
    let name = one.protection.entry(TOKEN).unwrap().name().to_owned();
    for (flags, value, expected) in [
        (16, BODY.to_vec(), "hit"),
        (8, zipped(BODY), "hit"),
        (24, zipped(BODY), "hit"),
        (8, BODY.to_vec(), "rejected"),
        (8, zipped(&vec![b' '; VALUE_BYTES_MAX + 1]), "rejected"),
        (1, BODY.to_vec(), "rejected"),
        (2, BODY.to_vec(), "rejected"),
    ] {
        server.put(&name, flags, &value);
        assert_eq!(looked_up(&one).await, expected, "flags {flags}");
    }
}

/// Proves that an answer counts from when Keystone gave it, whichever node asked; without a date it is used once.
#[tokio::test]
async fn an_answer_grows_no_younger_by_being_shared() {
    let server = Real::start(&[]);
    let one = shared(&server.address, SecurityStrategy::None, "");
    let name = one.protection.entry(TOKEN).unwrap().name().to_owned();
    let found = async |age_s: i64| {
        let body = json!({"token": {STAMP: Utc::now().timestamp() - age_s}});
        server.put(&name, 0, body.to_string().as_bytes());
        one.looked_up(TOKEN).await
    };
    assert_eq!(found(300).await.0, "outdated");
    assert_eq!(found(3000).await.0, "outdated");
    let life = found(200).await.1.unwrap().life;
    assert!(life <= Duration::from_secs(100) && life > Duration::from_secs(60), "{life:?}");
    // From the future, and without a date.
    assert_eq!(found(-3000).await.0, "outdated");
    server.put(&name, 0, BODY);
    assert_eq!(one.get(TOKEN).await.unwrap().life, Duration::ZERO);
}

/// Proves that what is no answer of memcached is an error, after which the server is left alone.
#[tokio::test]
async fn a_server_that_lies_is_left_alone() {
    let lies: [&'static [u8]; 8] = [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"VALUE another 0 3\r\nabc\r\nEND\r\n",
        b"VALUE tokens/x 0 99999999999\r\n",
        b"VALUE\r\n",
        b"\xff\xfe\r\n",
        b"ERROR\r\n",
        b"END",
        &[b'x'; 5000],
    ];
    for lie in lies {
        let one = shared(&liar(lie), SecurityStrategy::None, "");
        assert_eq!(looked_up(&one).await, "failed", "{:?}", String::from_utf8_lossy(lie));
        assert_eq!(looked_up(&one).await, "left_alone", "{:?}", String::from_utf8_lossy(lie));
        assert_eq!(one.kept(TOKEN, BODY).await, "left_alone");
    }
}

/// Proves that a server that hangs costs one call its time-out: those that wait for that connection do not wait again.
#[tokio::test]
async fn a_server_that_hangs_costs_its_time_out_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    let limits = Memcached {
        pool_socket_timeout: 1,
        pool_maxsize: 1,
        ..settings(&server, SecurityStrategy::None, "")
    };
    let one = open(&limits);
    let outcomes = join(looked_up(&one), looked_up(&one)).await;
    assert_eq!(outcomes, ("failed", "left_alone"));
    assert_eq!(looked_up(&one).await, "left_alone");
    assert_eq!(one.kept(TOKEN, BODY).await, "left_alone");
}

/// Proves that a server which is away is tried again after its time, and used again once it is there.
#[tokio::test]
async fn a_server_comes_back() {
    let server = Real::start(&[]);
    let limits =
        Memcached { pool_dead_retry: 0, ..settings(&server.address, SecurityStrategy::Mac, "secret") };
    let one = open(&limits);
    assert_eq!(one.kept(TOKEN, BODY).await, "stored");
    let address = server.stop();
    assert_eq!(looked_up(&one).await, "failed");
    assert_eq!(looked_up(&one).await, "failed");
    let _again = Real::start_at(&address, &[]);
    assert_eq!(looked_up(&one).await, "miss");
    assert!(!one.pool.is_left_alone(0));
    assert_eq!(one.kept(TOKEN, BODY).await, "stored");
}

/// Proves that an idle connection which the server has closed is replaced within the same call.
#[tokio::test]
async fn a_restart_of_the_server_goes_unnoticed() {
    let server = Real::start(&[]);
    let one = shared(&server.address, SecurityStrategy::Mac, "secret");
    assert_eq!(looked_up(&one).await, "miss");
    let address = server.stop();
    let _again = Real::start_at(&address, &[]);
    assert_eq!(looked_up(&one).await, "miss");
}

/// Proves that names are spread over the servers, and that another one serves those of one that is away.
#[tokio::test]
async fn another_server_serves_while_one_is_away() {
    let (first, second) = (Real::start(&[]), Real::start(&[]));
    let both = vec![first.address.clone(), second.address.clone()];
    let one = open(&Memcached { servers: both, ..Memcached::default() });
    let tokens: Vec<String> = (0..20).map(|number| format!("token {number}")).collect();
    for token in &tokens {
        assert_eq!(one.kept(token, BODY).await, "stored");
    }
    let count = |server: &Real| {
        tokens.iter().filter(|token| server.has(one.protection.entry(token).unwrap().name())).count()
    };
    let shares = (count(&first), count(&second));
    assert!(shares.0 > 3 && shares.1 > 3 && shares.0 + shares.1 == 20, "{shares:?}");
    first.stop();
    let mut outcomes = Vec::new();
    for token in &tokens {
        outcomes.push(one.looked_up(token).await.0);
        one.kept(token, BODY).await;
    }
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "failed").count(), 1, "{outcomes:?}");
    let mut hits = 0;
    for token in &tokens {
        hits += usize::from(one.looked_up(token).await.0 == "hit");
    }
    assert_eq!(hits, 20, "all are where the second server serves");
}

/// Proves that no more connections are opened than `memcache_pool_maxsize` says, and that they are used again.
#[tokio::test]
async fn connections_are_bounded() {
    let server = Real::start(&[]);
    let limits = Memcached { pool_maxsize: 2, ..settings(&server.address, SecurityStrategy::None, "") };
    let one = open(&limits);
    let calls = (0..30).map(|_| looked_up(&one));
    assert_eq!(futures::future::join_all(calls).await, ["miss"; 30]);
    assert_eq!(one.pool.idle(), 2);
    assert_eq!(server.connections(), 2);
}

/// Proves that what memcached cannot keep is not sent, and what it has no room for is no failure.
#[tokio::test]
async fn large_answers_are_not_kept() {
    let server = Real::start(&["-I", "512k"]);
    let one = shared(&server.address, SecurityStrategy::Encrypt, "secret");
    let of_size = |bytes| json!({"token": {"catalog": "x".repeat(bytes)}}).to_string();
    assert_eq!(one.kept(TOKEN, of_size(VALUE_BYTES_MAX).as_bytes()).await, "too_large");
    assert_eq!(one.kept(TOKEN, of_size(600_000).as_bytes()).await, "not_stored");
    assert!(!one.pool.is_left_alone(0));
    assert_eq!(one.kept(TOKEN, of_size(10_000).as_bytes()).await, "stored");
}

/// Proves that a protection without its secret is refused before the first request, and that secrets are not shown.
#[test]
fn settings_are_checked_and_keep_their_secrets() {
    for strategy in [SecurityStrategy::Mac, SecurityStrategy::Encrypt] {
        let missing = settings("localhost", strategy, "");
        assert_eq!(Shared::new(&missing, LIFE).err().unwrap().option, "memcache_secret_key");
    }
    let given = Memcached {
        sasl: Some(("user".to_owned(), Secret("hush".to_owned()))),
        ..settings("localhost", SecurityStrategy::Mac, "hush")
    };
    assert!(!format!("{given:?}").contains("hush"));
    assert!(Shared::new(&Memcached::default(), LIFE).unwrap().is_none());
}
