//! `vitrine scrub`: reads all data of images and repairs what is damaged, while servers may be running.

use std::process::ExitCode;

use super::{place::Place, progress::Progress};
use crate::{
    blob::Blobs,
    db,
    scrub::{Finding, Outcome, Pace, Scrubber},
    server::{StartError, handles, runtime},
};

/// Bytes of a MiB.
pub const MIB: u64 = 1 << 20;

/// Arguments of `vitrine scrub`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// MiB to read in a second; 0 is as fast as it goes.
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    pace: u64,
    /// Only tell what is damaged.
    #[arg(long)]
    no_repair: bool,
    /// Id of an image; may be repeated. Without it the data of all images is read.
    #[arg(long, value_name = "ID")]
    image: Vec<String>,
}

/// What a scrub found.
#[derive(Debug, Default)]
pub struct Summary {
    /// Copies that were read.
    pub copies: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Damaged ones that are good now.
    pub repaired: u64,
    /// What is wrong, each with a sentence that was printed.
    pub complaints: u64,
}

/// Reads everything. The exit code is 0 when all data is good at the end, 2 when some is not, 1 when it cannot be
/// determined.
pub fn run(arguments: &Arguments) -> ExitCode {
    match scrub(arguments) {
        Ok(Summary { complaints: 0, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(error) => {
            eprintln!("vitrine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn scrub(arguments: &Arguments) -> Result<Summary, StartError> {
    let place = &arguments.place;
    let config = place.config()?;
    let db = place.open_as_it_is(&config)?;
    let blobs = handles::blobs(&config, &place.folder(&config), db)?;
    let pace = Pace::new(Some(arguments.pace.saturating_mul(MIB)));
    let scrubber = Scrubber::new(blobs.clone(), pace, !arguments.no_repair);
    let summary = runtime()?.block_on(async {
        tokio::select! {
            // The leases of what is written meanwhile end with this process.
            never = keep_leases(blobs) => never,
            summary = read(&scrubber, &arguments.image) => summary,
        }
    })?;
    let Summary { copies, bytes, repaired, complaints } = &summary;
    println!("{copies} copies read, {} MiB: {repaired} repaired, {complaints} left", bytes / MIB);
    Ok(summary)
}

/// Reads the data of these images, or of all if there are none, and prints what is wrong.
///
/// # Errors
/// [`StartError`] when the database does not answer.
pub async fn read(scrubber: &Scrubber, only: &[String]) -> Result<Summary, StartError> {
    let failed = |e: &dyn std::fmt::Display| StartError(e.to_string());
    let mut summary = Summary::default();
    let mut progress = Progress::of("images", (!only.is_empty()).then_some(only.len() as u64));
    let (mut page, mut after) = (only.to_vec(), String::new());
    loop {
        if only.is_empty() {
            page = scrubber.page(&after).await.map_err(|e| failed(&e))?;
        }
        for id in &page {
            let findings = scrubber.image(id).await.map_err(|e| failed(&e))?;
            progress.advance(findings.iter().map(|finding| finding.bytes).sum());
            findings.iter().for_each(|finding| summary.add(&progress, finding));
            if !only.is_empty() && findings.is_empty() {
                summary.complaints = summary.complaints.saturating_add(1);
                progress.clear();
                println!("image {id}: there is none with data that is kept here");
            }
        }
        match page.last() {
            Some(last) if only.is_empty() => after = last.clone(),
            _ => break,
        }
    }
    progress.clear();
    Ok(summary)
}

impl Summary {
    fn add(&mut self, progress: &Progress, finding: &Finding) {
        self.copies = self.copies.saturating_add(1);
        self.bytes = self.bytes.saturating_add(finding.bytes);
        if let Some(complaint) = finding.complaint() {
            self.complaints = self.complaints.saturating_add(1);
            progress.clear();
            println!("{complaint}");
        } else if finding.outcome == Outcome::Repaired {
            self.repaired = self.repaired.saturating_add(1);
            progress.clear();
            println!("image {} in {}: repaired", finding.image, finding.store);
        }
    }
}

/// Renews the leases of what this process writes, as a server does, until it is dropped or cannot.
async fn keep_leases<T>(blobs: Blobs) -> Result<T, StartError> {
    let mut ticks = tokio::time::interval(blobs.leases.beat());
    loop {
        ticks.tick().await;
        let (holders, until) = (blobs.leases.holders(), blobs.leases.end());
        let renew = move |conn: &mut db::Conn| db::blobs::set_leases(conn, &holders, until);
        if let Err(error) = blobs.images.db.write("scrub.renew_leases", renew).await {
            return Err(StartError(format!("leases could not be renewed: {error}")));
        }
    }
}
