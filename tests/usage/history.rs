//! The life of images, by the door for changes, and of their consumers.

use rand::{Rng, rngs::StdRng};
use vitrine::{
    db::{self, Db, DbError},
    image::{
        IsoDefaults,
        change::{self, Door},
        in_use::InUseRule,
    },
    model::{
        consumer::{Consumer, ConsumerKind, InUse},
        event::Author,
        image::{Image, Location, Visibility},
        notice::image::Moved,
        properties::Properties,
        status::Status,
        time::Timestamp,
        usage::meter::HOUR,
    },
};

use crate::oracle::{Oracle, State};

const PROJECTS: [&str; 3] = ["p0", "p1", "p2"];
const STORES: [&str; 3] = ["fast", "cheap", ""];
const GROUPS: [&str; 2] = ["Linux", "Windows"];
const SKUS: [&str; 2] = ["s0", "s1"];
const TAGS: [&str; 3] = ["a", "b", "ü"];

/// A database in which images live, and the time there.
pub struct History {
    db: Db,
    pub door: Door,
}

fn pick<T: Copy>(rng: &mut StdRng, all: &[T]) -> T {
    all[rng.random_range(0..all.len())]
}

fn maybe(rng: &mut StdRng, all: &[&str]) -> Option<String> {
    rng.random_bool(0.6).then(|| pick(rng, all).to_owned())
}

fn size(rng: &mut StdRng) -> i64 {
    let largest = pick(rng, &[1_i64, 1 << 20, 1 << 33, 1 << 45, i64::MAX]);
    rng.random_range(0..=largest)
}

pub fn new(id: &str, now: Timestamp) -> Image {
    Image {
        member: None,
        locations: Vec::new(),
        tags: Vec::new(),
        properties: Properties::default(),
        updated_at: now,
        created_at: now,
        os_hidden: false,
        protected: false,
        min_ram: 0,
        min_disk: 0,
        os_hash_value: None,
        os_hash_algo: None,
        checksum: None,
        virtual_size: None,
        size: None,
        container_format: Some("bare".to_owned()),
        disk_format: Some("raw".to_owned()),
        status: Status::Queued,
        visibility: Visibility::Private,
        owner: None,
        name: None,
        revision: 1,
        id: id.to_owned(),
    }
}

fn locations(rng: &mut StdRng, id: &str, turn: i64) -> Vec<Location> {
    let place = |n: usize, store: &str| Location {
        id: format!("{id}-{turn}-{n}"),
        url: format!("test://{id}/{turn}/{n}"),
        metadata: Default::default(),
        store: Some(store.to_owned()).filter(|store| !store.is_empty()),
        blob_id: None,
    };
    let count = rng.random_range(0..4);
    (0..count).map(|n| place(n, pick(rng, &STORES))).collect()
}

/// Changes what an image is charged as, or how much.
fn change(rng: &mut StdRng, image: &mut Image) {
    match rng.random_range(0..8) {
        0 => image.owner = maybe(rng, &PROJECTS),
        1 => {
            image.size = rng.random_bool(0.9).then(|| size(rng));
            image.virtual_size = rng.random_bool(0.5).then(|| size(rng));
        }
        2 => image.locations = locations(rng, &image.id, image.revision),
        3 => image.name = maybe(rng, &["one", "two"]),
        4 => image.set_property("media_group", maybe(rng, &GROUPS)),
        5 => image.set_property("license_sku", maybe(rng, &SKUS)),
        6 => image.set_tags((0..2).filter_map(|_| maybe(rng, &TAGS)).collect()),
        _ => image.visibility = pick(rng, &[Visibility::Public, Visibility::Private, Visibility::Shared]),
    }
}

impl History {
    /// Begins now, in an empty database.
    pub fn new(db: &Db) -> Self {
        let door = Door {
            author: Author::service(),
            delay_seconds: 0,
            storage_quota: None,
            bin_seconds: 0,
            public_seconds: None,
            iso: IsoDefaults::default(),
            limits: None,
            unified: None,
            groups_strict: false,
            fixed_stores: None,
            in_use: InUseRule::whatever(InUse::Allow),
            cooldown_seconds: 0,
            clock: db.clock.clone(),
            notices: db.notices.clone(),
            moved: Moved::default(),
        };
        Self { db: db.clone(), door }
    }

    /// Makes images and lets them be changed and deleted over so many days.
    pub fn live(&mut self, rng: &mut StdRng, oracle: &mut Oracle, images: usize, days: i64) {
        let begin = self.db.clock.now();
        let end = begin.0 + days * 24 * HOUR;
        let mut steps: Vec<(i64, usize)> = Vec::new();
        for image in 0..images {
            let made = rng.random_range(begin.0..end);
            // Minutes, days, or for good; what happens in one hour is the hard part.
            let life = pick(rng, &[HOUR / 4, 3 * HOUR, 72 * HOUR, days * 24 * HOUR]);
            for _ in 0..rng.random_range(2..9) {
                let time = made + rng.random_range(0..life);
                let time = if rng.random_bool(0.2) { time.div_euclid(HOUR) * HOUR } else { time };
                if (begin.0..end).contains(&time) {
                    steps.push((time, image));
                }
            }
        }
        steps.sort_unstable();
        for image in 0..images {
            let image = new(&format!("image-{image}"), begin);
            self.db.write_blocking(|conn| db::images::insert_drawn(conn, &image)).unwrap();
        }
        for (time, image) in steps {
            self.db.clock.set(Timestamp(time));
            if rng.random_bool(0.02) {
                // The machine's clock goes back a little now and then.
                self.db.clock.set(Timestamp((time - rng.random_range(0..HOUR)).max(begin.0)));
            }
            self.step(rng, oracle, &format!("image-{image}"));
        }
        self.db.clock.set(Timestamp(end));
    }

    /// One change of one image, or of its consumers.
    fn step(&mut self, rng: &mut StdRng, oracle: &mut Oracle, id: &str) {
        let is_killed = rng.random_bool(0.1);
        let Some(before) = self.db.read_blocking(|conn| db::images::find(conn, id)).unwrap() else { return };
        if rng.random_bool(0.2) {
            return self.consumer(rng, oracle, &before, is_killed);
        }
        let mut after = before.clone();
        match before.status {
            Status::Queued => {
                for _ in 0..8 {
                    change(rng, &mut after);
                }
                after.status = Status::Active;
            }
            _ if rng.random_bool(0.15) => after.status = Status::Deleted,
            Status::Active if rng.random_bool(0.1) => after.status = Status::Deactivated,
            Status::Deactivated if rng.random_bool(0.5) => after.status = Status::Active,
            _ => (0..rng.random_range(1..3)).for_each(|_| change(rng, &mut after)),
        }
        let saved = self.db.write_blocking(|conn| {
            let saved = change::in_txn(conn, &self.door, id, |_, _| Ok(Some(after.clone())))?;
            match is_killed {
                true => Err(DbError::Other("killed".to_owned())),
                false => Ok(saved),
            }
        });
        match (saved, is_killed) {
            (Ok(saved), false) => oracle.changed(id, self.db.clock.now(), State::of(&saved)),
            (Err(_), true) => (),
            (other, _) => panic!("{other:?}"),
        }
    }

    fn consumer(&mut self, rng: &mut StdRng, oracle: &mut Oracle, image: &Image, is_killed: bool) {
        let now = self.db.clock.now();
        let consumer = Consumer {
            image_id: image.id.clone(),
            kind: pick(rng, &[ConsumerKind::Server, ConsumerKind::Volume]),
            id: pick(rng, &["1", "2"]).to_owned(),
            project_id: maybe(rng, &PROJECTS),
            region: None,
            scope: None,
            since: now,
            last_seen: now,
        };
        let puts = rng.random_bool(0.6);
        let done = self.db.write_blocking(|conn| {
            if puts {
                db::consumers::put(conn, &consumer)?;
            } else {
                db::consumers::remove(conn, &consumer.image_id, consumer.kind, &consumer.id, now)?;
            }
            if is_killed { Err(DbError::Other("killed".to_owned())) } else { Ok(()) }
        });
        assert_eq!(done.is_err(), is_killed);
        if !is_killed {
            let key = format!("{}:{}", consumer.kind.as_str(), consumer.id);
            let sku = image.property("license_sku").and_then(|p| p.value.clone());
            oracle.consumer(
                &image.id,
                &key,
                now,
                puts.then_some((consumer.project_id, sku, image.name.clone())),
            );
        }
    }
}
