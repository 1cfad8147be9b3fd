//! Usage of projects and its cost: reports from the usage ledger, records for billing systems, and the rates.
//!
//! The ledger itself is written in the transactions that change images and consumers (`db/usage.rs`); `model/usage/`
//! defines how it is counted.

mod charged;
mod hours;
mod images;
mod present;
mod rates;
mod report;

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

pub use charged::{Group, Line, Section, Total};
pub use hours::{Hours, Place};
pub use images::Charges;
pub use present::Present;
pub use rates::Version;
pub use report::{Filter, Report};

use crate::{
    access::{self, Access, targets::CallerTarget},
    db::{Db, usage_report},
    model::{
        caller::Caller,
        error::{Error, Result},
        usage::{
            Entry,
            meter::{Rounding, Rules, Span, hour_of},
            sums::{Month, Unit},
        },
    },
};

/// The rule of those who see the usage of their own project.
const OWN: &str = "ext:usage_own";
/// The rule of those who see all usage, and set the rates.
const ALL: &str = "ext:usage_all";
/// Reports that are worked out at one time; others wait in the order in which they came.
const AT_ONCE: usize = 2;
/// Intervals of which entries are numbered in one transaction.
const NUMBERED_AT_ONCE: i64 = 500;

/// The operator's settings about usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The counting rules.
    pub rules: Rules,
    /// The size of a gigabyte.
    pub unit: Unit,
    /// The length of a month.
    pub month: Month,
}

/// The handles for use cases about usage. Cheap to clone.
#[derive(Clone)]
pub struct Usage {
    /// The database.
    pub db: Db,
    /// Authorisation.
    pub access: Access,
    /// The operator's settings.
    pub settings: Settings,
    places: Arc<Semaphore>,
}

impl Usage {
    /// Puts the room together.
    pub fn new(db: Db, access: Access, settings: Settings) -> Self {
        Self { db, access, settings, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Requires the right to see all usage.
    async fn all(&self, caller: &Caller) -> Result<()> {
        match self.access.allowed(caller, ALL, &CallerTarget(caller)).await? {
            true => Ok(()),
            false => Err(access::refused(ALL)),
        }
    }

    /// The project whose usage a caller asks for and may see; `None` is all.
    async fn scope(&self, caller: &Caller, wanted: Option<String>) -> Result<Option<String>> {
        if self.access.allowed(caller, ALL, &CallerTarget(caller)).await? {
            return Ok(wanted);
        }
        let Some(own) = caller.project_id.clone() else { return Err(access::refused(OWN)) };
        if wanted.is_some_and(|wanted| wanted != own) {
            return Err(Error::forbidden("The usage of another project is shown to administrators."));
        }
        match self.access.allowed(caller, OWN, &CallerTarget(caller)).await? {
            true => Ok(Some(own)),
            false => Err(access::refused(OWN)),
        }
    }

    /// Waits for a place to work in.
    async fn place(&self) -> Result<SemaphorePermit<'_>> {
        self.places.acquire().await.map_err(|e| Error::internal("the places of reports", e))
    }

    /// Requires that a span begin before it ends, and on the hour where hours are counted.
    fn check(&self, span: Span) -> Result<()> {
        if span.length() == 0 {
            return Err(Error::invalid("from must be before to."));
        }
        let is_whole = |time| hour_of(time) == time;
        if self.settings.rules.rounding == Rounding::ClockHour && !(is_whole(span.from) && is_whole(span.to))
        {
            return Err(Error::invalid("from and to must be whole hours in UTC."));
        }
        Ok(())
    }

    /// The openings and closings of intervals after a number, up to `count`, numbered without gaps. Later ones get
    /// higher numbers.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without the right to see all usage.
    pub async fn entries(&self, caller: &Caller, after: i64, count: u32) -> Result<Vec<Entry>> {
        self.all(caller).await?;
        let count = i64::from(count);
        let read = move |conn: &mut _| {
            Ok((usage_report::entries(conn, after, count)?, usage_report::has_unnumbered(conn)?))
        };
        let (found, has_more) = self.db.read("usage.entries", read).await?;
        if found.len() as i64 == count || !has_more {
            return Ok(found);
        }
        let number = |conn: &mut _| usage_report::number(conn, NUMBERED_AT_ONCE);
        self.db.write("usage.number", number).await?;
        Ok(self.db.read("usage.entries", move |conn| usage_report::entries(conn, after, count)).await?)
    }
}
