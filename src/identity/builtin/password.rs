//! Password and secret hashes: argon2id, on blocking threads, a few at once so that a flood of logins costs time
//! and not memory.
//!
//! The memory of a hash is kept and used again: allocated anew each time, it would stay behind in the allocator
//! once for every thread that ever hashed.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::{self, Output, ParamsString, SaltString},
};
use tokio::sync::Semaphore;

use crate::{
    model::error::{Error, Result},
    telemetry,
};

/// Memory of one hash in KiB, and passes over it: of the pairs that OWASP calls equally strong, that with the least
/// memory, which is what a service has least of beside its uploads.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;
/// Bytes of a password at most; Keystone's own limit for bcrypt is shorter.
pub const PASSWORD_BYTES_MAX: usize = 4096;
/// Logins that may wait for their turn; one more is told to come back later.
const WAITING_MAX: usize = 256;

/// Makes and checks hashes. Each takes 7 MiB, which are kept for the next one.
pub struct Hasher {
    at_once: Arc<Semaphore>,
    waiting: AtomicUsize,
    decoy: Arc<str>,
    memory: Arc<Memory>,
}

/// Memory that no hash uses at the moment.
#[derive(Default)]
struct Memory(Mutex<Vec<Vec<Block>>>);

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<Block>) -> T) -> T {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut blocks = kept().pop().unwrap_or_default();
        let result = work(&mut blocks);
        kept().push(blocks);
        result
    }
}

impl Hasher {
    /// At most `at_once` hashes run at the same time. Blocking: it makes one hash.
    ///
    /// # Errors
    /// [`Error::Internal`] when no hash can be made.
    pub fn new(at_once: usize) -> Result<Self> {
        let memory = Arc::new(Memory::default());
        Ok(Self {
            at_once: Arc::new(Semaphore::new(at_once.max(1))),
            waiting: AtomicUsize::new(0),
            decoy: hash_blocking(&random_secret(), &memory)?.into(),
            memory,
        })
    }

    /// The hash of a password, as a PHC string.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already; [`Error::Internal`].
    pub async fn hash(&self, password: String) -> Result<String> {
        let memory = Arc::clone(&self.memory);
        self.run(move || hash_blocking(&password, &memory)).await?
    }

    /// Whether `password` belongs to `hash`. Without a hash the work is the same and the answer is no, so that
    /// its duration does not tell whether a user exists.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already; [`Error::Internal`].
    pub async fn matches(&self, password: String, hash: Option<String>) -> Result<bool> {
        let (decoy, memory) = (Arc::clone(&self.decoy), Arc::clone(&self.memory));
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.as_deref().unwrap_or(&decoy);
            let same = matches_blocking(&password, hash, &memory).unwrap_or(false);
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
        telemetry::blocking(move || {
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

fn hash_blocking(password: &str, memory: &Memory) -> Result<String> {
    new_hash(password, memory).map_err(|e| Error::internal("hash a password", e))
}

fn new_hash(password: &str, memory: &Memory) -> password_hash::Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(Params::DEFAULT_OUTPUT_LEN))?;
    let salt_bytes = rand::random::<[u8; 16]>();
    let salt = SaltString::encode_b64(&salt_bytes)?;
    let output = argon2id(password, &salt_bytes, params.clone(), memory)?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(salt.as_salt()),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

fn matches_blocking(password: &str, hash: &str, memory: &Memory) -> password_hash::Result<bool> {
    let hash = PasswordHash::new(hash)?;
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else { return Ok(false) };
    if hash.algorithm != ARGON2ID_IDENT || hash.version != Some(Version::V0x13.into()) {
        return Ok(false);
    }
    let mut salt_bytes = [0_u8; 64];
    let salt_bytes = salt.decode_b64(&mut salt_bytes)?;
    // Outputs are compared in constant time.
    Ok(argon2id(password, salt_bytes, Params::try_from(&hash)?, memory)? == expected)
}

fn argon2id(password: &str, salt: &[u8], params: Params, memory: &Memory) -> password_hash::Result<Output> {
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    memory.with(|blocks| {
        blocks.resize(params.block_count(), Block::new());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Output::init_with(length, |out| {
            Ok(argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, blocks)?)
        })
    })
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
        use argon2::PasswordVerifier;
        let hasher = Hasher::new(1).unwrap();
        let hash = hasher.hash("secret".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert_ne!(hash, hasher.hash("secret".into()).await.unwrap());
        // Memory that was used before changes nothing: the library agrees.
        let parsed = PasswordHash::new(&hash).unwrap();
        Argon2::default().verify_password(b"secret", &parsed).unwrap();
        assert!(hasher.matches("secret".into(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.matches("Secret".into(), Some(hash)).await.unwrap());
        assert!(!hasher.matches("secret".into(), None).await.unwrap());
        assert!(!hasher.matches("secret".into(), Some("not a hash".into())).await.unwrap());
    }
}
