//! An open image that several threads use, and that one of them closes: closing calls the cluster.

use std::{
    io,
    sync::{PoisonError, RwLock},
};

use super::ceph::image::Image;
use crate::telemetry::crew::Crew;

/// An image that is open until somebody closes it, or nobody has it any more.
pub(super) struct Open {
    image: RwLock<Option<Image>>,
    crew: Crew,
}

impl Open {
    /// An image that `crew` is to close.
    pub(super) fn new(image: Image, crew: Crew) -> Self {
        Self { image: RwLock::new(Some(image)), crew }
    }

    /// Makes a call. Blocking.
    ///
    /// # Errors
    /// The call's, and one without a number when the image has been closed.
    pub(super) fn with<T>(&self, call: impl FnOnce(&Image) -> io::Result<T>) -> io::Result<T> {
        let image = self.image.read().unwrap_or_else(PoisonError::into_inner);
        call(image.as_ref().ok_or_else(|| io::Error::other("the image was closed meanwhile"))?)
    }

    /// Closes it when no call is under way any more. Blocking.
    pub(super) fn close(&self) {
        drop(self.image.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let image = self.image.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if image.is_some() {
            self.crew.later(move || drop(image));
        }
    }
}
