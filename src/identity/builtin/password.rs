//! Password and secret hashes: argon2id, on blocking threads, a few at once so that a flood of logins costs time
//! and not memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier, password_hash::SaltString};
use tokio::sync::Semaphore;

use crate::model::error::{Error, Result};

/// Bytes of a password at most; Keystone's own limit for bcrypt is shorter.
pub const PASSWORD_BYTES_MAX: usize = 4096;
/// Logins that may wait for their turn; one more is told to come back later.
const WAITING_MAX: usize = 256;

/// Makes and checks hashes. Each takes about 19 MiB while it runs.
#[derive(Debug)]
pub struct Hasher {
    at_once: Arc<Semaphore>,
    waiting: AtomicUsize,
    decoy: Arc<str>,
}

impl Hasher {
    /// At most `at_once` hashes run at the same time. Blocking: it makes one hash.
    ///
    /// # Errors
    /// [`Error::Internal`] when no hash can be made.
    pub fn new(at_once: usize) -> Result<Self> {
        Ok(Self {
            at_once: Arc::new(Semaphore::new(at_once.max(1))),
            waiting: AtomicUsize::new(0),
            decoy: hash_blocking(&random_secret())?.into(),
        })
    }

    /// The hash of a password, as a PHC string.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already; [`Error::Internal`].
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move || hash_blocking(&password)).await?
    }

    /// Whether `password` belongs to `hash`. Without a hash the work is the same and the answer is no, so that
    /// its duration does not tell whether a user exists.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already; [`Error::Internal`].
    pub async fn matches(&self, password: String, hash: Option<String>) -> Result<bool> {
        let decoy = Arc::clone(&self.decoy);
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.as_deref().unwrap_or(&decoy);
            let Ok(parsed) = PasswordHash::new(hash) else { return false };
            let same = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
            same && known && password.len() <= PASSWORD_BYTES_MAX
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Unavailable("Too many logins at once; try again.".to_owned()));
        }
        let _waiting = Waiting(&self.waiting);
        let permit = Arc::clone(&self.at_once).acquire_owned().await;
        let permit = permit.map_err(|e| Error::internal("wait for a hash", e))?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        })
        .await
        .map_err(|e| Error::internal("hash a password", e))
    }
}

/// Counts down even when the client goes away while its login waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hash_blocking(password: &str) -> Result<String> {
    let fault = |e: argon2::password_hash::Error| Error::internal("hash a password", e);
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(fault)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(fault)?;
    Ok(hash.to_string())
}

/// A secret that nobody can guess: 32 random bytes in url-safe base64 (43 characters).
pub fn random_secret() -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_hash_answers_to_its_password_only_and_is_never_the_same_twice() {
        let hasher = Hasher::new(2).unwrap();
        let hash = hasher.hash("secret".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert_ne!(hash, hasher.hash("secret".into()).await.unwrap());
        assert!(hasher.matches("secret".into(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.matches("Secret".into(), Some(hash)).await.unwrap());
        assert!(!hasher.matches("secret".into(), None).await.unwrap());
        assert!(!hasher.matches("secret".into(), Some("not a hash".into())).await.unwrap());
    }
}
