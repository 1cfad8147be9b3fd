//! The Swift store on a real server: Ceph's gateway.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deaths;
mod projects;
mod scripted;

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;

use super::{
    line::Ask,
    options::MB,
    shop::{NAME, mark_of, segment_of, text_of},
    *,
};
use crate::{
    outbound::Method,
    store::{
        Listed, NamedStore, UNFINISHED,
        conformance::{conforms, data, get, named, new, put, sorted, through_deaths, upload},
        servers::{ceph, text},
    },
};

fn account(address: &str) -> Account {
    let said = [
        ("auth_address", address),
        ("user", text(ceph(), "/swift/user")),
        ("key", text(ceph(), "/swift/key")),
    ];
    let said = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Account::of("ref1", &said, Version::One).unwrap()
}

/// A store in an empty container of its own.
fn settings() -> Settings {
    Settings {
        accounts: vec![account(text(ceph(), "/swift/auth_url"))],
        container: format!("c-{}", uuid::Uuid::new_v4()),
        creates_container: true,
        patience: Patience::of(Duration::from_secs(60)),
        ..Settings::default()
    }
}

/// One that cuts what is not small into segments.
fn in_segments() -> Settings {
    Settings { segment: 5 * MB, large: 1, ..settings() }
}

fn opened(settings: &Settings) -> (SwiftStore, NamedStore) {
    let store = SwiftStore::new(settings).unwrap();
    (store.clone(), named(store))
}

fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Every name in the containers of a store, segments and marks included.
async fn names(store: &SwiftStore) -> Vec<String> {
    let containers: Vec<String> = store.shop.containers().try_collect().await.unwrap();
    let mut names = Vec::new();
    for container in containers {
        names.extend(listing::page(&store.shop.line, Some(&container), "", "").await.unwrap().0);
    }
    names
}

/// Proves that a Swift store keeps the promises of stores, in one container and in several, with segments that are
/// streamed and with such as are written to files first.
#[tokio::test(flavor = "multi_thread")]
async fn the_swift_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    for settings in [
        settings(),
        Settings { segment: 100_000, large: 1, ..settings() },
        Settings {
            folder: Some(folder.path().to_owned()),
            segment: 100_000,
            large: 1,
            digits: 3,
            ..settings()
        },
    ] {
        let (_, named) = opened(&settings);
        conforms(&named, None).await;
    }
}

/// Proves that what has several segments is what was sent, of known size and of unknown, at each edge of a segment, with
/// files and without, and that nothing of it stays.
#[tokio::test(flavor = "multi_thread")]
async fn segments_make_the_whole() {
    const SEGMENT: usize = 5 * MB as usize;
    let bytes = data(2 * SEGMENT + 77);
    let folder = tempfile::tempdir().unwrap();
    for settings in [in_segments(), Settings { folder: Some(folder.path().to_owned()), ..in_segments() }] {
        let (store, named) = opened(&settings);
        for (length, segments) in [(SEGMENT - 1, 1), (SEGMENT, 1), (SEGMENT + 1, 2), (2 * SEGMENT + 77, 3)] {
            for size in [None, Some(length as u64)] {
                let (blob, name) = (id(), id());
                let url = upload(&named, &blob, &name, &bytes[..length], size).await.unwrap();
                assert_eq!(url, format!("swift+config://ref1/{}/{name}", settings.container));
                let mut expected: Vec<_> = (1..=segments).map(|n| segment_of(&blob, n)).collect();
                expected.push(name.clone());
                expected.sort();
                assert_eq!(names(&store).await, expected);
                assert_eq!(sorted(&named).await, [Listed::of(name.clone(), false)]);
                assert_eq!(named.stat(&url).await.unwrap(), length as u64);
                assert!(get(&named, &url, None).await.unwrap() == bytes[..length], "{length} {size:?}");
                let edge = ByteRange {
                    first: SEGMENT as u64 - 3,
                    last: (length as u64 - 1).min(SEGMENT as u64 + 3),
                };
                if edge.first <= edge.last {
                    let found = get(&named, &url, Some(edge)).await.unwrap();
                    assert_eq!(found, bytes[edge.first as usize..=edge.last as usize]);
                }
                named.delete(&blob, &name).await.unwrap();
                assert_eq!(names(&store).await, [""; 0]);
            }
        }
    }
}

/// Proves that an image that is known not to be large has one segment, and that one that lies about its size is refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_size_that_is_told_decides() {
    let (store, named) = opened(&Settings { large: 100 * MB, ..in_segments() });
    let bytes = data(11 * MB as usize);
    let (blob, name) = (id(), id());
    upload(&named, &blob, &name, &bytes, Some(bytes.len() as u64)).await.unwrap();
    let mut expected = vec![segment_of(&blob, 1), name.clone()];
    expected.sort();
    assert_eq!(names(&store).await, expected);
    named.delete(&blob, &name).await.unwrap();
    for length in [3, 9_000_000] {
        let (blob, name) = (id(), id());
        let error = upload(&named, &blob, &name, &bytes[..length], Some(10_000_000)).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::SizeMismatch, "{error}");
        named.delete(&blob, &name).await.unwrap();
    }
    assert_eq!(names(&store).await, [""; 0]);
}

/// A writer that has sent a segment and a bit.
async fn begun(store: &NamedStore, blob: &str, name: &str) -> crate::store::BlobWriter {
    let mut writer = store.writer(&new(blob, name, None)).await.unwrap();
    writer.write(Bytes::from(data(6 * MB as usize))).await.unwrap();
    writer
}

/// Proves that an upload whose writer died is seen as unfinished, that deleting its blob removes it and leaves what others
/// have under the name, and that its id alone is enough for that, also where there are several containers.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_writer_left_is_swept() {
    for settings in [in_segments(), Settings { digits: 2, ..in_segments() }] {
        for by_its_id_alone in [false, true] {
            let (store, named) = opened(&settings);
            let (blob, name, other) = (id(), id(), id());
            drop(begun(&named, &blob, &name).await);
            assert_eq!(sorted(&named).await, [Listed::of(blob.clone(), true)]);
            let url = put(&named, &other, &name, b"another's").await.unwrap();
            let alias = if by_its_id_alone { format!("{blob}{UNFINISHED}") } else { name.clone() };
            named.delete(&blob, &alias).await.unwrap();
            assert_eq!(sorted(&named).await, [Listed::of(name.clone(), false)]);
            assert_eq!(get(&named, &url, None).await.unwrap(), b"another's");
            named.delete(&other, &name).await.unwrap();
            assert_eq!(names(&store).await, [""; 0]);
        }
    }
}

/// Proves that a mark that stays behind after its object is shown costs nothing: the object is listed, not the mark, and
/// who deletes what is unfinished deletes the mark alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_stays_behind_costs_nothing() {
    let (store, named) = opened(&in_segments());
    let (blob, name) = (id(), id());
    let bytes = data(6 * MB as usize);
    let url = upload(&named, &blob, &name, &bytes, None).await.unwrap();
    let container = &store.shop.containers.name;
    let mark = Ask::of(Method::PUT, container, Some(&mark_of(&blob))).header(NAME, &name);
    store.shop.line.call(&mark).await.unwrap();
    assert_eq!(sorted(&named).await, [Listed::of(name.clone(), false)]);
    named.delete(&blob, &format!("{blob}{UNFINISHED}")).await.unwrap();
    assert_eq!(names(&store).await.len(), 3);
    assert!(get(&named, &url, None).await.unwrap() == bytes);
    named.delete(&blob, &name).await.unwrap();
    assert_eq!(names(&store).await, [""; 0]);
}

/// Proves that what Glance wrote in segments is read and deleted as a whole, that a deletion which finds half of it
/// continues, and that a manifest over what is not its own costs others nothing.
#[tokio::test(flavor = "multi_thread")]
async fn objects_of_glance_are_served_and_deleted() {
    let (store, named) = opened(&settings());
    let container = settings_container(&store);
    store.shop.have_container(&container).await.unwrap();
    let write = async |name: &str, bytes: &'static [u8], manifest: Option<&str>| {
        let mut ask = Ask::of(Method::PUT, &container, Some(name));
        if let Some(manifest) = manifest {
            ask = ask.header("X-Object-Manifest", format!("{container}/{manifest}"));
        }
        ask = ask.with(line::Payload::Held(vec![Bytes::from_static(bytes)]));
        store.shop.line.call(&ask).await.unwrap();
    };
    let image = id();
    for half in [false, true] {
        for (number, bytes) in [(1, b"first "), (2, b"second")] {
            write(&segment_of(&image, number), bytes, None).await;
        }
        write(&image, b"", Some(&format!("{image}-"))).await;
        let url = format!("swift+config://ref1/{container}/{image}");
        assert_eq!(get(&named, &url, None).await.unwrap(), b"first second");
        assert_eq!(named.stat(&url).await.unwrap(), 12);
        assert_eq!(sorted(&named).await, [Listed::of(image.clone(), false)]);
        if half {
            store
                .shop
                .line
                .call(&Ask::of(Method::DELETE, &container, Some(&segment_of(&image, 1))))
                .await
                .unwrap();
        }
        named.delete(&id(), &image).await.unwrap();
        assert_eq!(names(&store).await, [""; 0]);
    }
    write("of-others", b"precious", None).await;
    for manifest in ["of-", ""] {
        write(&image, b"", Some(manifest)).await;
        named.delete(&id(), &image).await.unwrap();
        assert_eq!(names(&store).await, ["of-others"]);
    }
}

fn settings_container(store: &SwiftStore) -> String {
    store.shop.containers.name.clone()
}

/// Proves that a container that the store makes is for nobody but its account.
#[tokio::test(flavor = "multi_thread")]
async fn sec_9_containers_are_for_nobody_else() {
    let (store, named) = opened(&settings());
    put(&named, &id(), &id(), b"data").await.unwrap();
    let container = settings_container(&store);
    let readers = async || {
        let reply = store.shop.line.call(&Ask::of(Method::HEAD, &container, None)).await.unwrap();
        text_of(reply.headers(), "x-container-read")
    };
    assert_eq!(readers().await, None);
    let shared = Ask::of(Method::POST, &container, None).header("X-Container-Read", ".r:*");
    store.shop.line.call(&shared).await.unwrap();
    assert_eq!(readers().await.unwrap(), ".r:*");
}

/// Proves that wrong keys are a refusal and a missing container the loss of the place, that neither tells a key, and that
/// keys in a URL are not used.
#[tokio::test(flavor = "multi_thread")]
async fn sec_10_keys_are_those_of_the_configuration() {
    let right = settings();
    let (_, named) = opened(&right);
    let url = put(&named, &id(), &id(), b"data").await.unwrap();
    let (container, name) = url.strip_prefix("swift+config://ref1/").unwrap().split_once('/').unwrap();
    let address = text(ceph(), "/swift/auth_url").strip_prefix("http://").unwrap();
    let keyed = format!("swift+http://glance%3Aswift:hush@{address}/{container}/{name}");
    assert!(named.owns(&keyed) && named.name_of(&url) == Some(name));
    assert_eq!(named.written(&keyed).full(), url);
    assert_eq!(get(&named, &keyed, None).await.unwrap(), b"data");
    let elsewhere = format!("swift+config://ref1/elsewhere/{name}");
    assert!(named.owns(&elsewhere) && named.name_of(&elsewhere).is_none());

    let mut wrong = right.clone();
    if let Who::User { key, .. } = &mut wrong.accounts[0].who {
        "hush".clone_into(key);
    }
    assert!(!format!("{wrong:?}").contains("hush"));
    let (_, wrong) = opened(&wrong);
    for error in [
        wrong.stat(&url).await.unwrap_err(),
        get(&wrong, &keyed, None).await.unwrap_err(),
        put(&wrong, &id(), &id(), b"x").await.unwrap_err(),
        wrong.delete(&id(), &id()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
    let (_, missing) = opened(&Settings { creates_container: false, ..settings() });
    assert_eq!(put(&missing, &id(), &id(), b"x").await.unwrap_err().kind, StoreErrorKind::Gone);
    assert_eq!(sorted(&missing).await, []);
}

/// Proves that what has several segments goes out of the way and comes back without its segments being copied or lost, also
/// after a move that was interrupted; and that they go with it, Glance's by the name of the image as well.
#[tokio::test(flavor = "multi_thread")]
async fn segments_stay_when_their_object_goes_out_of_the_way() {
    const KEY: &str = "2026-01-02/word";
    const ASIDE: &str = ".quarantine.2026-01-02.word";
    let (store, named) = opened(&in_segments());
    let (line, bytes) = (&store.shop.line, data(11 * MB as usize));
    let container = store.shop.containers.of("");
    for is_of_glance in [false, true] {
        let (blob, name) = (id(), id());
        let url = if is_of_glance {
            for (number, piece) in (1..).zip(bytes.chunks(5 * MB as usize)) {
                let segment = segment_of(&name, number);
                let ask = Ask::of(Method::PUT, &container, Some(&segment));
                line.call(&ask.with(line::Payload::Held(vec![Bytes::copy_from_slice(piece)]))).await.unwrap();
            }
            let ask = Ask::of(Method::PUT, &container, Some(&name));
            line.call(&ask.header("X-Object-Manifest", format!("{container}/{name}-"))).await.unwrap();
            store.shop.url(&container, &name).full().to_owned()
        } else {
            upload(&named, &blob, &name, &bytes, None).await.unwrap()
        };
        let whose = if is_of_glance { &name } else { &blob };
        let with = |more: &[&str]| {
            let mut names: Vec<String> = (1..=3).map(|number| segment_of(whose, number)).collect();
            names.extend(more.iter().map(|name| (*name).to_owned()));
            names.sort();
            names
        };
        assert!(named.set_aside(&name, false, KEY).await.unwrap());
        assert_eq!(names(&store).await, with(&[ASIDE]));
        assert_eq!(sorted(&named).await, []);

        // It was interrupted before the end on the way back.
        let aside = look(line, &container, ASIDE).await.unwrap().unwrap();
        let ask = Ask::of(Method::PUT, &container, Some(&name))
            .header("X-Object-Manifest", aside.manifest.unwrap());
        let ask = aside.blob.iter().fold(ask, |ask, blob| ask.header(shop::BLOB, blob));
        line.call(&ask).await.unwrap();
        assert_eq!(names(&store).await, with(&[ASIDE, &name]));
        // Whoever discards it now leaves the segments to the object that shows them.
        named.discard(KEY).await.unwrap();
        assert_eq!(names(&store).await, with(&[&name]));
        assert!(named.set_aside(&name, false, KEY).await.unwrap());
        line.call(&ask).await.unwrap();
        assert!(named.bring_back(KEY, &name, false).await.unwrap());
        assert_eq!(names(&store).await, with(&[&name]));
        assert!(get(&named, &url, None).await.unwrap() == bytes);

        assert!(named.set_aside(&name, false, KEY).await.unwrap());
        named.discard(KEY).await.unwrap();
        assert_eq!(names(&store).await, [""; 0]);
    }
}
