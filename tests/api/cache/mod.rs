//! The image cache: downloads through it, what operators do with it, and what keeps it whole.

mod downloads;
mod keeping;
mod manage;

use std::{fs, path::PathBuf};

use serde_json::Value;
use vitrine::{cache::Settings, model::cached_image::CachedImage, server::Options};

use crate::support::*;

/// The URL of the node under test.
const NODE: &str = "http://node-one:9292";

/// Gives a server a cache through which downloads go, and the calls of earlier releases.
pub fn with_cache(options: &mut Options) {
    let dir = options.data_dir.join("cache");
    options.cache = Some(Settings { node_url: Some(NODE.to_owned()), ..Settings::new(dir) });
    options.api.image_cache = true;
    options.api.cache_management = true;
}

/// As [`with_cache`], with room for so many bytes.
fn with_room(options: &mut Options, bytes: u64) {
    with_cache(options);
    options.cache.as_mut().unwrap().max_size = bytes;
}

impl TestApp {
    /// A place below the folder of the cache.
    fn cache_path(&self, name: &str) -> PathBuf {
        self.folder().join("cache").join(name)
    }

    /// Names of the files in a folder of the cache, those of images alone.
    fn cache_files(&self, below: &str) -> Vec<String> {
        let entries = fs::read_dir(self.cache_path(below)).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<_> = entries
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// The records that the API shows.
    async fn cached(&self) -> Vec<Value> {
        let state = self.as_admin().get("/v2/cache").await.expect(200).json();
        state["cached_images"].as_array().unwrap().clone()
    }

    /// The record of one image, if it has one.
    async fn record_of(&self, id: &str) -> Option<Value> {
        self.cached().await.into_iter().find(|record| record["image_id"] == id)
    }

    /// Waits until an image is cached, and answers its record.
    pub async fn cached_at_last(&self, id: &str) -> Value {
        eventually("cached", async || self.record_of(id).await.ok_or(self.cache_files("incomplete"))).await
    }

    /// An active image of alice.
    async fn active(&self, data: &[u8]) -> String {
        let alice = self.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data.to_vec()).await.expect(204);
        id
    }

    /// Takes the data of an image out of the store, so that only the cache has it; the path brings it back.
    fn hide(&self, id: &str) -> Hidden {
        let (at, away) = (self.store_folder().join(id), self.folder().join(format!("hidden-{id}")));
        fs::rename(&at, &away).unwrap();
        Hidden { at, away }
    }
}

/// Data that is not in its store for as long as this lives.
struct Hidden {
    at: PathBuf,
    away: PathBuf,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        fs::rename(&self.away, &self.at).unwrap();
    }
}

/// A record for a file that the test put there.
fn record_for(id: &str, content: &str, size: i64) -> CachedImage {
    CachedImage {
        id: 0,
        image_id: id.to_owned(),
        size,
        hits: 0,
        checksum: None,
        content: content.to_owned(),
        last_accessed: now(),
        last_modified: now(),
    }
}
