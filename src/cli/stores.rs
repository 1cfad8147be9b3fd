//! `vitrine stores`: the health of each configured store, seen from this machine.

use std::{path::Path, process::ExitCode, time::Duration};

use futures::future::join_all;
use serde_json::{Value, json};

use super::{listed::listed, place::Place};
use crate::{
    config::{Config, StoreSettings},
    server::{StartError, runtime, stores},
    store::{
        NamedStore,
        health::{Report, State},
    },
    telemetry,
};

/// What the exit code says when a store is not well.
const SICK: u8 = 2;
/// Questions to each store.
const QUESTIONS: usize = 5;
/// Bytes of the columns.
const HEADS: [&str; 7] = ["STORE", "TYPE", "STATE", "ROOM", "LATENCY", "ERRORS", "LAST ERROR"];

/// Arguments of `vitrine stores`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Write the list as JSON.
    #[arg(long)]
    json: bool,
    /// Seconds that a store may take for all that it is asked.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

/// Calls each store. The exit code is 0 when all are well, 2 when one is not, 1 when it cannot be determined.
pub fn run(arguments: &Arguments) -> ExitCode {
    listed(tried(arguments), SICK)
}

/// A store of the configuration, and how it is.
type Tried<'a> = (&'a StoreSettings, Report);

fn tried(arguments: &Arguments) -> Result<(String, bool), StartError> {
    let config = arguments.place.config()?;
    let folder = arguments.place.folder(&config);
    let patience = Duration::from_secs(arguments.timeout);
    let runtime = runtime()?;
    let late = || Report::unopened(format!("it did not answer within {} s", patience.as_secs()));
    let (config, folder, late) = (&config, folder.as_path(), &late);
    let tries = config.stores.list.iter().map(|one| async move {
        let report = tokio::time::timeout(patience, report(config, one, folder)).await;
        (one, report.unwrap_or_else(|_| late()))
    });
    let tried = runtime.block_on(async { join_all(tries).await });
    // What hangs is not waited for.
    runtime.shutdown_background();
    let well = tried.iter().all(|(_, report)| report.state == State::Well);
    Ok((if arguments.json { format!("{:#}\n", as_json(&tried)) } else { as_text(&tried) }, well))
}

/// Opens a store and asks it a few times.
async fn report(config: &Config, one: &StoreSettings, folder: &Path) -> Report {
    match open(config, one, folder).await {
        Ok(named) => asked(&named).await,
        Err(reason) => Report::unopened(reason),
    }
}

/// Opens a store.
///
/// # Errors
/// A sentence for the operator.
pub(super) async fn open(config: &Config, one: &StoreSettings, folder: &Path) -> Result<NamedStore, String> {
    let (settings, fencing) = (one.clone(), config.stores.fencing.clone());
    let (folder, imports) = (folder.to_owned(), config.imports.clone());
    let opened = telemetry::blocking(move || stores::open_one(&settings, &fencing, &folder, &imports)).await;
    opened.map_err(|fault| fault.to_string())?
}

/// The health of a store that was asked a few times.
pub(super) async fn asked(named: &NamedStore) -> Report {
    for _ in 0..QUESTIONS {
        // What comes of it is in the report.
        if named.probe().await.is_err() {
            break;
        }
    }
    named.report().await
}

fn as_json(tried: &[Tried<'_>]) -> Value {
    let rows: Vec<Value> =
        tried.iter().map(|(one, report)| report.as_json(&one.id, one.settings.kind().name)).collect();
    json!({"stores": rows})
}

fn as_text(tried: &[Tried<'_>]) -> String {
    let row = |(one, report): &Tried<'_>| {
        let [state, room, latency, errors, last] = report.words();
        [one.id.clone(), one.settings.kind().name.to_owned(), state, room, latency, errors, last]
    };
    let rows: Vec<_> = std::iter::once(HEADS.map(str::to_owned)).chain(tried.iter().map(row)).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<_> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
