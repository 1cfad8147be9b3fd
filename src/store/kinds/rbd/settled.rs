//! Decides when an image may be closed.

use std::time::{Duration, Instant};

/// How long librbd may still be busy with an image that it has opened: a thread of its own locks the state of the image
/// once more after it has told us (`ImageState::complete_action_unlock`), and takes the process with it if the image is
/// closed and freed by then. There is no call that waits for it.
const MOMENT: Duration = Duration::from_millis(100);

/// Since when an image is open.
pub(super) struct Settled(Instant);

impl Settled {
    /// As of now.
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// Gives the handle back when it may be closed. Blocking.
    pub(super) fn handle<T>(&self, handle: T) -> T {
        std::thread::sleep(MOMENT.saturating_sub(self.0.elapsed()));
        handle
    }
}
