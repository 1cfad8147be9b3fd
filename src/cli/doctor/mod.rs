//! `vitrine doctor`: looks at everything that a server needs, and says in plain words what is wrong and what to do.
//!
//! A check is a row of [`CHECKS`]. None changes anything but the trial upload, which takes credentials and deletes its image.

mod case;
mod clocks;
mod configuration;
mod converter;
mod database;
mod descriptors;
mod disk;
mod endpoint;
mod files;
mod finding;
mod identity;
mod left;
mod options;
mod places;
mod running;
mod stores;

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use clap::builder::PossibleValuesParser;
use futures::{
    FutureExt, StreamExt,
    future::LocalBoxFuture,
    stream::{self, FuturesOrdered},
};
use tokio::signal::unix::{SignalKind, signal};

use super::place::Place;
use crate::server::runtime;
use case::Case;
use finding::{Finding, Outcome, Severity, as_json, count, summary};

/// Characters in a line at a terminal.
const WIDTH: usize = 100;
/// The exit code after a signal, such as Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Arguments of `vitrine doctor`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Look at this alone; may be repeated.
    #[arg(long, value_name = "CHECK", value_parser = PossibleValuesParser::new(CHECKS.iter().map(|check| check.id)))]
    only: Vec<String>,
    /// List the checks, and look at nothing.
    #[arg(long)]
    list: bool,
    /// Write the report as JSON.
    #[arg(long)]
    json: bool,
    /// Fail on warnings as well.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    trial: options::Options,
}

/// How a check is made.
type Look = for<'a> fn(&'a Case) -> LocalBoxFuture<'a, Vec<Finding>>;

/// A check.
struct Check {
    id: &'static str,
    title: &'static str,
    /// Seconds after which it is given up.
    seconds: u64,
    look: Look,
}

const CHECKS: [Check; 11] = [
    Check {
        id: "configuration",
        title: "Configuration",
        seconds: 10,
        look: |c| configuration::look(c).boxed_local(),
    },
    Check { id: "files", title: "Files and folders", seconds: 20, look: |c| files::look(c).boxed_local() },
    Check { id: "disk", title: "Room on disks", seconds: 20, look: |c| disk::look(c).boxed_local() },
    Check {
        id: "descriptors",
        title: "Open descriptors",
        seconds: 20,
        look: |c| descriptors::look(c).boxed_local(),
    },
    Check { id: "database", title: "Database", seconds: 60, look: |c| database::look(c).boxed_local() },
    Check { id: "clocks", title: "Clocks and nodes", seconds: 60, look: |c| clocks::look(c).boxed_local() },
    Check { id: "stores", title: "Stores", seconds: 90, look: |c| stores::look(c).boxed_local() },
    Check { id: "identity", title: "Identity", seconds: 90, look: |c| identity::look(c).boxed_local() },
    Check {
        id: "converter",
        title: "Conversion of disks",
        seconds: 30,
        look: |c| converter::look(c).boxed_local(),
    },
    Check {
        id: "server",
        title: "Server on this machine",
        seconds: 60,
        look: |c| running::look(c).boxed_local(),
    },
    // It bounds itself, for that depends on how much is uploaded.
    Check {
        id: "endpoint",
        title: "Endpoint and proxies",
        seconds: u64::MAX,
        look: |c| endpoint::look(c).boxed_local(),
    },
];

/// Looks, and prints the report. The exit code is 0 when there is no failure, 1 when there is one, or a warning with
/// `--strict`, or the report cannot be made, and 130 after a signal.
pub fn run(arguments: Arguments) -> ExitCode {
    if arguments.list {
        let lines: Vec<String> =
            CHECKS.iter().map(|check| format!("{:<14} {}\n", check.id, check.title)).collect();
        return written(&lines.concat(), 0);
    }
    let Arguments { place, only, json, strict, trial, .. } = arguments;
    let case = Case::new(&place, trial);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("vitrine: {error}");
            return ExitCode::FAILURE;
        }
    };
    let made = runtime.block_on(async {
        let made = outcomes(&case, &only, json).await;
        case.close().await;
        made
    });
    // What hangs is not waited for.
    runtime.shutdown_background();
    let Some((outcomes, is_read)) = made else { return ExitCode::from(INTERRUPTED) };
    if !is_read {
        return ExitCode::FAILURE;
    }
    let bad = count(&outcomes, Severity::Failure) > 0 || strict && count(&outcomes, Severity::Warning) > 0;
    let rest = if json { format!("{:#}\n", as_json(&outcomes)) } else { summary(&outcomes) };
    written(&rest, u8::from(bad))
}

fn written(text: &str, code: u8) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Makes all checks at once, and prints each in its turn unless it is JSON that is wanted, or nobody reads any more, which is
/// the second value. `None` when a signal came first.
async fn outcomes(case: &Case, only: &[String], json: bool) -> Option<(Vec<Outcome>, bool)> {
    let wanted = CHECKS.iter().filter(|check| only.is_empty() || only.iter().any(|id| id == check.id));
    let mut looks: FuturesOrdered<_> = wanted.map(|check| made(case, check)).collect();
    let (mut outcomes, mut is_read) = (Vec::new(), true);
    let mut interrupted = std::pin::pin!(interrupted());
    let width = if std::io::stdout().is_terminal() { WIDTH } else { usize::MAX };
    loop {
        let outcome = tokio::select! {
            // Before anything is looked at there is somebody to hear of it.
            biased;
            () = &mut interrupted => {
                drop(looks);
                let left = case.left.remove().await;
                eprintln!("vitrine: interrupted");
                if let Some(Finding { id, what, remedy, .. }) = left {
                    eprintln!("vitrine: {what} [{id}]: {remedy}");
                }
                return None;
            }
            outcome = looks.next() => outcome,
        };
        let Some(outcome) = outcome else { return Some((outcomes, is_read)) };
        if !json && is_read {
            // The checks go on when it fails: what one of them made, it also removes.
            is_read = std::io::stdout().write_all(outcome.text(width).as_bytes()).is_ok();
        }
        outcomes.push(outcome);
    }
}

/// Makes one check, which takes no longer than it may.
async fn made(case: &Case, check: &Check) -> Outcome {
    let patience = Duration::from_secs(check.seconds);
    let findings = match tokio::time::timeout(patience, (check.look)(case)).await {
        Ok(findings) => findings,
        Err(_) => vec![Finding::failure(
            "hangs",
            format!("this check did not end within {} s", check.seconds),
            "Whatever it looks at hangs: see whether a disk, a share or a server behind it still answers.",
        )],
    };
    Outcome { id: check.id, title: check.title, findings }
}

/// Waits for Ctrl-C or a termination signal.
async fn interrupted() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let signals = kinds
        .into_iter()
        .filter_map(|kind| signal(kind).ok())
        .map(|mut signal| async move { signal.recv().await }.boxed_local());
    let mut signals: stream::FuturesUnordered<_> = signals.collect();
    if signals.next().await.is_none() {
        std::future::pending::<()>().await;
    }
}
