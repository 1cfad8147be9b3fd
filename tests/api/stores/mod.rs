//! Several stores: `/v2/info/stores`, `/v2/stores`, and what they change about images.

mod away;
mod choice;
mod delete;
mod info;
mod onward;
mod reconcile;
mod scrub;
mod verify;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use vitrine::{
    config::{StoreSettings, Stores},
    db,
    model::{
        blob::{Blob, BlobState},
        image::{Image, Location},
        time::Timestamp,
    },
    store::{NewBlob, file, http},
};

use crate::support::*;

/// A store of type file in a folder of its own below `data_dir`.
fn file_store(data_dir: &Path, id: &str, weight: i64) -> StoreSettings {
    let settings = file::Settings::of_folder(data_dir.join(id));
    StoreSettings { description: Some(format!("the {id} one")), weight, ..StoreSettings::new(id, settings) }
}

/// Three stores of type file, of which `fast` is the default and `near` the heaviest, and one of type http.
pub fn several(data_dir: &Path) -> Stores {
    Stores {
        list: vec![
            file_store(data_dir, "fast", 0),
            file_store(data_dir, "slow", -5),
            file_store(data_dir, "near", 10),
            StoreSettings::new("web", http::Settings::default()),
        ],
        default: "fast".to_owned(),
        multiple: true,
        ..Stores::default()
    }
}

impl Database {
    /// A server with [`several`] stores, which shows locations.
    fn app_with_stores(self) -> TestApp {
        TestApp::start(self, |options| {
            options.stores = several(&options.data_dir);
            reach_loopback(options);
            options.image.show_multiple_locations = true;
            options.image.show_image_direct_url = true;
        })
    }
}

/// Two stores of type http, of which one is the default.
fn readers(_: &Path) -> Stores {
    Stores {
        list: ["near", "far"].map(|id| StoreSettings::new(id, http::Settings::default())).into(),
        default: "far".to_owned(),
        multiple: true,
        ..Stores::default()
    }
}

/// Puts a copy of the data of an image into another store, as an import does.
pub async fn copy(app: &TestApp, id: &str, store: &str, data: &[u8]) -> String {
    let app = app.app();
    let now = crate::support::now();
    let blob = Blob {
        id: fresh_id(),
        image_id: id.to_owned(),
        store: store.to_owned(),
        name: id.to_owned(),
        state: BlobState::Writing,
        size: None,
        holder: fresh_id(),
        lease_until: app.leases().end(),
        delete_after: Timestamp(0),
        attempts: 0,
    };
    let row = blob.clone();
    app.db.write("test.blob", move |conn| db::blobs::insert(conn, &row, now)).await.unwrap();
    let named = app.stores.get(store).unwrap();
    let mut writer = named.writer(&NewBlob::of(&blob, None)).await.unwrap();
    writer.write(Bytes::copy_from_slice(data)).await.unwrap();
    writer.sync().await.unwrap();
    let url = writer.commit(&blob.name).await.unwrap().into_full();
    let mut metadata = serde_json::Map::new();
    metadata.insert("store".to_owned(), store.into());
    let location = Location {
        id: fresh_id(),
        url: url.clone(),
        metadata,
        store: Some(store.to_owned()),
        blob_id: Some(blob.id.clone()),
    };
    let size = i64::try_from(data.len()).unwrap();
    app.db
        .write("test.copy", move |conn| {
            let before = db::images::find(conn, &blob.image_id)?.unwrap();
            let mut after = before.clone();
            after.locations.push(location.clone());
            db::blobs::make_live(conn, &blob.id, &blob.holder, size, now)?;
            db::images::save(conn, &before, &after)?;
            db::usage::record(conn, &before, &after, now)
        })
        .await
        .unwrap();
    url
}

/// An active image of `alice` whose data is in the default store and in `others`.
async fn image_in(app: &TestApp, others: &[&str], data: &[u8]) -> String {
    let alice = app.as_member("alice");
    let id = alice.created(image().raw()).await;
    alice.upload(&id, data.to_vec()).await.expect(204);
    for store in others {
        copy(app, &id, store, data).await;
    }
    id
}

/// Reads a counter of a store.
fn reads(app: &TestApp, store: &str) -> u64 {
    app.app().stores.get(store).unwrap().counters.counts().reads
}
