//! Records for billing systems: each hour of each image, once the hour is over.

use std::sync::Arc;

use super::Usage;
use crate::{
    db::{
        Conn, DbResult,
        usage_report::{self, Wanted},
    },
    model::{
        caller::Caller,
        error::Result,
        time::Timestamp,
        usage::{
            Interval,
            meter::{HOUR, Meter, Share, Span, hour_of},
        },
    },
};

/// Seconds after the end of an hour until it is taken for complete: what was stamped in it has been committed by then.
const SETTLES_SECONDS: i64 = 300;
/// Hours that one call looks at, whatever it finds in them.
const HOURS_AT_ONCE: usize = 100;
/// Intervals of one image that are read at once.
const ROWS: i64 = 1000;

/// The position of a billing system: all images of an hour up to one, or its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The beginning of the hour.
    pub hour: Timestamp,
    /// The last image returned.
    pub image: Option<String>,
}

impl Place {
    /// Reads what [`Place::shown`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, image) = text.split_once(':').map_or((text, None), |(hour, image)| (hour, Some(image)));
        let hour = hour.parse::<i64>().ok().filter(|hour| (0..=10_000_000).contains(hour))?;
        let image = image.map(str::to_owned);
        (image.as_deref() != Some("")).then(|| Self { hour: Timestamp(hour.saturating_mul(HOUR)), image })
    }

    /// The marker.
    pub fn shown(&self) -> String {
        let hour = self.hour.0.div_euclid(HOUR);
        match &self.image {
            Some(image) => format!("{hour}:{image}"),
            None => hour.to_string(),
        }
    }
}

/// A page of hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// By hour and image.
    pub shares: Vec<Share>,
    /// Where to continue, now or later.
    pub place: Place,
    /// Whether there is more already.
    pub has_more: bool,
}

/// Whole images of an hour after one of them, up to `count` intervals unless one image has more.
fn images(
    conn: &mut Conn,
    wanted: &Wanted,
    hour: Span,
    after: Option<&str>,
    count: i64,
) -> DbResult<(Vec<Interval>, bool)> {
    let after = after.map(|image| (image.to_owned(), String::new(), i64::MAX));
    let mut found = usage_report::page(conn, wanted, hour, after.as_ref(), count)?;
    if (found.len() as i64) < count {
        return Ok((found, false));
    }
    let Some(last) = found.last().map(|interval| interval.image_id.clone()) else {
        return Ok((found, false));
    };
    if found.first().is_some_and(|first| first.image_id != last) {
        found.retain(|interval| interval.image_id != last);
        return Ok((found, true));
    }
    let of_it = Wanted { image: Some(last), ..wanted.clone() };
    while let Some(end) = found.last().map(|i| (i.image_id.clone(), i.consumer.clone(), i.id)) {
        let more = usage_report::page(conn, &of_it, hour, Some(&end), ROWS)?;
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    Ok((found, true))
}

impl Usage {
    /// The hours of images after a place, up to `count` shares unless one image has more, until a time.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::model::error::Error::Forbidden) without the right.
    pub async fn hours(
        &self,
        caller: &Caller,
        project: Option<String>,
        mut place: Place,
        until: Option<Timestamp>,
        count: u32,
    ) -> Result<Hours> {
        let wanted = Wanted { project: self.scope(caller, project).await?, ..Wanted::default() };
        let now = self.db.clock.now();
        let settled = hour_of(now.plus_seconds(-SETTLES_SECONDS));
        let end = until.map_or(settled, |until| until.min(settled));
        let mut shares: Vec<Share> = Vec::new();
        for _ in 0..HOURS_AT_ONCE {
            if place.hour >= end || shares.len() >= count as usize {
                break;
            }
            let hour = Span { from: place.hour, to: place.hour.plus_seconds(3600) };
            let (which, after) = (wanted.clone(), place.image.clone());
            let read = move |conn: &mut _| {
                let (found, has_more) = images(conn, &which, hour, after.as_deref(), i64::from(count))?;
                let next = match found.is_empty() {
                    true => usage_report::next_start(conn, &which, hour.to)?,
                    false => None,
                };
                Ok((found, has_more, next))
            };
            let (found, has_more, next) = self.db.read("usage.hours", read).await?;
            if found.is_empty() && place.image.is_none() {
                // There is nothing in this hour, nor before something begins.
                place.hour = next.map_or(end, |next| hour_of(next).max(hour.to));
                continue;
            }
            let is_full = !self.fill(&mut shares, &mut place, found, (hour, now), count as usize);
            if is_full {
                break;
            }
            if !has_more {
                place = Place { hour: hour.to, image: None };
            }
        }
        let has_more = place.hour < end;
        Ok(Hours { shares, place, has_more })
    }

    /// Adds images for as long as they fit. Returns whether all did.
    fn fill(
        &self,
        shares: &mut Vec<Share>,
        place: &mut Place,
        found: Vec<Interval>,
        (hour, now): (Span, Timestamp),
        count: usize,
    ) -> bool {
        let found: Vec<Arc<Interval>> = found.into_iter().map(Arc::new).collect();
        for of_image in found.chunk_by(|a, b| a.image_id == b.image_id) {
            let (mut meter, mut own) = (Meter::new(self.settings.rules, hour, now), Vec::new());
            let mut add = |share| own.push(share);
            of_image.iter().for_each(|interval| meter.take(interval, &mut add));
            meter.finish(&mut add);
            if !shares.is_empty() && shares.len().saturating_add(own.len()) > count {
                return false;
            }
            shares.extend(own);
            place.image = of_image.first().map(|interval| interval.image_id.clone());
        }
        true
    }
}
