//! The command line: arguments in, one command run, an exit code out.

mod backup;
mod cache;
mod config;
mod confine;
mod db;
mod glance;
mod jobs;
mod keys;
mod listed;
mod metadefs;
mod moving;
mod nodes;
mod place;
mod policy;
mod serve;
mod store;
mod stores;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An image service that speaks the OpenStack Glance v2 API.
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
    /// Look at imports and other durable work, stop it, repeat it.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Look after the keys with which the built-in identity signs tokens.
    #[command(subcommand)]
    Keys(keys::Command),
    /// List the servers that share a database, and where they disagree.
    Nodes(nodes::Arguments),
    /// Check a configuration, or write a sample of one.
    #[command(subcommand)]
    Config(config::Command),
    /// Look at the rules of who may do what.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Bring the schema of the database up to date, or look at it.
    #[command(subcommand)]
    Db(db::Command),
    /// Look after the image cache of this machine.
    #[command(subcommand)]
    Cache(cache::Command),
    /// Take over what a database of Glance has; no data is touched.
    ImportGlance(moving::Import),
    /// Write what is here into a database that a Glance can start from; no data is touched.
    ExportGlance(moving::Export),
    /// Look after the stores.
    #[command(subcommand)]
    Store(store::Command),
    /// Tell how each configured store is, tried from here: its state, room, latency and errors.
    Stores(stores::Arguments),
    /// Report what was used and what it costs, set rates, check the ledger.
    #[command(subcommand)]
    Usage(usage::Command),
    /// Run a program that may do next to nothing; the server calls this itself.
    #[command(hide = true)]
    Confine(confine::Arguments),
    /// Make a link to this program for each name of Glance's by which it can be called.
    Links(glance::Links),
}

/// Runs the command that the arguments name, or the program of Glance's by whose name this one was called.
pub fn run() -> ExitCode {
    if let Some(code) = glance::run(&std::env::args_os().collect::<Vec<_>>()) {
        return code;
    }
    let result = match Arguments::parse().command {
        Command::Metadefs(command) => metadefs::run(command),
        Command::Cache(command) => cache::run(command),
        Command::Jobs(command) => jobs::run(command),
        Command::Keys(command) => keys::run(command),
        Command::Serve(arguments) => serve::run(arguments),
        Command::ImportGlance(arguments) => moving::import(arguments),
        Command::ExportGlance(arguments) => moving::export(arguments),
        Command::Links(arguments) => glance::link(&arguments),
        Command::Nodes(arguments) => return nodes::run(arguments),
        Command::Db(command) => return db::run(command),
        Command::Config(command) => return config::run(command),
        Command::Policy(command) => return policy::run(command),
        Command::Store(command) => return store::run(command),
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
