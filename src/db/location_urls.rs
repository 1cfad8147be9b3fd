//! The URLs of locations, as our rows have them: with `metadata_encryption_key` encrypted as Glance's own
//! (`glance/db/__init__.py: ImageRepo`). Every statement that writes or reads one of them goes through here.
//!
//! Each row says by itself whether it is encrypted. One that was written before there was a key is read as it is, and one
//! that the key does not open stays as it is, also when its image is saved: it may open again once the key is put right.
//! Glance answers 500 to both, for an image and for every list that it is in.

use std::{borrow::Cow, cell::RefCell, sync::Arc};

use super::{
    DbError, DbResult,
    url_crypt::{LocationKey, opened},
};
use crate::model::store_url::is_sealed;

thread_local! {
    /// The key of the database on which this thread works. A transaction has its thread to itself, and the statements in
    /// it have nothing but the connection.
    static KEY: RefCell<Option<Arc<LocationKey>>> = const { RefCell::new(None) };
}

/// Does work on a database whose locations have this key.
pub(super) fn with<T>(key: Option<Arc<LocationKey>>, work: impl FnOnce() -> T) -> T {
    /// Puts back the key that was there before, also after a panic.
    struct Before(Option<Arc<LocationKey>>);

    impl Drop for Before {
        fn drop(&mut self) {
            KEY.set(self.0.take());
        }
    }

    let _before = Before(KEY.replace(key));
    work()
}

/// A URL as its row is to have it.
///
/// # Errors
/// [`DbError::Other`] when it cannot be encrypted.
pub(super) fn written(url: &str) -> DbResult<Cow<'_, str>> {
    KEY.with_borrow(|key| match key {
        Some(key) if !is_sealed(url) => key.seal(url).map(Cow::Owned).map_err(DbError::Other),
        _ => Ok(Cow::Borrowed(url)),
    })
}

/// The URL that a row has; what the key does not open is left as it is ([`is_sealed`]).
pub(super) fn read(text: String) -> String {
    if !is_sealed(&text) {
        return text;
    }
    KEY.with_borrow(|key| opened(&text, key.as_deref())).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const URL: &str = "http://me:hush@host/image";

    fn key(text: &str) -> Option<Arc<LocationKey>> {
        Some(Arc::new(LocationKey::new(text).unwrap()))
    }

    /// Proves that a URL is encrypted once and read again with its key, that one of before the key is read as it is, and
    /// that what another key does not open is written back as it was.
    #[test]
    fn rows_say_by_themselves_what_they_are() {
        assert_eq!(written(URL).unwrap(), URL);
        let (mine, others) = (key("0123456789abcdef"), key("0123456789abcdeX"));
        let sealed = with(mine.clone(), || {
            let sealed = written(URL).unwrap().into_owned();
            assert!(is_sealed(&sealed));
            assert_eq!(written(&sealed).unwrap(), sealed);
            assert_eq!((read(sealed.clone()), read(URL.to_owned())), (URL.to_owned(), URL.to_owned()));
            sealed
        });
        for other in [others, None] {
            with(other, || {
                assert_eq!(read(sealed.clone()), sealed);
                assert_eq!(written(&sealed).unwrap(), sealed);
            });
        }
        assert_eq!(with(mine, || read(sealed)), URL);
    }

    /// Proves that a key is that of the innermost work, and none afterwards.
    #[test]
    fn a_key_is_for_its_work_alone() {
        with(key("0123456789abcdef"), || {
            with(None, || assert_eq!(written(URL).unwrap(), URL));
            assert_ne!(written(URL).unwrap(), URL);
        });
        assert_eq!(written(URL).unwrap(), URL);
    }
}
