//! `vitrine import-glance | export-glance`: migrates a Glance database to Vitrine and back.

use std::{
    io::{IsTerminal, Write},
    time::Instant,
};

use super::place::Place;
use crate::{
    config::Config,
    db::{self, Db},
    moving::{self, Back, Note, Plan, Report, StagingFolder, Told},
    server::{StartError, stores},
    store::{Stores, staging::Staging},
};

/// Seconds between two lines of progress.
const PERIOD_SECONDS: f64 = 2.0;
/// How many bytes the name of a database has at most in our notes.
const NAME_BYTES_MAX: usize = 255;

/// Arguments of `vitrine import-glance`.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// Glance's database, as in its `[database] connection`; it is only read.
    #[arg(long, value_name = "URL")]
    from: String,
    /// Report what would happen, without changing anything.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

/// Arguments of `vitrine export-glance`.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// The database from which Glance is going to start, with the empty tables that its own `glance-manage db_sync`
    /// creates.
    #[arg(long, value_name = "URL")]
    to: String,
    /// Report what would happen, without changing anything.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

/// Imports images, tasks and metadata definitions. An interrupted run continues; a later run imports what has changed.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn import(arguments: Import) -> Result<(), StartError> {
    let Import { from, dry_run, place } = arguments;
    let both = Both::open(&place, &from, dry_run)?;
    let image = &both.config.image;
    let plan = Plan {
        source: &both.glance,
        name: &both.name,
        target: &both.ours,
        stores: &both.stores,
        staging: both.staging,
        key: both.config.location_key.clone(),
        delay_seconds: if image.delayed_delete { image.scrub_time_seconds } else { 0 },
        dry_run,
    };
    told(dry_run, "taken", |screen| moving::run(&plan, screen))
}

/// Exports images, tasks, metadata definitions and cache records to Glance's tables, in the same way.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn export(arguments: Export) -> Result<(), StartError> {
    let Export { to, dry_run, place } = arguments;
    let both = Both::open(&place, &to, dry_run)?;
    let mut name = format!("to {}", both.name);
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
    let plan = Back {
        ours: &both.ours,
        glance: &both.glance,
        name: &name,
        stores: &both.stores,
        staging: both.staging,
        key: both.config.location_key.clone(),
        dry_run,
    };
    told(dry_run, "written", |screen| moving::run_back(&plan, screen))
}

/// What both ways need: the two databases and the stores.
struct Both {
    config: Config,
    glance: Db,
    /// Glance's database as it may be shown.
    name: String,
    ours: Db,
    stores: Stores,
    staging: Option<StagingFolder>,
}

impl Both {
    fn open(place: &Place, url: &str, dry_run: bool) -> Result<Self, StartError> {
        let config = place.config()?;
        let glance = db::Settings { connection: url.to_owned(), max_pool_size: 1, ..db::Settings::default() };
        let name = glance.shown().map_err(StartError)?;
        let glance = Db::open(&glance).map_err(StartError)?;
        let ours = place.open()?;
        let data_dir = place.folder(&config);
        let stores = stores::open(&config.stores, &data_dir, &config.imports)?;
        let folder = stores::staging_folder(&config.stores, &data_dir);
        let staging = match folder.is_dir() {
            false => None,
            // The folder gets a name of its own when it is opened for the first time.
            true if dry_run && !Staging::is_one(&folder) => Some(StagingFolder { folder, id: String::new() }),
            true => {
                let opened = Staging::open(&folder).map_err(|e| StartError(e.to_string()))?;
                Some(StagingFolder { id: opened.id().to_owned(), folder })
            }
        };
        Ok(Self { config, glance, name, ours, stores, staging })
    }
}

fn told(
    dry_run: bool,
    verb: &str,
    run: impl FnOnce(&mut Screen) -> Result<Report, String>,
) -> Result<(), StartError> {
    let mut screen = Screen { began: Instant::now(), said: 0.0, notes: 0 };
    let report = run(&mut screen).map_err(StartError)?;
    println!(
        "{} of {} images, {} tasks and {} namespaces {}{verb}; {} notes; {:.1} s",
        report.images,
        report.seen,
        report.tasks,
        report.namespaces,
        if dry_run { "would be " } else { "" },
        screen.notes,
        screen.began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Prints progress on standard error, and what was left out on standard output.
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

    fn sorting(&mut self) {
        eprintln!("sorting");
    }

    fn note(&mut self, note: Note) {
        self.notes = self.notes.saturating_add(1);
        // Whoever closes the pipe does not want to read on.
        let _ = writeln!(std::io::stdout(), "{}: {}", note.what, note.why);
    }
}
