//! How databases find a page of images: in the order of an index, however many images there are.

use diesel::{RunQueryDsl, connection::SimpleConnection, sql_types::Text};
use vitrine::{
    db::{Conn, DbResult, images_page, statement::Statement},
    model::{
        fit,
        image::Image,
        list::{Direction, Filter, SORT_KEYS},
        member::MemberStatus,
        time::Timestamp,
        visibility::{MemberFilter, Scope, Visibility, VisibilityFilter},
    },
};

use crate::support::*;

/// Images enough for a database to prefer an index to reading and sorting them all.
const IMAGES: u32 = 900;

#[derive(diesel::QueryableByName)]
struct SqliteStep {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(diesel::QueryableByName)]
struct PostgresLine {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

#[derive(diesel::QueryableByName)]
struct MysqlPlan {
    #[diesel(sql_type = Text, column_name = "EXPLAIN")]
    json: String,
}

/// How many sorts of more than a page a database plans for a statement, and the plan.
fn sorts(conn: &mut Conn, statement: Statement) -> DbResult<(usize, String)> {
    let (explain, sort) = match conn {
        Conn::Sqlite(_) => ("EXPLAIN QUERY PLAN ", "TEMP B-TREE"),
        Conn::Postgres(_) => ("EXPLAIN ", "Sort  ("),
        Conn::Mysql(_) => ("EXPLAIN FORMAT=JSON ", "\"filesort\""),
    };
    if let Conn::Postgres(conn) = conn {
        // There are too few images for it to see what an index is worth, so it is told.
        conn.batch_execute(
            "SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
             SET LOCAL enable_incremental_sort = off",
        )?;
    }
    let statement = Statement::new(explain).then(statement);
    let lines: Vec<String> = match conn {
        Conn::Sqlite(_) => statement.load::<SqliteStep>(conn)?.into_iter().map(|step| step.detail).collect(),
        Conn::Postgres(_) => {
            statement.load::<PostgresLine>(conn)?.into_iter().map(|line| line.line).collect()
        }
        Conn::Mysql(_) => statement.load::<MysqlPlan>(conn)?.into_iter().map(|plan| plan.json).collect(),
    };
    // SQLite sorts the page of each branch before it merges them.
    let of_page = |line: usize| line > 0 && lines[line - 1].starts_with("SCAN b");
    let count = lines
        .iter()
        .enumerate()
        .filter(|(line, _)| !of_page(*line))
        .map(|(_, text)| text.matches(sort).count());
    let (count, plan) = (count.sum(), lines.join("\n"));
    Ok((count, plan))
}

/// Images of three owners, of all visibilities, some without what they are sorted by.
fn fill(conn: &mut Conn) -> DbResult<()> {
    let (text, analyze) = match conn {
        // Nobody has it gather figures in service either.
        Conn::Sqlite(_) => ("TEXT", "SELECT 1"),
        Conn::Postgres(_) => ("VARCHAR", "ANALYZE images"),
        Conn::Mysql(_) => ("CHAR", "ANALYZE TABLE images"),
    };
    conn.batch_execute(&format!(
        "INSERT INTO images (id, revision, name, owner, visibility, status, disk_format, container_format, size, min_disk, \
         min_ram, protected, os_hidden, deleted, created_at, updated_at) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {IMAGES}) \
         SELECT CAST(i AS {text}), 1, CASE WHEN i % 7 = 0 THEN NULL ELSE CAST(i % 50 AS {text}) END, \
         CASE i % 3 WHEN 0 THEN 'alice' WHEN 1 THEN 'bob' ELSE 'carol' END, \
         CASE i % 4 WHEN 0 THEN 'public' WHEN 1 THEN 'community' WHEN 2 THEN 'private' ELSE 'shared' END, 'active', 'raw', \
         CASE WHEN i % 5 = 0 THEN NULL ELSE 'bare' END, i, 0, 0, FALSE, FALSE, FALSE, i, {IMAGES} - i FROM n"
    ))?;
    conn.batch_execute(analyze)?;
    Ok(())
}

/// The ways of seeing images, whether what others share is among it, and how many branches they have.
fn scopes() -> Vec<(Scope, bool, usize)> {
    let scope = |admin, project: Option<&str>, visibility| Scope {
        admin,
        project: project.map(str::to_owned),
        members: MemberFilter::Only(MemberStatus::Accepted),
        visibility,
    };
    let alice = |visibility| scope(false, Some("alice"), visibility);
    vec![
        (alice(VisibilityFilter::Default), true, 3),
        (alice(VisibilityFilter::All), true, 4),
        (alice(VisibilityFilter::Only(Visibility::Private)), false, 1),
        (alice(VisibilityFilter::Only(Visibility::Shared)), true, 2),
        (alice(VisibilityFilter::Only(Visibility::Public)), false, 1),
        (alice(VisibilityFilter::Only(Visibility::Community)), false, 1),
        (scope(false, None, VisibilityFilter::Default), false, 1),
        (scope(false, None, VisibilityFilter::All), false, 2),
        (scope(true, Some("alice"), VisibilityFilter::Default), false, 1),
        (scope(true, None, VisibilityFilter::All), false, 1),
    ]
}

fn page(
    scope: &Scope,
    (key, direction): (&'static str, Direction),
    filters: &[Filter],
    after: Option<Image>,
) -> images_page::Page {
    let mut sort = vec![(key, direction)];
    sort.extend(["created_at", "id"].iter().filter(|tie| **tie != key).map(|tie| (*tie, direction)));
    let (scope, filters) = (scope.clone(), filters.to_vec());
    images_page::Page {
        scope,
        filters,
        os_hidden: false,
        hidden_groups: std::sync::Arc::default(),
        sort,
        after,
        limit: 25,
        bytes_max: 1 << 20,
    }
}

/// Requires that no list of images with these conditions sort more than pages and what is shared.
fn no_sorts(conn: &mut Conn, filters: &[Filter]) -> DbResult<()> {
    let middle = Timestamp(450);
    let mut marker =
        Image { id: "450".to_owned(), created_at: middle, updated_at: middle, ..record("alice", 1) };
    (marker.name, marker.size) = (Some("25".to_owned()), Some(450));
    for (scope, is_shared_with, branches) in scopes() {
        for order in SORT_KEYS.iter().flat_map(|key| [(*key, Direction::Asc), (*key, Direction::Desc)]) {
            for after in [None, Some(marker.clone())] {
                let is_later = after.is_some();
                let statement = images_page::statement(conn, &page(&scope, order, filters, after)).unwrap();
                let (count, plan) = sorts(conn, statement)?;
                // The pages of the branches, if the database does not merge them.
                let most = usize::from(is_shared_with) + usize::from(branches > 1);
                assert!(count <= most, "{scope:?} {order:?} later: {is_later}: {count} sorts\n{plan}");
            }
        }
    }
    Ok(())
}

on_each_database! {
    /// By whatever key, in both directions, on the first page and on a later one: nothing is sorted but what others share
    /// with the project, and on MariaDB the pages of the branches.
    async fn no_list_sorts_the_images(database: Database) {
        let app = database.app();
        app.write(|conn| {
            fill(conn)?;
            no_sorts(conn, &[])
        })
        .await;
    }

    /// Nor what fits a flavor or is for rescue: the images are walked in order, and each is looked at.
    async fn no_list_sorts_what_fits(database: Database) {
        let app = database.app();
        let mut filters = fit::conditions("ram:2048,disk:20,arch:x86_64,firmware:uefi").unwrap();
        filters.push(fit::for_rescue());
        app.write(move |conn| {
            fill(conn)?;
            no_sorts(conn, &filters)
        })
        .await;
    }

    /// The same after the orders were laid aside, as for a takeover, and made anew. Without them all that one sees is
    /// sorted; to lay aside what is not there and to make what is there changes nothing.
    async fn orders_that_were_laid_aside_are_made_anew(database: Database) {
        let app = database.app();
        app.write(fill).await;
        let db = &app.app().db;
        let all = Scope { admin: true, project: None, members: MemberFilter::All, visibility: VisibilityFilter::All };
        let sorts_by_name = || {
            let of_all = page(&all, ("name", Direction::Asc), &[], None);
            db.read_blocking(|conn| {
                let statement = images_page::statement(conn, &of_all).unwrap();
                sorts(conn, statement)
            })
            .unwrap()
            .0
        };
        assert_eq!(sorts_by_name(), 0);
        for _ in 0..2 {
            db.forget_orders().unwrap();
            assert_eq!(sorts_by_name(), 1);
        }
        for _ in 0..2 {
            db.order_lists().unwrap();
            assert_eq!(sorts_by_name(), 0);
        }
        app.write(|conn| no_sorts(conn, &[])).await;
    }
}
