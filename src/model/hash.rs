//! The hash algorithms that images know, and the printing of digests.

use std::collections::BTreeMap;

/// Hashes by the name of their algorithm, in lower-case hex.
pub type Hashes = BTreeMap<String, String>;

/// One algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// The name that `hashing_algorithm`, `os_hash_algo` and `expected_hash` take.
    pub name: &'static str,
    /// The name in the hash library.
    pub library_name: &'static str,
    /// Bytes of a digest.
    pub digest_bytes: usize,
}

const fn of(name: &'static str, library_name: &'static str, digest_bytes: usize) -> Algorithm {
    Algorithm { name, library_name, digest_bytes }
}

/// Every algorithm.
pub const ALGORITHMS: [Algorithm; 12] = [
    of("md5", "md5", 16),
    of("sha1", "sha1", 20),
    of("sha224", "sha224", 28),
    of("sha256", "sha256", 32),
    of("sha384", "sha384", 48),
    of("sha512", "sha512", 64),
    of("sha3_224", "sha3-224", 28),
    of("sha3_256", "sha3-256", 32),
    of("sha3_384", "sha3-384", 48),
    of("sha3_512", "sha3-512", 64),
    of("blake2b", "blake2b512", 64),
    of("blake2s", "blake2s256", 32),
];

impl Algorithm {
    /// The algorithm of a name.
    pub fn of(name: &str) -> Option<Self> {
        ALGORITHMS.into_iter().find(|algorithm| algorithm.name == name)
    }

    /// Whether a text has the form of a digest in hex.
    pub fn fits(self, digest: &str) -> bool {
        digest.len() == self.digest_bytes * 2 && digest.bytes().all(|b| b.is_ascii_hexdigit())
    }
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that the hash library has each of them, with digests of that many bytes.
    #[test]
    fn the_library_has_them_all() {
        for algorithm in ALGORITHMS {
            let digest = openssl::hash::MessageDigest::from_name(algorithm.library_name).unwrap();
            assert_eq!(digest.size(), algorithm.digest_bytes, "{}", algorithm.name);
            assert!(algorithm.fits(&hex(&vec![0xab; algorithm.digest_bytes])));
            assert!(!algorithm.fits("ab"));
        }
        assert_eq!(Algorithm::of("crc32"), None);
    }
}
