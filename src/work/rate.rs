//! How fast a job moves bytes.

use crate::model::time::Timestamp;

/// What was seen of a pass over data when it was last looked at.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    bytes: i64,
    at: Timestamp,
}

impl Meter {
    /// Begins without a byte.
    pub fn new(at: Timestamp) -> Self {
        Self { bytes: 0, at }
    }

    /// Bytes a second since the last look, or since the pass began if that was later. `None` before the first byte, and
    /// while no time has passed.
    pub fn rate(&mut self, pass_began: Timestamp, bytes: i64, now: Timestamp) -> Option<i64> {
        let since = if pass_began > self.at { Self::new(pass_began) } else { *self };
        *self = Self { bytes, at: now };
        let (moved, micros) =
            (i128::from(bytes) - i128::from(since.bytes), i128::from(now.0) - i128::from(since.at.0));
        if bytes == 0 || micros <= 0 {
            return None;
        }
        i64::try_from(moved.max(0) * 1_000_000 / micros).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// Proves that the rate is that of the time since the last look, of a new pass that since its beginning, of one that
    /// stalls nought, and unknown before the first byte or when the clock stands still or goes back.
    #[test]
    fn a_rate_is_that_of_late() {
        let mut meter = Meter::new(Timestamp(0));
        let mut look =
            |pass: i64, bytes, now: i64| meter.rate(Timestamp(pass * SECOND), bytes, Timestamp(now * SECOND));
        assert_eq!(look(0, 0, 5), None);
        assert_eq!(look(0, 1000, 10), Some(200));
        assert_eq!(look(0, 1000, 15), Some(0));
        assert_eq!(look(18, 300, 20), Some(150));
        assert_eq!(look(18, 900, 20), None);
        assert_eq!(look(18, 901, 19), None);
        assert_eq!(look(18, i64::MAX, 20), Some(i64::MAX - 901));
    }
}
