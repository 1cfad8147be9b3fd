//! `vitrine cache`: manages the cache folder of this machine while its server may be running, like
//! `glance-cache-manage`, `glance-cache-pruner` and `glance-cache-cleaner`.

use std::io::Write;

use clap::Subcommand;

use super::place::Place;
use crate::{
    cache::Cache,
    db::{self, Db},
    model::error::Error,
    server::{StartError, runtime},
};

/// Commands of `vitrine cache`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the cached and the queued images.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Queue an image for caching; the server of this machine fetches it within seconds.
    Queue {
        /// Id of the image.
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Remove an image from the cache and the queue.
    Delete {
        /// Id of the image.
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Empty the cache and the queue.
    Clear {
        #[command(flatten)]
        place: Place,
    },
    /// Delete the least recently used images until the cache is within its size limit.
    Prune {
        #[command(flatten)]
        place: Place,
    },
    /// Remove invalid files, and incomplete files that nobody is writing.
    Clean {
        #[command(flatten)]
        place: Place,
    },
}

/// Runs one of them.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn run(command: Command) -> Result<(), StartError> {
    let (Command::List { place }
    | Command::Queue { place, .. }
    | Command::Delete { place, .. }
    | Command::Clear { place }
    | Command::Prune { place }
    | Command::Clean { place }) = &command;
    let (cache, db) = open(place)?;
    let runtime = runtime()?;
    let text = runtime.block_on(act(&cache, &db, &command)).map_err(|e| StartError(e.to_string()))?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| StartError(e.to_string()))
}

fn open(place: &Place) -> Result<(Cache, Db), StartError> {
    let config = place.config()?;
    let db = place.open_as_it_is(&config)?;
    let settings = config
        .cache
        .ok_or_else(|| StartError("there is no cache: [DEFAULT] image_cache_dir is not set".to_owned()))?;
    Ok((Cache::open(settings, db.clone()).map_err(StartError)?, db))
}

async fn act(cache: &Cache, db: &Db, command: &Command) -> Result<String, Error> {
    Ok(match command {
        Command::List { .. } => list(cache).await?,
        Command::Queue { id, .. } => {
            let ids = vec![id.clone()];
            let there = db.read("cache.alive", move |conn| db::cached_images::alive(conn, &ids)).await?;
            if there.is_empty() {
                return Err(Error::ImageNotFound(id.clone()));
            }
            cache.queue(id).await?;
            String::new()
        }
        Command::Delete { id, .. } => {
            cache.unqueue(id).await?;
            cache.drop_copy(id).await?;
            String::new()
        }
        Command::Clear { .. } => {
            let (queued, cached) = (cache.unqueue_all().await?, cache.drop_all().await?);
            format!("{cached} images were cached, {queued} waited\n")
        }
        Command::Prune { .. } => {
            let (files, bytes) = cache.prune().await?;
            format!("{files} images with {bytes} bytes had to go\n")
        }
        Command::Clean { .. } => {
            cache.clean().await?;
            String::new()
        }
    })
}

async fn list(cache: &Cache) -> Result<String, Error> {
    let mut text = String::new();
    for copy in cache.list().await? {
        let (accessed, modified) = (copy.last_accessed.isotime(), copy.last_modified.isotime());
        text.push_str(&format!(
            "{}  cached  {accessed}  {modified}  {:>14}  {:>6}\n",
            copy.image_id, copy.size, copy.hits
        ));
    }
    for id in cache.queued().await? {
        text.push_str(&format!("{id}  queued\n"));
    }
    Ok(text)
}
