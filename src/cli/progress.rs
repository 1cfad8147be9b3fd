//! How far a long command has come, on standard error: a line that changes at a terminal, a line each minute elsewhere.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// Between two lines at a terminal, and elsewhere.
const PACES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
const MIB: u64 = 1 << 20;

/// Counts things and bytes.
pub struct Progress {
    what: &'static str,
    total: Option<u64>,
    things: u64,
    bytes: u64,
    begun: Instant,
    said: Instant,
    is_terminal: bool,
}

impl Progress {
    /// Begins to count; `total` is how many there will be, if known.
    pub fn of(what: &'static str, total: Option<u64>) -> Self {
        let now = Instant::now();
        let is_terminal = std::io::stderr().is_terminal();
        Self { what, total, things: 0, bytes: 0, begun: now, said: now, is_terminal }
    }

    /// One more is done, of so many bytes.
    pub fn advance(&mut self, bytes: u64) {
        self.things = self.things.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let pace = if self.is_terminal { PACES.0 } else { PACES.1 };
        if self.said.elapsed() >= pace {
            self.said = Instant::now();
            self.say(&self.line(self.begun.elapsed()));
        }
    }

    /// Clears the line, before something else is written.
    pub fn clear(&self) {
        if self.is_terminal {
            self.write("\r\x1b[K");
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let Self { what, things, bytes, .. } = self;
        let mib = bytes / MIB;
        let rate = u128::from(*bytes).saturating_mul(1000) / elapsed.as_millis().max(1) / u128::from(MIB);
        let of = self.total.map(|total| format!(" of {total}")).unwrap_or_default();
        let left = self.total.filter(|_| *things > 0).map(|total| {
            let left = u128::from(total.saturating_sub(*things));
            format!(", {} s left", elapsed.as_secs().max(1) as u128 * left / u128::from(*things))
        });
        format!("{things}{of} {what}, {mib} MiB, {rate} MiB/s{}", left.unwrap_or_default())
    }

    fn say(&self, line: &str) {
        match self.is_terminal {
            true => self.write(&format!("\r\x1b[K{line}")),
            false => self.write(&format!("{line}\n")),
        }
    }

    fn write(&self, text: &str) {
        let mut error = std::io::stderr();
        // Who has closed standard error does not want to know.
        let _closed = error.write_all(text.as_bytes()).and_then(|()| error.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_rate_and_time_left() {
        let mut progress = Progress::of("images", Some(10));
        progress.things = 4;
        progress.bytes = 20 << 20;
        assert_eq!(progress.line(Duration::from_secs(8)), "4 of 10 images, 20 MiB, 2 MiB/s, 12 s left");
        let unknown = Progress { total: None, things: 0, ..progress };
        assert_eq!(unknown.line(Duration::ZERO), "0 images, 20 MiB, 20000 MiB/s");
    }
}
