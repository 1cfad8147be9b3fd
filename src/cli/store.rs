//! `vitrine store`: maintains the stores while servers may be running.

use std::process::ExitCode;

use super::place::Place;
use crate::{
    db::Db,
    model::finding::ObjectState,
    reconcile::{
        self, Adopted, Orphan,
        guard::{self, Standing},
        scan::{Scan, Wanted},
    },
    server::{StartError, runtime, stores},
    store::NamedStore,
};

/// Commands of `vitrine store`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List files without a ledger row and rows without a file. Changes nothing, unless told to delete.
    Reconcile(Arguments),
    /// Take over a store that has the mark of another database, after the database was set up again. No other service
    /// may have its data there.
    Claim(ClaimArguments),
    /// Give the data of stores that are not configured any more to the stores that have its URLs now: after an id was
    /// changed, or several stores took the place of one. No other node may have the former stores.
    Adopt(AdoptArguments),
}

/// Arguments of `vitrine store adopt`.
#[derive(Debug, clap::Args)]
pub struct AdoptArguments {
    #[command(flatten)]
    place: Place,
    /// The only former id to look at.
    #[arg(long, value_name = "ID")]
    from: Option<String>,
}

/// Arguments of `vitrine store reconcile`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Id of the only store to look at.
    #[arg(long, value_name = "ID")]
    store: Option<String>,
    /// Delete the files that nothing knows. Rows without a file stay: their images have lost data.
    #[arg(long)]
    delete: bool,
}

/// Arguments of `vitrine store claim`.
#[derive(Debug, clap::Args)]
pub struct ClaimArguments {
    #[command(flatten)]
    place: Place,
    /// Id of the store.
    #[arg(value_name = "STORE")]
    store: String,
}

/// Runs a command. The exit code is 0 when store and database agree, or everything was adopted; 2 when they differ, or
/// something was left; 1 when it cannot be determined.
pub fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Reconcile(arguments) => reconcile(arguments),
        Command::Adopt(arguments) => adopt(&arguments),
        Command::Claim(arguments) => claim(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("vitrine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn reconcile(arguments: Arguments) -> Result<bool, StartError> {
    let place = &arguments.place;
    let config = place.config()?;
    let db = place.open_as_it_is(&config)?;
    let stores = stores::open(&config.stores, &place.folder(&config), &config.imports)?;
    let chosen: Vec<_> = stores
        .iter()
        .filter(|named| named.capabilities().writes)
        .filter(|named| arguments.store.as_ref().is_none_or(|id| *id == named.id))
        .collect();
    if chosen.is_empty() {
        return Err(StartError("there is no such store that could be compared with the database".to_owned()));
    }
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut agree = true;
        for named in chosen {
            agree &= one(&db, &named, arguments.delete).await?;
        }
        Ok(agree)
    })
}

/// Compares one store with the database and prints the differences; deletes files without a row on request. Returns
/// whether none is left.
///
/// # Errors
/// [`StartError`] when the store or the database cannot be read, or the store is not this database's.
pub async fn one(db: &Db, named: &NamedStore, delete: bool) -> Result<bool, StartError> {
    let failed = |e: &dyn std::fmt::Display| StartError(format!("store {}: {e}", named.id));
    match guard::standing(db, named, false).await.map_err(|e| failed(&e))? {
        Standing::Ours | Standing::Markless => {}
        other => return Err(failed(&guard::refusal(&named.id, &other))),
    }
    let (mut found, mut left) = (0_usize, 0_usize);
    let scan = Scan::begin(db, named, std::env::temp_dir(), Wanted::default(), &|| Ok(()));
    let mut scan = scan.await.map_err(|e| failed(&e))?;
    loop {
        let batch = scan.next().await.map_err(|e| failed(&e))?;
        if batch.is_empty() {
            break;
        }
        for finding in &batch {
            if finding.state == ObjectState::Missing {
                let image = finding.image_id.as_deref().unwrap_or_default();
                println!("  no file: {} of image {image}", finding.name);
                left = left.saturating_add(1);
            }
            let Some(orphan) = Orphan::of(finding) else { continue };
            let kind = if orphan.unfinished { "no row, unfinished" } else { "no row" };
            let deleted = delete && reconcile::delete(db, named, &orphan).await.map_err(|e| failed(&e))?;
            let done = if deleted { " (deleted)" } else { "" };
            println!("  {kind}: {}{done}", orphan.name.escape_debug());
            found = found.saturating_add(1);
            left = left.saturating_add(usize::from(!deleted));
        }
    }
    println!("store {}: {} files, {} rows", named.id, scan.objects, scan.rows);
    if !delete && found > 0 {
        println!("  nothing was changed; --delete deletes the files without a row");
    }
    Ok(left == 0)
}

fn claim(arguments: &ClaimArguments) -> Result<bool, StartError> {
    let place = &arguments.place;
    let config = place.config()?;
    let db = place.open_as_it_is(&config)?;
    let stores = stores::open(&config.stores, &place.folder(&config), &config.imports)?;
    let id = &arguments.store;
    let named = stores.get(id).ok_or_else(|| StartError(format!("there is no store {id}")))?;
    let standing = runtime()?.block_on(guard::claim(&db, &named));
    match standing.map_err(|e| StartError(format!("store {id}: {e}")))? {
        Standing::Ours => println!("store {id} is this database's"),
        Standing::Markless => println!("stores of the kind of {id} bear no mark"),
        other => return Err(StartError(guard::refusal(id, &other).to_string())),
    }
    Ok(true)
}

fn adopt(arguments: &AdoptArguments) -> Result<bool, StartError> {
    let place = &arguments.place;
    let config = place.config()?;
    let db = place.open_as_it_is(&config)?;
    let stores = stores::open(&config.stores, &place.folder(&config), &config.imports)?;
    if let Some(id) = arguments.from.as_ref().filter(|id| stores.has(id)) {
        return Err(StartError(format!(
            "the store {id} is configured; only the data of former stores is adopted"
        )));
    }
    let adopted = reconcile::adopt(&db, &stores, arguments.from.as_deref());
    let adopted = adopted.map_err(|e| StartError(e.to_string()))?;
    let mut left = 0_usize;
    for (former, Adopted { moved, left: rows }) in &adopted {
        let former = if former.is_empty() { "without a store" } else { former };
        for (store, count) in moved {
            println!("{former}: {count} rows belong to {store} now");
        }
        if *rows > 0 {
            println!("{former}: {rows} rows are left, because no one store has their URLs");
        }
        left = left.saturating_add(*rows);
    }
    if adopted.is_empty() {
        println!("there is nothing to adopt");
    }
    Ok(left == 0)
}
