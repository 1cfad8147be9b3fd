//! The minimum pace of image data in either direction: `client_socket_timeout` and a fixed rate.

use std::time::Duration;

/// Bytes that must come or go for each second of waiting, unless the data ends: a client that lets one byte through now
/// and then is as good as silent.
const BYTES_PER_SECOND: u64 = 64;

/// The remaining time of a client.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    patience: Option<Duration>,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Starts the clock. Without a limit a client may take any time.
    pub fn new(patience: Option<Duration>) -> Self {
        Self { patience, waited: Duration::ZERO, bytes: 0 }
    }

    /// How much longer to wait for the client; `None` is unlimited.
    pub fn left(&self) -> Option<Duration> {
        self.patience.map(|patience| patience.saturating_sub(self.waited))
    }

    /// Records that a number of bytes was transferred after a wait; our own slowness does not count.
    pub fn moved(&mut self, waited: Duration, bytes: usize) {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let wanted = self.patience.map_or(0, |patience| patience.as_secs().saturating_mul(BYTES_PER_SECOND));
        if self.bytes >= wanted.max(1) {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A client that drips is as good as silent; one that keeps its pace has its whole time again.
    #[test]
    fn sec_79_drops_do_not_count() {
        let mut pace = Pace::new(Some(10 * SECOND));
        pace.moved(4 * SECOND, 1);
        pace.moved(5 * SECOND, 600);
        assert_eq!(pace.left(), Some(SECOND));
        pace.moved(SECOND / 2, 39);
        assert_eq!(pace.left(), Some(10 * SECOND));
        pace.moved(20 * SECOND, 1);
        assert_eq!(pace.left(), Some(Duration::ZERO));
        let mut patient = Pace::new(None);
        patient.moved(1000 * SECOND, 1);
        assert_eq!(patient.left(), None);
    }
}
