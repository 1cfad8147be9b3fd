//! Builders of request bodies and of image data.

use serde_json::{Map, Value, json};

/// Body of `POST /v2/images`, empty at first.
#[derive(Clone, Debug, Default)]
pub struct NewImage(Map<String, Value>);

/// Begins an image.
pub fn image() -> NewImage {
    NewImage::default()
}

impl NewImage {
    /// Sets any attribute or property.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub fn named(self, name: &str) -> Self {
        self.with("name", name)
    }

    pub fn id(self, id: &str) -> Self {
        self.with("id", id)
    }

    pub fn raw(self) -> Self {
        self.with("disk_format", "raw").with("container_format", "bare")
    }

    pub fn qcow2(self) -> Self {
        self.with("disk_format", "qcow2").with("container_format", "bare")
    }

    pub fn private(self) -> Self {
        self.with("visibility", "private")
    }

    pub fn shared(self) -> Self {
        self.with("visibility", "shared")
    }

    pub fn community(self) -> Self {
        self.with("visibility", "community")
    }

    pub fn public(self) -> Self {
        self.with("visibility", "public")
    }

    pub fn tags(self, tags: &[&str]) -> Self {
        self.with("tags", json!(tags))
    }

    pub fn into_json(self) -> Value {
        Value::Object(self.0)
    }
}

/// An id that nobody used yet.
pub fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A place that nobody listens at, nor will but whoever is told of it: an address of its own, where no other test, nor a
/// connection that goes out, is given the port meanwhile.
pub fn unused_place() -> std::net::SocketAddr {
    let [a, b, c] = [(); 3].map(|()| rand::random_range(1..=254_u8));
    std::net::TcpListener::bind((std::net::Ipv4Addr::new(127, a, b, c), 0)).unwrap().local_addr().unwrap()
}

/// Bytes that look like no disk format, the same for the same length.
pub fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8 | 1).collect()
}

/// The head of a qcow2 of version 3 with the given virtual size, padded to 64 KiB; a backing file when asked.
pub fn qcow2(virtual_size: u64, backing_file: Option<&str>) -> Vec<u8> {
    let mut head = vec![0_u8; 65536];
    head[0..4].copy_from_slice(b"QFI\xfb");
    head[4..8].copy_from_slice(&3_u32.to_be_bytes());
    if let Some(name) = backing_file {
        head[8..16].copy_from_slice(&1024_u64.to_be_bytes());
        head[16..20].copy_from_slice(&u32::try_from(name.len()).unwrap().to_be_bytes());
        head[1024..1024 + name.len()].copy_from_slice(name.as_bytes());
    }
    head[20..24].copy_from_slice(&16_u32.to_be_bytes());
    head[24..32].copy_from_slice(&virtual_size.to_be_bytes());
    head[96..100].copy_from_slice(&4_u32.to_be_bytes());
    head[100..104].copy_from_slice(&104_u32.to_be_bytes());
    head
}
