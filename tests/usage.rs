//! Random histories of images at the door for changes, and what the reports say of them, against an oracle that counts
//! hour by hour. `make test` does a few; `USAGE_HISTORIES=10000 cargo test --release --test usage` (`make usage`) all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "usage/history.rs"]
mod history;
#[path = "usage/oracle.rs"]
mod oracle;
#[path = "usage/rounding.rs"]
mod rounding;
#[path = "usage/vectors.rs"]
mod vectors;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use diesel::RunQueryDsl;
use rand::{Rng, SeedableRng, rngs::StdRng};
use vitrine::{
    access::Access,
    db::{self, Db},
    model::{
        caller::Caller,
        clock::Clock,
        time::Timestamp,
        usage::{
            meter::{Basis, HOUR, Rounding, Rules, Span, hour_of},
            rates::{Book, Rates},
        },
    },
    policy::{self, Enforcer},
    usage::{Filter, Group, Place, Settings, Usage},
};

use history::History;
use oracle::{Entry, Oracle};

/// Histories of one run, unless `USAGE_HISTORIES` says otherwise.
const HISTORIES: u64 = 4;
/// Images of one history, and the days that it takes.
const IMAGES: usize = 200;
const DAYS: i64 = 91;

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

fn memory() -> Db {
    let settings = db::Settings { connection: db::IN_MEMORY.to_owned(), ..db::Settings::default() };
    let db = Db::open(&settings).unwrap();
    db.migrate(db::Phase::Whole).unwrap();
    db
}

fn admin() -> Caller {
    Caller { is_admin: true, roles: vec!["admin".to_owned()], ..Caller::default() }
}

fn usage(db: &Db, settings: Settings) -> Usage {
    let policy = Enforcer::new(policy::Settings::default()).unwrap();
    Usage::new(db.clone(), Access::new(Arc::new(policy), None), settings)
}

fn rules(rng: &mut StdRng) -> Rules {
    Rules {
        basis: [Basis::Image, Basis::Replica, Basis::Virtual][rng.random_range(0..3)],
        rounding: if rng.random_bool(0.7) { Rounding::ClockHour } else { Rounding::Exact },
        has_public: rng.random_bool(0.5),
        min_bytes: if rng.random_bool(0.3) { 1_000_000_000 } else { 0 },
    }
}

/// Up to three versions of the rates, the first perhaps later than the first image.
fn book(rng: &mut StdRng, begin: Timestamp) -> Book {
    let mut book = Book::default();
    for _ in 0..rng.random_range(0..4) {
        let from = hour_of(begin).plus_seconds(rng.random_range(-5..DAYS * 24) * 3600);
        let mut some = |names: &[&str]| -> BTreeMap<String, i64> {
            names
                .iter()
                .filter_map(|name| match rng.random_bool(0.6) {
                    true => Some(((*name).to_owned(), rng.random_range(0..9_000_000))),
                    false => None,
                })
                .collect()
        };
        let (projects, skus, licenses) = (some(&["p0", "p1"]), some(&["s0", "s1"]), some(&["s0", "s1"]));
        let default = rng.random_bool(0.8).then(|| rng.random_range(0..9_000_000));
        book.0.insert(from.0, Rates { currency: "EUR".to_owned(), default, projects, skus, licenses });
    }
    book
}

/// One history: everything that reports, billers and the present say of it agrees with the oracle.
async fn one(db: &mut Db, seed: u64) {
    let rng = &mut StdRng::seed_from_u64(seed);
    // Somewhere in the leap year 2028, at any microsecond of an hour.
    let begin = Timestamp(1_830_297_600_000_000 + rng.random_range(0..300 * 24 * HOUR));
    db.clock = Clock::standing(begin);
    let mut history = History::new(db);
    let rules = rules(rng);
    let settings = Settings { rules, ..Settings::default() };
    let book = book(rng, begin);
    let usage = usage(db, settings);
    for (from, rates) in &book.0 {
        usage.set_rates(&admin(), rates.clone(), Some(Timestamp(*from))).await.unwrap();
    }
    let mut oracle = Oracle::default();
    history.live(rng, &mut oracle, IMAGES, DAYS);
    let now = db.clock.now();
    oracle.check_open(db, now);

    let (first, last) = (hour_of(begin), hour_of(now).plus_seconds(3600));
    let hour = |rng: &mut StdRng| first.plus_seconds(rng.random_range(0..=(last.0 - first.0) / HOUR) * 3600);
    let mut cuts = [first, hour(rng), hour(rng), last];
    cuts.sort();
    let groups = [Group::Image, Group::Project, Group::Store, Group::Sku, Group::MediaGroup, Group::Tag];
    let group = groups[rng.random_range(0..groups.len())];
    let mut sums = BTreeMap::new();
    for (from, to) in cuts.windows(2).map(|cut| (cut[0], cut[1])).chain([(first, last)]) {
        if from == to {
            continue;
        }
        let span = Span { from, to };
        let report = usage.report(&admin(), span, group, Filter::default()).await.unwrap();
        let expected = oracle.lines(&rules, span, now, group, &book);
        let found = Entry::of(&report);
        assert_eq!(found, expected, "lines of {span:?} by {group:?}");
        rounding::check_rounding(&report);
        *sums.entry((from, to) == (first, last)).or_insert_with(|| num_bigint::BigInt::ZERO) +=
            &report.images.total.byte_time;
        // Nothing about a period that is over depends on when it is reported.
        if to < now {
            db.clock.turn(3600);
            assert_eq!(usage.report(&admin(), span, group, Filter::default()).await.unwrap(), report);
            db.clock.set(now);
        }
    }
    if sums.len() == 2 {
        assert_eq!(sums[&true], sums[&false], "parts do not add up to the whole");
    }
    billers(db, &usage, rng, (first, last), &mut oracle).await;
}

/// What billers pull agrees with the reports, in pages of any length.
async fn billers(
    db: &Db,
    usage: &Usage,
    rng: &mut StdRng,
    (first, last): (Timestamp, Timestamp),
    oracle: &mut Oracle,
) {
    db.clock.turn(7200);
    // Of ten days, since each hour is looked at.
    let first = first.plus_seconds(rng.random_range(0..(last.0 - first.0) / HOUR) * 3600);
    let last = last.min(first.plus_seconds(240 * 3600));
    let (mut place, mut pulled) = (Place { hour: first, image: None }, num_bigint::BigInt::ZERO);
    let mut images = 0;
    loop {
        let count = rng.random_range(100..1000);
        let page = usage.hours(&admin(), None, place, Some(last), count).await.unwrap();
        assert!(page.shares.len() <= count as usize);
        for share in &page.shares {
            assert!(
                share.span.length() <= HOUR && hour_of(share.span.from).plus_seconds(3600) >= share.span.to
            );
            pulled += num_bigint::BigInt::from(share.bytes) * share.span.length();
            images += 1;
        }
        place = Place::parse(&page.place.shown()).unwrap();
        if !page.has_more {
            break;
        }
    }
    let whole = Span { from: first, to: last };
    let report = usage.report(&admin(), whole, Group::Project, Filter::default()).await.unwrap();
    assert_eq!(pulled, report.images.total.byte_time, "{images} hours");
    let mut after = 0;
    loop {
        let count = rng.random_range(1..500);
        let page = usage.entries(&admin(), after, count).await.unwrap();
        for entry in &page {
            assert_eq!(entry.seq, after + 1, "there is a gap");
            after = entry.seq;
            oracle.entry(entry);
        }
        if (page.len() as u32) < count {
            break;
        }
    }
    oracle.check_entries();
}

/// Empties the tables for the next history.
fn empty(db: &Db) {
    db.write_blocking(|conn| {
        for table in [
            "usage_intervals",
            "usage_entries",
            "usage_rates",
            "image_properties",
            "image_tags",
            "image_locations",
            "events",
            "consumers",
            "images",
        ] {
            db::statement::Statement::new(&format!("DELETE FROM {table}")).execute(conn)?;
        }
        Ok(())
    })
    .unwrap();
}

/// Reports agree with the oracle to the last unit, whatever happens to images, also where changes are broken off before
/// they are committed.
#[test]
fn histories_are_billed_to_the_last_unit() {
    let (count, first) = (number("USAGE_HISTORIES", HISTORIES), number("USAGE_SEED", 1));
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(4);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let mut db = memory();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let seeded = Named(seed);
                    runtime.block_on(one(&mut db, seed));
                    std::mem::forget(seeded);
                    empty(&db);
                }
            });
        }
    });
}

/// Says which history failed.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        eprintln!("history {0} failed: USAGE_SEED={0} USAGE_HISTORIES=1 cargo test --test usage", self.0);
    }
}
