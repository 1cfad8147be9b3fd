//! What is said of single images in a table of them: when they got their data, and what they count for this month.

use std::collections::HashMap;

use num_bigint::BigInt;

use super::{Usage, charged::MONTH_DECIMALS};
use crate::{
    db::usage_report::{self, Wanted},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        time::Timestamp,
        usage::sums::{add, month_denominator, month_of, rounded, written},
    },
};

/// What images count for in a month, as far as somebody may see that.
#[derive(Clone, Debug, Default)]
pub struct Charges {
    /// Whose images these are; `None` is anybody's.
    project: Option<String>,
    /// Gigabyte-months in millionths.
    months: HashMap<String, BigInt>,
}

impl Charges {
    /// Gigabyte-months of an image; `None` where that is not for the caller to see.
    pub fn of(&self, image: &Image) -> Option<String> {
        let is_seen = self.project.is_none() || self.project == image.owner;
        let known = self.months.get(&image.id);
        let months = known.cloned().or_else(|| is_seen.then_some(BigInt::ZERO))?;
        Some(written(&months, MONTH_DECIMALS as usize))
    }
}

impl Usage {
    /// When each of these images got its data first, as far as that was seen.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn activations(&self, images: Vec<String>) -> Result<HashMap<String, Timestamp>> {
        let read = move |conn: &mut _| usage_report::activations(conn, &images);
        Ok(self.db.read("usage.activations", read).await?.into_iter().collect())
    }

    /// What these images count for in the month of a moment, until then; `None` for who may see no usage.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn charges(
        &self,
        caller: &Caller,
        images: Vec<String>,
        now: Timestamp,
    ) -> Result<Option<Charges>> {
        let project = match self.scope(caller, None).await {
            Err(Error::Forbidden(_)) => return Ok(None),
            scope => scope?,
        };
        let Some(period) = month_of(now) else { return Ok(None) };
        let wanted = Wanted { project: project.clone(), images: Some(images), ..Wanted::default() };
        let _place = self.place().await?;
        let (settings, mut sums) = (self.settings, HashMap::<String, BigInt>::new());
        self.walk(&wanted, (settings.rules, period, now), |share| {
            let sum = sums.entry(share.interval.image_id.clone()).or_default();
            for (span, weight) in settings.month.parts(share.span) {
                add(sum, [share.bytes, i128::from(span.length()), i128::from(weight)]);
            }
            Ok(())
        })
        .await?;
        let month = month_denominator(settings.unit, settings.month);
        let months = sums.into_iter().map(|(image, sum)| (image, rounded(&sum, &month, MONTH_DECIMALS)));
        Ok(Some(Charges { project, months: months.collect() }))
    }
}
