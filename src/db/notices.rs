//! What readers are told: written in the transaction of the change, read in order by the one node that tells a reader
//! at the moment, and deleted when it has.

use diesel::{
    dsl::{count_star, min},
    prelude::*,
};

use super::{
    Conn, Db, DbError, DbResult,
    schema_notices::{notice_readers, notices},
};
use crate::model::{
    clock::Clock,
    event::Author,
    notice::{Notice, Notices, Priority, Reader},
    time::Timestamp,
};

/// Tells readers what one author does.
#[derive(Clone)]
pub struct Teller {
    notices: Notices,
    author: Author,
    clock: Clock,
}

impl Db {
    /// A teller for an author.
    pub fn teller(&self, author: impl Into<Author>) -> Teller {
        Teller { notices: self.notices.clone(), author: author.into(), clock: self.clock.clone() }
    }
}

impl Teller {
    /// Tells readers what `say` answers, at the present time. Call it in the transaction of the change. `say` is not
    /// called when nobody is told of anything.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn tell<I: IntoIterator<Item = Notice>>(
        &self,
        conn: &mut Conn,
        say: impl FnOnce(Timestamp) -> I,
    ) -> DbResult<()> {
        tell(conn, (&self.notices, &self.author), self.clock.now(), || say(self.clock.now()))
    }
}

/// As [`Teller::tell`], for an author and a time.
///
/// # Errors
/// Only the database's own.
pub fn tell<I: IntoIterator<Item = Notice>>(
    conn: &mut Conn,
    (notices, author): (&Notices, &Author),
    now: Timestamp,
    say: impl FnOnce() -> I,
) -> DbResult<()> {
    if !notices.is_wanted() {
        return Ok(());
    }
    for notice in say() {
        for row in notices.rows(author, &notice, now) {
            diesel::insert_into(notices::table)
                .values((
                    notices::reader.eq(row.reader.as_str()),
                    notices::kind.eq(row.kind),
                    notices::priority.eq(row.priority.as_str()),
                    notices::subject.eq(row.subject),
                    notices::body.eq(row.body),
                    notices::created_at.eq(now.0),
                ))
                .execute(conn)?;
        }
    }
    Ok(())
}

/// A notice that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the order.
    pub sequence: i64,
    /// What happened.
    pub kind: String,
    /// How urgent it is.
    pub priority: Priority,
    /// What it is about; notices of one subject are sent in order.
    pub subject: String,
    /// What is sent, as JSON.
    pub body: String,
}

/// Whether anything waits for a reader.
///
/// # Errors
/// Only the database's own.
pub fn is_any(conn: &mut Conn, reader: Reader) -> DbResult<bool> {
    let first: Option<i64> =
        of(reader).select(notices::sequence).order(notices::sequence).first(conn).optional()?;
    Ok(first.is_some())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn of(reader: Reader) -> _ {
    let name: &'static str = reader.as_str();
    notices::table.filter(notices::reader.eq(name))
}

/// Takes a reader for a node until a time, unless another node has it. Returns whether it did.
///
/// # Errors
/// Only the database's own.
pub fn claim(
    conn: &mut Conn,
    reader: Reader,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> DbResult<bool> {
    let free = notice_readers::table
        .find(reader.as_str())
        .filter(notice_readers::lease_until.lt(now.0).or(notice_readers::holder.eq(holder)));
    let values = (notice_readers::holder.eq(holder), notice_readers::lease_until.eq(until.0));
    if diesel::update(free).set(values).execute(conn)? == 1 {
        return Ok(true);
    }
    let known: Option<String> =
        notice_readers::table.find(reader.as_str()).select(notice_readers::name).first(conn).optional()?;
    if known.is_some() {
        return Ok(false);
    }
    let first = (notice_readers::name.eq(reader.as_str()), values.0, values.1);
    match diesel::insert_into(notice_readers::table).values(first).execute(conn).map_err(DbError::from) {
        // Another node was faster.
        Err(DbError::Duplicate(_)) => Err(DbError::Retry("another node became the first reader".to_owned())),
        other => Ok(other? == 1),
    }
}

/// Lets other nodes have a reader.
///
/// # Errors
/// Only the database's own.
pub fn release(conn: &mut Conn, reader: Reader, holder: &str) -> DbResult<()> {
    let held = notice_readers::table.find(reader.as_str()).filter(notice_readers::holder.eq(holder));
    diesel::update(held).set(notice_readers::lease_until.eq(0)).execute(conn)?;
    Ok(())
}

/// Ends every lease, for a node that knows to be alone.
///
/// # Errors
/// Only the database's own.
pub fn end_leases(conn: &mut Conn) -> DbResult<()> {
    diesel::update(notice_readers::table).set(notice_readers::lease_until.eq(0)).execute(conn)?;
    Ok(())
}

/// What waits for a reader, in order, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn waiting(conn: &mut Conn, reader: Reader, count: i64) -> DbResult<Vec<Waiting>> {
    let rows: Vec<(i64, String, String, String, String)> = of(reader)
        .order(notices::sequence)
        .limit(count)
        .select((notices::sequence, notices::kind, notices::priority, notices::subject, notices::body))
        .load(conn)?;
    let row = |(sequence, kind, priority, subject, body): (_, _, String, _, _)| Waiting {
        sequence,
        kind,
        priority: Priority::parse(&priority).unwrap_or(Priority::Info),
        subject,
        body,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Deletes what has been told.
///
/// # Errors
/// Only the database's own.
pub fn told(conn: &mut Conn, sequences: &[i64]) -> DbResult<()> {
    diesel::delete(notices::table.filter(notices::sequence.eq_any(sequences.to_vec()))).execute(conn)?;
    Ok(())
}

/// How many notices wait for a reader, and since when the oldest does.
///
/// # Errors
/// Only the database's own.
pub fn backlog(conn: &mut Conn, reader: Reader) -> DbResult<(i64, Option<Timestamp>)> {
    let (count, oldest): (i64, Option<i64>) =
        of(reader).select((count_star(), min(notices::created_at))).first(conn)?;
    Ok((count, oldest.map(Timestamp)))
}

/// Drops notices of a reader from before `oldest` and all but the last `keep`, up to `count` at once. Returns how many
/// went.
///
/// # Errors
/// Only the database's own.
pub fn prune(conn: &mut Conn, reader: Reader, oldest: Timestamp, keep: i64, count: i64) -> DbResult<usize> {
    let waiting: i64 = of(reader).select(count_star()).first(conn)?;
    let excess = waiting.saturating_sub(keep).clamp(0, count);
    let mut gone: Vec<i64> =
        of(reader).order(notices::sequence).limit(excess).select(notices::sequence).load(conn)?;
    let old: Vec<i64> = of(reader)
        .filter(notices::created_at.lt(oldest.0))
        .order(notices::sequence)
        .limit(count)
        .select(notices::sequence)
        .load(conn)?;
    gone.extend(old.iter().filter(|sequence| !gone.contains(sequence)).copied().collect::<Vec<_>>());
    Ok(diesel::delete(notices::table.filter(notices::sequence.eq_any(gone))).execute(conn)?)
}
