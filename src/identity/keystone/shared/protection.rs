//! What keeps others from reading tokens in memcached, and from writing any: `memcache_security_strategy`, in the form
//! of keystonemiddleware 13 (`auth_token/_memcache_crypt.py`).
//!
//! Keys are derived from the secret and the token itself, so that an entry is of use for its own token only, and
//! whoever reads the memcached cannot tell which token an entry belongs to.

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::{
    hash::MessageDigest,
    memcmp,
    pkey::PKey,
    rand::rand_bytes,
    sha::sha256,
    sign::Signer,
    symm::{Cipher, decrypt, encrypt},
};

use super::super::settings::{Memcached, Secret, SecurityStrategy, SettingsError};
use crate::model::hash::hex;

/// Bytes of each of the three keys, and of the block that AES works with.
const KEY_BYTES: usize = 16;
/// Characters of a signature: 48 bytes in base 64.
const SIGNATURE_CHARS: usize = 64;

/// How entries are protected.
pub(super) enum Protection {
    /// They are not: whoever can write to the memcached can be anybody.
    None,
    /// Only who has the secret can make an entry, and with `is_encrypted` read one.
    Secret { secret: Secret, is_encrypted: bool },
}

/// The entry of one token.
pub(super) struct Entry {
    name: String,
    keys: Option<Keys>,
}

struct Keys {
    mac: [u8; KEY_BYTES],
    encryption: Option<[u8; KEY_BYTES]>,
}

impl Protection {
    /// # Errors
    /// There is no secret for the protection that is asked for.
    pub(super) fn new(settings: &Memcached) -> Result<Self, SettingsError> {
        let is_encrypted = match settings.security_strategy {
            SecurityStrategy::None => return Ok(Self::None),
            SecurityStrategy::Mac => false,
            SecurityStrategy::Encrypt => true,
        };
        let secret = settings.secret_key.clone().filter(|secret| !secret.0.is_empty());
        let secret = secret.ok_or_else(|| {
            SettingsError::new("memcache_secret_key", "is missing: memcache_security_strategy needs it")
        })?;
        Ok(Self::Secret { secret, is_encrypted })
    }

    /// Where and how a token is kept; `None` when OpenSSL fails.
    pub(super) fn entry(&self, token: &str) -> Option<Entry> {
        let Self::Secret { secret, is_encrypted } = self else {
            let digest = hex(&sha256(token.as_bytes()));
            return Some(Entry { name: format!("tokens/{digest}"), keys: None });
        };
        let strategy: &[u8] = if *is_encrypted { b"ENCRYPT" } else { b"MAC" };
        let derived = hmac(secret.0.as_bytes(), &[token.as_bytes(), strategy])?;
        let [name, mac, encryption] = [0, 1, 2].map(|nth| {
            let mut key = [0; KEY_BYTES];
            key.copy_from_slice(&derived[nth * KEY_BYTES..(nth + 1) * KEY_BYTES]);
            key
        });
        // The marks of Python's bytes are part of the name.
        let name = format!("tokens/b'{}'", STANDARD.encode(name));
        Some(Entry { name, keys: Some(Keys { mac, encryption: is_encrypted.then_some(encryption) }) })
    }
}

impl Entry {
    /// Under which name it is kept.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A text as it is kept; `None` when OpenSSL fails.
    pub(super) fn sealed(&self, text: &[u8]) -> Option<Vec<u8>> {
        let Some(keys) = &self.keys else { return Some(text.to_vec()) };
        let encoded = match keys.encryption {
            None => STANDARD.encode(text),
            Some(key) => {
                let mut iv = [0; KEY_BYTES];
                rand_bytes(&mut iv).ok()?;
                let closed = encrypt(Cipher::aes_128_cbc(), &key, Some(&iv), text).ok()?;
                STANDARD.encode([&iv[..], &closed].concat())
            }
        };
        Some([keys.signature(encoded.as_bytes())?.as_bytes(), encoded.as_bytes()].concat())
    }

    /// The text of what is kept; `None` when it was not made with our secret for this token.
    pub(super) fn opened(&self, kept: &[u8]) -> Option<Vec<u8>> {
        let Some(keys) = &self.keys else { return Some(kept.to_vec()) };
        let (signature, encoded) = kept.split_at_checked(SIGNATURE_CHARS)?;
        // Nothing is decrypted that is not known to be ours.
        if !memcmp::eq(signature, keys.signature(encoded)?.as_bytes()) {
            return None;
        }
        let text = STANDARD.decode(encoded).ok()?;
        let Some(key) = keys.encryption else { return Some(text) };
        let (iv, closed) = text.split_at_checked(KEY_BYTES)?;
        decrypt(Cipher::aes_128_cbc(), &key, Some(iv), closed).ok()
    }
}

impl Keys {
    fn signature(&self, encoded: &[u8]) -> Option<String> {
        let signature = STANDARD.encode(hmac(&self.mac, &[encoded])?);
        (signature.len() == SIGNATURE_CHARS).then_some(signature)
    }
}

/// HMAC-SHA-384 of the parts, one after the other.
fn hmac(key: &[u8], parts: &[&[u8]]) -> Option<[u8; 3 * KEY_BYTES]> {
    let key = PKey::hmac(key).ok()?;
    let mut signer = Signer::new(MessageDigest::sha384(), &key).ok()?;
    for part in parts {
        signer.update(part).ok()?;
    }
    signer.sign_to_vec().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Proves that names and contents are those of keystonemiddleware: these were made by `_memcache_crypt.py`, of the
    /// token `tok`, the secret `sec` and the text `{"token": 1}`.
    #[test]
    fn entries_of_keystonemiddleware_are_read() {
        let text = br#"{"token": 1}"#;
        for (security_strategy, name, kept) in [
            (
                SecurityStrategy::Mac,
                "tokens/b'qcMNhOndKCX5+l2p4qck0w=='",
                "HslZ9PJeK7+F+cNSNovIWZUzO4UpugOLJFzc8bUbXvQ37ZYPg1puJ48ZpzBChQrweyJ0b2tlbiI6IDF9",
            ),
            (
                SecurityStrategy::Encrypt,
                "tokens/b'2L/S+m/0deZrQIxJyZ3xAQ=='",
                "vchKKwCAn7ZxDvmzCe1BECiTU7K63usiB66VXS/sayliMAvKh8x0pOc97PPMZMQIY2gq0XM1EPcQcV/UXZg18cwL1HXDKjGGRaXmo\
                 SVdlx8=",
            ),
        ] {
            let secret_key = Some(Secret("sec".to_owned()));
            let settings = Memcached { security_strategy, secret_key, ..Memcached::default() };
            let entry = Protection::new(&settings).unwrap().entry("tok").unwrap();
            assert_eq!(entry.name(), name);
            assert_eq!(entry.opened(kept.as_bytes()).unwrap(), text);
            assert_eq!(entry.opened(&entry.sealed(text).unwrap()).unwrap(), text);
        }
    }
}
