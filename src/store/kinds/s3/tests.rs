//! The S3 store on real servers: Ceph's gateway and moto.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deaths;
mod names;
mod scripted;

use bytes::Bytes;
use serde_json::Value;

use super::{address::Address, options::MIB, *};
use crate::store::{
    NamedStore,
    conformance::{conforms, data, get, named, new, put, sorted, through_deaths, upload},
    servers::{ceph, second_s3, text},
};

/// A store in an empty bucket of its own on a server.
fn settings(server: &Value, endpoint: &str) -> Settings {
    let bucket = format!("b-{}", uuid::Uuid::new_v4());
    let address = Address::new(endpoint, text(server, "/region"), &bucket, "auto").unwrap();
    // A region that a server does not have is none to create a bucket in.
    let address = Address { region: "us-east-1".to_owned(), ..address };
    let keys = (text(server, "/access_key").to_owned(), text(server, "/secret_key").to_owned());
    Settings { address: Some(address), keys: Some(keys), creates_bucket: true, ..Settings::default() }
}

fn on(server: &Value) -> Settings {
    settings(server, text(server, "/endpoint"))
}

/// The first S3 and the second.
fn servers() -> [&'static Value; 2] {
    [&ceph()["s3"], second_s3()]
}

/// One whose parts are as small as servers let them be.
fn in_parts(server: &Value) -> Settings {
    Settings { part: 5 * MIB, large: 0, ..on(server) }
}

fn opened(settings: &Settings) -> (S3Store, NamedStore) {
    let store = S3Store::new(settings).unwrap();
    (store.clone(), named(store))
}

fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Proves that an S3 store keeps the promises of stores, on either server, with objects of one piece and of parts.
#[tokio::test(flavor = "multi_thread")]
async fn the_s3_store_conforms() {
    for server in servers() {
        for settings in [on(server), in_parts(server)] {
            let (store, named) = opened(&settings);
            store.have_bucket().await.unwrap();
            conforms(&named, None).await;
        }
    }
}

/// Proves that what has several parts is what was sent, of known size and of unknown, at each edge of a part.
#[tokio::test(flavor = "multi_thread")]
async fn parts_make_the_whole() {
    const PART: usize = 5 << 20;
    let bytes = data(3 * PART + 77);
    for server in servers() {
        let (store, named) = opened(&in_parts(server));
        for length in [PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 77] {
            for size in [None, Some(length as u64)] {
                let (blob, name) = (id(), id());
                let url = upload(&named, &blob, &name, &bytes[..length], size).await.unwrap();
                assert_eq!(named.stat(&url).await.unwrap(), length as u64);
                assert!(get(&named, &url, None).await.unwrap() == bytes[..length], "{length} {size:?}");
                let edge =
                    ByteRange { first: PART as u64 - 3, last: (length as u64 - 1).min(PART as u64 + 3) };
                let found = get(&named, &url, Some(edge)).await.unwrap();
                assert_eq!(found, bytes[edge.first as usize..=edge.last as usize]);
                assert!(store.bucket.calls.uploads_of(&name).await.unwrap().is_empty());
                named.delete(&blob, &name).await.unwrap();
            }
        }
        assert_eq!(sorted(&named).await, []);
    }
}

/// A writer that has sent a part and a bit.
async fn begun(store: &NamedStore, blob: &str, name: &str) -> crate::store::BlobWriter {
    let mut writer = store.writer(&new(blob, name, None)).await.unwrap();
    writer.write(Bytes::from(data(6 << 20))).await.unwrap();
    writer
}

/// Proves that an upload whose writer died is seen as unfinished under the name that it was to have, that deleting its
/// blob removes it and leaves what others have under the name, and that so does deleting it by its name alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_writer_left_is_swept() {
    for server in servers() {
        let (store, named) = opened(&in_parts(server));
        for by_its_name_alone in [false, true] {
            let (blob, name) = (id(), id());
            drop(begun(&named, &blob, &name).await);
            assert_eq!(sorted(&named).await, [Listed::of(name.clone(), true)]);
            let other = id();
            let (_, whole) = opened(&Settings {
                part: 10 * MIB,
                address: Some(store.bucket.address.clone()),
                ..on(server)
            });
            let url = put(&whole, &other, &name, b"another's").await.unwrap();
            match by_its_name_alone {
                false => named.delete(&blob, &name).await.unwrap(),
                true => named.delete(&id(), &format!("{name}{UNFINISHED}")).await.unwrap(),
            }
            assert_eq!(sorted(&named).await, [Listed::of(name.clone(), false)]);
            assert_eq!(get(&named, &url, None).await.unwrap(), b"another's");
            named.delete(&other, &name).await.unwrap();
            assert_eq!(sorted(&named).await, []);
        }
    }
}

/// Proves that parts under a name that something has taken meanwhile replace nothing, and leave nothing.
#[tokio::test(flavor = "multi_thread")]
async fn parts_replace_nothing() {
    for server in servers() {
        let (store, named) = opened(&in_parts(server));
        let (first, second, name) = (id(), id(), id());
        let mut writer = begun(&named, &second, &name).await;
        let (_, whole) = opened(&Settings { address: Some(store.bucket.address.clone()), ..on(server) });
        let url = put(&whole, &first, &name, b"first").await.unwrap();
        writer.sync().await.unwrap();
        assert_eq!(writer.commit(&name).await.unwrap_err().kind, StoreErrorKind::Exists);
        assert_eq!(writer.commit(&id()).await.unwrap_err().kind, StoreErrorKind::Unavailable);
        writer.cancel().await.unwrap();
        assert_eq!(get(&named, &url, None).await.unwrap(), b"first");
        assert_eq!(sorted(&named).await, [Listed::of(name.clone(), false)]);
    }
}

/// Proves that a completion whose answer is lost is looked up: it has taken place or not, and both are known for sure.
#[tokio::test(flavor = "multi_thread")]
async fn a_completion_without_an_answer_is_looked_up() {
    for server in servers() {
        let (store, named) = opened(&in_parts(server));
        let bucket = &store.bucket;
        let lost = || Err(fault::Fault::Silent(1).at("it"));
        let (blob, name) = (id(), id());
        assert_eq!(
            bucket.settle(&name, &blob, 1, None, lost()).await.unwrap_err().kind,
            StoreErrorKind::Unavailable
        );
        let bytes = data(6 << 20);
        upload(&named, &blob, &name, &bytes, None).await.unwrap();
        let size = bytes.len() as u64;
        let etag = bucket.look(&name).await.unwrap().unwrap().etag.unwrap();
        assert!(etag.trim_matches('"').ends_with("-2"), "{etag}");
        let url = bucket.settle(&name, &blob, size, Some(&etag), lost()).await.unwrap();
        assert!(get(&named, url.full(), None).await.unwrap() == bytes);
        let of_another = bucket.settle(&name, &id(), size, Some(&etag), lost()).await.unwrap_err();
        assert_eq!(of_another.kind, StoreErrorKind::Exists);
        let wrong = format!("{}-2", "0".repeat(32));
        for (size, etag) in [(size + 1, &etag), (size, &wrong)] {
            let error = bucket.settle(&name, &blob, size, Some(etag), Ok(())).await.unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        }
    }
}

/// Proves that what is copied by the server is what it was copied from, in one request or in pieces, that nothing is
/// replaced, and that what cannot be opened is not copied.
#[tokio::test(flavor = "multi_thread")]
async fn servers_copy_between_buckets() {
    for server in servers() {
        let (_, from) = opened(&on(server));
        let bytes = data(11 << 20);
        let (blob, name) = (id(), id());
        let url = put(&from, &blob, &name, &bytes).await.unwrap();
        for copied_at_once in [5 << 30, 5 * MIB] {
            let (store, to) = opened(&Settings { copied_at_once, ..on(server) });
            let (copy, other) = (id(), id());
            let shared = to.share(&from, &url, &new(&copy, &other, None)).await.unwrap().unwrap();
            assert!(get(&to, shared.full(), None).await.unwrap() == bytes, "{copied_at_once}");
            assert_eq!(store.bucket.look(&other).await.unwrap().unwrap().blob, Some(copy.clone()));
            let again = to.share(&from, &url, &new(&id(), &other, None)).await.unwrap_err();
            assert_eq!(again.kind, StoreErrorKind::Exists);
            let absent = url.replace(&name, &id());
            assert_eq!(to.share(&from, &absent, &new(&id(), &id(), None)).await.unwrap(), None);
            to.delete(&copy, &other).await.unwrap();
            assert_eq!(sorted(&to).await, []);
        }
    }
}

/// Proves that a move that broke off after its copy, out of the way or back, is finished by the next attempt, whether the
/// server copies in one request or in pieces.
#[tokio::test(flavor = "multi_thread")]
async fn moves_that_broke_off_are_finished() {
    for server in servers() {
        for copied_at_once in [5 << 30, 5 * MIB] {
            let (store, named) = opened(&Settings { copied_at_once, ..in_parts(server) });
            let (name, word, bytes) = (id(), id(), data(11 << 20));
            let (key, aside) = (format!("2026-11-30/{word}"), format!(".quarantine.2026-11-30.{word}"));
            let url = put(&named, &id(), &name, &bytes).await.unwrap();
            copy::duplicate(&store.bucket, &name, &aside).await.unwrap();
            assert!(named.set_aside(&name, false, &key).await.unwrap());
            assert_eq!(sorted(&named).await, []);
            copy::duplicate(&store.bucket, &aside, &name).await.unwrap();
            assert!(named.bring_back(&key, &name, false).await.unwrap());
            assert_eq!(store.bucket.look(&aside).await.unwrap(), None);
            assert!(get(&named, &url, None).await.unwrap() == bytes, "{copied_at_once}");
        }
    }
}

/// Proves that wrong keys are a refusal and a missing bucket the loss of the place, that neither tells a key, and that
/// keys in a URL are not used.
#[tokio::test(flavor = "multi_thread")]
async fn sec_10_keys_are_those_of_the_configuration() {
    let server = &ceph()["s3"];
    let right = on(server);
    let (store, named) = opened(&right);
    let url = put(&named, &id(), &id(), b"data").await.unwrap();
    let keyed = url.replace("://", "://old:hu/sh@");
    assert!(named.owns(&keyed) && named.name_of(&keyed) == named.name_of(&url));
    assert_eq!(get(&named, &keyed, None).await.unwrap(), b"data");
    let (access, secret) = (text(server, "/access_key"), text(server, "/secret_key"));
    assert!(!format!("{store:?} {right:?} {:?}", store.about()).contains(secret));
    // Only the URL that is made for Glance has the keys, those of now.
    for known in [&url, &keyed] {
        assert_eq!(named.url_for_glance(known).full(), url.replace("://", &format!("://{access}:{secret}@")));
    }
    assert_eq!(named.url_for_glance("http://h/o").full(), "http://h/o");

    for access in ["nobody", access] {
        let keys = (access.to_owned(), "hush".to_owned());
        let wrong = Settings { keys: Some(keys), creates_bucket: false, ..right.clone() };
        let (_, wrong) = opened(&wrong);
        for error in [
            wrong.stat(&url).await.unwrap_err(),
            get(&wrong, &keyed, None).await.unwrap_err(),
            put(&wrong, &id(), &id(), b"x").await.unwrap_err(),
            wrong.delete(&id(), &id()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
            assert!(!format!("{error} {error:?}").contains("hu"), "{error:?}");
        }
    }
    let (_, missing) = opened(&Settings { creates_bucket: false, ..on(server) });
    assert_eq!(put(&missing, &id(), &id(), b"x").await.unwrap_err().kind, StoreErrorKind::Gone);
}
