//! A report of a period: it stays the same while the rates of the period do.

use std::sync::Arc;

use super::{
    Settings, Usage,
    charged::{Group, Ledger, Section},
};
use crate::{
    db::usage_report::{self, Wanted},
    model::{
        caller::Caller,
        error::{Error, Result},
        time::Timestamp,
        usage::{
            Interval,
            meter::{Meter, Rules, Share, Span},
        },
    },
};

/// Intervals that are read at once.
const ROWS: i64 = 1000;
/// Lines that a report has at most.
const LINES_MAX: usize = 100_000;

/// Of what a report is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one project.
    pub project: Option<String>,
    /// Of one image.
    pub image: Option<String>,
    /// Of images with this tag.
    pub tag: Option<String>,
    /// Of a media group.
    pub media_group: Option<String>,
    /// Of what is in a store.
    pub store: Option<String>,
    /// Of what is sold as this.
    pub sku: Option<String>,
}

impl Filter {
    fn takes(&self, share: &Share) -> bool {
        let labels = &share.interval.metered.labels;
        let same = |wanted: &Option<String>, value: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| Some(wanted) == value)
        };
        same(&self.media_group, labels.media_group.as_ref())
            && same(&self.sku, labels.sku.as_ref())
            && same(&self.store, Some(&share.store))
            && self.tag.as_ref().is_none_or(|tag| labels.tags.contains(tag))
    }

    fn wanted(&self) -> Wanted {
        Wanted { project: self.project.clone(), image: self.image.clone(), images: None, has_licenses: true }
    }
}

/// The report of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The period, without what is in the future.
    pub period: Span,
    /// How it was counted.
    pub settings: Settings,
    /// The currency; `None` while there are no rates.
    pub currency: Option<String>,
    /// The usage of images.
    pub images: Section,
    /// The licences of consumers.
    pub licenses: Section,
}

impl Usage {
    /// Reports a period.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without the right, [`Error::Invalid`] for a period that is none, [`Error::TooLarge`] where
    /// there would be too many lines.
    pub async fn report(
        &self,
        caller: &Caller,
        period: Span,
        group: Group,
        filter: Filter,
    ) -> Result<Report> {
        self.check(period)?;
        let filter = Filter { project: self.scope(caller, filter.project.clone()).await?, ..filter };
        self.reported(period, group, filter).await
    }

    /// The same for an operator, without a policy check.
    ///
    /// # Errors
    /// As [`Usage::report`].
    pub async fn reported(&self, period: Span, group: Group, filter: Filter) -> Result<Report> {
        self.check(period)?;
        let _place = self.place().await?;
        let versions = self.versions().await?;
        let (book, settings, now) = (versions.book(), self.settings, self.db.clock.now());
        let mut ledger = Ledger::new(group, period.to.min(now));
        let mut add = |share: Share| {
            if filter.takes(&share) {
                ledger.add(&share, &book, &settings);
            }
            ledger.len()
        };
        self.walk(&filter.wanted(), (settings.rules, period, now), |share| {
            if add(share) > LINES_MAX {
                return Err(Error::TooLarge(format!(
                    "The report would have more than {LINES_MAX} lines; ask for a project or a shorter period, or group by project."
                )));
            }
            Ok(())
        })
        .await?;
        let close = move || ledger.close(&settings);
        let (images, licenses) =
            crate::telemetry::blocking(close).await.map_err(|e| Error::internal("a report", e))?;
        Ok(Report { period, settings, currency: versions.currency(), images, licenses })
    }

    /// Counts all intervals of a period, page by page. Concurrent changes have no effect, because the period ends now
    /// at the latest.
    pub(super) async fn walk(
        &self,
        wanted: &Wanted,
        (rules, period, now): (Rules, Span, Timestamp),
        mut count: impl FnMut(Share) -> Result<()>,
    ) -> Result<()> {
        let mut meter = Meter::new(rules, period, now);
        let mut after = None;
        loop {
            let (wanted, from) = (wanted.clone(), after.take());
            let read = move |conn: &mut _| usage_report::page(conn, &wanted, period, from.as_ref(), ROWS);
            let found: Vec<Arc<Interval>> =
                self.db.read("usage.page", read).await?.into_iter().map(Arc::new).collect();
            let mut result = Ok(());
            let mut each = |share| {
                if result.is_ok() {
                    result = count(share);
                }
            };
            found.iter().for_each(|interval| meter.take(interval, &mut each));
            match found.last().filter(|_| found.len() as i64 == ROWS) {
                Some(last) => after = Some((last.image_id.clone(), last.consumer.clone(), last.id)),
                None => meter.finish(&mut each),
            }
            result?;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
