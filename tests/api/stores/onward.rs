//! Downloads that go on from another location where the first breaks off, and many that share one read.

use std::{
    fs,
    sync::{Arc, Barrier},
};

use vitrine::{image::VerifyDownloads, model::image::Image};

use super::{
    verify::{breaks_off, flipped, in_web, of_data, verifying},
    *,
};
use crate::{
    cache::with_cache,
    imports::source::{Reply, Source},
};

/// More than fits into one chunk of any store.
const LARGE: usize = 3_000_000;

/// More than sockets hold between a server that sends and a client that does not read.
const BEYOND_SOCKETS: usize = 32 << 20;

/// A web server that breaks off in the middle of `/broken`, and has the data at `/whole`, other data of that size at
/// `/other`, too little at `/short`, and too much at `/long`.
fn source(data: &[u8]) -> Source {
    let data = data.to_vec();
    Source::start(move |path| match path {
        "/broken" => Reply::Promise(data.len(), data[..data.len() / 2].to_vec()),
        "/other" => Reply::Data(flipped(&flipped(&data).into_iter().rev().collect::<Vec<_>>())),
        "/short" => Reply::Data(data[1..].to_vec()),
        "/long" => Reply::Data([b"x", &data[..]].concat()),
        _ => Reply::Data(data.clone()),
    })
}

/// An image whose data is at these paths, in this order.
async fn at(app: &TestApp, source: &Source, data: &[u8], paths: &[&str]) -> String {
    let image = of_data(data, paths.iter().map(|path| in_web(source.url(path))).collect());
    app.insert(std::slice::from_ref(&image)).await;
    image.id
}

on_each_database! {
    /// What breaks off goes on from the byte reached, from the first other location that has the image's data, and
    /// arrives whole; so does a part.
    async fn downloads_go_on_from_another_location(database: Database) {
        let (mut app, data) = (TestApp::start(database, verifying(VerifyDownloads::default())), bytes(LARGE));
        let source = source(&data);
        let id = at(&app, &source, &data, &["/broken", "/short", "/broken", "/whole"]).await;
        assert!(app.as_member("alice").download(&id).await.expect(200).body == data);
        app.reconfigure(verifying(VerifyDownloads::None));
        let part = format!("bytes=1000000-{}", LARGE - 2);
        let answer = app.as_member("alice").download(&id).header("range", &part).await.expect(206);
        assert!(answer.body == data[1_000_000..LARGE - 1]);
    }

    /// Where no other location is left, or none has the image's data, the connection is cut before the end.
    async fn sec_25_no_other_data_goes_on_with_a_download(database: Database) {
        let (mut app, data) = (TestApp::start(database, verifying(VerifyDownloads::default())), bytes(LARGE));
        let source = source(&data);
        for paths in [&["/broken"][..], &["/broken", "/short"], &["/broken", "/broken"], &["/broken", "/other"]] {
            let id = at(&app, &source, &data, paths).await;
            assert!(breaks_off(&app, &id) < LARGE, "{paths:?}");
        }
        // What is not held against a hash goes on only where this service wrote the data itself.
        let image = Image { checksum: None, os_hash_algo: None, os_hash_value: None, ..of_data(&data, Vec::new()) };
        let places = ["/broken", "/whole"].map(|path| in_web(source.url(path))).to_vec();
        let image = Image { locations: places, ..image };
        app.insert(std::slice::from_ref(&image)).await;
        assert!(breaks_off(&app, &image.id) < LARGE);
        // Nobody looks at hashes here, but the size has to be the image's.
        app.reconfigure(verifying(VerifyDownloads::None));
        for other in ["/short", "/long"] {
            let id = at(&app, &source, &data, &["/broken", other]).await;
            assert!(breaks_off(&app, &id) < LARGE, "{other}");
        }
    }

    /// A file that the kernel sends, and that becomes shorter meanwhile, goes on from another store, and the data arrives
    /// whole; where there is none, the connection is cut.
    async fn a_file_sent_unread_goes_on_from_another_store(database: Database) {
        let app = database.app_with_stores();
        let data = bytes(BEYOND_SOCKETS);
        let token = Persona::with_roles("alice", MEMBER).token();
        for others in [&["near"][..], &[]] {
            let id = image_in(&app, others, &data).await;
            let folder = if others.is_empty() { "fast" } else { "near" };
            let file = fs::File::options().write(true).open(app.folder().join(folder).join(&id)).unwrap();
            let ask = format!(
                "GET /v2/images/{id}/file HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-auth-token: {token}\r\n\r\n"
            );
            let mut client = app.raw();
            assert_eq!(client.send(ask.as_bytes()).read(12), b"HTTP/1.1 200");
            file.set_len(BEYOND_SOCKETS as u64 / 2).unwrap();
            let received = client.read_all();
            match others.is_empty() {
                true => assert!(received.len() < BEYOND_SOCKETS),
                false => {
                    let same = received.iter().rev().zip(data.iter().rev()).take_while(|(a, b)| a == b).count();
                    assert!(received.ends_with(&data), "{} received, the last {same} right", received.len());
                }
            }
            file.set_len(BEYOND_SOCKETS as u64).unwrap();
        }
        // Each of these was read once, by nobody who looked at it.
        assert_eq!((reads(&app, "near"), reads(&app, "fast")), (1, 2));
    }

    /// Data that became shorter in one store of ours goes on from another, and the copy that the cache makes on the way
    /// is whole.
    async fn the_cache_is_filled_from_both(database: Database) {
        let mut app = database.app_with_stores();
        app.reconfigure(with_cache);
        let (alice, data) = (app.as_member("alice"), bytes(LARGE));
        let id = image_in(&app, &["near"], &data).await;
        // The heaviest is read first.
        let file = fs::File::options().write(true).open(app.folder().join("near").join(&id)).unwrap();
        file.set_len(LARGE as u64 / 2).unwrap();
        assert!(alice.download(&id).await.expect(200).body == data);
        assert_eq!((reads(&app, "near"), reads(&app, "fast")), (1, 1));
        app.cached_at_last(&id).await;
        assert!(alice.download(&id).await.expect(200).body == data);
        assert_eq!((reads(&app, "near"), reads(&app, "fast")), (1, 1));
        file.set_len(LARGE as u64).unwrap();
    }

    /// Eight who download an image of a web server at the same time cost one request to it, and each gets all of it.
    async fn readers_at_the_same_time_share_one_read(database: Database) {
        let (app, data) = (TestApp::start(database, verifying(VerifyDownloads::default())), bytes(LARGE));
        let barrier = Arc::new(Barrier::new(2));
        let (sent, waits) = (data.clone(), Arc::clone(&barrier));
        let source = Source::start(move |_| Reply::Halves(sent.clone(), Arc::clone(&waits)));
        let id = at(&app, &source, &data, &["/data"]).await;
        let token = Persona::with_roles("alice", MEMBER).token();
        let head = format!(
            "GET /v2/images/{id}/file HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-auth-token: {token}\r\n\r\n"
        );
        let mut readers: Vec<_> = (0..8).map(|_| app.raw()).collect();
        for reader in &mut readers {
            assert_eq!(reader.send(head.as_bytes()).read(12), b"HTTP/1.1 200");
        }
        // Each has its first bytes; the rest comes now.
        barrier.wait();
        for reader in &mut readers {
            assert!(reader.read_all().ends_with(&data));
        }
        assert_eq!(source.served(), 1);
    }
}
