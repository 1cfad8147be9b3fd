//! The keys that sign tokens: P-256, one row each, so that all nodes sign and verify with the same keys.
//!
//! The newest key signs; older ones are kept until the last token that they signed has expired. A key id is
//! `<creation time in seconds since 1970>-<8 hexadecimal digits>`.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicI64, Ordering},
};

use jsonwebtoken::{DecodingKey, EncodingKey};
use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::PKey,
};

use super::key_files::{self, KeyError};
use crate::{
    db::{
        Db, DbError, DbResult,
        identity::keys::{self as rows, KeyRow, NewKey},
    },
    model::{
        error::{Error, Result},
        time::Timestamp,
    },
};

/// How often another node may be faster when keys are first made or taken in.
const RACES_MAX: u32 = 20;

/// One key.
pub struct Key {
    /// Its name in a token's header.
    pub kid: String,
    /// Counted from 1.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it signs, or only verifies.
    pub signs: bool,
    /// Signs.
    pub private: EncodingKey,
    /// Verifies.
    pub public: DecodingKey,
}

/// The keys as this node read them last.
pub struct KeyRing {
    keys: RwLock<Arc<Vec<Key>>>,
    read_at: AtomicI64,
}

impl KeyRing {
    /// A ring of these keys.
    ///
    /// # Errors
    /// [`KeyError`] when one of them is none.
    pub fn new(rows: &[KeyRow]) -> std::result::Result<Self, KeyError> {
        let ring = Self { keys: RwLock::default(), read_at: AtomicI64::new(i64::MIN) };
        ring.replace(rows)?;
        Ok(ring)
    }

    /// All keys, the latest generation first.
    pub fn all(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses these keys from now on.
    ///
    /// # Errors
    /// [`KeyError`]; the keys known so far then stay in use.
    pub fn replace(&self, rows: &[KeyRow]) -> std::result::Result<(), KeyError> {
        let keys: std::result::Result<Vec<Key>, KeyError> = rows.iter().map(parse).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys?);
        Ok(())
    }

    /// Whether the signing key is older than `days` (0: never); and the generation that the next one would follow.
    pub fn is_due(&self, days: u32, now: Timestamp) -> Option<i64> {
        let keys = self.all();
        let made = keys.iter().find(|key| key.signs).map_or(Timestamp(i64::MIN), |key| key.created_at);
        let due = made.plus_seconds(i64::from(days).saturating_mul(86_400));
        (days > 0 && now >= due).then(|| keys.first().map_or(0, |key| key.generation))
    }

    /// Whether the database may be read again because of an unknown key id: once a second, so that forged tokens cannot
    /// keep it busy.
    pub fn may_look_again(&self, now: Timestamp) -> bool {
        let last = self.read_at.load(Ordering::Relaxed);
        now.0.saturating_sub(last) >= 1_000_000
            && self.read_at.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").finish_non_exhaustive()
    }
}

/// Reads the keys, imports those that an earlier version left in `folder`, and creates the first one if there is none.
/// Blocking.
///
/// # Errors
/// [`Error::Internal`] naming the key or file that cannot be used; the database's own.
pub fn open(db: &Db, folder: &std::path::Path, now: Timestamp) -> Result<KeyRing> {
    let unusable = |e: KeyError| Error::internal("open the keys", e);
    let found = key_files::read(folder).map_err(unusable)?;
    for key in &found {
        pair(&key.kid, &key.private_key).map_err(unusable)?;
    }
    if let Some((newest, older)) = found.split_last() {
        for key in older {
            racing(|| db.write_blocking(|conn| rows::take_in(conn, key, false, now)))?;
        }
        racing(|| db.write_blocking(|conn| rows::take_in(conn, newest, true, now)))?;
        key_files::remove(folder, &found).map_err(unusable)?;
    }
    let mut keys = db.write_blocking(rows::list)?;
    if keys.iter().all(|key| key.replaced_at.is_some()) {
        let first = generate(now).map_err(unusable)?;
        let latest = keys.first().map_or(0, |key| key.generation);
        match db.write_blocking(|conn| rows::succeed(conn, latest, &first, now)) {
            // A false and a duplicate say that another node made it at the same time.
            Ok(_) | Err(DbError::Duplicate(_) | DbError::Retry(_)) => keys = db.write_blocking(rows::list)?,
            Err(other) => return Err(other.into()),
        }
    }
    KeyRing::new(&keys).map_err(unusable)
}

/// Lets a new key follow on generation `latest`, so that it signs from now on. When another node was faster, its key
/// does.
///
/// # Errors
/// [`Error::Internal`] when no key can be made; the database's own.
pub async fn rotate(db: &Db, latest: i64, now: Timestamp) -> Result<()> {
    let key = generate(now).map_err(|e| Error::internal("make a key", e))?;
    match db.write("identity_keys.succeed", move |conn| rows::succeed(conn, latest, &key, now)).await {
        Ok(_) | Err(DbError::Duplicate(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// Does again what another node's key got in the way of.
fn racing(mut step: impl FnMut() -> DbResult<()>) -> DbResult<()> {
    let mut races = 0;
    loop {
        match step() {
            Err(DbError::Duplicate(_) | DbError::Retry(_)) if races < RACES_MAX => races += 1,
            other => return other,
        }
    }
}

/// A ring with one new key, which is kept nowhere.
///
/// # Errors
/// [`KeyError`] when none can be made.
pub(crate) fn throwaway(now: Timestamp) -> std::result::Result<KeyRing, KeyError> {
    let NewKey { kid, private_key, created_at } = generate(now)?;
    KeyRing::new(&[KeyRow { generation: 1, kid, private_key, created_at: created_at.0, replaced_at: None }])
}

fn generate(now: Timestamp) -> std::result::Result<NewKey, KeyError> {
    let kid = format!("{}-{:08x}", now.0.div_euclid(1_000_000), rand::random::<u32>());
    let made = (|| {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        PKey::from_ec_key(EcKey::generate(&group)?)?.private_key_to_pem_pkcs8()
    })();
    let bad = |reason: String| KeyError { name: kid.clone(), reason };
    let pem = made.map_err(|e| bad(e.to_string()))?;
    let private_key = String::from_utf8(pem).map_err(|e| bad(e.to_string()))?;
    Ok(NewKey { kid, private_key, created_at: now })
}

/// Both halves, for signing and for verifying.
fn pair(kid: &str, pem: &str) -> std::result::Result<(EncodingKey, DecodingKey), KeyError> {
    let bad = |reason: String| KeyError { name: kid.to_owned(), reason };
    let pair = PKey::private_key_from_pem(pem.as_bytes()).map_err(|e| bad(e.to_string()))?;
    let curve = pair.ec_key().ok().and_then(|key| key.group().curve_name());
    if curve != Some(Nid::X9_62_PRIME256V1) {
        return Err(bad("not a P-256 key".to_owned()));
    }
    let private = pair.private_key_to_pem_pkcs8().map_err(|e| bad(e.to_string()))?;
    let public = pair.public_key_to_pem().map_err(|e| bad(e.to_string()))?;
    Ok((
        EncodingKey::from_ec_pem(&private).map_err(|e| bad(e.to_string()))?,
        DecodingKey::from_ec_pem(&public).map_err(|e| bad(e.to_string()))?,
    ))
}

fn parse(row: &KeyRow) -> std::result::Result<Key, KeyError> {
    let (private, public) = pair(&row.kid, &row.private_key)?;
    Ok(Key {
        kid: row.kid.clone(),
        generation: row.generation,
        created_at: Timestamp(row.created_at),
        signs: row.replaced_at.is_none(),
        private,
        public,
    })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// A ring with one key of its own.
    pub fn ring() -> KeyRing {
        throwaway(Timestamp(1_800_000_000_000_000)).unwrap()
    }

    fn row(key: NewKey) -> KeyRow {
        let NewKey { kid, private_key, created_at } = key;
        KeyRow { generation: 1, kid, private_key, created_at: created_at.0, replaced_at: None }
    }

    /// The key that signs is replaced by age, and never when that is switched off.
    #[test]
    fn rotation_is_by_age() {
        let start = Timestamp(1_800_000_000_000_000);
        let ring = KeyRing::new(&[row(generate(start).unwrap())]).unwrap();
        assert_eq!(ring.is_due(30, start.plus_seconds(29 * 86_400)), None);
        assert_eq!(ring.is_due(0, start.plus_seconds(31 * 86_400)), None);
        assert_eq!(ring.is_due(30, start.plus_seconds(30 * 86_400)), Some(1));
    }

    /// A row that is no key, or another kind of key, leaves those known so far in use.
    #[test]
    fn a_key_of_another_kind_is_refused() {
        let ring = ring();
        let kid = ring.all().first().unwrap().kid.clone();
        let group = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
        let other = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let other = String::from_utf8(other.private_key_to_pem_pkcs8().unwrap()).unwrap();
        for private_key in ["hello".to_owned(), other] {
            let bad = KeyRow { private_key, ..row(generate(Timestamp(1_800_000_000_000_000)).unwrap()) };
            assert!(ring.replace(&[bad]).is_err());
            assert_eq!(ring.all().first().unwrap().kid, kid);
        }
    }
}
