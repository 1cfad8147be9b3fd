//! Data that is not what its image says never arrives whole (`[vitrine] verify_downloads`).

use std::{
    fs,
    sync::{Arc, Mutex},
};

use openssl::hash::{MessageDigest, hash};
use serde_json::{Map, json};
use vitrine::{image::VerifyDownloads, model::image::Image, server::Options, telemetry::metrics::metrics};

use super::*;
use crate::{
    cache::with_cache,
    imports::source::{Reply, Source},
};

/// More than is held back, and than fits into one chunk of any store.
const LARGE: usize = 3_000_000;

/// A web server whose data can change under the URL that images have.
struct Changing {
    data: Arc<Mutex<Vec<u8>>>,
    source: Source,
}

impl Changing {
    fn start(data: Vec<u8>) -> Self {
        let data = Arc::new(Mutex::new(data));
        let served = Arc::clone(&data);
        Self { data, source: Source::start(move |_| Reply::Data(served.lock().unwrap().clone())) }
    }

    fn set(&self, data: Vec<u8>) {
        *self.data.lock().unwrap() = data;
    }

    /// A location in the http store.
    fn location(&self) -> Location {
        in_web(self.source.url("/data"))
    }

    /// An active image of alice's that says what the data is now, and has it here.
    async fn image(&self, app: &TestApp) -> String {
        let image = of_data(&self.data.lock().unwrap(), vec![self.location()]);
        app.insert(std::slice::from_ref(&image)).await;
        image.id
    }
}

/// A location in the http store.
pub(super) fn in_web(url: String) -> Location {
    let metadata = Map::from_iter([("store".to_owned(), "web".into())]);
    Location { id: fresh_id(), url, metadata, store: Some("web".to_owned()), blob_id: None }
}

/// An active image of alice's that says what its data is, which is at these locations.
pub(super) fn of_data(data: &[u8], locations: Vec<Location>) -> Image {
    let hex = |digest| hash(digest, data).unwrap().iter().map(|b| format!("{b:02x}")).collect();
    Image {
        size: Some(i64::try_from(data.len()).unwrap()),
        checksum: Some(hex(MessageDigest::md5())),
        os_hash_algo: Some("sha512".to_owned()),
        os_hash_value: Some(hex(MessageDigest::sha512())),
        locations,
        ..record("alice", 1)
    }
}

/// Several stores, and data verified as the test wants.
pub(super) fn verifying(which: VerifyDownloads) -> impl FnOnce(&mut Options) {
    move |options| {
        options.stores = several(&options.data_dir);
        reach_loopback(options);
        options.image.verify_downloads = which;
    }
}

/// The data with one bit turned in its middle.
pub(super) fn flipped(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let middle = data.len() / 2;
    data[middle] ^= 1;
    data
}

/// Downloads as alice, and answers how many bytes came before the end that should not have come.
pub(super) fn breaks_off(app: &TestApp, id: &str) -> usize {
    let token = Persona::with_roles("alice", MEMBER).token();
    let head = format!(
        "GET /v2/images/{id}/file HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-auth-token: {token}\r\n\r\n"
    );
    let answer = app.raw().send(head.as_bytes()).read_all();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    answer.len() - end - 4
}

/// How often data of a store was found to be wrong, by every server of this process.
fn counted(store: &str, what: &str) -> u64 {
    let name = format!("vitrine_verification_failures_total{{store=\"{store}\",what=\"{what}\"}} ");
    let text = metrics().text();
    text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

on_each_database! {
    /// What an http location serves is held against the image's hash and size: other data breaks off before its end,
    /// and is counted.
    async fn sec_25_data_that_changed_behind_its_location_never_arrives_whole(database: Database) {
        let app = TestApp::start(database, verifying(VerifyDownloads::default()));
        let (alice, good) = (app.as_member("alice"), bytes(LARGE));
        let source = Changing::start(good.clone());
        let id = source.image(&app).await;
        assert!(alice.download(&id).await.expect(200).body == good);
        let before = (counted("web", "hash"), counted("web", "size"));
        source.set(flipped(&good));
        assert!(breaks_off(&app, &id) < LARGE);
        assert!(counted("web", "hash") > before.0);
        for size in [LARGE - 1, LARGE + 1] {
            source.set(bytes(size));
            assert!(breaks_off(&app, &id) < LARGE, "{size}");
        }
        assert!(counted("web", "size") > before.1);
        source.set(good.clone());
        assert!(alice.download(&id).await.expect(200).body == good);
    }

    /// While the client has had nothing, the next location is tried from its start; without one there is no data.
    async fn sec_25_the_next_location_is_tried(database: Database) {
        let app = TestApp::start(database, verifying(VerifyDownloads::default()));
        let (alice, good) = (app.as_member("alice"), bytes(50_000));
        let source = Changing::start(good.clone());
        let id = source.image(&app).await;
        source.set(flipped(&good));
        let answer = alice.download(&id).await.expect(503);
        assert_eq!(answer.header("content-md5"), "");
        copy(&app, &id, "slow", &good).await;
        // The http store has the larger weight of the two.
        assert!(alice.download(&id).await.expect(200).body == good);
        assert_eq!((reads(&app, "web"), reads(&app, "slow")), (2, 1));
    }

    /// A hash speaks of the whole: a part of data that has to be verified is answered with the whole, a range of all
    /// of it with all of it, and a part of data that has no hash with the part.
    async fn sec_25_a_part_of_what_must_be_verified_is_not_served(database: Database) {
        let app = TestApp::start(database, verifying(VerifyDownloads::default()));
        let (alice, good) = (app.as_member("alice"), bytes(LARGE));
        let source = Changing::start(good.clone());
        let id = source.image(&app).await;
        let part = |id: &str, range: &str| alice.download(id).header("range", range);
        let answer = part(&id, "bytes=10-19").await.expect(200);
        assert_eq!(answer.header("content-range"), "");
        assert!(answer.body == good);
        assert!(part(&id, "bytes=0-").await.expect(206).body == good);
        part(&id, &format!("bytes={LARGE}-")).await.expect(416);
        let unhashed = Image { size: Some(3_000_000), locations: vec![source.location()], ..record("alice", 1) };
        app.insert(std::slice::from_ref(&unhashed)).await;
        assert_eq!(part(&unhashed.id, "bytes=10-19").await.expect(206).body, good[10..20]);
        // What this service wrote itself is served as before.
        let own = image_in(&app, &[], &good).await;
        assert_eq!(part(&own, "bytes=10-19").await.expect(206).body, good[10..20]);
    }

    /// With `all`, a byte that flipped in a file breaks the download off, of whichever store, and of the cache.
    async fn sec_25_a_flipped_byte_in_a_file_never_arrives_whole(database: Database) {
        let app = TestApp::start(database, |options| {
            verifying(VerifyDownloads::All)(options);
            with_cache(options);
        });
        let (alice, good) = (app.as_member("alice"), bytes(LARGE));
        let id = image_in(&app, &[], &good).await;
        let at = app.folder().join("fast").join(&id);
        fs::write(&at, flipped(&good)).unwrap();
        assert!(breaks_off(&app, &id) < LARGE);
        fs::write(&at, &good).unwrap();
        assert!(alice.download(&id).await.expect(200).body == good);
        let cached = app.folder().join("cache").join(&id);
        eventually("cached", async || {
            let state = app.as_admin().get("/v2/cache").await.expect(200).json();
            if state["cached_images"][0]["image_id"] == json!(id) { Ok(()) } else { Err(state) }
        })
        .await;
        fs::write(&cached, flipped(&good)).unwrap();
        assert!(breaks_off(&app, &id) < LARGE);
        assert!(counted("cache", "hash") > 0);
        // The copy went with that, and the store answers.
        assert!(alice.download(&id).await.expect(200).body == good);
        let small = image_in(&app, &[], b"small").await;
        fs::write(app.folder().join("fast").join(&small), b"smell").unwrap();
        alice.download(&small).await.expect(503);
    }

    /// Data that did not pass leaves no copy, and a copy that was made of good data serves parts.
    async fn sec_25_the_cache_keeps_nothing_that_did_not_pass(database: Database) {
        let app = TestApp::start(database, |options| {
            verifying(VerifyDownloads::default())(options);
            with_cache(options);
        });
        let (alice, good) = (app.as_member("alice"), bytes(LARGE));
        let source = Changing::start(good.clone());
        let id = source.image(&app).await;
        source.set(flipped(&good));
        assert!(breaks_off(&app, &id) < LARGE);
        let names = || fs::read_dir(app.folder().join("cache").join("incomplete")).unwrap().count();
        eventually("given up", async || if names() == 0 { Ok(()) } else { Err(names()) }).await;
        assert!(!app.folder().join("cache").join(&id).exists());
        source.set(good.clone());
        assert!(alice.download(&id).await.expect(200).body == good);
        let part = || alice.download(&id).header("range", "bytes=10-19");
        eventually("a part from the cache", async || {
            let answer = part().await;
            if answer.status == 206 { Ok(answer.body) } else { Err(answer.status) }
        })
        .await;
        source.set(flipped(&good));
        assert!(alice.download(&id).await.expect(200).body == good);
    }

    /// With `none`, data is served as it comes.
    async fn nothing_is_verified_where_the_operator_says_so(database: Database) {
        let app = TestApp::start(database, verifying(VerifyDownloads::None));
        let (alice, good) = (app.as_member("alice"), bytes(1000));
        let source = Changing::start(good.clone());
        let id = source.image(&app).await;
        source.set(flipped(&good));
        assert!(alice.download(&id).await.expect(200).body == flipped(&good));
        assert_eq!(alice.download(&id).header("range", "bytes=1-2").await.expect(206).body, good[1..3]);
    }
}
