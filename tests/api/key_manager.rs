//! The client of Barbican, called as the use cases call it.

use std::time::Duration;

use vitrine::{
    key_manager::{Consumer, Interface, KeyError, KeyManager, Settings},
    model::caller::Token,
};

use crate::support::*;

fn token(project: &str) -> Token {
    Token::new(&Persona::with_roles(project, MEMBER).token())
}

fn open(settings: Settings) -> KeyManager {
    KeyManager::open(Some(settings)).unwrap()
}

/// A consumer is registered and removed, with the header without which Barbican knows none; while there is one the secret
/// is not deleted.
#[test]
fn a_secret_in_use_stays() {
    block_on(async {
        let barbican = Barbican::start();
        let (manager, alice) = (open(barbican.settings()), token("alice"));
        let id = barbican.keeps("alice", "symmetric", b"key");
        let consumer = Consumer { service: "image", resource_type: "image", resource_id: "1" };
        manager.add_consumer(Some(&alice), &id, consumer).await.unwrap();
        let expected = serde_json::json!({"service": "image", "resource_type": "image", "resource_id": "1"});
        assert_eq!(barbican.secret(&id).unwrap().consumers, [expected]);
        assert!(barbican.heads()[0].contains("openstack-api-version: key-manager 1.1"));
        assert_eq!(manager.delete(Some(&alice), &id).await, Err(KeyError::InUse));
        manager.remove_consumer(Some(&alice), &id, consumer).await.unwrap();
        assert_eq!(manager.remove_consumer(Some(&alice), &id, consumer).await, Err(KeyError::NotFound));
        assert_eq!(manager.delete(Some(&token("bob")), &id).await, Err(KeyError::Forbidden));
        manager.delete(Some(&alice), &id).await.unwrap();
        assert!(barbican.secret(&id).is_none());
    });
}

/// Where no endpoint is written, the catalog of the caller's token says where Barbican is, for interface and region.
#[test]
fn the_catalog_knows_where_it_is() {
    block_on(async {
        let (barbican, publisher) = (Barbican::start(), Publisher::new());
        let id = barbican.keeps("alice", "certificate", &publisher.certificate);
        let reference = format!("http://elsewhere/v1/secrets/{id}/");
        for (endpoint_type, region, found) in [
            (Interface::Internal, None, true),
            (Interface::Internal, Some("One"), true),
            (Interface::Internal, Some("Two"), false),
            (Interface::Public, None, false),
        ] {
            let manager = open(Settings {
                endpoint: None,
                auth_endpoint: barbican.url(),
                endpoint_type,
                region_name: region.map(str::to_owned),
                ..barbican.settings()
            });
            let got = manager.certificate(Some(&token("alice")), &reference).await;
            assert_eq!(got.is_ok(), found, "{endpoint_type:?} {region:?}");
            assert_eq!(barbican.asked()[0], "GET /v3/auth/catalog");
        }
    });
}

/// Callers without a token, references that are none, and a server that never ends are refused in time.
#[test]
fn sec_37_calls_are_bounded() {
    block_on(async {
        let barbican = Barbican::start();
        let manager = open(Settings { timeout: Duration::from_millis(300), ..barbican.settings() });
        let (alice, id) = (token("alice"), fresh_id());
        assert_eq!(manager.certificate(None, &id).await, Err(KeyError::NoToken));
        assert_eq!(manager.certificate(Some(&alice), "x/../y").await, Err(KeyError::Malformed));
        assert_eq!(manager.certificate(Some(&Token::new("a\nb")), &id).await, Err(KeyError::Forbidden));
        assert!(barbican.asked().is_empty());
        for mood in [Mood::Silent, Mood::Endless, Mood::Garbage, Mood::Status(302)] {
            barbican.is(mood);
            assert_eq!(manager.certificate(Some(&alice), &id).await, Err(KeyError::Unavailable), "{mood:?}");
        }
        // More of them than there may be at once wait no longer than one.
        barbican.is(Mood::Silent);
        let many = (0..40).map(|_| manager.certificate(Some(&alice), &id));
        let began = std::time::Instant::now();
        let all = futures::future::join_all(many).await;
        assert!(all.iter().all(|one| *one == Err(KeyError::Unavailable)));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(KeyManager::default().delete(Some(&alice), &id).await, Err(KeyError::Unconfigured));
    });
}
