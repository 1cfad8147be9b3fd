//! How the pool opens connections, and what it holds of each.

use std::{
    ops::{Deref, DerefMut},
    time::Instant,
};

use diesel::{
    Connection, MysqlConnection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
};
use diesel::{r2d2, sql_query, sql_types::Text};

use super::{DbError, DbResult, Limits, conn::Conn, dialect, error::Refusals, url::Place};

/// A connection of the pool.
pub struct Session {
    conn: Conn,
    /// Whether a transaction may still be open on it, or nobody answers.
    broken: bool,
    limits: Limits,
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
    /// Lets statements take as long as they need, for commands.
    pub(super) fn lift_limits(&mut self) -> DbResult<()> {
        let sql = dialect::of(&self.conn).lift_limits();
        Ok(self.conn.batch_execute(sql)?)
    }

    /// Runs `body` in a transaction that may change something.
    pub(super) fn write<T>(&mut self, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        let begin = dialect::of(&self.conn).begin_write();
        self.run(begin, "COMMIT", body)
    }

    /// Runs `body` on one state of the database: an image and its properties are rows of several tables, and a change
    /// that is committed between two statements would otherwise be seen by half.
    pub(super) fn read<T>(&mut self, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        let begin = dialect::of(&self.conn).begin_read();
        self.run(begin, "ROLLBACK", body)
    }

    fn run<T>(&mut self, begin: &str, end: &str, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        // A body that panics leaves its transaction open.
        self.broken = true;
        let began = Instant::now();
        let (result, good) = dialect::transaction(&mut self.conn, begin, end, body);
        self.broken = !good;
        match result {
            // That the server ended a statement for its length is said in whatever language it speaks.
            Err(DbError::Other(why)) if began.elapsed() >= self.limits.statement() => {
                Err(DbError::Unavailable(why))
            }
            result => result,
        }
    }
}

/// Opens connections for the pool.
#[derive(Debug)]
pub struct Manager {
    place: Place,
    limits: Limits,
}

impl Manager {
    /// Opens connections to `place`.
    pub fn new(place: &Place, limits: Limits) -> Self {
        Self { place: place.within(limits), limits }
    }

    /// Opens one; the derive's own way tries one client library after the other and loses the reason.
    fn establish(&self) -> diesel::ConnectionResult<Conn> {
        match &self.place {
            Place::Sqlite(path) => SqliteConnection::establish(path).map(Conn::Sqlite),
            Place::Postgres(url) => PgConnection::establish(url).map(Conn::Postgres),
            Place::Mysql { url, encrypted } => {
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
        let mut conn = self.establish().map_err(r2d2::Error::ConnectionError)?;
        dialect::of(&conn).set_up(&mut conn, self.limits).map_err(r2d2::Error::QueryError)?;
        conn.set_instrumentation(Refusals);
        Ok(Session { conn, broken: false, limits: self.limits })
    }

    fn is_valid(&self, session: &mut Session) -> Result<(), Self::Error> {
        r2d2::R2D2Connection::ping(&mut session.conn).map_err(r2d2::Error::QueryError)
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.broken || std::thread::panicking() || r2d2::R2D2Connection::is_broken(&mut session.conn)
    }
}
