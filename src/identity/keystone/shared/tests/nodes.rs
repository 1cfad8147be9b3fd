//! Nodes that share a memcached and ask one Keystone.

use chrono::TimeDelta;

use super::super::super::{
    Settings,
    fake::{Fake, connect, token},
    tests::{status, with},
};
use super::*;
use crate::identity::{Credentials, Identity, keystone::Keystone};

const HOUR: TimeDelta = TimeDelta::hours(1);

/// One more node that asks this Keystone.
fn node(fake: &Fake, server: &str, strategy: SecurityStrategy, secret: &str) -> Keystone {
    connect(Settings { memcached: settings(server, strategy, secret), ..fake.settings() })
}

async fn answer(node: &Keystone, token: &str) -> u16 {
    status(&node.authenticate(&with(token)).await)
}

/// Proves that a token which one node has had validated costs the others no question, and is the same caller there.
#[tokio::test]
async fn a_token_is_validated_once_for_all_nodes() {
    for strategy in STRATEGIES {
        let (fake, server) = (Fake::start(), Real::start(&[]));
        let mut content = token("alice", &["member"], HOUR);
        let rule = json!({"service": "image", "method": "GET", "path": "/v2/images"});
        content["application_credential"] = json!({"id": "a", "access_rules": [rule]});
        fake.knows("u", content);
        let [first, second] = [0; 2].map(|_| node(&fake, &server.address, strategy, "secret"));
        let one = first.authenticate(&with("u")).await.unwrap();
        let other = second.authenticate(&with("u")).await.unwrap();
        assert_eq!(one, other, "{strategy:?}");
        let elsewhere = Credentials { path: "/v2/metadefs/namespaces".to_owned(), ..with("u") };
        assert_eq!(status(&second.authenticate(&elsewhere).await), 401, "its access rules count");
        assert_eq!(fake.asked(), (1, 1), "{strategy:?}");
        // From its own memory, whatever becomes of the memcached.
        drop(server);
        assert_eq!(answer(&second, "u").await, 200);
        assert_eq!(fake.asked().1, 1);
    }
}

/// Proves that Keystone is asked about what another secret has written, and about what was changed.
#[tokio::test]
async fn what_is_not_ours_costs_a_question() {
    let (fake, server) = (Fake::start(), Real::start(&[]));
    fake.knows("u", token("alice", &["member"], HOUR));
    let one = node(&fake, &server.address, SecurityStrategy::Mac, "secret");
    assert_eq!(answer(&one, "u").await, 200);
    let stranger = node(&fake, &server.address, SecurityStrategy::Mac, "another secret");
    assert_eq!(answer(&stranger, "u").await, 200);
    assert_eq!(fake.asked().1, 2);
    // Somebody makes himself an administrator.
    let name = one.shared.as_ref().unwrap().protection.entry("u").unwrap().name().to_owned();
    let forged = json!({"token": token("mallory", &["admin"], HOUR)}).to_string();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, forged);
    server.put(&name, 0, format!("{}{encoded}", "A".repeat(64)).as_bytes());
    let third = node(&fake, &server.address, SecurityStrategy::Mac, "secret");
    let caller = third.authenticate(&with("u")).await.unwrap();
    assert_eq!((caller.user_id.as_deref(), caller.roles), (Some("alice"), vec!["member".to_owned()]));
    assert_eq!(fake.asked().1, 3);
    // What he wrote is there no more.
    let fourth = node(&fake, &server.address, SecurityStrategy::Mac, "secret");
    assert_eq!(answer(&fourth, "u").await, 200);
    assert_eq!(fake.asked().1, 3);
}

/// Proves that no entry makes a token live longer, and that only a service may use one that has ended.
#[tokio::test]
async fn a_token_that_has_ended_is_refused_whatever_is_shared() {
    let (fake, server) = (Fake::start(), Real::start(&[]));
    fake.knows("old", token("alice", &["member"], -HOUR));
    fake.knows("s", token("nova", &["service"], HOUR));
    let from_service = Credentials { service_token: Some("s".to_owned()), ..with("old") };
    let first = node(&fake, &server.address, SecurityStrategy::Encrypt, "secret");
    assert_eq!(status(&first.authenticate(&from_service).await), 200);
    let second = node(&fake, &server.address, SecurityStrategy::Encrypt, "secret");
    assert_eq!(answer(&second, "old").await, 401);
    assert_eq!(status(&second.authenticate(&from_service).await), 200);
    assert_eq!(fake.asked().1, 2, "the entries have been found");
}

/// Proves that a revoked token is refused once its validation is `token_cache_time` ago, although an entry still has
/// it, and that refusals are not shared.
#[tokio::test]
async fn a_revoked_token_is_refused_when_its_time_is_over() {
    let (fake, server) = (Fake::start(), Real::start(&[]));
    let one = node(&fake, &server.address, SecurityStrategy::Mac, "secret");
    let shared = one.shared.as_ref().unwrap();
    let entry = shared.protection.entry("revoked").unwrap();
    for (age_s, expected) in [(200, 200), (301, 401)] {
        let mut content = token("alice", &["member"], HOUR);
        content[STAMP] = json!(Utc::now().timestamp() - age_s);
        let body = json!({"token": content}).to_string();
        server.put(entry.name(), 0, &entry.sealed(body.as_bytes()).unwrap());
        let other = node(&fake, &server.address, SecurityStrategy::Mac, "secret");
        assert_eq!(answer(&other, "revoked").await, expected, "validated {age_s} s ago");
    }
    fake.knows("revoked", token("alice", &["member"], HOUR));
    let other = node(&fake, &server.address, SecurityStrategy::Mac, "secret");
    assert_eq!(answer(&other, "revoked").await, 200);
}

/// Proves that a node serves without its memcached, and that what has no date is not kept in its own memory.
#[tokio::test]
async fn nothing_depends_on_a_memcached() {
    let (fake, server) = (Fake::start(), Real::start(&[]));
    let one = node(&fake, &server.address, SecurityStrategy::None, "");
    let name = one.shared.as_ref().unwrap().protection.entry("u").unwrap().name().to_owned();
    let body = json!({"token": token("alice", &["member"], HOUR)}).to_string();
    server.put(&name, 0, body.as_bytes());
    assert_eq!(answer(&one, "u").await, 200);
    assert_eq!(fake.asked(), (0, 0));
    server.stop();
    assert_eq!(answer(&one, "u").await, 401, "Keystone does not know it");
    assert_eq!(fake.asked().1, 1);
    fake.knows("v", token("alice", &["member"], HOUR));
    assert_eq!(answer(&one, "v").await, 200);
}
