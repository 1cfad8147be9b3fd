//! `glance-status upgrade check`: whether a node of this version can start with the present configuration and
//! database (`glance/cmd/status.py`, `oslo_upgradecheck`).

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

use super::common::{Common, parsed};
use crate::{cli::place::Place, config::Program, db::Schema, server::StartError};

static STATUS: Program = Program { reads: &["glance-api"], is_service: false };

/// Look at what stands in the way of an upgrade.
#[derive(Debug, Parser)]
#[command(name = "glance-status", version, infer_long_args = true, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    category: Category,
}

#[derive(Debug, Subcommand)]
enum Category {
    /// Commands about upgrades.
    #[command(subcommand)]
    Upgrade(Upgrade),
}

#[derive(Debug, Subcommand)]
enum Upgrade {
    /// Run all checks. The exit code is 0 when all is well, 1 for a warning, 2 for a failure, 255 when it cannot be told.
    Check {
        /// Write the results as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// How a check ended; its number is the exit code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Code {
    Success = 0,
    Warning = 1,
    Failure = 2,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Warning => "Warning",
            Self::Failure => "Failure",
        }
    }
}

struct Outcome {
    check: &'static str,
    code: Code,
    details: Option<String>,
}

/// Runs it.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Arguments = parsed(arguments);
    let Category::Upgrade(Upgrade::Check { json }) = arguments.category;
    let place = arguments.common.place(&STATUS);
    let outcomes = [configuration(&place), database(&place)];
    let worst = outcomes.iter().map(|outcome| outcome.code).max().unwrap_or(Code::Success);
    print!("{}", if json { as_json(&outcomes) } else { as_table(&outcomes) });
    ExitCode::from(worst as u8)
}

fn configuration(place: &Place) -> Outcome {
    let (code, details) = match place.configuration() {
        Err(StartError(text)) => (Code::Failure, Some(text)),
        Ok((loaded, _)) => {
            // What has no effect is told, but forbids no upgrade: each tool writes such options, and Glance's program says 0.
            let warnings: Vec<String> = loaded.report().warnings().map(|finding| finding.line()).collect();
            (Code::Success, (!warnings.is_empty()).then(|| warnings.join("\n")))
        }
    };
    Outcome { check: "Configuration", code, details }
}

fn database(place: &Place) -> Outcome {
    let (code, details) =
        match place.connect().and_then(|db| db.schema().map_err(|e| StartError(e.to_string()))) {
            Ok(Schema::Current) => (Code::Success, None),
            Ok(Schema::Uncontracted(_)) => (
                Code::Warning,
                Some("the upgrade before was not finished; run `glance-manage db contract`".to_owned()),
            ),
            Ok(Schema::Older(_)) => (
                Code::Warning,
                Some("the schema is to be brought up to date; run `glance-manage db sync`".to_owned()),
            ),
            Ok(Schema::Expanded(version) | Schema::Newer(version)) => {
                (Code::Failure, Some(format!("the schema is of a newer version, {version}")))
            }
            Err(StartError(text)) => (Code::Failure, Some(text)),
        };
    Outcome { check: "Database", code, details }
}

fn as_json(outcomes: &[Outcome]) -> String {
    let checks: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            serde_json::json!({"check": outcome.check, "result": outcome.code as u8, "details": outcome.details})
        })
        .collect();
    format!("{}\n", serde_json::json!({"name": "Upgrade Check Results", "checks": checks}))
}

/// The table of OpenStack's programs: one box, in which lines are broken at sixty characters.
fn as_table(outcomes: &[Outcome]) -> String {
    let mut boxes = vec![vec!["Upgrade Check Results".to_owned()]];
    for outcome in outcomes {
        let details = format!("Details: {}", outcome.details.as_deref().unwrap_or("None"));
        let mut lines = vec![format!("Check: {}", outcome.check), format!("Result: {}", outcome.code.name())];
        lines.extend(details.lines().flat_map(wrapped));
        boxes.push(lines);
    }
    let width = boxes.iter().flatten().map(|line| line.chars().count()).max().unwrap_or_default();
    let rule = format!("+{}+\n", "-".repeat(width.saturating_add(2)));
    let mut text = rule.clone();
    for lines in &boxes {
        for line in lines {
            text.push_str(&format!("| {line:<width$} |\n"));
        }
        text.push_str(&rule);
    }
    text
}

fn wrapped(line: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        match lines.last_mut() {
            Some(last) if last.is_empty() => last.push_str(word),
            Some(last) if last.chars().count().saturating_add(word.chars().count()) < 60 => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(format!("  {word}")),
        }
    }
    lines
}
