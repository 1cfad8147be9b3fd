//! `vitrine db backup | restore`: all rows in one file, from any database to any other. The file is zstd-compressed
//! JSON lines: a header, then for each table its columns and its rows, and at the end the number of rows.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::place::Place;
use crate::{
    db::{
        Conn, Db, DbError, DbResult, Phase, Schema, backup,
        rows::{self, Row},
    },
    server::StartError,
};

/// The form of the file.
const FORM: u64 = 1;
/// Rows that are written at once.
const BATCH: usize = 500;
/// Bytes of a line at most; the largest row of an image is far below.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Writes all rows into a file that only its owner may read, because it contains the keys that sign tokens.
///
/// # Errors
/// [`StartError`], also when the file is there already.
pub fn save(place: &Place, path: &Path) -> Result<(), StartError> {
    let db = place.open_as_it_is(&place.config()?)?;
    if path.exists() {
        return Err(StartError(format!("{} is there already", path.display())));
    }
    let version = db.schema_version().map_err(|e| StartError(e.to_string()))?.unwrap_or_default();
    let partial = PathBuf::from(format!("{}.part", path.display()));
    let head = json!({"vitrine_backup": FORM, "schema": version, "made_at": db.clock.now().isotime()});
    let rows =
        db.read_blocking(|conn| write(conn, &partial, &head)).map_err(|e| StartError(e.to_string()))?;
    fs::rename(&partial, path).map_err(|e| StartError(format!("{}: {e}", path.display())))?;
    println!("{rows} rows written to {}", path.display());
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> DbError {
    DbError::Other(error.to_string())
}

fn write(conn: &mut Conn, path: &Path, head: &Value) -> DbResult<u64> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    let mut encoder = zstd::Encoder::new(BufWriter::new(file), 0).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    writeln!(encoder, "{head}").map_err(failed)?;
    let (mut counts, mut all) = (Map::new(), 0_u64);
    for (table, key) in backup::TABLES {
        let columns = backup::columns(conn, table)?;
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        writeln!(encoder, "{}", json!({"table": table, "columns": names})).map_err(failed)?;
        let mut count = 0_u64;
        backup::each_row(conn, (table, key), &columns, |row| {
            count = count.saturating_add(1);
            writeln!(encoder, "{}", Value::Array(row)).map_err(failed)
        })?;
        counts.insert((*table).to_owned(), json!(count));
        all = all.saturating_add(count);
    }
    writeln!(encoder, "{}", json!({"end": counts})).map_err(failed)?;
    let mut file = encoder.finish().map_err(failed)?;
    file.flush().map_err(failed)?;
    file.get_ref().sync_all().map_err(failed)?;
    Ok(all)
}

/// Writes the rows of a file into an empty database, all or nothing, and upgrades them if they are from an older
/// version.
///
/// # Errors
/// [`StartError`], also when the database has rows, or the file is of a newer version or was cut short.
pub fn restore(place: &Place, path: &Path) -> Result<(), StartError> {
    let unreadable = |why: String| StartError(format!("{}: {why}", path.display()));
    let said = |e: &dyn std::fmt::Display| StartError(e.to_string());
    let head = Lines::open(path).and_then(|mut lines| lines.next()).map_err(unreadable)?;
    if head["vitrine_backup"] != FORM {
        return Err(unreadable("this is no backup that this version can read".to_owned()));
    }
    let version = head["schema"].as_str().unwrap_or_default().to_owned();
    let db = place.connect_or_create()?;
    match db.schema_version().map_err(|e| said(&e))? {
        None => db.migrate_to(&version).map_err(|e| said(&e))?,
        Some(found) if found == version => require_empty(&db)?,
        Some(found) => {
            return Err(StartError(format!(
                "the schema of the database is {found}, that of the backup {version}; use an empty one"
            )));
        }
    }
    let source = path.to_owned();
    let rows = db.write_blocking(move |conn| read(conn, &source)).map_err(|e| unreadable(e.to_string()))?;
    if db.schema().map_err(|e| said(&e))? != Schema::Current {
        db.migrate(Phase::Whole).map_err(|e| said(&e))?;
    }
    println!("{rows} rows restored");
    Ok(())
}

fn require_empty(db: &Db) -> Result<(), StartError> {
    for (table, _) in backup::TABLES {
        if !db.write_blocking(|conn| rows::is_empty(conn, table)).map_err(|e| StartError(e.to_string()))? {
            return Err(StartError(format!("the database has rows already, in {table}; use an empty one")));
        }
    }
    Ok(())
}

/// The lines of a backup.
struct Lines(BufReader<zstd::Decoder<'static, BufReader<File>>>);

impl Lines {
    fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|e| e.to_string())?;
        Ok(Self(BufReader::new(zstd::Decoder::new(file).map_err(|e| e.to_string())?)))
    }

    fn next(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        let read = std::io::Read::take(&mut self.0, LINE_BYTES_MAX)
            .read_line(&mut line)
            .map_err(|e| e.to_string())?;
        if read == 0 {
            return Err("it was cut short".to_owned());
        }
        serde_json::from_str(&line).map_err(|e| e.to_string())
    }
}

/// A table whose rows are being read.
struct Open {
    table: &'static str,
    key: &'static [&'static str],
    columns: Vec<backup::Column>,
    rows: Vec<Row>,
    count: u64,
}

impl Open {
    fn of(conn: &mut Conn, line: &Value) -> DbResult<Self> {
        let name = line["table"].as_str().unwrap_or_default();
        let known = backup::TABLES.iter().find(|(table, _)| *table == name);
        let (table, key) = *known.ok_or_else(|| failed(format!("nothing is known of the table {name:?}")))?;
        let there = backup::columns(conn, table)?;
        let names = line["columns"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let columns: DbResult<Vec<_>> = names
            .map(|name| {
                let column = there.iter().find(|column| column.name == name).cloned();
                column.ok_or_else(|| failed(format!("{table} has no column {name:?}")))
            })
            .collect();
        Ok(Self { table, key, columns: columns?, rows: Vec::new(), count: 0 })
    }

    fn take(&mut self, conn: &mut Conn, row: Row) -> DbResult<()> {
        if row.len() != self.columns.len() {
            return Err(failed(format!("a row of {} has {} values", self.table, row.len())));
        }
        for (column, value) in self.columns.iter().zip(&row) {
            backup::check(column, value).map_err(|why| failed(format!("a row of {}: {why}", self.table)))?;
        }
        self.rows.push(row);
        self.count = self.count.saturating_add(1);
        if self.rows.len() >= BATCH { self.flush(conn) } else { Ok(()) }
    }

    fn flush(&mut self, conn: &mut Conn) -> DbResult<()> {
        let rows = std::mem::take(&mut self.rows);
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        rows::insert(conn, self.table, &names, &rows)
    }
}

fn read(conn: &mut Conn, path: &Path) -> DbResult<u64> {
    let mut lines = Lines::open(path).map_err(failed)?;
    let _head = lines.next().map_err(failed)?;
    let (mut open, mut counts, mut all): (Option<Open>, Map<String, Value>, u64) = (None, Map::new(), 0);
    loop {
        let line = match (lines.next().map_err(failed)?, &mut open) {
            (Value::Array(row), Some(open)) => {
                open.take(conn, row)?;
                continue;
            }
            (line, _) => line,
        };
        if let Some(mut done) = open.take() {
            done.flush(conn)?;
            backup::renumber(conn, (done.table, done.key), &done.columns)?;
            counts.insert(done.table.to_owned(), json!(done.count));
            all = all.saturating_add(done.count);
        }
        if let Some(said) = line["end"].as_object() {
            return if *said == counts {
                Ok(all)
            } else {
                Err(failed("it does not hold the rows that it names"))
            };
        }
        open = Some(Open::of(conn, &line)?);
    }
}
