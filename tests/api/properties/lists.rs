//! Who sees what, and in which order: the list in SQL against the rule in Rust.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::select};
use vitrine::{
    db::{
        self, Db, DbError,
        images_page::{self, Page},
    },
    model::{
        caller::Caller,
        image::Image,
        list::{Direction, SORT_KEYS},
        member::MemberStatus,
        status::Status,
        visibility::{MemberFilter, Scope, Visibility, VisibilityFilter},
    },
};

use super::runner;
use crate::support::*;

const PROJECTS: [&str; 3] = ["p1", "p2", "p3"];

fn project() -> impl Strategy<Value = Option<String>> {
    prop_oneof![1 => Just(None), 4 => select(&PROJECTS[..]).prop_map(|p| Some(p.to_owned()))]
}

fn member_status() -> impl Strategy<Value = MemberStatus> {
    select(&MemberStatus::ALL[..])
}

/// An image with its members. Values are few, so that ties are many.
fn image_and_members() -> impl Strategy<Value = (Image, BTreeMap<&'static str, MemberStatus>)> {
    let names = prop_oneof![Just(None), select(&["", "a", "b"][..]).prop_map(|name| Some(name.to_owned()))];
    let formats = prop_oneof![Just(None), select(&["raw", "iso"][..]).prop_map(|name| Some(name.to_owned()))];
    let members = proptest::collection::btree_map(select(&PROJECTS[..]), member_status(), 0..3);
    let rest = (names, formats, proptest::option::of(0_i64..3), 0_i64..3, 0_i64..3, any::<bool>());
    (project(), select(&Visibility::ALL[..]), rest, members).prop_map(|(owner, visibility, rest, members)| {
        let (name, disk_format, size, age, update, active) = rest;
        let stored = record("", age);
        let image = Image {
            owner,
            visibility,
            name,
            disk_format,
            size,
            status: if active { Status::Active } else { Status::Queued },
            updated_at: stored.created_at.plus_seconds(update),
            ..stored
        };
        (image, members)
    })
}

fn scope() -> impl Strategy<Value = Scope> {
    let members = prop_oneof![Just(MemberFilter::All), member_status().prop_map(MemberFilter::Only)];
    let visibility = prop_oneof![
        3 => Just(VisibilityFilter::Default),
        2 => Just(VisibilityFilter::All),
        1 => Just(VisibilityFilter::Nothing),
        4 => select(&Visibility::ALL[..]).prop_map(VisibilityFilter::Only),
    ];
    (project(), prop_oneof![1 => Just(true), 3 => Just(false)], members, visibility).prop_map(
        |(project_id, is_admin, members, visibility)| {
            let caller = Caller { project_id, is_admin, ..Caller::default() };
            Scope::of(&caller, members, visibility)
        },
    )
}

/// A complete order: some keys, then the tie-breakers that are missing.
fn sort() -> impl Strategy<Value = Vec<(&'static str, Direction)>> {
    let key = (select(&SORT_KEYS[..]), any::<bool>());
    (vec(key, 0..3), any::<bool>()).prop_map(|(keys, last)| {
        let direction = |asc: bool| if asc { Direction::Asc } else { Direction::Desc };
        let mut sort: Vec<(&'static str, Direction)> = Vec::new();
        for (key, asc) in keys.into_iter().chain([("created_at", last), ("id", last)]) {
            if sort.iter().all(|(known, _)| *known != key) {
                sort.push((key, direction(asc)));
            }
        }
        sort
    })
}

/// What the order compares; absent values count as empty or 0.
fn sort_value(image: &Image, key: &str) -> (i64, String) {
    let text = |text: &Option<String>| (0, text.clone().unwrap_or_default());
    match key {
        "name" => text(&image.name),
        "disk_format" => text(&image.disk_format),
        "container_format" => text(&image.container_format),
        "status" => (0, image.status.as_str().to_owned()),
        "size" => (image.size.unwrap_or(0), String::new()),
        "created_at" => (image.created_at.0, String::new()),
        "updated_at" => (image.updated_at.0, String::new()),
        _ => (0, image.id.clone()),
    }
}

fn in_order(images: &mut [&Image], sort: &[(&str, Direction)]) {
    images.sort_by(|a, b| {
        let orders = sort.iter().map(|(key, direction)| {
            let order = sort_value(a, key).cmp(&sort_value(b, key));
            if *direction == Direction::Asc { order } else { order.reverse() }
        });
        orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
}

/// Walks the pages and answers the ids in the order in which they came.
fn walk(conn: &mut db::Conn, page: &Page) -> Vec<String> {
    let mut page = page.clone();
    let mut ids = Vec::new();
    loop {
        let images = images_page::load(conn, &page).unwrap().images;
        assert!(images.len() <= page.limit as usize);
        ids.extend(images.iter().map(|image| image.id.clone()));
        assert!(ids.len() < 1000, "the pages never end");
        match images.into_iter().last() {
            Some(last) => page.after = Some(last),
            None => return ids,
        }
    }
}

on_each_database! {
    /// The list in SQL holds exactly the images that the rule in Rust names, in order, and any page size shows
    /// each of them once.
    fn sec_45_lists_obey_the_visibility_rule(database: Database) {
        let folder = scratch_folder();
        let database = TestDatabase::create(database, folder.path());
        let settings = db::Settings { connection: database.url().to_owned(), max_pool_size: 1, ..db::Settings::default() };
        let db = Db::open(&settings).unwrap();
        let asked = vec((scope(), sort(), 1_u32..6), 12);
        let outcome = runner(24).run(&(vec(image_and_members(), 0..14), asked), |(images, asked)| {
            // Rolled back at the end, so that every case begins with an empty database.
            let result = db.write_blocking(|conn| {
                for (image, members) in &images {
                    db::images::insert(conn, image)?;
                    for (member, status) in members {
                        db::members::insert(conn, image, member, now())?;
                        db::members::set_status(conn, &image.id, member, *status, now())?;
                    }
                }
                for (scope, sort, limit) in &asked {
                    let mut expected: Vec<&Image> = images
                        .iter()
                        .filter(|(image, members)| {
                            let membership = scope.project.as_deref().and_then(|p| members.get(p)).copied();
                            scope.contains(image, membership)
                        })
                        .map(|(image, _)| image)
                        .collect();
                    in_order(&mut expected, sort);
                    let expected: Vec<String> = expected.iter().map(|image| image.id.clone()).collect();
                    for limit in [*limit, 100] {
                        let page = Page {
                            scope: scope.clone(),
                            filters: Vec::new(),
                            os_hidden: false,
                            hidden_groups: std::sync::Arc::default(),
                            sort: sort.clone(),
                            after: None,
                            limit,
                            bytes_max: usize::MAX,
                        };
                        assert_eq!(walk(conn, &page), expected, "{scope:?} {sort:?} {limit}");
                    }
                }
                Err::<(), _>(DbError::stale("case", 1))
            });
            prop_assert!(matches!(result, Err(DbError::Stale(_))), "{:?}", result);
            Ok(())
        });
        outcome.unwrap_or_else(|fault| panic!("{fault}"));
    }
}
