//! The position of a reader in the outbox. Numbers are assigned before transactions end, so a reader may see a number
//! before a lower one; missing numbers are looked for again until no transaction can add them. Events of one image
//! are in order nevertheless: their writer holds the image until its transaction ends.

use serde::{Deserialize, Serialize};

use crate::{
    db::{
        Conn, DbResult,
        events::{self, Recorded},
    },
    model::time::Timestamp,
};

/// Seconds after which a number that is missing never comes: longer than any transaction takes.
const MISSING_SECONDS: i64 = 90;
/// Runs of missing numbers that are remembered; of more the oldest go. A cluster that gives each node its own numbers leaves one
/// behind nearly every event.
const GAPS_MAX: usize = 20_000;

/// Numbers that were not there when a later one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    first: i64,
    last: i64,
    /// When they were missed, in microseconds.
    since: i64,
}

/// The position of a reader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    high: i64,
    gaps: Vec<Gap>,
}

impl Position {
    /// After a number; everything before it has been read or is not wanted.
    pub fn after(sequence: i64) -> Self {
        Self { high: sequence, gaps: Vec::new() }
    }

    /// Whether an event was read before, or its number is not known to be missing.
    pub fn has(&self, sequence: i64) -> bool {
        sequence <= self.high && self.gap_of(sequence).is_none()
    }

    /// The events that have not been read, those first that were missing; up to `count` of each.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn read(&mut self, conn: &mut Conn, now: Timestamp, count: i64) -> DbResult<Vec<Recorded>> {
        let oldest = now.plus_seconds(-MISSING_SECONDS).0;
        let mut found = Vec::new();
        if let (Some(first), Some(last)) = (self.gaps.first(), self.gaps.last()) {
            let come: Vec<i64> = events::numbers(conn, first.first, last.last)?
                .into_iter()
                .filter(|number| self.gap_of(*number).is_some())
                .take(usize::try_from(count).unwrap_or(usize::MAX))
                .collect();
            if !come.is_empty() {
                found = events::these(conn, &come)?;
            }
            if found.is_empty() {
                self.gaps.retain(|gap| gap.since > oldest);
            }
        }
        found.extend(events::after(conn, self.high, count)?);
        Ok(found)
    }

    /// Records that an event has been read.
    pub fn pass(&mut self, sequence: i64, now: Timestamp) {
        if sequence > self.high {
            let first = self.high.saturating_add(1);
            if first < sequence {
                if self.gaps.len() >= GAPS_MAX {
                    self.gaps.remove(0);
                }
                self.gaps.push(Gap { first, last: sequence.saturating_sub(1), since: now.0 });
            }
            self.high = sequence;
        } else if let Some(at) = self.gap_of(sequence) {
            let gap = self.gaps.remove(at);
            let (before, after) = (
                Gap { last: sequence.saturating_sub(1), ..gap },
                Gap { first: sequence.saturating_add(1), ..gap },
            );
            let left = [before, after].into_iter().filter(|gap| gap.first <= gap.last);
            self.gaps.splice(at..at, left);
        }
    }

    /// The place of the gap that a number lies in.
    fn gap_of(&self, sequence: i64) -> Option<usize> {
        let at = self.gaps.partition_point(|gap| gap.last < sequence);
        self.gaps.get(at).filter(|gap| gap.first <= sequence).map(|_| at)
    }

    /// As a row keeps it.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Parses a stored position; the beginning if it is invalid.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Proves that whatever the order in which numbers turn up, each is passed once, and only those that did not come
        /// are missing.
        #[test]
        fn each_number_is_read_once(numbers in proptest::collection::vec(1_i64..200, 1..100)) {
            let mut position = Position::after(0);
            let mut passed = std::collections::BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(position.has(number), passed.contains(&number));
                position.pass(number, Timestamp(1));
                passed.insert(number);
                position = Position::parse(&position.text());
            }
            for number in 1..=200 {
                prop_assert_eq!(position.has(number), passed.contains(&number), "{}", number);
            }
        }
    }
}
