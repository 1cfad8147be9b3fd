//! `vitrine keys list | rotate`: the keys with which the built-in identity signs tokens on all nodes.

use std::io::Write;

use super::place::Place;
use crate::{
    db::{DbError, identity::keys as rows},
    identity::builtin::keys,
    model::time::Timestamp,
    server::{StartError, runtime},
};

/// Commands of `vitrine keys`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the keys, the latest first, without their secret parts.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Create a new key; each node signs with it within a minute. Tokens signed with an older one stay valid.
    Rotate {
        #[command(flatten)]
        place: Place,
    },
}

/// Runs one of them.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn run(command: Command) -> Result<(), StartError> {
    let failed = |e: DbError| StartError(e.to_string());
    let (Command::List { place } | Command::Rotate { place }) = &command;
    let db = place.open()?;
    let runtime = runtime()?;
    let mut found = runtime.block_on(db.read("identity_keys.list", rows::list)).map_err(failed)?;
    let Some(latest) = found.first().map(|key| key.generation) else {
        return Err(StartError(
            "there is no key; a server with the built-in identity makes the first".to_owned(),
        ));
    };
    if matches!(command, Command::Rotate { .. }) {
        let rotated = runtime.block_on(keys::rotate(&db, latest, db.clock.now()));
        rotated.map_err(|e| StartError(e.to_string()))?;
        found = runtime.block_on(db.read("identity_keys.list", rows::list)).map_err(failed)?;
    }
    let mut text = String::new();
    for key in found {
        let use_ = match key.replaced_at {
            None => "signs".to_owned(),
            Some(then) => format!("verifies; replaced {}", Timestamp(then).isotime()),
        };
        text.push_str(&format!("{}  made {}  {use_}\n", key.kid, Timestamp(key.created_at).isotime()));
    }
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| StartError(e.to_string()))
}
