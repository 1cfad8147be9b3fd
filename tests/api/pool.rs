//! The connections of the pool: how long they live, how many stay open, where they lead, and what they tell the server.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU32, Ordering},
    },
};

use diesel::{RunQueryDsl, connection::SimpleConnection, sql_query};
use futures::future::join_all;
use vitrine::db::{self, Conn, Db, DbError, DbResult, Sessions, SqlMode};

use crate::support::*;

/// On a machine that is busy a connection takes its time.
const PATIENT: db::Limits = db::Limits { wait_seconds: 20, statement_seconds: 30 };

fn open(database: &TestDatabase, change: impl FnOnce(&mut db::Settings)) -> Db {
    let (connection, limits) = (database.url().to_owned(), PATIENT);
    let mut settings = db::Settings { connection, limits, ..db::Settings::default() };
    change(&mut settings);
    Db::open(&settings).unwrap()
}

#[derive(diesel::QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

fn text(conn: &mut Conn, sql: &str) -> DbResult<String> {
    Ok(sql_query(sql).get_result::<Text>(conn)?.text)
}

/// A name of the session that runs it.
fn session(conn: &mut Conn) -> DbResult<String> {
    match conn {
        Conn::Mysql(_) => text(conn, "SELECT CAST(CONNECTION_ID() AS CHAR) AS text"),
        _ => text(conn, "SELECT CAST(pg_backend_pid() AS TEXT) AS text"),
    }
}

/// Sessions of this database, its own included.
fn sessions(conn: &mut Conn) -> DbResult<String> {
    match conn {
        Conn::Mysql(_) => text(
            conn,
            "SELECT CAST(COUNT(*) AS CHAR) AS text FROM information_schema.processlist WHERE db = DATABASE()",
        ),
        _ => text(
            conn,
            "SELECT CAST(COUNT(*) AS TEXT) AS text FROM pg_stat_activity WHERE datname = current_database()",
        ),
    }
}

/// A connection serves as long as `connection_recycle_time` says, and at least once.
async fn recycled(database: Database) {
    let folder = scratch_folder();
    let database = TestDatabase::create(database, folder.path());
    for (recycle_seconds, expected) in [(None, 1), (Some(3600), 1), (Some(0), 3)] {
        let db = open(&database, |settings| settings.sessions.recycle_seconds = recycle_seconds);
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            seen.insert(db.read("test.session", session).await.unwrap());
        }
        assert_eq!(seen.len(), expected, "{recycle_seconds:?}");
    }
}

#[test]
fn connections_to_postgres_are_recycled() {
    block_on(recycled(Database::Postgres));
}

#[test]
fn connections_to_mariadb_are_recycled() {
    block_on(recycled(Database::Mariadb));
}

/// As many connections as `max_pool_size` and `max_overflow` allow work at once, and as many as `max_pool_size` says stay.
async fn overflow(database: Database) {
    let folder = scratch_folder();
    let database = TestDatabase::create(database, folder.path());
    let db = open(&database, |settings| (settings.max_pool_size, settings.max_overflow) = (2, 2));
    let meeting = Arc::new(Barrier::new(4));
    let at_once = (0..4).map(|_| {
        let meeting = Arc::clone(&meeting);
        db.read("test.meet", move |conn| {
            let name = session(conn);
            meeting.wait();
            name
        })
    });
    let seen: BTreeSet<_> = join_all(at_once).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(seen.len(), 4);
    eventually("the overflow is closed", async || match db.read("test.sessions", sessions).await.unwrap() {
        open if open == "2" => Ok(()),
        open => Err(open),
    })
    .await;
}

#[test]
fn an_overflow_to_postgres_is_closed() {
    block_on(overflow(Database::Postgres));
}

#[test]
fn an_overflow_to_mariadb_is_closed() {
    block_on(overflow(Database::Mariadb));
}

/// After a fail-over, connections that lead to a server which only reads are given up, all of them, and the change is made
/// on a new one. When that only reads too, the change is refused, to be tried again.
async fn failed_over(database: Database, make_former: &'static str, refuse: Option<&'static str>) {
    let folder = scratch_folder();
    let database = TestDatabase::create(database, folder.path());
    let db = open(&database, |settings| settings.max_pool_size = 3);
    let meeting = Arc::new(Barrier::new(3));
    let former = (0..3).map(|_| {
        let meeting = Arc::clone(&meeting);
        db.read("test.former", move |conn| {
            conn.batch_execute(make_former)?;
            meeting.wait();
            session(conn)
        })
    });
    let former: BTreeSet<_> = join_all(former).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(former.len(), 3);
    let change = move |conn: &mut Conn| {
        if let Some(sql) = refuse {
            conn.batch_execute(sql)?;
        }
        db::images::insert(conn, &record("one", 1))?;
        session(conn)
    };
    let changed = db.write("test.change", change).await.unwrap();
    let read = db.read("test.after", session).await.unwrap();
    assert!(!former.contains(&changed) && !former.contains(&read), "{former:?} {changed} {read}");
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let refused = db.write("test.refused", move |conn| {
        counted.fetch_add(1, Ordering::SeqCst);
        conn.batch_execute(make_former)?;
        match refuse {
            Some(sql) => conn.batch_execute(sql)?,
            None => conn.batch_execute("SET TRANSACTION READ ONLY; DELETE FROM images")?,
        }
        Ok(())
    });
    let refused = refused.await;
    assert!(matches!(refused, Err(DbError::Unreached(_))), "{refused:?}");
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[test]
fn a_fail_over_of_postgres() {
    block_on(failed_over(
        Database::Postgres,
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; COMMIT; BEGIN",
        None,
    ));
}

#[test]
fn a_fail_over_of_mariadb() {
    block_on(failed_over(
        Database::Mariadb,
        "SET @former = 1",
        Some(
            "BEGIN NOT ATOMIC IF @former = 1 THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290, \
             MESSAGE_TEXT = 'read-only'; END IF; END",
        ),
    ));
}

/// A connection that the server has cut while nobody used it costs nobody an error, whatever is asked on it first.
async fn cut(database: Database, kill: fn(&str) -> String) {
    let folder = scratch_folder();
    let database = TestDatabase::create(database, folder.path());
    let (db, other) = (open(&database, |settings| settings.max_pool_size = 1), open(&database, |_| {}));
    let mut former = db.read("test.session", session).await.unwrap();
    for what in 0..3 {
        let sql = kill(&former);
        other.read("test.kill", move |conn| Ok(conn.batch_execute(&sql)?)).await.unwrap();
        let now = match what {
            0 => db.read("test.read", session).await,
            1 => db.read_one("test.one", session).await,
            _ => db.write("test.write", session).await,
        };
        assert_ne!(now.as_ref().unwrap(), &former, "{what}");
        former = now.unwrap();
    }
}

#[test]
fn sec_37_cut_connections_to_postgres_are_replaced() {
    block_on(cut(Database::Postgres, |session| format!("SELECT pg_terminate_backend({session})")));
}

#[test]
fn sec_37_cut_connections_to_mariadb_are_replaced() {
    block_on(cut(Database::Mariadb, |session| format!("KILL {session}")));
}

/// A commit that Galera does not certify, because another node changed the same row first, is made again.
#[test]
fn a_commit_that_is_not_certified() {
    block_on(async {
        let folder = scratch_folder();
        let database = TestDatabase::create(Database::Mariadb, folder.path());
        let relay = Relay::to(&database);
        let (connection, limits) = (relay.url.clone(), PATIENT);
        let settings = db::Settings { connection, limits, ..db::Settings::default() };
        let db = Db::open(&settings).unwrap();
        let packet = |sql: &str| {
            let length = u32::try_from(sql.len() + 1).unwrap().to_le_bytes();
            [&length[..3], &[0, 3], sql.as_bytes()].concat()
        };
        relay.tell_instead(
            &packet("COMMIT"),
            &packet(
                "BEGIN NOT ATOMIC ROLLBACK; SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Blocage'; END",
            ),
        );
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&attempts);
        let written = db.write("test.certified", move |conn| {
            counted.fetch_add(1, Ordering::SeqCst);
            db::images::insert(conn, &record("one", 1))
        });
        written.await.unwrap();
        assert_eq!(attempts.load(Ordering::SeqCst), 2);
        let count = "SELECT CAST(COUNT(*) AS CHAR) AS text FROM images";
        assert_eq!(db.read("test.count", move |conn| text(conn, count)).await.unwrap(), "1");
    });
}

/// What the options say of a session of MariaDB is what it says of itself, and text that is too long is never cut off.
#[test]
fn sessions_of_mariadb_are_as_asked() {
    let folder = scratch_folder();
    let database = TestDatabase::create(Database::Mariadb, folder.path());
    for (mode, sync, expected) in [
        ("", None, ("STRICT_ALL_TABLES", "0")),
        ("TRADITIONAL", Some(3), ("TRADITIONAL", "3")),
        ("ONLY_FULL_GROUP_BY", Some(0), ("ONLY_FULL_GROUP_BY", "0")),
    ] {
        let sql_mode = SqlMode::parse(mode).unwrap();
        let sessions = Sessions { sql_mode, wsrep_sync_wait: sync, ..Sessions::default() };
        let db = open(&database, |settings| settings.sessions = sessions);
        let said = db.read_blocking(|conn| {
            Ok((
                text(conn, "SELECT CAST(@@SESSION.sql_mode AS CHAR) AS text")?,
                text(conn, "SELECT CAST(@@SESSION.wsrep_sync_wait AS CHAR) AS text")?,
            ))
        });
        let (modes, sync) = said.unwrap();
        assert!(modes.contains(expected.0) && modes.contains("PIPES_AS_CONCAT"), "{mode}: {modes}");
        assert_eq!(sync, expected.1);
        let long = "x".repeat(300);
        let cut = db.write_blocking(|conn| {
            let image = vitrine::model::image::Image { name: Some(long.clone()), ..record("long", 9) };
            db::images::insert(conn, &image)
        });
        assert!(cut.is_err(), "{mode}: {modes}");
    }
}
