//! `vitrine import-glance`: takes over what a database of Glance has.

use std::{
    io::{IsTerminal, Write},
    time::Instant,
};

use super::place::{Place, overriding};
use crate::{
    db::{self, Db},
    moving::{self, Key, Note, Plan, Told},
    server::{StartError, stores},
};

/// Seconds between two lines of progress.
const PERIOD_SECONDS: f64 = 2.0;

/// Arguments of `vitrine import-glance`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Glance's database, as its `[database] connection` has it; it is only read.
    #[arg(long, value_name = "URL")]
    from: String,
    /// Look at everything and tell what would become of it, but change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

/// Takes over images, tasks and metadata definitions. A run that was stopped goes on; a further one takes what has changed.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn run(arguments: Arguments) -> Result<(), StartError> {
    let key = arguments.place.loaded().nonempty("DEFAULT", "metadata_encryption_key");
    let key = key.map(|text| Key::new(&text)).transpose().map_err(StartError)?;
    // The server does not encrypt; what it needs not know of is not refused here.
    let place = arguments.place.but(vec![overriding("DEFAULT", "metadata_encryption_key", "")]);
    let config = place.config()?;
    let source = db::Settings { connection: arguments.from, max_pool_size: 1, ..db::Settings::default() };
    let name = source.shown().map_err(StartError)?;
    let source = Db::open(&source).map_err(StartError)?;
    let target = place.open()?;
    let stores = stores::open(&config.stores, &place.folder(&config), &config.imports)?;
    let delay_seconds = if config.image.delayed_delete { config.image.scrub_time_seconds } else { 0 };
    let plan = Plan {
        source: &source,
        name: &name,
        target: &target,
        stores: &stores,
        key,
        delay_seconds,
        dry_run: arguments.dry_run,
    };
    let mut told = Screen { began: Instant::now(), said: 0.0, notes: 0 };
    let report = moving::run(&plan, &mut told).map_err(StartError)?;
    let verb = if arguments.dry_run { "would be taken" } else { "taken" };
    println!(
        "{} of {} images, {} tasks and {} namespaces {verb}; {} notes; {:.1} s",
        report.images,
        report.seen,
        report.tasks,
        report.namespaces,
        told.notes,
        told.began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Says on standard error how far it is, and on standard output what was left out.
struct Screen {
    began: Instant,
    said: f64,
    notes: u64,
}

impl Told for Screen {
    fn progress(&mut self, done: u64, all: u64) {
        let elapsed = self.began.elapsed().as_secs_f64();
        if elapsed - self.said < PERIOD_SECONDS && done < all {
            return;
        }
        self.said = elapsed;
        let pace = done as f64 / elapsed.max(0.001);
        let left = (all.saturating_sub(done)) as f64 / pace.max(0.001);
        let end = if std::io::stderr().is_terminal() && done < all { "\r" } else { "\n" };
        eprint!("{done} of {all} images, {pace:.0} a second, {left:.0} s left   {end}");
    }

    fn note(&mut self, note: Note) {
        self.notes = self.notes.saturating_add(1);
        // Whoever closes the pipe does not want to read on.
        let _ = writeln!(std::io::stdout(), "{}: {}", note.what, note.why);
    }
}
