//! Cases that were worked out by hand: `tests/data/usage.tsv`.

use vitrine::{
    image::change,
    model::{
        clock::Clock,
        image::{Image, Location, Visibility},
        status::Status,
        time::Timestamp,
        usage::{
            meter::{Basis, HOUR, Rounding, Rules, Span},
            rates::{Rates, parse},
            sums::{Month, rounded, trimmed, written},
        },
    },
    usage::{Filter, Group, Settings},
};

use crate::history::{self, History};

const GIGA: i64 = 1_000_000_000;

fn time(text: &str) -> Timestamp {
    Timestamp::parse_iso(&format!("2026-{text}")).expect(text)
}

fn settings(words: &str) -> Settings {
    let mut rules = Rules::default();
    let mut month = Month::default();
    for word in words.split(',').filter(|word| *word != "-") {
        match word {
            "exact" => rules.rounding = Rounding::Exact,
            "public" => rules.has_public = true,
            "replica" => rules.basis = Basis::Replica,
            "virtual" => rules.basis = Basis::Virtual,
            "calendar" => month = Month::Calendar,
            word => rules.min_bytes = word.strip_prefix("min=").unwrap().parse::<i64>().unwrap() * GIGA,
        }
    }
    Settings { rules, month, ..Settings::default() }
}

fn stores(count: usize) -> Vec<Location> {
    let place = |n| Location {
        id: format!("location-{n}"),
        url: format!("test://{n}"),
        metadata: Default::default(),
        store: Some(format!("store-{n}")),
        blob_id: None,
    };
    (0..count).map(place).collect()
}

/// What happens to an image.
fn step(image: &Image, what: &str) -> Image {
    let mut after = image.clone();
    match what.split_once('=').unwrap_or((what, "")) {
        ("-", _) => after.status = Status::Deleted,
        ("deactivate", _) => after.status = Status::Deactivated,
        ("hide", _) => after.os_hidden = true,
        ("public", _) => after.visibility = Visibility::Public,
        ("private", _) => after.visibility = Visibility::Private,
        ("owner", project) => after.owner = Some(project.to_owned()),
        ("stores", count) => after.locations = stores(count.parse().unwrap()),
        ("virtual", gigabytes) => after.virtual_size = Some(gigabytes.parse::<i64>().unwrap() * GIGA),
        (gigabytes, _) => {
            after.size = Some(gigabytes.parse::<i64>().unwrap() * GIGA);
            if image.status == Status::Queued {
                (after.status, after.locations) = (Status::Active, stores(1));
            }
        }
    }
    after
}

/// Every case comes out as it was worked out.
#[test]
fn cases_come_out_as_by_hand() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut db = crate::memory();
    let mut count = 0;
    let lines = include_str!("../data/usage.tsv").lines().filter(|line| !line.starts_with('#')).skip(1);
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, words, steps, from, to, hours, months, amount, rate] = cells[..] else { panic!("{line}") };
        db.clock = Clock::standing(time("01-01T00:00"));
        let door = History::new(&db).door;
        let image = Image { owner: Some("p".to_owned()), ..history::new("image", db.clock.now()) };
        db.write_blocking(|conn| vitrine::db::images::insert_drawn(conn, &image)).unwrap();
        for (at, what) in steps.split("; ").map(|step| step.split_once(' ').unwrap()) {
            db.clock.set(time(at));
            db.write_blocking(|conn| {
                change::in_txn(conn, &door, "image", |_, image| Ok(Some(step(image, what))))
            })
            .unwrap();
        }
        db.clock.set(time("12-31T12:00"));
        let usage = crate::usage(&db, settings(words));
        let rates = Rates { currency: "EUR".to_owned(), default: parse(rate), ..Rates::default() };
        let found = runtime.block_on(async {
            usage.enter_rates(rates, Some(time("01-01T00:00")), None).await.unwrap();
            let period = Span { from: time(from), to: time(to) };
            usage.reported(period, Group::Image, Filter::default()).await.unwrap()
        });
        let total = &found.images.total;
        let counted = trimmed(&rounded(&total.time, &HOUR.into(), 6), 6);
        let found = (counted, written(&total.months, 6), written(&total.amount, 4));
        assert_eq!(found, (hours.to_owned(), months.to_owned(), amount.to_owned()), "{name}");
        crate::empty(&db);
        count += 1;
    }
    assert!(count >= 40, "{count} cases");
}
