//! The command line: arguments in, one command run, an exit code out.

mod arenas;
mod backup;
mod cache;
mod check;
mod config;
mod confine;
mod db;
mod doctor;
mod generate;
mod glance;
mod health;
mod jobs;
mod keys;
mod listed;
mod metadefs;
mod metrics;
mod moving;
mod nodes;
mod place;
mod policy;
mod progress;
mod scrub;
mod serve;
mod store;
mod stores;
mod usage;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// An image service that implements the OpenStack Glance v2 API.
#[derive(Debug, Parser)]
#[command(name = "vitrine", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load, unload or export metadata definitions.
    #[command(subcommand)]
    Metadefs(metadefs::Command),
    /// Run the server.
    Serve(serve::Arguments),
    /// List, show, cancel and retry imports and other jobs.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Write the page of the documentation that says what figures /metrics has.
    Metrics,
    /// List and rotate the keys with which the built-in identity signs tokens.
    #[command(subcommand)]
    Keys(keys::Command),
    /// List the servers that share a database, and where their settings disagree.
    Nodes(nodes::Arguments),
    /// Check a configuration, or write a sample of one.
    #[command(subcommand)]
    Config(config::Command),
    /// Check, show and explain policy rules.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Upgrade or check the schema of the database; back up, restore and purge its rows.
    #[command(subcommand)]
    Db(db::Command),
    /// Manage the image cache of this machine.
    #[command(subcommand)]
    Cache(cache::Command),
    /// Import the contents of a Glance database; image data is not touched.
    ImportGlance(moving::Import),
    /// Export the contents of the database to one from which Glance can start; image data is not touched.
    ExportGlance(moving::Export),
    /// Hold images, ledger and stores against each other; changes nothing.
    Check(check::Arguments),
    /// Read all data of images, compare it with their hashes, and repair what is damaged from another store.
    Scrub(scrub::Arguments),
    /// Look at everything that a server needs, and say what is wrong and what to do.
    Doctor(doctor::Arguments),
    /// Ask whether a server answers.
    Health(health::Arguments),
    /// Maintain the stores.
    #[command(subcommand)]
    Store(store::Command),
    /// Show the health of each configured store, seen from this machine: state, free space, latency and errors.
    Stores(stores::Arguments),
    /// Report usage and its cost, set rates, check the ledger.
    #[command(subcommand)]
    Usage(usage::Command),
    /// Run a program in confinement; used by the server itself.
    #[command(hide = true)]
    Confine(confine::Arguments),
    /// Write shell completions and man pages, for packages.
    #[command(subcommand)]
    Generate(generate::Command),
    /// Create a link to this program for each of Glance's command names.
    Links(glance::Links),
}

/// Runs the command in the arguments, or the Glance command by whose name this program was called.
pub fn run() -> ExitCode {
    if let Some(code) = glance::run(&std::env::args_os().collect::<Vec<_>>()) {
        return code;
    }
    let result = match Arguments::parse().command {
        Command::Metadefs(command) => metadefs::run(command),
        Command::Cache(command) => cache::run(command),
        Command::Jobs(command) => jobs::run(command),
        Command::Keys(command) => keys::run(command),
        Command::Metrics => {
            metrics::run();
            Ok(())
        }
        Command::Serve(arguments) => serve::run(arguments),
        Command::ImportGlance(arguments) => moving::import(arguments),
        Command::ExportGlance(arguments) => moving::export(arguments),
        Command::Generate(command) => generate::run(command, Arguments::command()),
        Command::Health(arguments) => health::run(&arguments),
        Command::Links(arguments) => glance::link(&arguments),
        Command::Nodes(arguments) => return nodes::run(arguments),
        Command::Db(command) => return db::run(command),
        Command::Config(command) => return config::run(command),
        Command::Policy(command) => return policy::run(command),
        Command::Store(command) => return store::run(command),
        Command::Check(arguments) => return check::run(&arguments),
        Command::Doctor(arguments) => return doctor::run(arguments),
        Command::Scrub(arguments) => return scrub::run(&arguments),
        Command::Stores(arguments) => return stores::run(&arguments),
        Command::Usage(command) => return usage::run(command),
        Command::Confine(arguments) => return confine::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vitrine: {error}");
            ExitCode::FAILURE
        }
    }
}
