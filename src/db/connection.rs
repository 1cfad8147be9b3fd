//! How the pool opens connections, and the state it keeps for each.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{
    Connection, MysqlConnection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
};
use diesel::{r2d2, sql_query, sql_types::Text};

use super::{DbError, DbResult, Limits, Sessions, conn::Conn, dialect, error::Heard, url::Place};

/// A connection of the pool.
pub struct Session {
    conn: Conn,
    /// Whether a transaction may still be open on it, or nobody answers.
    broken: bool,
    limits: Limits,
    opened: Instant,
    /// The generation that it was opened in.
    generation: u64,
    is_used: bool,
    was_used: bool,
    book: Arc<Book>,
}

/// What the connections of a pool know of each other.
#[derive(Debug, Default)]
struct Book {
    open: AtomicU32,
    used: AtomicU32,
    /// Grows when what was connected to turns out to be the wrong server; connections of before are replaced.
    generation: AtomicU64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.set_used(false);
        self.book.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Deref for Session {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl Session {
    /// Removes the statement timeout, for commands.
    pub(super) fn lift_limits(&mut self) -> DbResult<()> {
        let sql = dialect::of(&self.conn).lift_limits();
        Ok(self.conn.batch_execute(sql)?)
    }

    /// Runs `body` in a transaction that may change something.
    pub(super) fn write<T>(&mut self, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        let begin = dialect::of(&self.conn).begin_write();
        self.run(|conn| dialect::transaction(conn, begin, "COMMIT", body))
    }

    /// Runs `body` on one state of the database: an image and its properties are rows of several tables, and a change
    /// that is committed between two statements would otherwise be seen by half.
    pub(super) fn read<T>(&mut self, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        let begin = dialect::of(&self.conn).begin_read();
        self.run(|conn| dialect::transaction(conn, begin, "ROLLBACK", body))
    }

    /// The same with the one plan that the database keeps of a prepared statement.
    pub(super) fn read_kept<T>(&mut self, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        let begin = dialect::of(&self.conn).begin_kept();
        self.run(|conn| dialect::transaction(conn, begin, "ROLLBACK", body))
    }

    /// Runs `body`, which is one statement that changes nothing, and so sees one state of the database by itself.
    pub(super) fn read_one<T>(&mut self, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        self.run(|conn| dialect::alone(conn, body))
    }

    fn run<T>(&mut self, work: impl FnOnce(&mut Conn) -> (DbResult<T>, bool)) -> DbResult<T> {
        // A body that panics leaves its transaction open.
        self.broken = true;
        let began = Instant::now();
        let (result, good) = work(&mut self.conn);
        self.broken = !good;
        if matches!(result, Err(DbError::Elsewhere(_))) {
            self.broken = true;
            self.book.generation.fetch_add(1, Ordering::SeqCst);
        }
        match result {
            // That the server ended a statement for its length is said in whatever language it speaks.
            Err(DbError::Other(why)) if began.elapsed() >= self.limits.statement() => {
                Err(DbError::Unavailable(why))
            }
            result => result,
        }
    }

    fn set_used(&mut self, is_used: bool) {
        self.was_used |= is_used;
        if std::mem::replace(&mut self.is_used, is_used) != is_used {
            match is_used {
                true => self.book.used.fetch_add(1, Ordering::SeqCst),
                false => self.book.used.fetch_sub(1, Ordering::SeqCst),
            };
        }
    }

    /// Whether it has been open for `lifetime` and of use, or leads where nobody wants to go any more.
    fn is_outdated(&self, lifetime: Option<Duration>) -> bool {
        let is_old = lifetime.is_some_and(|lifetime| self.opened.elapsed() >= lifetime);
        (is_old && self.was_used) || self.generation != self.book.generation.load(Ordering::SeqCst)
    }

    /// Whether as many as `kept` others are open and unused.
    fn is_superfluous(&self, kept: u32) -> bool {
        let others = self.book.open.load(Ordering::SeqCst).saturating_sub(1);
        others.saturating_sub(self.book.used.load(Ordering::SeqCst)) >= kept
    }
}

/// Opens connections for the pool, and decides which are reused.
#[derive(Debug)]
pub struct Manager {
    place: Place,
    limits: Limits,
    sessions: Sessions,
    /// Connections that stay open when nobody uses them.
    kept: u32,
    book: Arc<Book>,
}

impl Manager {
    /// Opens connections to `place`; `kept` of them stay open when idle.
    pub fn new(place: &Place, limits: Limits, sessions: Sessions, kept: u32) -> Self {
        Self { place: place.within(limits), limits, sessions, kept, book: Arc::default() }
    }

    fn lifetime(&self) -> Option<Duration> {
        self.sessions.recycle_seconds.map(Duration::from_secs)
    }

    /// Opens one; the derive's own way tries one client library after the other and loses the reason.
    fn establish(&self) -> diesel::ConnectionResult<Conn> {
        match &self.place {
            Place::Sqlite(path) => SqliteConnection::establish(path).map(Conn::Sqlite),
            Place::Postgres(url) => PgConnection::establish(url).map(Conn::Postgres),
            Place::Mysql { url, encrypted, .. } => {
                let mut conn = MysqlConnection::establish(url)?;
                if *encrypted {
                    require_tls(&mut conn)?;
                }
                Ok(Conn::Mysql(conn))
            }
        }
    }
}

/// MariaDB's library sends everything in the clear to a server that offers no TLS.
fn require_tls(conn: &mut MysqlConnection) -> diesel::ConnectionResult<()> {
    #[derive(QueryableByName)]
    struct Cipher {
        #[diesel(sql_type = Text, column_name = "Value")]
        name: String,
    }
    let refused = |why: String| diesel::ConnectionError::BadConnection(why);
    let cipher: Vec<Cipher> = sql_query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        .load(conn)
        .map_err(|e| refused(format!("cannot tell whether the connection is encrypted: {e}")))?;
    if cipher.iter().any(|cipher| !cipher.name.is_empty()) {
        return Ok(());
    }
    Err(refused("the URL asks for TLS and the server offers none".to_owned()))
}

impl r2d2::ManageConnection for Manager {
    type Connection = Session;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<Session, Self::Error> {
        let generation = self.book.generation.load(Ordering::SeqCst);
        let mut conn = self.establish().map_err(r2d2::Error::ConnectionError)?;
        dialect::of(&conn).set_up(&mut conn, self.limits, &self.sessions).map_err(r2d2::Error::QueryError)?;
        conn.set_instrumentation(Heard { logs_statements: self.sessions.logs_statements });
        self.book.open.fetch_add(1, Ordering::SeqCst);
        Ok(Session {
            conn,
            broken: false,
            limits: self.limits,
            opened: Instant::now(),
            generation,
            is_used: false,
            was_used: false,
            book: Arc::clone(&self.book),
        })
    }

    fn is_valid(&self, session: &mut Session) -> Result<(), Self::Error> {
        if session.is_outdated(self.lifetime()) {
            let reason = "the connection was to be replaced".to_owned();
            return Err(r2d2::Error::ConnectionError(diesel::ConnectionError::BadConnection(reason)));
        }
        // Whether it was cut meanwhile shows itself where a transaction begins, which then has another one.
        session.set_used(true);
        Ok(())
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.set_used(false);
        session.broken
            || std::thread::panicking()
            || session.is_outdated(self.lifetime())
            || session.is_superfluous(self.kept)
            || r2d2::R2D2Connection::is_broken(&mut session.conn)
    }
}
