//! The keys that sign tokens: P-256, one PEM file each in a folder that only the service may read.
//!
//! The newest key signs; older ones are kept until the last token that they signed has expired. A file is named
//! by its key id, `<seconds since 1970 at which it was made>-<8 hexadecimal digits>`, so that no index is needed
//! and several processes may share the folder.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

use jsonwebtoken::{DecodingKey, EncodingKey};
use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::PKey,
};

use crate::model::time::Timestamp;

const SUFFIX: &str = ".pem";
/// Bytes of a key file at most; a real one has about 240.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The folder or a file in it cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key could not be made or read.
    #[error("signing key {name}: {reason}")]
    Key {
        /// Key id.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// One key.
pub struct Key {
    /// Its name in a token's header.
    pub kid: String,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Signs.
    pub private: EncodingKey,
    /// Verifies.
    pub public: DecodingKey,
}

/// The keys in a folder. Methods that touch the folder block.
pub struct KeyRing {
    folder: PathBuf,
    keys: RwLock<Arc<Vec<Key>>>,
    read_at: AtomicI64,
}

impl KeyRing {
    /// Opens the folder, which is made with rights 0700 when it is missing, and makes a first key when it is
    /// empty.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self, KeyError> {
        let at = |source| KeyError::Io { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(at)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(at)?;
        let ring =
            Self { folder: folder.to_owned(), keys: RwLock::default(), read_at: AtomicI64::new(i64::MIN) };
        ring.reload()?;
        if ring.all().is_empty() {
            ring.rotate(now)?;
        }
        Ok(ring)
    }

    /// All keys, newest first.
    pub fn all(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a new key, which signs from now on. Answers its id.
    ///
    /// # Errors
    /// [`KeyError`]; the old key then still signs.
    pub fn rotate(&self, now: Timestamp) -> Result<String, KeyError> {
        // A key made within the second of the last one must still sort after it.
        let newest = self.all().first().map_or(i64::MIN, |key| key.created_at);
        let created_at = (now.0.div_euclid(1_000_000)).max(newest.saturating_add(1));
        let kid = format!("{created_at}-{:08x}", rand::random::<u32>());
        let pem = generate().map_err(|e| KeyError::Key { name: kid.clone(), reason: e.to_string() })?;
        let path = self.folder.join(format!("{kid}{SUFFIX}"));
        write_private(&path, &pem).map_err(|source| KeyError::Io { path, source })?;
        self.reload()?;
        Ok(kid)
    }

    /// Makes a new key when the newest is older than `days`; 0 never does. Says whether it did.
    ///
    /// # Errors
    /// [`KeyError`], as [`KeyRing::rotate`].
    pub fn rotate_when_older_than(&self, days: u32, now: Timestamp) -> Result<bool, KeyError> {
        let newest = self.all().first().map_or(i64::MIN, |key| key.created_at);
        let due = newest.saturating_add(i64::from(days).saturating_mul(86_400));
        if days == 0 || now.0.div_euclid(1_000_000) < due {
            return Ok(false);
        }
        self.rotate(now).map(|_| true)
    }

    /// Deletes each key that was replaced more than `keep_seconds` ago. Answers how many.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn prune(&self, keep_seconds: i64, now: Timestamp) -> Result<usize, KeyError> {
        self.reload()?;
        let limit = now.0.div_euclid(1_000_000).saturating_sub(keep_seconds);
        let mut gone = 0;
        let keys = self.all();
        for pair in keys.windows(2) {
            let [newer, old] = pair else { continue };
            if newer.created_at < limit {
                let path = self.folder.join(format!("{}{SUFFIX}", old.kid));
                match fs::remove_file(&path) {
                    Ok(()) => gone += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(KeyError::Io { path, source }),
                }
            }
        }
        if gone > 0 {
            self.reload()?;
        }
        Ok(gone)
    }

    /// Whether the folder may be read again for the sake of an unknown key id: once a second, so that forged
    /// tokens cannot keep the disk busy.
    pub fn may_look_again(&self, now: Timestamp) -> bool {
        let last = self.read_at.load(Ordering::Relaxed);
        now.0.saturating_sub(last) >= 1_000_000
            && self.read_at.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Reads the folder again: another process may have made or deleted keys.
    ///
    /// # Errors
    /// [`KeyError`]; the keys known so far then stay in use.
    pub fn reload(&self) -> Result<(), KeyError> {
        let at = |source| KeyError::Io { path: self.folder.clone(), source };
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(at)? {
            let path = entry.map_err(at)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(kid) = name.strip_suffix(SUFFIX).filter(|kid| !kid.starts_with('.')) else { continue };
            let Some(created_at) = kid.split('-').next().and_then(|text| text.parse().ok()) else {
                tracing::warn!(file = %path.display(), "not the name of a signing key; ignored");
                continue;
            };
            match read(&path) {
                Ok(pem) => keys.push(parse(kid, created_at, &pem)?),
                // Another process has just pruned it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(KeyError::Io { path, source }),
            }
        }
        keys.sort_by(|a, b| (b.created_at, &b.kid).cmp(&(a.created_at, &a.kid)));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn generate() -> Result<Vec<u8>, openssl::error::ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)?.private_key_to_pem_pkcs8()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    let file = File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "others could read this signing key; its rights are now 0600");
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(kid: &str, created_at: i64, pem: &[u8]) -> Result<Key, KeyError> {
    let bad = |reason: String| KeyError::Key { name: kid.to_owned(), reason };
    let pair = PKey::private_key_from_pem(pem).map_err(|e| bad(e.to_string()))?;
    let curve = pair.ec_key().ok().and_then(|key| key.group().curve_name());
    if curve != Some(Nid::X9_62_PRIME256V1) {
        return Err(bad("not a P-256 key".to_owned()));
    }
    let private = pair.private_key_to_pem_pkcs8().map_err(|e| bad(e.to_string()))?;
    let public = pair.public_key_to_pem().map_err(|e| bad(e.to_string()))?;
    Ok(Key {
        kid: kid.to_owned(),
        created_at,
        private: EncodingKey::from_ec_pem(&private).map_err(|e| bad(e.to_string()))?,
        public: DecodingKey::from_ec_pem(&public).map_err(|e| bad(e.to_string()))?,
    })
}

/// Writes a file with rights 0600 so that nobody ever sees a part of it: temporary name, fsync, rename, fsync of
/// the folder. Blocking.
///
/// # Errors
/// The system's; the file is then as it was before.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let temporary = folder.join(format!(".{:016x}.tmp", rand::random::<u64>()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if let Err(error) = written {
        if let Err(left) = fs::remove_file(&temporary) {
            tracing::debug!(file = %temporary.display(), %left, "no temporary file to remove");
        }
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_folder_and_its_files_are_for_the_service_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        let ring = KeyRing::open(&folder, Timestamp::now()).unwrap();
        assert_eq!(ring.all().len(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn rotation_is_by_age_and_old_keys_outlive_their_tokens() {
        let dir = tempfile::tempdir().unwrap();
        let start = Timestamp(1_800_000_000_000_000);
        let ring = KeyRing::open(dir.path(), start).unwrap();
        let first = ring.all().first().unwrap().kid.clone();
        assert!(!ring.rotate_when_older_than(30, start.plus_seconds(29 * 86_400)).unwrap());
        let later = start.plus_seconds(30 * 86_400);
        assert!(!ring.rotate_when_older_than(0, later).unwrap());
        assert!(ring.rotate_when_older_than(30, later).unwrap());
        assert_ne!(ring.all().first().unwrap().kid, first, "the new key signs");
        assert_eq!(ring.prune(3600, later.plus_seconds(3600)).unwrap(), 0);
        assert_eq!(ring.all().len(), 2);
        assert_eq!(ring.prune(3600, later.plus_seconds(3602)).unwrap(), 1);
        assert_ne!(ring.all().first().unwrap().kid, first);
        assert_eq!(ring.prune(3600, later.plus_seconds(1_000_000)).unwrap(), 0, "the newest always stays");
    }

    #[test]
    fn a_key_of_another_kind_is_refused_and_strange_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes.txt"), "hello").unwrap();
        fs::write(dir.path().join("readme.pem"), "hello").unwrap();
        let ring = KeyRing::open(dir.path(), Timestamp::now()).unwrap();
        assert_eq!(ring.all().len(), 1);
        fs::write(dir.path().join("17-00000000.pem"), "hello").unwrap();
        assert!(matches!(ring.reload(), Err(KeyError::Key { .. })));
        assert_eq!(ring.all().len(), 1, "the keys known so far stay in use");
    }
}
