//! A database that hangs, is lost or is down: nobody waits for it, and it is taken up again when it is back.

use std::sync::mpsc;

use futures::future::join_all;
use vitrine::db::{self, Conn, Db, DbError, Limits};

use crate::support::*;

/// Seats of each database here.
const SEATS: u32 = 3;

/// A server that reaches its database by way of a relay.
fn app_behind_a_relay(database: Database) -> (TestApp, Relay) {
    let mut way = None;
    let app = TestApp::start_on(database, |database, options| {
        let relay = Relay::to(database);
        options.database = Some(db::Settings {
            connection: relay.url.clone(),
            max_pool_size: SEATS,
            limits: Limits { wait_seconds: 5, ..Limits::default() },
            ..db::Settings::default()
        });
        way = Some(relay);
    });
    (app, way.unwrap())
}

/// Twice as many lists as there are seats answer all with `status`.
async fn lists_answer(app: &TestApp, status: u16) {
    let member = app.as_member("alice");
    let lists = join_all((0..2 * SEATS).map(|_| async { member.list("").await })).await;
    for answer in lists {
        let answer = answer.expect(status);
        if status == 503 {
            assert_eq!(answer.header("retry-after"), "2");
            assert!(answer.text().contains("The database is not available; try again."), "{answer:?}");
        }
    }
}

/// A database that has died is found out as soon, and taken up again when it is back.
async fn a_database_that_dies(database: Database) {
    let (app, relay) = app_behind_a_relay(database);
    lists_answer(&app, 200).await;
    relay.close();
    lists_answer(&app, 503).await;
    health_says(&app, 503, "DATABASE UNAVAILABLE").await;
    relay.open();
    comes_back(&app).await;
}

#[test]
fn sec_37_a_postgres_that_dies_is_found_out() {
    block_on(a_database_that_dies(Database::Postgres));
}

#[test]
fn sec_37_a_mariadb_that_dies_is_found_out() {
    block_on(a_database_that_dies(Database::Mariadb));
}

async fn comes_back(app: &TestApp) {
    let member = app.as_member("alice");
    // On a busy machine one that is back may be doubted once more.
    eventually("back", async || {
        let lists = join_all((0..2 * SEATS).map(|_| async { member.list("").await.status })).await;
        if lists.iter().all(|status| *status == 200) { Ok(()) } else { Err(lists) }
    })
    .await;
    health_says(app, 200, "OK").await;
}

async fn health_says(app: &TestApp, status: u16, reason: &str) {
    let nobody = app.as_nobody();
    eventually(reason, async || match nobody.get("/healthcheck").await {
        answer if answer.status == status && answer.text() == reason => Ok(()),
        answer => Err(answer),
    })
    .await;
}

/// Requests to a database that says nothing any more are told so, one and all, and so is `/healthcheck`; once it speaks
/// again they are served as before.
async fn a_database_that_hangs(database: Database) {
    let (app, relay) = app_behind_a_relay(database);
    lists_answer(&app, 200).await;
    relay.hold();
    lists_answer(&app, 503).await;
    lists_answer(&app, 503).await;
    health_says(&app, 503, "DATABASE UNAVAILABLE").await;
    relay.go_on();
    comes_back(&app).await;
}

#[test]
fn sec_37_a_postgres_that_hangs_holds_nobody() {
    block_on(a_database_that_hangs(Database::Postgres));
}

#[test]
fn sec_37_a_mariadb_that_hangs_holds_nobody() {
    block_on(a_database_that_hangs(Database::Mariadb));
}

/// Threads that wait on connections which nothing will ever come from again take nobody's seat.
async fn lost_connections(database: Database) {
    let (app, relay) = app_behind_a_relay(database);
    for _ in 0..2 {
        lists_answer(&app, 200).await;
        relay.hold();
        lists_answer(&app, 503).await;
        relay.lose_connections();
        comes_back(&app).await;
    }
}

#[test]
fn sec_37_lost_connections_to_postgres_are_replaced() {
    block_on(lost_connections(Database::Postgres));
}

#[test]
fn sec_37_lost_connections_to_mariadb_are_replaced() {
    block_on(lost_connections(Database::Mariadb));
}

/// An upload that is complete while the database hangs ends well when it is back.
async fn an_upload_outlives_an_outage(database: Database) {
    let (app, relay) = app_behind_a_relay(database);
    let member = app.as_member("alice");
    let id = member.created(image().raw()).await;
    let (mut send, body) = futures::channel::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let upload = async { member.upload(&id, reqwest::Body::wrap_stream(body)).await };
    let outage = async {
        use futures::SinkExt;
        send.send(Ok(b"data".to_vec())).await.unwrap();
        let admin = app.as_admin();
        eventually("saving", async || match admin.show(&id).await {
            answer if answer.status == 200 && answer.json()["status"] == "saving" => Ok(()),
            answer => Err(answer),
        })
        .await;
        relay.hold();
        drop(send);
        lists_answer(&app, 503).await;
        relay.go_on();
    };
    let (uploaded, ()) = tokio::join!(upload, outage);
    uploaded.expect(204);
    comes_back(&app).await;
    assert_eq!(member.show(&id).await.json()["status"], "active");
}

#[test]
fn sec_37_an_upload_outlives_an_outage_of_postgres() {
    block_on(an_upload_outlives_an_outage(Database::Postgres));
}

#[test]
fn sec_37_an_upload_outlives_an_outage_of_mariadb() {
    block_on(an_upload_outlives_an_outage(Database::Mariadb));
}

fn open(database: &TestDatabase, limits: Limits) -> Db {
    let connection = database.url().to_owned();
    Db::open(&db::Settings { connection, max_pool_size: 1, limits, ..db::Settings::default() }).unwrap()
}

/// The server itself ends a statement that takes too long, and the connection is as good as before.
fn a_long_statement(database: Database, sleep: &str) {
    let folder = scratch_folder();
    let database = TestDatabase::create(database, folder.path());
    let db = open(&database, Limits { statement_seconds: 5, wait_seconds: 20 });
    let run = |sql: &str| {
        db.write_blocking(|conn: &mut Conn| {
            Ok(diesel::connection::SimpleConnection::batch_execute(conn, sql)?)
        })
    };
    let ended = run(sleep);
    assert!(matches!(ended, Err(DbError::Unavailable(_))), "{ended:?}");
    run("SELECT 1").unwrap();
}

#[test]
fn sec_37_a_long_statement_of_postgres_is_ended() {
    a_long_statement(Database::Postgres, "SELECT pg_sleep(20)");
}

#[test]
fn sec_37_a_long_statement_of_mariadb_is_ended() {
    a_long_statement(Database::Mariadb, "SELECT SLEEP(20)");
}

on_each_database! {
    /// Who finds every connection in use is told so, not left to wait, while the database is there.
    async fn sec_37_a_seat_is_not_waited_for(database: Database) {
        let folder = scratch_folder();
        let database = TestDatabase::create(database, folder.path());
        let db = open(&database, Limits { wait_seconds: 4, ..Limits::default() });
        let (release, released) = mpsc::channel::<()>();
        let released = std::sync::Mutex::new(released);
        let (begin, begun) = tokio::sync::oneshot::channel();
        let begin = std::sync::Mutex::new(Some(begin));
        let long = db.read("test.long", move |_| {
            if let Some(begin) = begin.lock().unwrap().take() {
                begin.send(()).unwrap();
            }
            released.lock().unwrap().recv().unwrap();
            Ok(())
        });
        let others = async {
            begun.await.unwrap();
            let read = db.read("test.refused", |_| Ok(()));
            let (read, write) = tokio::join!(read, db.write("test.refused", |_| Ok(())));
            for refused in [read, write] {
                assert!(matches!(refused, Err(DbError::Unavailable(_))), "{refused:?}");
            }
            assert!(db.is_there(), "one that is busy is there");
            release.send(()).unwrap();
        };
        let (long, ()) = tokio::join!(long, others);
        long.unwrap();
        db.read("test.again", |_| Ok(())).await.unwrap();
    }
}
