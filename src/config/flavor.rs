//! The parts of the service that `[paste_deploy] flavor` enables.

use super::Loaded;

/// `[paste_deploy] flavor`, taken apart (`etc/glance-api-paste.ini`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavor {
    /// Whether it is written anywhere; if not, the built-in identity tells who is calling.
    pub is_set: bool,
    /// Callers show tokens of a Keystone.
    pub keystone: bool,
    /// Downloads fill the image cache.
    pub caching: bool,
    /// The old calls that manage the cache are there.
    pub cache_management: bool,
}

impl Flavor {
    /// Takes apart what is written.
    pub(super) fn of(loaded: &Loaded) -> Self {
        let text = loaded.string("paste_deploy", "flavor").unwrap_or_default();
        let mut parts = text.split('+');
        Self {
            is_set: loaded.is_set("paste_deploy", "flavor"),
            keystone: text.starts_with("keystone"),
            caching: parts.any(|part| part.starts_with("cach")),
            cache_management: text.ends_with("cachemanagement"),
        }
    }
}
