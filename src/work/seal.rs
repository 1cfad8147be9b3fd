//! Secrets that jobs need later, such as a caller's token: rows keep them encrypted (AES-256-GCM), with a key that
//! all nodes share and that is replaced once a month. The rows of jobs, a log or a partial backup do not disclose
//! them; the whole database, which includes the keys, does.

use std::sync::{Arc, PoisonError, RwLock};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use openssl::{
    rand::rand_bytes,
    symm::{Cipher, decrypt_aead, encrypt_aead},
};
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        Db, DbError,
        sealing_keys::{self as rows, KeyRow},
    },
    model::{
        error::{Error, Result},
        time::Timestamp,
    },
};

/// Days after which another key follows.
const KEY_DAYS: i64 = 30;
/// Days for which a key that was replaced still opens: much longer than a token lives.
const KEPT_DAYS: i64 = 90;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// A secret as rows keep it: the generation of its key, a colon, and in base64 a nonce, what was encrypted, and its tag.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// Parses a stored secret.
    pub fn of_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As a row keeps it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed")
    }
}

/// Encrypts and decrypts secrets. Cheap to clone.
#[derive(Clone)]
pub struct Seals {
    db: Db,
    /// As this node read them last.
    keys: Arc<RwLock<Vec<KeyRow>>>,
}

impl Seals {
    /// Seals with the keys of this database; the first is made when it is needed.
    pub fn new(db: Db) -> Self {
        Self { db, keys: Arc::default() }
    }

    /// Seals a secret. It opens only for the same `purpose`.
    ///
    /// # Errors
    /// The database's, and those of the library.
    pub async fn seal(&self, secret: &str, purpose: &str) -> Result<Sealed> {
        let key = self.latest().await?;
        let sealed = (|| {
            let mut nonce = [0; NONCE_BYTES];
            rand_bytes(&mut nonce)?;
            let (mut tag, bytes) = ([0; TAG_BYTES], bytes(&key)?);
            let (cipher, iv) = (Cipher::aes_256_gcm(), Some(nonce.as_slice()));
            let text = encrypt_aead(cipher, &bytes, iv, purpose.as_bytes(), secret.as_bytes(), &mut tag)?;
            Ok::<_, Unusable>([nonce.as_slice(), &text, &tag].concat())
        })();
        let sealed = sealed.map_err(|e| Error::internal("seal a secret", e))?;
        Ok(Sealed(format!("{}:{}", key.generation, BASE64.encode(sealed))))
    }

    /// Decrypts a secret; `None` if it was encrypted for another purpose, or with a deleted key.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(&self, sealed: &Sealed, purpose: &str) -> Result<Option<String>> {
        let parts = sealed.0.split_once(':').and_then(|(generation, text)| {
            Some((generation.parse::<i64>().ok()?, BASE64.decode(text).ok()?))
        });
        let Some((generation, text)) = parts else { return Ok(None) };
        let of = |key: &&KeyRow| key.generation == generation;
        let mut key = self.known().iter().find(of).cloned();
        if key.is_none() {
            key = self.reload().await?.iter().find(of).cloned();
        }
        Ok(key.and_then(|key| opened(&key, &text, purpose)))
    }

    /// The re-encrypted secret, if its key has been replaced.
    ///
    /// # Errors
    /// As [`Seals::seal`].
    pub async fn renewed(&self, sealed: &Sealed, purpose: &str) -> Result<Option<Sealed>> {
        let latest = self.latest().await?.generation.to_string();
        if sealed.0.split(':').next() == Some(latest.as_str()) {
            return Ok(None);
        }
        match self.open(sealed, purpose).await? {
            Some(secret) => self.seal(&secret, purpose).await.map(Some),
            None => Ok(None),
        }
    }

    fn known(&self) -> Vec<KeyRow> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, keys: Vec<KeyRow>) -> Vec<KeyRow> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).clone_from(&keys);
        keys
    }

    async fn reload(&self) -> Result<Vec<KeyRow>> {
        Ok(self.keep(self.db.read("sealing_keys.list", rows::list).await?))
    }

    /// The key that seals, made now when there is none or when it is old.
    async fn latest(&self) -> Result<KeyRow> {
        let now = self.db.clock.now();
        let is_due = |key: &KeyRow| Timestamp(key.created_at).plus_seconds(KEY_DAYS * 86_400) <= now;
        let usable = |keys: Vec<KeyRow>| keys.into_iter().next().filter(|key| !is_due(key));
        if let Some(key) = usable(self.known()) {
            return Ok(key);
        }
        if let Some(key) = usable(self.reload().await?) {
            return Ok(key);
        }
        let mut secret = [0; KEY_BYTES];
        rand_bytes(&mut secret).map_err(|e| Error::internal("make a key", e))?;
        let (secret, latest) = (BASE64.encode(secret), self.known().first().map_or(0, |key| key.generation));
        let times = (now, now.plus_seconds(-KEPT_DAYS * 86_400));
        let made = move |conn: &mut crate::db::Conn| rows::succeed(conn, latest, &secret, times);
        let keys = match self.db.write("sealing_keys.succeed", made).await {
            // Another node was faster.
            Err(DbError::Duplicate(_)) => self.reload().await?,
            other => self.keep(other?),
        };
        keys.into_iter().next().ok_or_else(|| Error::internal("make a key", "it is gone"))
    }
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Library(#[from] openssl::error::ErrorStack),
    #[error("the key is not one of 32 bytes")]
    Key,
}

fn bytes(key: &KeyRow) -> std::result::Result<Vec<u8>, Unusable> {
    BASE64.decode(&key.secret).ok().filter(|bytes| bytes.len() == KEY_BYTES).ok_or(Unusable::Key)
}

fn opened(key: &KeyRow, sealed: &[u8], purpose: &str) -> Option<String> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES)?;
    let (text, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_BYTES)?)?;
    let bytes = bytes(key).ok()?;
    let text =
        decrypt_aead(Cipher::aes_256_gcm(), &bytes, Some(nonce), purpose.as_bytes(), text, tag).ok()?;
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn database(folder: &std::path::Path) -> Db {
        let connection = format!("sqlite:{}", folder.join("db.sqlite").display());
        let db = Db::open(&crate::db::Settings { connection, ..Default::default() }).unwrap();
        db.migrate(crate::db::Phase::Whole).unwrap();
        db
    }

    /// Proves that a secret opens on every node for what it was sealed for and nothing else, that it does not open once
    /// it was changed, and that keys follow each other without a secret getting lost.
    #[tokio::test]
    async fn sec_10_secrets_open_for_their_purpose_alone() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path());
        let (one, other) = (Seals::new(db.clone()), Seals::new(db.clone()));
        let (sealed, again) = (one.seal("hush", "a").await.unwrap(), other.seal("hush", "a").await.unwrap());
        assert_ne!(sealed, again);
        assert_eq!(other.open(&sealed, "a").await.unwrap().as_deref(), Some("hush"));
        assert_eq!(other.open(&sealed, "b").await.unwrap(), None);
        let mut text = sealed.0.clone().into_bytes();
        *text.last_mut().unwrap() ^= 1;
        let changed = String::from_utf8(text).unwrap();
        for bad in [changed, "1:".to_owned(), "2:AAAA".to_owned(), "hush".to_owned()] {
            assert_eq!(other.open(&Sealed(bad.clone()), "a").await.unwrap(), None, "{bad}");
        }
        db.clock.turn(KEY_DAYS * 86_400);
        let later = other.seal("later", "a").await.unwrap();
        assert!(later.0.starts_with("2:"), "{}", later.0);
        assert_eq!(one.open(&later, "a").await.unwrap().as_deref(), Some("later"));
        assert_eq!(Seals::new(db.clone()).open(&sealed, "a").await.unwrap().as_deref(), Some("hush"));
        db.clock.turn((KEPT_DAYS + 1) * 86_400);
        one.seal("last", "a").await.unwrap();
        assert_eq!(Seals::new(db).open(&sealed, "a").await.unwrap(), None);
    }
}
