//! Several nodes on one database, each a process of its own: its schema, the keys of tokens, and what nodes tell of
//! each other.

mod running;
mod schema;

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use diesel::{RunQueryDsl, sql_query};
use vitrine::db::{self, Db};

use crate::support::*;

/// A `vitrine` command whose data folder is `folder`, on the database at `url`; the embedded one is in the folder.
fn command(folder: &Path, url: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
    command.args(words).arg("--data-dir").arg(folder).stdin(Stdio::null());
    if url != format!("sqlite:{}", folder.join("vitrine.sqlite").display()) {
        command.args(["--database", url]);
    }
    command
}

/// Starts a command whose output will be read.
fn spawn(folder: &Path, url: &str, words: &[&str]) -> Child {
    command(folder, url, words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a command: its exit code, and what it printed.
fn run(folder: &Path, url: &str, words: &[&str]) -> (i32, String) {
    ended(command(folder, url, words).output().unwrap())
}

fn ended(output: Output) -> (i32, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("an exit code"), String::from_utf8(text).unwrap())
}

/// Opens the database of a test for a look, or a change, behind everybody's back.
fn open(url: &str) -> Db {
    Db::open(&db::Settings { connection: url.to_owned(), max_pool_size: 1, ..Default::default() }).unwrap()
}

fn execute(url: &str, statement: &str) {
    open(url).write_blocking(|conn| Ok(sql_query(statement).execute(conn)?)).unwrap();
}
