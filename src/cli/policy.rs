//! `vitrine policy sample | check | show | explain`: the counterparts of `oslopolicy-sample-generator`,
//! `oslopolicy-validator`, `oslopolicy-policy-generator` and `oslopolicy-checker`.

use std::{io::Write, process::ExitCode};

use super::place::Place;
use crate::{
    model::caller::Caller,
    policy::{Enforcer, MapTarget, Severity, sample, validate},
    server::StartError,
};

/// Commands of `vitrine policy`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write a policy.yaml with every rule and its default, commented out.
    Sample,
    /// Report what is broken, unknown or superfluous in the files of rules. Fails when something is broken.
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Show every rule in force, and where it comes from.
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Say why a caller may do something, or why not. Fails when the caller may not.
    Explain(Explain),
}

/// A question to the rules.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The rule, get_image perhaps.
    rule: String,
    /// Roles of the caller.
    #[arg(long, value_delimiter = ',')]
    roles: Vec<String>,
    /// Project of the caller.
    #[arg(long)]
    project: Option<String>,
    /// User of the caller.
    #[arg(long)]
    user: Option<String>,
    /// Scope `all` of the token, or none.
    #[arg(long)]
    system: Option<String>,
    /// What the call is about, as key=value: project_id=…, visibility=…
    #[arg(long, value_name = "KEY=VALUE")]
    target: Vec<String>,
    #[command(flatten)]
    place: Place,
}

/// Runs one of them.
pub fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Sample => Ok((sample(), true)),
        Command::Check { place } => check(&place),
        Command::Show { place } => enforcer(&place).map(|enforcer| (enforcer.rules().effective(), true)),
        Command::Explain(question) => explain(&question),
    };
    match result {
        Ok((text, is_good)) if std::io::stdout().write_all(text.as_bytes()).is_ok() && is_good => {
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vitrine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn enforcer(place: &Place) -> Result<Enforcer, StartError> {
    Enforcer::new(place.config()?.policy).map_err(|e| StartError(e.to_string()))
}

fn check(place: &Place) -> Result<(String, bool), StartError> {
    let findings = validate(&place.config()?.policy);
    let is_good = findings.iter().all(|finding| finding.severity != Severity::Error);
    Ok((findings.iter().map(|finding| format!("{finding}\n")).collect(), is_good))
}

fn explain(question: &Explain) -> Result<(String, bool), StartError> {
    let enforcer = enforcer(&question.place)?;
    let mut caller = Caller {
        user_id: question.user.clone(),
        project_id: question.project.clone(),
        system_scope: question.system.clone(),
        roles: question.roles.iter().map(|role| role.to_lowercase()).collect(),
        is_admin_project: true,
        ..Caller::default()
    };
    caller.is_admin = enforcer.is_admin(&caller);
    let mut target = MapTarget::new();
    for pair in &question.target {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| StartError(format!("{pair:?} is not key=value")))?;
        target = target.with(key.to_owned(), value.to_owned());
    }
    let rules = enforcer.rules();
    let is_allowed = enforcer.allows(&question.rule, &caller, &target);
    Ok((rules.explain(&question.rule, &caller, &target), is_allowed))
}
