//! What should be charged, counted hour by hour from what was done.

use std::collections::{BTreeMap, BTreeSet};

use vitrine::{
    db::{
        Db,
        usage_report::{self, Wanted},
    },
    model::{
        image::{Image, Visibility},
        status::Status,
        time::Timestamp,
        usage::{
            self, Interval,
            meter::{Basis, HOUR, Rounding, Rules, Span},
            rates::Book,
        },
    },
    usage::{Group, Line, Report},
};

/// What an image, or a consumer with a licence, is charged as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    project: Option<String>,
    bytes: i64,
    unpacked: i64,
    stores: Vec<String>,
    name: Option<String>,
    group: Option<String>,
    tags: BTreeSet<String>,
    sku: Option<String>,
    is_public: bool,
}

impl State {
    pub fn of(image: &Image) -> Option<Self> {
        let text = |name| image.property(name).and_then(|p| p.value.clone());
        let is_charged = image.status == Status::Active || image.status == Status::Deactivated;
        is_charged.then(|| Self {
            project: image.owner.clone(),
            bytes: image.size.unwrap_or(0),
            unpacked: image.virtual_size.or(image.size).unwrap_or(0),
            stores: image.locations.iter().map(|l| l.store.clone().unwrap_or_default()).collect(),
            name: image.name.clone(),
            group: text("media_group"),
            tags: image.tags.iter().cloned().collect(),
            sku: text("license_sku"),
            is_public: image.visibility == Visibility::Public,
        })
    }

    fn quantity(&self) -> (&Option<String>, i64, i64, &[String]) {
        (&self.project, self.bytes, self.unpacked, &self.stores)
    }
}

/// From when to when something was charged as one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    from: i64,
    to: Option<i64>,
    state: State,
}

type Of = (String, String);

/// What was done.
#[derive(Default)]
pub struct Oracle {
    stretches: BTreeMap<Of, Vec<Stretch>>,
    /// The interval, and whether it is a closing, of each entry.
    entries: Vec<(Interval, bool)>,
}

/// What tells lines apart: section, project, image, store, group, sku, tags, bytes, rate.
type Key = (
    bool,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Vec<String>,
    Option<i128>,
    Option<i64>,
);

/// What a line has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    time: i128,
    bytes: i128,
    first: i64,
    last: i64,
}

impl Entry {
    /// The lines of a report.
    pub fn of(report: &Report) -> BTreeMap<Key, Self> {
        let one = |is_license: bool, line: &Line| {
            let tags = if line.image.is_some() { Vec::new() } else { line.tags.clone() };
            let key = (
                is_license,
                line.project.clone(),
                line.image.clone(),
                line.store.clone(),
                line.media_group.clone(),
                line.sku.clone(),
                tags,
                line.bytes,
                line.rate,
            );
            let (first, last) = (line.first_hour.unwrap().0, line.last_hour.unwrap().0);
            let [time, bytes] = [&line.time, &line.byte_time].map(|sum| i128::try_from(sum).unwrap());
            (key, Self { time, bytes, first, last })
        };
        let images = report.images.lines.iter().map(|line| one(false, line));
        images.chain(report.licenses.lines.iter().map(|line| one(true, line))).collect()
    }
}

fn hour(time: i64) -> i64 {
    time.div_euclid(HOUR)
}

impl Oracle {
    /// An image is charged as something else from now on, or not any more.
    pub fn changed(&mut self, id: &str, now: Timestamp, state: Option<State>) {
        let of = (id.to_owned(), String::new());
        if state.is_none() {
            for (_, all) in self.stretches.range_mut(of.clone()..).take_while(|((image, _), _)| image == id) {
                close(all, now.0);
            }
        }
        self.turn(of, now.0, state);
    }

    /// A consumer was told of, with its project and the licence and name that the image has; or it is gone.
    pub fn consumer(
        &mut self,
        id: &str,
        consumer: &str,
        now: Timestamp,
        told: Option<(Option<String>, Option<String>, Option<String>)>,
    ) {
        let of = (id.to_owned(), consumer.to_owned());
        let all = self.stretches.entry(of.clone()).or_default();
        let known = all.last().filter(|last| last.to.is_none());
        let state = match (told, known) {
            (None, _) => None,
            (Some((project, _, _)), Some(old)) => Some(State { project, ..old.state.clone() }),
            (Some((project, sku, name)), None) => Some(State { project, sku, name, ..State::default() }),
        };
        self.turn(of, now.0, state);
    }

    fn turn(&mut self, of: Of, now: i64, state: Option<State>) {
        let all = self.stretches.entry(of).or_default();
        if let Some(last) = all.last_mut().filter(|last| last.to.is_none()) {
            if Some(&last.state) == state.as_ref() {
                return;
            }
            let now = now.max(last.from);
            match state {
                Some(state) if state.quantity() == last.state.quantity() && hour(now) == hour(last.from) => {
                    last.state = state;
                }
                state => {
                    last.to = Some(now);
                    all.extend(state.map(|state| Stretch { from: now, to: None, state }));
                }
            }
        } else {
            all.extend(state.map(|state| Stretch { from: now, to: None, state }));
        }
    }

    /// Everything that is charged: consumers without a licence are not.
    fn charged(&self) -> impl Iterator<Item = (&Of, impl Iterator<Item = &Stretch>)> {
        self.stretches.iter().map(|(of, all)| {
            (of, all.iter().filter(|stretch| of.1.is_empty() || stretch.state.sku.is_some()))
        })
    }

    /// The ledger has what was done, and each image that has data exactly one open interval.
    pub fn check_open(&self, db: &Db, now: Timestamp) {
        let wanted = Wanted { has_licenses: true, ..Wanted::default() };
        let span = Span { from: Timestamp(0), to: now.plus_seconds(1) };
        let rows = db.read_blocking(|conn| usage_report::page(conn, &wanted, span, None, i64::MAX)).unwrap();
        let mut found: BTreeMap<Of, Vec<Stretch>> = BTreeMap::new();
        for row in rows {
            let usage::Metered { facts, labels } = row.metered;
            let state = State {
                project: facts.project,
                bytes: facts.bytes,
                unpacked: facts.virtual_bytes,
                stores: facts.stores,
                name: labels.name,
                group: labels.media_group,
                tags: labels.tags.into_iter().collect(),
                sku: labels.sku,
                is_public: labels.is_public,
            };
            let stretch = Stretch { from: row.from.0, to: row.to.map(|to| to.0), state };
            found.entry((row.image_id, row.consumer)).or_default().push(stretch);
        }
        let expected: BTreeMap<Of, Vec<Stretch>> = self
            .charged()
            .map(|(of, all)| (of.clone(), all.cloned().collect::<Vec<_>>()))
            .filter(|(_, all)| !all.is_empty())
            .collect();
        for (of, all) in &found {
            assert_eq!(Some(all), expected.get(of), "{of:?}");
        }
        assert_eq!(found.len(), expected.len());
    }

    /// The lines of a report.
    pub fn lines(
        &self,
        rules: &Rules,
        span: Span,
        now: Timestamp,
        group: Group,
        book: &Book,
    ) -> BTreeMap<Key, Entry> {
        let mut lines = BTreeMap::new();
        for ((image, consumer), all) in self.charged() {
            let all: Vec<&Stretch> = all.collect();
            let mut stores: BTreeSet<&str> =
                all.iter().flat_map(|stretch| &stretch.state.stores).map(String::as_str).collect();
            stores.insert("");
            let projects: BTreeSet<&Option<String>> =
                all.iter().map(|stretch| &stretch.state.project).collect();
            for project in projects {
                for store in &stores {
                    let of: Vec<(&Stretch, i128)> = all
                        .iter()
                        .filter(|stretch| stretch.state.project == *project)
                        .filter_map(|stretch| {
                            Some((*stretch, bytes(rules, &stretch.state, store, consumer)?))
                        })
                        .collect();
                    let mut count = |stretch: &Stretch, bytes: i128, at: i64, length: i64| {
                        if stretch.state.is_public && !rules.has_public {
                            return;
                        }
                        let key = key(group, image, consumer, store, &stretch.state, bytes, at, book);
                        let line = lines.entry(key).or_insert_with(|| Entry {
                            time: 0,
                            bytes: 0,
                            first: at,
                            last: at,
                        });
                        line.time += i128::from(length);
                        line.bytes += bytes * i128::from(length);
                        (line.first, line.last) = (line.first.min(at), line.last.max(at));
                    };
                    match rules.rounding {
                        Rounding::ClockHour => by_hour(&of, span, now, &mut count),
                        Rounding::Exact => exactly(&of, span, now, &mut count),
                    }
                }
            }
        }
        lines
    }

    /// Takes an entry of the ledger.
    pub fn entry(&mut self, entry: &usage::Entry) {
        self.entries.push((entry.interval.clone(), entry.closes));
    }

    /// The entries have each opening and each closing once, and none is closed before it is opened.
    pub fn check_entries(&self) {
        let mut open = BTreeSet::new();
        let mut closed = BTreeSet::new();
        for (interval, closes) in &self.entries {
            let is_new = if *closes { closed.insert(interval.id) } else { open.insert(interval.id) };
            assert!(is_new && open.contains(&interval.id), "{interval:?}");
        }
        let all = || self.charged().flat_map(|(_, all)| all);
        assert_eq!(open.len(), all().count());
        assert_eq!(closed.len(), all().filter(|stretch| stretch.to.is_some()).count());
    }
}

fn close(all: &mut [Stretch], now: i64) {
    if let Some(last) = all.last_mut().filter(|last| last.to.is_none()) {
        last.to = Some(now.max(last.from));
    }
}

/// What a state counts for in a store.
fn bytes(rules: &Rules, state: &State, store: &str, consumer: &str) -> Option<i128> {
    if !consumer.is_empty() {
        return store.is_empty().then_some(1);
    }
    let least = |bytes: i64| i128::from(bytes.max(rules.min_bytes));
    let is_first = state.stores.first().map_or("", String::as_str) == store;
    match rules.basis {
        Basis::Image => is_first.then(|| least(state.bytes)),
        Basis::Virtual => is_first.then(|| least(state.unpacked)),
        Basis::Replica => {
            let copies = state.stores.iter().filter(|other| *other == store).count();
            (copies > 0).then(|| least(state.bytes) * copies as i128)
        }
    }
}

/// Looks at every hour: of what was there in it the largest counts, of equals the last.
fn by_hour(
    of: &[(&Stretch, i128)],
    span: Span,
    now: Timestamp,
    count: &mut impl FnMut(&Stretch, i128, i64, i64),
) {
    let (first, end) = (hour(span.from.0), hour(span.to.0));
    if of.is_empty() {
        return;
    }
    let mut hours: Vec<Option<usize>> = vec![None; usize::try_from(end - first).unwrap()];
    for (place, (stretch, bytes)) in of.iter().enumerate() {
        let to = stretch.to.unwrap_or(now.0.max(stretch.from) + 1);
        for (at, best) in hours.iter_mut().enumerate() {
            let begin = (first + at as i64) * HOUR;
            if begin + HOUR <= stretch.from {
                continue;
            }
            if begin >= to && (to != stretch.from || begin > to) {
                break;
            }
            if best.is_none_or(|best| of[best].1 <= *bytes) {
                *best = Some(place);
            }
        }
    }
    for (at, best) in hours.into_iter().enumerate() {
        if let Some(best) = best {
            count(of[best].0, of[best].1, (first + at as i64) * HOUR, HOUR);
        }
    }
}

/// Looks at every hour: what was there for a part of it counts for that.
fn exactly(
    of: &[(&Stretch, i128)],
    span: Span,
    now: Timestamp,
    count: &mut impl FnMut(&Stretch, i128, i64, i64),
) {
    for (stretch, bytes) in of {
        let to = stretch.to.unwrap_or(now.0).min(span.to.0).min(now.0);
        let mut at = stretch.from.max(span.from.0);
        while at < to {
            let next = to.min((hour(at) + 1) * HOUR);
            count(stretch, *bytes, hour(at) * HOUR, next - at);
            at = next;
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn key(
    group: Group,
    image: &str,
    consumer: &str,
    store: &str,
    state: &State,
    bytes: i128,
    at: i64,
    book: &Book,
) -> Key {
    let rates = book.0.iter().filter(|(from, _)| **from <= at).map(|(_, rates)| rates).next_back();
    let rate = rates.and_then(|rates| {
        let sku = state.sku.as_ref();
        if !consumer.is_empty() {
            return rates.licenses.get(sku?).copied();
        }
        let by_sku = sku.and_then(|sku| rates.skus.get(sku));
        let by_project = state.project.as_ref().and_then(|project| rates.projects.get(project));
        by_sku.or(by_project).or(rates.default.as_ref()).copied()
    });
    let mut key: Key = (!consumer.is_empty(), None, None, None, None, None, Vec::new(), None, rate);
    match group {
        Group::Image => {
            (key.1, key.2, key.5) = (state.project.clone(), Some(image.to_owned()), state.sku.clone());
            key.7 = consumer.is_empty().then_some(bytes);
        }
        Group::Project => key.1 = state.project.clone(),
        Group::Store => key.3 = Some(store.to_owned()),
        Group::Sku => key.5 = state.sku.clone(),
        Group::MediaGroup => key.4 = state.group.clone(),
        Group::Tag => key.6 = state.tags.iter().cloned().collect(),
    }
    key
}
