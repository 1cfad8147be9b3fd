//! Location URLs as Glance encrypts them with `metadata_encryption_key` (`glance/common/crypt.py`): AES-CBC with the
//! IV first, all in URL-safe base64; a zero byte and padding follow the URL.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE};
use openssl::{
    rand::rand_bytes,
    symm::{Cipher, Crypter, Mode},
};

use crate::model::store_url::is_sealed;

/// `metadata_encryption_key`: 16, 24 or 32 bytes.
#[derive(Clone)]
pub struct LocationKey {
    cipher: Cipher,
    bytes: Vec<u8>,
}

impl fmt::Debug for LocationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocationKey")
    }
}

impl LocationKey {
    /// Takes the text of the option.
    ///
    /// # Errors
    /// A sentence when it is of another length.
    pub fn new(text: &str) -> Result<Self, String> {
        let cipher = match text.len() {
            16 => Cipher::aes_128_cbc(),
            24 => Cipher::aes_192_cbc(),
            32 => Cipher::aes_256_cbc(),
            other => {
                return Err(format!("it has {other} bytes; a key has 16, 24 or 32"));
            }
        };
        Ok(Self { cipher, bytes: text.as_bytes().to_vec() })
    }

    /// A URL as Glance encrypts it, each time with another vector.
    ///
    /// # Errors
    /// A part of a sentence when the library has no random bytes or does not encrypt.
    pub fn seal(&self, url: &str) -> Result<String, String> {
        let said = |e: openssl::error::ErrorStack| format!("its URL cannot be encrypted: {e}");
        let block = self.cipher.block_size();
        let mut vector = vec![0; block];
        rand_bytes(&mut vector).map_err(said)?;
        // A zero byte, then bytes that are anything else up to a whole block; a whole one where the URL fills its last.
        let mut plain = url.as_bytes().to_vec();
        plain.push(0);
        let missing = plain.len().next_multiple_of(block).saturating_sub(plain.len());
        plain.extend((0..missing).map(|_| rand::random_range(1..=u8::MAX)));
        let mut crypter =
            Crypter::new(self.cipher, Mode::Encrypt, &self.bytes, Some(&vector)).map_err(said)?;
        crypter.pad(false);
        let mut sealed = vec![0; plain.len().saturating_add(block)];
        let mut count = crypter.update(&plain, &mut sealed).map_err(said)?;
        count = count
            .saturating_add(crypter.finalize(sealed.get_mut(count..).unwrap_or_default()).map_err(said)?);
        sealed.truncate(count);
        vector.extend(sealed);
        Ok(URL_SAFE.encode(vector))
    }

    /// The URL behind an encrypted text; `None` when this is not the key, or the text is not encrypted.
    fn open(&self, text: &str) -> Option<String> {
        let sealed = URL_SAFE.decode(text).ok()?;
        let (vector, rest) = sealed.split_at_checked(16)?;
        let mut crypter = Crypter::new(self.cipher, Mode::Decrypt, &self.bytes, Some(vector)).ok()?;
        crypter.pad(false);
        let mut plain = vec![0; rest.len().checked_add(self.cipher.block_size())?];
        let count = crypter.update(rest, &mut plain).ok()?;
        let count = count.checked_add(crypter.finalize(plain.get_mut(count..)?).ok()?)?;
        let plain = plain.get(..count)?;
        let end = plain.iter().rposition(|byte| *byte == 0)?;
        let url = String::from_utf8(plain.get(..end)?.to_vec()).ok()?;
        (!is_sealed(&url)).then_some(url)
    }
}

/// The URL of a location, which may be encrypted or not, also among others that are.
///
/// # Errors
/// A part of a sentence.
pub fn opened(text: &str, key: Option<&LocationKey>) -> Result<String, &'static str> {
    if !is_sealed(text) {
        return Ok(text.to_owned());
    }
    match key {
        None => Err("its URL is encrypted, and there is no metadata_encryption_key"),
        Some(key) => key.open(text).ok_or("its URL cannot be decrypted with the metadata_encryption_key"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Proves that what Glance 33 wrote is read with keys of every length, and with the right key alone; the texts are
    /// of its `crypt.urlsafe_encrypt`.
    #[test]
    fn glances_urls_are_read() {
        let sample = include_str!("url_crypt_sample.txt");
        assert_eq!(sample.lines().count(), 3);
        for line in sample.lines() {
            let (text, sealed) = line.split_once(' ').unwrap();
            let key = LocationKey::new(text).unwrap();
            assert_eq!(opened(sealed, Some(&key)).unwrap(), "file:///var/lib/glance/images/ü?a=b");
            let other = LocationKey::new(&text.replace('a', "X")).unwrap();
            assert!(opened(sealed, Some(&other)).is_err() && opened(sealed, None).is_err());
            assert_eq!(opened("rbd://a/b/c/snap", Some(&key)).unwrap(), "rbd://a/b/c/snap");
            for broken in ["", "AAAA", "not base64!", &sealed[..40]] {
                assert!(opened(broken, Some(&key)).is_err(), "{broken}");
            }
        }
        assert!(LocationKey::new("short").is_err());
    }

    /// Proves that what is encrypted is read again, however long it is, and never looks the same twice.
    #[test]
    fn urls_are_sealed_as_glance_seals_them() {
        for key in ["0123456789abcdef", "0123456789abcdef01234567", "0123456789abcdef0123456789abcdef"] {
            let key = LocationKey::new(key).unwrap();
            for length in 0..40 {
                let plain = format!("file:///ü{}", "a".repeat(length));
                let sealed = key.seal(&plain).unwrap();
                assert_eq!(opened(&sealed, Some(&key)).unwrap(), plain);
                assert_ne!(key.seal(&plain).unwrap(), sealed);
            }
        }
    }
}
