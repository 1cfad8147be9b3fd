//! `vitrine serve`

use std::path::PathBuf;

use tracing_subscriber::EnvFilter;

use crate::server::{Options, Server, StartError};

/// Arguments of `vitrine serve`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder for the database, the images and the keys.
    #[arg(long, default_value = "data")]
    data_dir: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9292", value_name = "ADDRESS:PORT")]
    bind: String,
    /// Database other than the embedded one: postgresql://… or mysql://…
    #[arg(long)]
    database: Option<String>,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn run(arguments: Arguments) -> Result<(), StartError> {
    let filter = EnvFilter::builder().parse_lossy("info");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let options =
        Options { database: arguments.database, ..Options::embedded(arguments.data_dir, arguments.bind) };
    Server::open(&options)?.run_blocking()
}
