//! A copy of an image's data in the cache of one node.

use super::time::Timestamp;

/// The record of a cached copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedImage {
    /// Number of the row; 0 before there is one.
    pub id: i64,
    /// The image.
    pub image_id: String,
    /// Bytes.
    pub size: i64,
    /// Downloads that were served from it.
    pub hits: i64,
    /// MD5 of the data in hex, if the image had one.
    pub checksum: Option<String>,
    /// Which data it is a copy of; differs when the image has other data by now.
    pub content: String,
    /// When it was last served, or made.
    pub last_accessed: Timestamp,
    /// When it was made.
    pub last_modified: Timestamp,
}

/// Downloads that were served from a copy and are not recorded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits {
    /// How many.
    pub count: i64,
    /// When the last one began.
    pub last: Timestamp,
}
