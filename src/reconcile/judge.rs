//! Classifies an object of a store by what the database says about its name. Nothing is looked up here.

use serde::{Deserialize, Serialize};

use crate::{
    db::stored::Kept,
    model::{
        blob::BlobState,
        finding::{Finding, ObjectState},
        image::is_uuid,
        status::Status,
        time::Timestamp,
    },
};

/// An object in the listing of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Size in bytes, if listed.
    pub size: Option<u64>,
    /// Modification time in microseconds since 1970 by the store's clock, if listed.
    pub modified: Option<i64>,
}

/// All that there is under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Whether it is that of something unfinished.
    pub unfinished: bool,
    /// The object itself.
    pub object: Option<Object>,
    /// The rows of the ledger.
    pub rows: Vec<Kept>,
    /// An image that refers to it without a blob row.
    pub elsewhere: Option<String>,
    /// Another name whose image has the same hash.
    pub twin: Option<String>,
}

/// By what time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Now, by the clock of the database.
    pub now: Timestamp,
    /// Now, by the clock of the store: ages are differences of times of one clock.
    pub there: Timestamp,
    /// Seconds for which an unreferenced object is left alone.
    pub grace_seconds: i64,
    /// For how many seconds the longest work has been under way: what it has made may have no row yet that we can see.
    pub work_seconds: i64,
}

impl Times {
    /// The age of an object in seconds; below zero when it is from the future.
    pub fn age(&self, object: &Object) -> Option<i64> {
        object.modified.map(|modified| self.there.0.saturating_sub(modified) / 1_000_000)
    }

    /// Whether an object that nothing refers to is old enough to be nobody's. One whose age is not known never is.
    fn is_settled(&self, object: &Object) -> bool {
        self.age(object).is_some_and(|age| age >= self.grace_seconds && age > self.work_seconds)
    }
}

/// Whether a name is one that a blob takes where that of its image is taken (`Blob::name_of_its_own`).
pub fn is_name_of_its_own(name: &str) -> bool {
    name.split_once('.').is_some_and(|(image, blob)| is_uuid(image) && is_uuid(blob))
}

/// Whether a name is one that our objects have, wherever the store keeps those of a project.
fn is_ours(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    is_uuid(name) || is_name_of_its_own(name)
}

/// The state of a name; `None` if there is nothing and should be nothing. Known sizes are compared if requested.
pub fn judge(named: &Named, times: &Times, sizes: bool) -> Option<Finding> {
    let (state, reason, row) = match &named.object {
        None => missing(named)?,
        Some(object) if named.unfinished => unfinished(named, object, times),
        Some(object) => finished(named, object, times, sizes),
    };
    Some(Finding {
        state,
        name: named.name.clone(),
        unfinished: named.unfinished,
        bytes: named.object.as_ref().and_then(|object| object.size),
        modified: named.object.as_ref().and_then(|object| object.modified),
        image_id: row.map(|row| row.image_id.clone()).or_else(|| named.elsewhere.clone()),
        blob_id: row.map(|row| row.id.clone()),
        reason,
        outcome: None,
    })
}

type Judged<'a> = (ObjectState, String, Option<&'a Kept>);

fn in_state(named: &Named, state: BlobState) -> Option<&Kept> {
    named.rows.iter().find(|row| row.blob_state() == Some(state))
}

fn missing(named: &Named) -> Option<Judged<'_>> {
    let row = in_state(named, BlobState::Live).filter(|_| !named.unfinished)?;
    Some((ObjectState::Missing, "a location refers to it, and it is not there".to_owned(), Some(row)))
}

fn unfinished<'a>(named: &'a Named, object: &Object, times: &Times) -> Judged<'a> {
    if let Some(row) = in_state(named, BlobState::Quarantined) {
        return (ObjectState::Quarantined, "it is on its way out of the way".to_owned(), Some(row));
    }
    let Some(row) = named.rows.first() else {
        let nothing = "nothing knows of work on it";
        return match times.is_settled(object) {
            true => (ObjectState::StaleStaging, nothing.to_owned(), None),
            false => (ObjectState::Young, nothing.to_owned(), None),
        };
    };
    match row.lease_until >= times.now.0 {
        true => (ObjectState::Staging, "somebody writes it".to_owned(), Some(row)),
        false => (
            ObjectState::StaleStaging,
            "whoever wrote it is gone; the reaper deletes it".to_owned(),
            Some(row),
        ),
    }
}

fn finished<'a>(named: &'a Named, object: &Object, times: &Times, sizes: bool) -> Judged<'a> {
    if let Some(row) = in_state(named, BlobState::Live) {
        let (state, reason) = match live(row, object, sizes) {
            (ObjectState::Ok, reason) => remarkable(named, row).unwrap_or((ObjectState::Ok, reason)),
            wrong => wrong,
        };
        return (state, reason, Some(row));
    }
    if let Some(row) = named.rows.first() {
        let (state, reason) = match row.blob_state() {
            Some(BlobState::Doomed) => (ObjectState::PendingDelete, "its image is deleted"),
            Some(BlobState::Quarantined) => (ObjectState::Quarantined, "it is on its way out of the way"),
            _ if row.lease_until >= times.now.0 => (ObjectState::Staging, "somebody writes it"),
            _ => (ObjectState::StaleStaging, "whoever wrote it is gone; the reaper deletes it"),
        };
        return (state, reason.to_owned(), Some(row));
    }
    if named.elsewhere.is_some() {
        return (ObjectState::Ok, "a location of others refers to it".to_owned(), None);
    }
    let nothing = "no location refers to it";
    match (is_ours(&named.name), times.is_settled(object)) {
        (false, _) => (ObjectState::Foreign, "its name is none that this service gives".to_owned(), None),
        (true, true) => (ObjectState::Orphan, nothing.to_owned(), None),
        (true, false) => (ObjectState::Young, nothing.to_owned(), None),
    }
}

fn live(row: &Kept, object: &Object, sizes: bool) -> (ObjectState, String) {
    let known = |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok()).filter(|size| *size > 0);
    let Some(there) = object.size.filter(|_| sizes) else {
        return (ObjectState::Ok, "an image has it".to_owned());
    };
    if let Some(image) = &row.image
        && image.status == Status::Active.as_str()
        && known(image.size).is_none()
        && there > 0
    {
        return (ObjectState::SizeUnknown, format!("its image does not know that it has {there} bytes"));
    }
    match row.size.map(|size| u64::try_from(size).unwrap_or(0)) {
        Some(size) if size != there => {
            (ObjectState::SizeMismatch, format!("it has {there} bytes, and should have {size}"))
        }
        _ => (ObjectState::Ok, "an image has it".to_owned()),
    }
}

/// What is worth knowing of an object with which nothing is wrong.
fn remarkable(named: &Named, row: &Kept) -> Option<(ObjectState, String)> {
    if let Some(server) = row.image.as_ref().and_then(|image| image.gone_source.as_ref()) {
        return Some((
            ObjectState::StaleSource,
            format!("the server {server} that its image was captured from is gone"),
        ));
    }
    let twin = named.twin.as_ref()?;
    Some((ObjectState::Duplicate, format!("its image has the same hash as that of {twin}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::db::stored::OfImage;

    const HOUR: i64 = 3600;
    const NAME: &str = "3a1b2c3d-0123-4567-89ab-0123456789ab";

    fn times() -> Times {
        let now = Timestamp(1_800_000_000_000_000);
        Times { now, there: now, grace_seconds: 24 * HOUR, work_seconds: 0 }
    }

    fn object(age_seconds: i64, size: u64) -> Option<Object> {
        let modified = times().there.plus_seconds(age_seconds.saturating_neg()).0;
        Some(Object { size: Some(size), modified: Some(modified) })
    }

    fn row(state: BlobState, size: i64) -> Kept {
        let image = OfImage {
            status: "active".to_owned(),
            size: Some(size),
            owner: None,
            name: None,
            disk_format: None,
            virtual_size: None,
            hash: None,
            gone_source: None,
        };
        Kept {
            id: "row".to_owned(),
            name: NAME.to_owned(),
            image_id: NAME.to_owned(),
            state: state.as_str().to_owned(),
            size: Some(size),
            lease_until: 0,
            image: Some(image),
        }
    }

    fn named(object: Option<Object>, rows: Vec<Kept>) -> Named {
        Named { name: NAME.to_owned(), object, rows, ..Named::default() }
    }

    fn state(named: &Named, times: &Times) -> Option<&'static str> {
        judge(named, times, true).map(|finding| finding.state.as_str())
    }

    /// Proves how each combination of object, row and age is read.
    #[test]
    fn objects_are_read_by_their_rows() {
        let old = || object(48 * HOUR, 9);
        let writing =
            |seconds| Kept { lease_until: times().now.plus_seconds(seconds).0, ..row(BlobState::Writing, 9) };
        let nameless = Kept {
            image: Some(OfImage { size: Some(0), ..row(BlobState::Live, 9).image.unwrap() }),
            ..row(BlobState::Live, 9)
        };
        for (object, rows, expected) in [
            (old(), vec![row(BlobState::Live, 9)], Some("ok")),
            (old(), vec![row(BlobState::Live, 8)], Some("size-mismatch")),
            (old(), vec![nameless], Some("size-unknown")),
            (None, vec![row(BlobState::Live, 9)], Some("missing")),
            (None, vec![writing(10)], None),
            (None, vec![], None),
            (old(), vec![writing(10)], Some("staging")),
            (old(), vec![writing(-10)], Some("stale-staging")),
            (old(), vec![row(BlobState::Doomed, 9)], Some("pending-delete")),
            (old(), vec![row(BlobState::Quarantined, 9)], Some("quarantined")),
            (old(), vec![], Some("orphan")),
            (object(23 * HOUR, 9), vec![], Some("young")),
        ] {
            assert_eq!(state(&named(object, rows), &times()), expected);
        }
        let mut captured = row(BlobState::Live, 9);
        captured.image.as_mut().unwrap().gone_source = Some("s".to_owned());
        let with_twin = |size, rows| Named { twin: Some("other".to_owned()), ..named(object(0, size), rows) };
        for (named, expected) in [
            (with_twin(9, vec![row(BlobState::Live, 9)]), "duplicate"),
            (with_twin(9, vec![captured.clone()]), "stale-source"),
            // What is wrong comes first, and what nothing refers to is nobody's twin.
            (with_twin(8, vec![captured]), "size-mismatch"),
            (with_twin(9, vec![row(BlobState::Doomed, 9)]), "pending-delete"),
            (with_twin(9, vec![]), "young"),
        ] {
            assert_eq!(state(&named, &times()), Some(expected));
        }
        let elsewhere = Named { elsewhere: Some("i".to_owned()), ..named(old(), vec![]) };
        assert_eq!(state(&elsewhere, &times()), Some("ok"));
        for name in ["stray", "a/b", ".x", "3A1B2C3D-0123"] {
            let foreign = Named { name: name.to_owned(), ..named(old(), vec![]) };
            assert_eq!(state(&foreign, &times()), Some("foreign"), "{name}");
        }
        let part = |object, rows| Named { unfinished: true, ..named(object, rows) };
        assert_eq!(state(&part(old(), vec![]), &times()), Some("stale-staging"));
        assert_eq!(state(&part(object(HOUR, 1), vec![]), &times()), Some("young"));
        assert_eq!(state(&part(old(), vec![writing(10)]), &times()), Some("staging"));
    }

    /// Proves that no clock makes an object old that is not: one that runs ahead of the store's, one that the object
    /// itself is ahead of, or a store that says nothing of times; and that what came while work was under way is young.
    #[test]
    fn sec_73_no_clock_makes_a_new_object_old() {
        let new = named(object(HOUR, 9), vec![]);
        let ahead = Times { now: times().now.plus_seconds(1000 * HOUR), ..times() };
        assert_eq!(state(&new, &ahead), Some("young"));
        assert_eq!(state(&named(object(-HOUR, 9), vec![]), &times()), Some("young"));
        let timeless = named(Some(Object { size: Some(9), modified: None }), vec![]);
        assert_eq!(state(&timeless, &times()), Some("young"));
        let old = named(object(48 * HOUR, 9), vec![]);
        assert_eq!(state(&old, &Times { work_seconds: 50 * HOUR, ..times() }), Some("young"));
        assert_eq!(state(&old, &times()), Some("orphan"));
    }
}
