//! `vitrine usage report | rates | check`: queries of the usage ledger, directly in the database.

use std::{collections::HashMap, io::Write, process::ExitCode, sync::Arc};

use chrono::{Months, NaiveDate, NaiveTime};
use serde_json::{Map, Value};

use super::{listed::listed, place::Place};
use crate::{
    access::Access,
    api::usage_table as table,
    db::{self, Db},
    model::{
        time::Timestamp,
        usage::{meter::Span, rates::Rates, sums::written},
    },
    policy::Enforcer,
    server::{StartError, runtime},
    usage::{Filter, Group, Line, Report, Usage},
};

/// Images that are looked at in one transaction.
const BATCH: i64 = 1000;

/// Commands of `vitrine usage`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Report a month, or from one whole hour to another.
    Report(Arguments),
    /// Look at the rates, or set them from a time on.
    #[command(subcommand)]
    Rates(RatesCommand),
    /// Hold the ledger against the images. Exits with 2 when they disagree.
    Check {
        #[command(flatten)]
        place: Place,
    },
}

/// Commands of `vitrine usage rates`.
#[derive(Debug, clap::Subcommand)]
pub enum RatesCommand {
    /// Show all rates as JSON, by the time from which they hold.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Set the rates from a time on.
    Set(NewRates),
}

/// The scope of a report.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The month, as 2026-11.
    #[arg(long, required_unless_present_all = ["from", "to"], conflicts_with_all = ["from", "to"])]
    month: Option<String>,
    /// The beginning, as 2026-11-01T00:00Z.
    #[arg(long)]
    from: Option<String>,
    /// The end.
    #[arg(long)]
    to: Option<String>,
    /// What a line is of.
    #[arg(long, default_value = "image", value_parser = Group::NAMES)]
    group: String,
    /// The only project.
    #[arg(long)]
    project: Option<String>,
    /// Write what the API answers.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Write a table for spreadsheets.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    place: Place,
}

/// Rates, as decimal numbers.
#[derive(Debug, clap::Args)]
pub struct NewRates {
    /// The currency, as EUR.
    #[arg(long)]
    currency: String,
    /// For a gigabyte-month, where nothing else says more.
    #[arg(long)]
    default: Option<String>,
    /// For a gigabyte-month of a project.
    #[arg(long, value_name = "PROJECT=RATE")]
    project: Vec<String>,
    /// For a gigabyte-month of what is sold as this (license_sku).
    #[arg(long, value_name = "SKU=RATE")]
    sku: Vec<String>,
    /// For an hour of a consumer of what is sold as this.
    #[arg(long, value_name = "SKU=RATE")]
    license: Vec<String>,
    /// From when on, as 2026-12-01T00:00Z; without it, from the present hour.
    #[arg(long)]
    valid_from: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Runs one of them.
pub fn run(command: Command) -> ExitCode {
    let text = match command {
        Command::Check { place } => return listed(check(&place), 2),
        Command::Report(arguments) => report(&arguments),
        Command::Rates(RatesCommand::List { place }) => rates(&place),
        Command::Rates(RatesCommand::Set(new)) => set(&new),
    };
    let written =
        text.and_then(|text| std::io::stdout().write_all(&text).map_err(|e| StartError(e.to_string())));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vitrine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn failed(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}

fn open(place: &Place) -> Result<Usage, StartError> {
    let config = place.config()?;
    let db = place.open()?;
    let policy = Enforcer::new(config.policy).map_err(failed)?;
    Ok(Usage::new(db, Access::new(Arc::new(policy), None), config.usage))
}

fn time(text: &str) -> Result<Timestamp, StartError> {
    Timestamp::parse_iso(text).ok_or_else(|| failed(format!("{text:?} is not a time as 2026-11-01T00:00Z")))
}

/// The month `YYYY-MM`.
fn month(text: &str) -> Result<Span, StartError> {
    let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok();
    let next = first.and_then(|first| first.checked_add_months(Months::new(1)));
    let begin = |date: NaiveDate| Timestamp(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    match (first, next) {
        (Some(first), Some(next)) => Ok(Span { from: begin(first), to: begin(next) }),
        _ => Err(failed(format!("{text:?} is not a month as 2026-11"))),
    }
}

fn report(arguments: &Arguments) -> Result<Vec<u8>, StartError> {
    let period = match (&arguments.month, &arguments.from, &arguments.to) {
        (Some(text), _, _) => month(text)?,
        (None, Some(from), Some(to)) => Span { from: time(from)?, to: time(to)? },
        _ => return Err(failed("--month is needed, or --from and --to")),
    };
    let group = Group::parse(&arguments.group).unwrap_or_default();
    let filter = Filter { project: arguments.project.clone(), ..Filter::default() };
    let usage = open(&arguments.place)?;
    let report = runtime()?.block_on(usage.reported(period, group, filter)).map_err(failed)?;
    if arguments.csv {
        // The identity service is not asked from here.
        table::table(&report, &HashMap::new()).map_err(failed)
    } else if arguments.json {
        Ok(format!("{:#}\n", table::report(&report)).into_bytes())
    } else {
        Ok(shown(&report).into_bytes())
    }
}

/// A report for people.
fn shown(report: &Report) -> String {
    let currency = report.currency.as_deref().unwrap_or("-");
    let unit = report.settings.unit.as_str();
    let hours = |time: &num_bigint::BigInt| (time / crate::model::usage::meter::HOUR).to_string();
    let row = |what: &str, hours: &str, months: &str, amount: &str, name: &str| {
        let line = format!("{what:<36}  {hours:>10}  {months:>16}  {amount:>14}  {name}");
        format!("{}\n", line.trim_end())
    };
    let mut text = row("", "hours", &format!("{unit}-months"), currency, "");
    let what = |line: &Line| {
        let parts =
            [&line.image, &line.store, &line.media_group, &line.sku, &line.project].map(|part| part.clone());
        let tags = (!line.tags.is_empty()).then(|| line.tags.join(","));
        parts
            .into_iter()
            .flatten()
            .chain(tags)
            .find(|part| !part.is_empty())
            .unwrap_or_else(|| "-".to_owned())
    };
    for section in [&report.images, &report.licenses] {
        let is_of_images = std::ptr::eq(section, &report.images);
        for line in &section.lines {
            let months = if is_of_images { written(&line.months, 6) } else { "licence".to_owned() };
            let amount = line.amount.as_ref().map_or("-".to_owned(), |amount| written(amount, 4));
            let name = line.image_name.as_deref().unwrap_or_default();
            text.push_str(&row(&what(line), &hours(&line.time), &months, &amount, name));
        }
    }
    let amount = written(&(&report.images.total.amount + &report.licenses.total.amount), 4);
    let amount = if report.currency.is_some() { amount } else { "-".to_owned() };
    let total = &report.images.total;
    text.push_str(&row("total", &hours(&total.time), &written(&total.months, 6), &amount, ""));
    text
}

fn rates(place: &Place) -> Result<Vec<u8>, StartError> {
    let usage = open(place)?;
    let versions = runtime()?.block_on(usage.all_rates()).map_err(failed)?;
    let versions: Vec<Value> = versions.iter().map(table::version).collect();
    Ok(format!("{:#}\n", Value::from(versions)).into_bytes())
}

fn set(new: &NewRates) -> Result<Vec<u8>, StartError> {
    let pairs = |pairs: &[String]| -> Result<Value, StartError> {
        let split = |pair: &String| {
            let wrong = || failed(format!("{pair:?} is not NAME=RATE"));
            let (name, rate) = pair.rsplit_once('=').ok_or_else(wrong)?;
            Ok((name.to_owned(), Value::from(rate)))
        };
        Ok(pairs.iter().map(split).collect::<Result<Map<_, _>, StartError>>()?.into())
    };
    let mut document = Map::new();
    document.insert("currency".to_owned(), new.currency.clone().into());
    document.insert("default".to_owned(), new.default.clone().into());
    document.insert("projects".to_owned(), pairs(&new.project)?);
    document.insert("skus".to_owned(), pairs(&new.sku)?);
    document.insert("licenses".to_owned(), pairs(&new.license)?);
    let valid_from = new.valid_from.as_deref().map(time).transpose()?;
    let rates = Rates::read(&document).map_err(failed)?;
    let usage = open(&new.place)?;
    let set = runtime()?.block_on(usage.enter_rates(rates, valid_from, None)).map_err(failed)?;
    Ok(format!("{:#}\n", table::version(&set)).into_bytes())
}

/// What is wrong, and whether nothing is.
///
/// # Errors
/// [`StartError`] when the database cannot be read.
pub fn check(place: &Place) -> Result<(String, bool), StartError> {
    let config = place.config()?;
    let db: Db = place.open_as_it_is(&config)?;
    let mut text = String::new();
    let mut after = Some(String::new());
    while let Some(from) = after {
        let (faults, last) =
            db.read_blocking(|conn| db::usage_check::images(conn, &from, BATCH)).map_err(failed)?;
        faults.iter().for_each(|(id, fault)| text.push_str(&format!("image {id}: {fault}\n")));
        after = last;
    }
    let strays = db.read_blocking(|conn| db::usage_check::strays(conn, BATCH)).map_err(failed)?;
    strays.iter().for_each(|(id, fault)| text.push_str(&format!("image {id}: {fault}\n")));
    let well = text.is_empty();
    if well {
        text.push_str("images and ledger agree\n");
    }
    Ok((text, well))
}
