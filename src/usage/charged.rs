//! Lines of a report: the sums of shares, and the final values.

use std::collections::BTreeMap;

use num_bigint::BigInt;

use super::Settings;
use crate::model::{
    time::Timestamp,
    usage::{
        Interval,
        meter::{HOUR, Share, hour_of},
        rates::{Book, Micros},
        sums::{add, allotted, month_denominator},
    },
};

/// Decimals of gigabyte-months, and of money.
pub const MONTH_DECIMALS: u32 = 6;
pub const MONEY_DECIMALS: u32 = 4;
/// Millionths in one of a currency.
const MILLION: i64 = 1_000_000;

/// How a report is grouped into lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// An image, as long as size, price and owner are the same.
    #[default]
    Image,
    /// A project.
    Project,
    /// A store.
    Store,
    /// What images are sold as.
    Sku,
    /// A media group.
    MediaGroup,
    /// A set of tags.
    Tag,
}

impl Group {
    /// The names in the API.
    pub const NAMES: [&str; 6] = ["image", "project", "store", "sku", "media_group", "tag"];

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Image, Self::Project, Self::Store, Self::Sku, Self::MediaGroup, Self::Tag];
        Self::NAMES.into_iter().zip(all).find(|(name, _)| *name == text).map(|(_, group)| group)
    }
}

/// What tells lines apart. Each has one price, so that quantity times price is its amount.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    project: Option<String>,
    image: Option<String>,
    store: Option<String>,
    media_group: Option<String>,
    tags: Vec<String>,
    sku: Option<String>,
    bytes: Option<i128>,
    rate: Option<Micros>,
}

impl Key {
    fn of(group: Group, share: &Share, rate: Option<Micros>) -> Self {
        let Interval { image_id, metered, .. } = &*share.interval;
        let labels = &metered.labels;
        let bytes = (!share.interval.is_license()).then_some(share.bytes);
        let key = Self { rate, ..Self::default() };
        match group {
            Group::Image => Self {
                project: metered.facts.project.clone(),
                image: Some(image_id.clone()),
                sku: labels.sku.clone(),
                bytes,
                ..key
            },
            Group::Project => Self { project: metered.facts.project.clone(), ..key },
            Group::Store => Self { store: Some(share.store.clone()), ..key },
            Group::Sku => Self { sku: labels.sku.clone(), ..key },
            Group::MediaGroup => Self { media_group: labels.media_group.clone(), ..key },
            Group::Tag => Self { tags: labels.tags.clone(), ..key },
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Sum {
    /// Microseconds.
    time: BigInt,
    /// Bytes times microseconds.
    bytes: BigInt,
    /// The same in shares of a month, see [`month_denominator`].
    months: BigInt,
    /// The same times millionths of the currency.
    amount: BigInt,
    name: Option<String>,
    tags: Vec<String>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    is_open: bool,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The project, where lines are of projects or images.
    pub project: Option<String>,
    /// The image, where lines are of images.
    pub image: Option<String>,
    /// Its name, the latest of the period.
    pub image_name: Option<String>,
    /// The store, where lines are of stores.
    pub store: Option<String>,
    /// The media group, where lines are of those.
    pub media_group: Option<String>,
    /// Its SKU, if lines are by SKU or by image.
    pub sku: Option<String>,
    /// The tags, where lines are of those or of images.
    pub tags: Vec<String>,
    /// Bytes, where they are the same all the time.
    pub bytes: Option<i128>,
    /// Microseconds, of all that is in the line.
    pub time: BigInt,
    /// Bytes times microseconds; for licences the microseconds alone.
    pub byte_time: BigInt,
    /// Gigabyte-months in millionths.
    pub months: BigInt,
    /// The price.
    pub rate: Option<Micros>,
    /// Its price, in ten thousandths of the currency.
    pub amount: Option<BigInt>,
    /// The first hour that counts.
    pub first_hour: Option<Timestamp>,
    /// The last one.
    pub last_hour: Option<Timestamp>,
    /// When it began.
    pub from: Option<Timestamp>,
    /// When it ended; `None` where it went on at the end of the period.
    pub to: Option<Timestamp>,
}

/// All lines of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Lines, in one order.
    pub lines: Vec<Line>,
    /// Their sum.
    pub total: Total,
}

/// A total.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Microseconds.
    pub time: BigInt,
    /// Bytes times microseconds.
    pub byte_time: BigInt,
    /// Gigabyte-months in millionths.
    pub months: BigInt,
    /// The total price, in ten thousandths of the currency.
    pub amount: BigInt,
}

/// Collects shares.
#[derive(Debug)]
pub struct Ledger {
    group: Group,
    /// When the period ends.
    end: Timestamp,
    images: BTreeMap<Key, Sum>,
    licenses: BTreeMap<Key, Sum>,
}

impl Ledger {
    /// Lines of a group, for a period that ends then.
    pub fn new(group: Group, end: Timestamp) -> Self {
        Self { group, end, images: BTreeMap::new(), licenses: BTreeMap::new() }
    }

    /// Lines so far.
    pub fn len(&self) -> usize {
        self.images.len().saturating_add(self.licenses.len())
    }

    /// Adds a share, cut where prices and months change.
    pub fn add(&mut self, share: &Share, book: &Book, settings: &Settings) {
        for (span, rates) in book.parts(share.span) {
            let rate = rates.and_then(|rates| rates.of(&share.interval));
            let lines = match share.interval.is_license() {
                true => &mut self.licenses,
                false => &mut self.images,
            };
            let sum = lines.entry(Key::of(self.group, share, rate)).or_default();
            let price = i128::from(rate.unwrap_or(0));
            let length = i128::from(span.length());
            add(&mut sum.time, [length, 1, 1]);
            add(&mut sum.bytes, [share.bytes, length, 1]);
            if share.interval.is_license() {
                add(&mut sum.amount, [length, price, 1]);
            } else {
                for (span, weight) in settings.month.parts(span) {
                    let (length, weight) = (i128::from(span.length()), i128::from(weight));
                    add(&mut sum.months, [share.bytes, length, weight]);
                    add(&mut sum.amount, [share.bytes, length, weight.saturating_mul(price)]);
                }
            }
            let (first, last) = (hour_of(span.from), hour_of(Timestamp(span.to.0.saturating_sub(1))));
            sum.first = Some(sum.first.map_or(first, |known| known.min(first)));
            if sum.last.is_none_or(|known| known <= last) {
                sum.last = Some(last);
                let labels = &share.interval.metered.labels;
                sum.name.clone_from(&labels.name);
                sum.tags.clone_from(&labels.tags);
            }
            sum.meets(&share.interval, self.end);
        }
    }

    /// Rounds, once, so that lines add up.
    pub fn close(self, settings: &Settings) -> (Section, Section) {
        let month = month_denominator(settings.unit, settings.month);
        let money = &month * MILLION;
        (
            section(self.images, &month, &money),
            section(self.licenses, &month, &(BigInt::from(HOUR) * MILLION)),
        )
    }
}

impl Sum {
    /// Records when an interval began, and whether it ended before a time.
    fn meets(&mut self, interval: &Interval, end: Timestamp) {
        self.from = Some(self.from.map_or(interval.from, |known| known.min(interval.from)));
        match interval.to.filter(|to| *to <= end) {
            Some(to) => self.to = Some(self.to.map_or(to, |known| known.max(to))),
            None => self.is_open = true,
        }
    }
}

fn section(sums: BTreeMap<Key, Sum>, month: &BigInt, money: &BigInt) -> Section {
    let all: Vec<&Sum> = sums.values().collect();
    let (months, months_total) =
        allotted(&all.iter().map(|sum| &sum.months).collect::<Vec<_>>(), month, MONTH_DECIMALS);
    let (amounts, amount_total) =
        allotted(&all.iter().map(|sum| &sum.amount).collect::<Vec<_>>(), money, MONEY_DECIMALS);
    let total = Total {
        time: all.iter().map(|sum| &sum.time).sum(),
        byte_time: all.iter().map(|sum| &sum.bytes).sum(),
        months: months_total,
        amount: amount_total,
    };
    let lines = sums.into_iter().zip(months).zip(amounts).map(|(((key, sum), months), amount)| {
        let is_of_image = key.image.is_some();
        Line {
            project: key.project,
            image: key.image,
            image_name: sum.name.filter(|_| is_of_image),
            store: key.store,
            media_group: key.media_group,
            sku: key.sku,
            tags: if is_of_image { sum.tags } else { key.tags },
            bytes: key.bytes,
            time: sum.time,
            byte_time: sum.bytes,
            months,
            amount: key.rate.map(|_| amount),
            rate: key.rate,
            first_hour: sum.first,
            last_hour: sum.last,
            from: sum.from,
            to: sum.to.filter(|_| !sum.is_open),
        }
    });
    Section { lines: lines.collect(), total }
}
