//! What the three databases must do alike: transactions that meet, errors by their codes, keys that are taken, blanks.

use std::sync::{
    Arc, Barrier,
    atomic::{AtomicU32, Ordering},
};

use diesel::{
    Connection, MysqlConnection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
};
use vitrine::{
    db::{self, Conn, Db, DbError, DbResult},
    model::{
        blob::{Blob, BlobState},
        time::Timestamp,
    },
};

use crate::support::*;

fn open(database: &TestDatabase) -> Db {
    // PostgreSQL sees a deadlock after a second, when the default has the database probed and a machine that is busy may
    // not answer in time.
    let limits = db::Limits { wait_seconds: 20, ..db::Limits::default() };
    let settings = db::Settings { connection: database.url().to_owned(), limits, ..db::Settings::default() };
    Db::open(&settings).unwrap()
}

/// A database with two images, which belong to `one` and to `two`.
fn with_two_images(database: Database, folder: &std::path::Path) -> (TestDatabase, Db) {
    let database = TestDatabase::create(database, folder);
    let db = open(&database);
    let images = [record("one", 1), record("two", 2)];
    db.write_blocking(|conn| images.iter().try_for_each(|image| db::images::insert(conn, image))).unwrap();
    (database, db)
}

fn set_size(conn: &mut Conn, owner: &str) -> DbResult<()> {
    sql_query(format!("UPDATE images SET size = COALESCE(size, 0) + 1 WHERE owner = '{owner}'"))
        .execute(conn)?;
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

fn number(conn: &mut Conn, sql: &str) -> DbResult<i64> {
    Ok(sql_query(sql).get_result::<Number>(conn)?.number)
}

/// Two transactions that change two rows in opposite orders: the database ends one, which runs again. MariaDB says so in
/// French.
async fn deadlock(database: Database) {
    let folder = scratch_folder();
    let (_database, db) = with_two_images(database, folder.path());
    let meeting = Arc::new(Barrier::new(2));
    let attempts = Arc::new(AtomicU32::new(0));
    let change = |first: &'static str, second: &'static str| {
        let (db, meeting, attempts) = (db.clone(), Arc::clone(&meeting), Arc::clone(&attempts));
        async move {
            db.write("test.deadlock", move |conn| {
                if matches!(conn, Conn::Mysql(_)) {
                    conn.batch_execute("SET SESSION lc_messages = 'fr_FR'")?;
                }
                set_size(conn, first)?;
                if attempts.fetch_add(1, Ordering::SeqCst) < 2 {
                    meeting.wait();
                }
                set_size(conn, second)
            })
            .await
        }
    };
    let (one, two) = tokio::join!(change("one", "two"), change("two", "one"));
    one.unwrap();
    two.unwrap();
    let attempts = attempts.load(Ordering::SeqCst);
    match database {
        // Who was ended may be back before the other has woken up, and so be ended again.
        Database::Postgres => assert!(attempts >= 3, "one of two was ended"),
        _ => assert_eq!(attempts, 3, "one of two was ended once"),
    }
    let sum = "SELECT CAST(SUM(size) AS DECIMAL) AS number FROM images";
    let sum = if database == Database::Mariadb {
        sum.replace("DECIMAL", "SIGNED")
    } else {
        sum.replace("DECIMAL", "BIGINT")
    };
    assert_eq!(db.read("test.sum", move |conn| number(conn, &sum)).await.unwrap(), 4);
}

#[test]
fn a_deadlock_on_postgres() {
    block_on(deadlock(Database::Postgres));
}

#[test]
fn a_deadlock_on_mariadb() {
    block_on(deadlock(Database::Mariadb));
}

/// A lock that another session holds for long is waited for, and had, in a later attempt.
async fn lock(database: Database, hold: impl FnOnce(&TestDatabase) -> Box<dyn FnOnce() + Send>) {
    let folder = scratch_folder();
    let (database, db) = with_two_images(database, folder.path());
    let release = std::sync::Mutex::new(Some(hold(&database)));
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    // The door for reads, since SQLite's for writes waits for the lock where no test can hurry it.
    let read = db.read("test.lock", move |conn| {
        if counted.fetch_add(1, Ordering::SeqCst) == 2 {
            release.lock().unwrap().take().unwrap()();
        }
        match conn {
            Conn::Mysql(_) => conn.batch_execute(
                "ROLLBACK; BEGIN; SET SESSION innodb_lock_wait_timeout = 0, lc_messages = 'fr_FR'",
            )?,
            _ => conn.batch_execute("PRAGMA busy_timeout = 0")?,
        }
        set_size(conn, "one")
    });
    read.await.unwrap();
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
}

#[test]
fn a_lock_on_sqlite() {
    block_on(lock(Database::Sqlite, |database| {
        let mut other = SqliteConnection::establish(database.url().strip_prefix("sqlite:").unwrap()).unwrap();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        Box::new(move || other.batch_execute("ROLLBACK").unwrap())
    }));
}

#[test]
fn a_lock_on_mariadb() {
    block_on(lock(Database::Mariadb, |database| {
        let mut other = MysqlConnection::establish(database.url()).unwrap();
        other.batch_execute("BEGIN; UPDATE images SET size = 7").unwrap();
        Box::new(move || other.batch_execute("ROLLBACK").unwrap())
    }));
}

/// A full database is one that may have room later, and the connection is as good as before.
async fn full(database: Database, fill: &'static str) {
    let folder = scratch_folder();
    let (_database, db) = with_two_images(database, folder.path());
    let filled = db.write("test.full", move |conn| Ok(conn.batch_execute(fill)?)).await;
    assert!(matches!(filled, Err(DbError::Unavailable(_))), "{filled:?}");
    db.write("test.again", |conn| set_size(conn, "one")).await.unwrap();
}

#[test]
fn a_full_sqlite() {
    block_on(full(
        Database::Sqlite,
        "PRAGMA max_page_count = 1; CREATE TABLE big (x BLOB); INSERT INTO big VALUES (zeroblob(9000000))",
    ));
}

#[test]
fn a_full_table_of_mariadb() {
    block_on(full(
        Database::Mariadb,
        "SET SESSION max_heap_table_size = 16384; SET SESSION lc_messages = 'fr_FR'; \
         CREATE TEMPORARY TABLE big (x CHAR(200)) ENGINE = MEMORY; \
         INSERT INTO big SELECT 'x' FROM information_schema.collations, information_schema.collations c",
    ));
}

/// A session that the server ends is reported as unavailable, and the next transaction gets another.
async fn lost(database: Database, end: &'static str) {
    let folder = scratch_folder();
    let (_database, db) = with_two_images(database, folder.path());
    let ended = db.write("test.lost", move |conn| Ok(conn.batch_execute(end)?)).await;
    assert!(matches!(ended, Err(DbError::Unavailable(_))), "{ended:?}");
    db.write("test.again", |conn| set_size(conn, "one")).await.unwrap();
}

#[test]
fn a_lost_session_of_postgres() {
    block_on(lost(Database::Postgres, "SELECT pg_terminate_backend(pg_backend_pid())"));
}

#[test]
fn a_lost_session_of_mariadb() {
    block_on(lost(Database::Mariadb, "SET @own = CONNECTION_ID(); KILL @own"));
}

/// With `ssl_ca` the connection is encrypted, and none is made to a server that this certificate does not vouch for.
#[test]
fn tls_to_mariadb() {
    #[derive(diesel::QueryableByName)]
    struct Cipher {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "Value")]
        name: String,
    }
    let folder = scratch_folder();
    let TestDatabase::Mariadb(database) = TestDatabase::create(Database::Mariadb, folder.path()) else {
        panic!("another database");
    };
    let [right, wrong] = &database.certificates;
    let open = |certificate: &std::path::Path, pool_timeout_seconds| {
        let connection = format!("{}&ssl_ca={}", database.url, certificate.display());
        Db::open(&db::Settings { connection, pool_timeout_seconds, ..db::Settings::default() })
    };
    let cipher = open(right, 30).unwrap().write_blocking(|conn| {
        let rows: Vec<Cipher> = sql_query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").load(conn)?;
        Ok(rows[0].name.clone())
    });
    assert_ne!(cipher.unwrap(), "");
    let refused = open(wrong, 1).map(drop).unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
}

on_each_database! {
    /// What was read of a blob says nothing of it later: one whose writer has come to its end meanwhile, or whose lease goes
    /// on after all, is not doomed for having been abandoned. Else the data of an active image would go.
    async fn only_what_is_still_abandoned_is_doomed(database: Database) {
        let folder = scratch_folder();
        let (_database, db) = with_two_images(database, folder.path());
        let doomed = async |state: BlobState, lease_until: Timestamp| {
            let image = record("three", 3);
            let blob = Blob {
                id: fresh_id(),
                image_id: image.id.clone(),
                store: "file".to_owned(),
                name: image.id.clone(),
                state,
                size: None,
                holder: "a node that slept".to_owned(),
                lease_until,
                delete_after: Timestamp(0),
                attempts: 0,
            };
            let doom = move |conn: &mut Conn| {
                db::images::insert(conn, &image)?;
                db::blobs::insert(conn, &blob, now())?;
                let doomed = db::blobs::doom_abandoned(conn, &blob.id, now())?;
                let left = format!("SELECT COUNT(*) AS number FROM blobs WHERE id = '{}' AND state = ", blob.id);
                let kept = number(conn, &format!("{left}'{}'", state.as_str()))?;
                let gone = number(conn, &format!("{left}'doomed'"))?;
                Ok::<_, DbError>((doomed, kept, gone))
            };
            db.write("test.doom", doom).await.unwrap()
        };
        let (past, future) = (Timestamp(1), now().plus_seconds(60));
        assert_eq!(doomed(BlobState::Writing, past).await, (true, 0, 1));
        assert_eq!(doomed(BlobState::Writing, future).await, (false, 1, 0));
        assert_eq!(doomed(BlobState::Live, past).await, (false, 1, 0));
    }

    /// A key that is taken says of which table it is.
    async fn a_taken_key_names_its_table(database: Database) {
        let folder = scratch_folder();
        let (_database, db) = with_two_images(database, folder.path());
        let twice = |what: &'static str| {
            let db = db.clone();
            async move {
                let result = db.write("test.twice", move |conn| {
                    let mut image = record("three", 3);
                    if what == "image_tags" {
                        image.tags = vec!["t".to_owned(), "t".to_owned()];
                    }
                    db::images::insert(conn, &image)?;
                    match what {
                        "images" => db::images::insert(conn, &image),
                        "image_members" => (0..2).try_for_each(|_| {
                            db::members::insert(conn, &image, "p", now()).map(drop)
                        }),
                        _ => Ok(()),
                    }
                });
                match result.await {
                    Err(DbError::Duplicate(key)) => key.table,
                    other => panic!("{other:?}"),
                }
            }
        };
        for table in ["images", "image_tags", "image_members"] {
            assert_eq!(twice(table).await, table);
        }
    }
}
