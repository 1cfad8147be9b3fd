//! `vitrine check`: holds images, ledger and stores against each other, while servers may be running.

use std::{collections::BTreeSet, process::ExitCode};

use super::{listed::listed, place::Place, scrub, store, usage};
use crate::{
    db::{self, Conn, Db, DbResult},
    scrub::{Pace, Scrubber},
    server::{StartError, handles, runtime},
};

/// Faults of one kind that are told at most.
const TOLD_MAX: u16 = 1000;

/// Arguments of `vitrine check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Read all data as well, and compare it with the hashes of the images.
    #[arg(long)]
    all: bool,
    /// MiB to read in a second; 0 is as fast as it goes.
    #[arg(long, value_name = "MIB", default_value_t = 0, requires = "all")]
    pace: u64,
}

/// Checks everything and changes nothing. The exit code is 0 when all agree, 2 when they do not, 1 when it cannot be
/// determined.
pub fn run(arguments: &Arguments) -> ExitCode {
    listed(check(arguments), 2)
}

fn check(arguments: &Arguments) -> Result<(String, bool), StartError> {
    let place = &arguments.place;
    let config = place.config()?;
    let db = place.open_as_it_is(&config)?;
    let blobs = handles::blobs(&config, &place.folder(&config), db.clone())?;
    let stores: Vec<String> = blobs.images.stores.iter().map(|named| named.id.clone()).collect();
    let (mut well, mut text) = (true, String::new());
    for line in faults(&db, &stores)? {
        well = false;
        text.push_str(&line);
        text.push('\n');
    }
    let (usage, agrees) = usage::check(place)?;
    text.push_str(&usage);
    well &= agrees;
    print!("{text}");
    let runtime = runtime()?;
    for named in blobs.images.stores.iter().filter(|named| named.capabilities().writes) {
        well &= runtime.block_on(store::one(&db, &named, false))?;
    }
    if arguments.all {
        let scrubber =
            Scrubber::new(blobs, Pace::new(Some(arguments.pace.saturating_mul(scrub::MIB))), false);
        let read = runtime.block_on(scrub::read(&scrubber, &[]))?;
        println!("{} copies read: {} damaged or not readable", read.copies, read.complaints);
        well &= read.complaints == 0;
    }
    Ok((if well { "everything agrees\n" } else { "something is wrong\n" }.to_owned(), well))
}

/// What is wrong between images and ledger. Servers change both meanwhile, so that only what is wrong twice counts.
fn faults(db: &Db, stores: &[String]) -> Result<BTreeSet<String>, StartError> {
    let look = |conn: &mut Conn| -> DbResult<BTreeSet<String>> {
        let most = i64::from(TOLD_MAX);
        let found = [
            db::check::without_locations(conn, most)?,
            db::check::astray(conn, most)?,
            db::check::unused(conn, stores, most)?,
            db::check::sealed(conn, usize::from(TOLD_MAX))?,
        ];
        Ok(found.into_iter().flatten().map(|(what, why)| format!("{what}: {why}")).collect())
    };
    let ask = || db.read_blocking(look).map_err(|e| StartError(e.to_string()));
    let first = ask()?;
    if first.is_empty() {
        return Ok(first);
    }
    Ok(first.intersection(&ask()?).cloned().collect())
}
