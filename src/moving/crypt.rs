//! URLs of locations as Glance encrypts them with `metadata_encryption_key` (`glance/common/crypt.py`): AES in CBC, the
//! vector first, all in URL-safe base64; behind the URL stand a zero byte and padding.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use openssl::symm::{Cipher, Crypter, Mode};

/// A key of 16, 24 or 32 bytes.
#[derive(Clone)]
pub struct Key {
    cipher: Cipher,
    bytes: Vec<u8>,
}

impl Key {
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
                return Err(format!("metadata_encryption_key has {other} bytes; 16, 24 or 32 are a key"));
            }
        };
        Ok(Self { cipher, bytes: text.as_bytes().to_vec() })
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
        url.contains("://").then_some(url)
    }
}

/// The URL of a location, which may be encrypted or not, also among others that are.
///
/// # Errors
/// A part of a sentence.
pub fn url(text: &str, key: Option<&Key>) -> Result<String, &'static str> {
    if text.contains("://") {
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

    /// Proves that what Glance 33 wrote is read, with the right key alone; the texts are of its `crypt.urlsafe_encrypt`.
    #[test]
    fn glances_urls_are_read() {
        let key = Key::new("0123456789abcdef").unwrap();
        let sealed = include_str!("crypt_sample.txt").trim();
        assert_eq!(url(sealed, Some(&key)).unwrap(), "file:///var/lib/glance/images/ü?a=b");
        assert!(url(sealed, Some(&Key::new("0123456789abcdeX").unwrap())).is_err());
        assert!(url(sealed, None).is_err());
        assert_eq!(url("rbd://a/b/c/snap", Some(&key)).unwrap(), "rbd://a/b/c/snap");
        for broken in ["", "AAAA", "not base64!", &sealed[..40]] {
            assert!(url(broken, Some(&key)).is_err(), "{broken}");
        }
        assert!(Key::new("short").is_err());
    }
}
