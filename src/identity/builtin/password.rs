//! Hashes of passwords and secrets: argon2id, on blocking threads, few at a time, so that a flood of logins takes
//! time but no memory.
//!
//! The memory of a hash is reused. If it were allocated each time, the allocator would keep one copy for every thread
//! that ever hashed.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::turns::{Turns, Visitor};
use crate::{
    model::error::{Error, Result},
    telemetry,
};
use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::{self, Output, ParamsString, SaltString},
};

/// Memory of one hash in KiB, and passes over it: of the pairs that OWASP calls equally strong, that with the least
/// memory, which is what a service has least of beside its uploads.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;
/// Bytes of a password at most; Keystone's own limit for bcrypt is shorter.
pub const PASSWORD_BYTES_MAX: usize = 4096;

/// Computes and checks hashes. Each takes 7 MiB, which are reused by those that come one after the other.
pub struct Hasher {
    turns: Turns,
    decoy: Arc<str>,
    memory: Arc<Memory>,
}

/// Memory that no hash uses at the moment.
#[derive(Default)]
struct Memory {
    kept: Mutex<Option<Vec<Block>>>,
    /// Hashes that were computed.
    hashes: AtomicU64,
}

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<Block>) -> T) -> T {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut blocks = kept().take().unwrap_or_default();
        let result = work(&mut blocks);
        // What a crowd took beside that goes back to the system.
        kept().get_or_insert(blocks);
        result
    }
}

impl Hasher {
    /// At most `at_once` hashes run at the same time.
    ///
    /// # Errors
    /// [`Error::Internal`] when no hash can be made.
    pub fn new(at_once: usize) -> Result<Self> {
        // Which password it belongs to, nobody has to know: checking it is the same work as with any other.
        let drawn = |_: &[u8], _: Params| Output::new(&rand::random::<[u8; Params::DEFAULT_OUTPUT_LEN]>());
        let decoy = phc(drawn).map_err(|e| Error::internal("hash a password", e))?.into();
        Ok(Self { turns: Turns::new(at_once), decoy, memory: Arc::default() })
    }

    /// The hash of a password, as a PHC string.
    ///
    /// # Errors
    /// [`Error::TooMany`] when too many wait already; [`Error::Internal`].
    pub async fn hash(&self, visitor: Visitor, password: String) -> Result<String> {
        let memory = Arc::clone(&self.memory);
        self.run(visitor, move || hash_blocking(&password, &memory)).await?
    }

    /// Whether `password` matches `hash`. Without a hash the work is the same and the result is no, so the duration
    /// does not disclose whether a user exists. An impossible password is not hashed.
    ///
    /// # Errors
    /// [`Error::TooMany`] when too many wait already; [`Error::Internal`].
    pub async fn matches(&self, visitor: Visitor, password: String, hash: Option<String>) -> Result<bool> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let (decoy, memory) = (Arc::clone(&self.decoy), Arc::clone(&self.memory));
        self.run(visitor, move || {
            let usable = hash.as_deref().and_then(|hash| Stored::parse(hash).ok());
            let known = usable.is_some();
            let same = match usable.map_or_else(|| Stored::parse(&decoy), Ok) {
                Ok(stored) => stored.matches(&password, &memory).unwrap_or(false),
                Err(_) => false,
            };
            same && known
        })
        .await
    }

    /// How many hashes were computed so far.
    #[cfg(test)]
    pub fn computed(&self) -> u64 {
        self.memory.hashes.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        visitor: Visitor,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let turn = self.turns.take(visitor).await?;
        telemetry::blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(|e| Error::internal("hash a password", e))
    }
}

fn hash_blocking(password: &str, memory: &Memory) -> Result<String> {
    phc(|salt, params| argon2id(password, salt, params, memory))
        .map_err(|e| Error::internal("hash a password", e))
}

/// A PHC string with what `output` makes of a new salt.
fn phc(output: impl FnOnce(&[u8], Params) -> password_hash::Result<Output>) -> password_hash::Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(Params::DEFAULT_OUTPUT_LEN))?;
    let salt_bytes = rand::random::<[u8; 16]>();
    let salt = SaltString::encode_b64(&salt_bytes)?;
    let output = output(&salt_bytes, params.clone())?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(salt.as_salt()),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// A hash that can be checked.
struct Stored {
    salt: Vec<u8>,
    expected: Output,
    params: Params,
}

impl Stored {
    fn parse(hash: &str) -> password_hash::Result<Self> {
        let hash = PasswordHash::new(hash)?;
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
            return Err(password_hash::Error::Password);
        };
        if hash.algorithm != ARGON2ID_IDENT || hash.version != Some(Version::V0x13.into()) {
            return Err(password_hash::Error::Algorithm);
        }
        let mut salt_bytes = [0_u8; 64];
        let salt = salt.decode_b64(&mut salt_bytes)?.to_vec();
        Ok(Self { salt, expected, params: Params::try_from(&hash)? })
    }

    fn matches(self, password: &str, memory: &Memory) -> password_hash::Result<bool> {
        // Outputs are compared in constant time.
        Ok(argon2id(password, &self.salt, self.params, memory)? == self.expected)
    }
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
        assert_eq!(hasher.computed(), 0, "a server that starts has no time for it");
        let me = Visitor::proven("me");
        let hash = hasher.hash(me, "secret".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert_ne!(hash, hasher.hash(me, "secret".into()).await.unwrap());
        // Memory that was used before changes nothing: the library agrees.
        let parsed = PasswordHash::new(&hash).unwrap();
        Argon2::default().verify_password(b"secret", &parsed).unwrap();
        let before = hasher.computed();
        assert!(hasher.matches(me, "secret".into(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.matches(me, "Secret".into(), Some(hash)).await.unwrap());
        assert!(!hasher.matches(me, "secret".into(), None).await.unwrap());
        assert!(!hasher.matches(me, "secret".into(), Some("not a hash".into())).await.unwrap());
        assert_eq!(hasher.computed() - before, 4, "the work is the same each time");
    }
}
