//! Authorisation: rules in the oslo.policy language, Glance's defaults, and the files in which operators override
//! them.
//!
//! [`Enforcer`] decides for a [`Caller`] and a [`Target`]. Rules are looked up in an immutable table;
//! [`Enforcer::watch`] replaces it when a file changes, so decisions never access the disk.

mod atom;
mod check;
mod decide;
mod defaults;
mod error;
mod fault;
pub(crate) mod files;
mod remote;
mod rule;
mod rules;
mod settings;
mod target;
#[cfg(test)]
mod tests;
mod tools;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

pub use defaults::{OldDefault, Registered, registered};
pub use error::PolicyError;
pub use rule::{Expression, ListItem, SyntaxError};
pub use rules::Rules;
pub use settings::{RemoteContentType, Settings};
pub use target::{CallerTarget, Empty, MapTarget, Target, python_list, python_text};
pub use tools::{Finding, Severity, sample, validate};

use crate::model::caller::Caller;
use crate::telemetry;
use check::Evaluation;
use fault::Fault;
use files::Loader;

/// How often [`Enforcer::watch`] looks at the files.
const WATCH_PERIOD: Duration = Duration::from_secs(1);
/// How many policy servers one decision may ask.
const REMOTE_CHECKS_MAX: usize = 16;

/// Decides whether callers may; one for the whole process (`glance/api/policy.py` `Enforcer`).
#[derive(Debug)]
pub struct Enforcer {
    settings: Settings,
    rules: RwLock<Arc<Rules>>,
    loader: Mutex<Loader>,
    last_error: Mutex<Option<PolicyError>>,
    remote: remote::Client,
}

impl Enforcer {
    /// Reads the files and builds the table. Does blocking file I/O.
    ///
    /// # Errors
    /// A file that is there but unreadable or broken, or an option that is out of range.
    pub fn new(settings: Settings) -> Result<Self, PolicyError> {
        let remote = remote::Client::new(&settings)?;
        let mut loader = Loader::default();
        loader.refresh(&settings)?;
        let rules = build(&settings, &loader);
        Ok(Self {
            settings,
            rules: RwLock::new(rules),
            loader: Mutex::new(loader),
            last_error: Mutex::new(None),
            remote,
        })
    }

    /// The table in force now.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The options that the enforcer was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether `caller` may do what the registered rule guards; takes about a microsecond and never
    /// waits. See [`Rules::allows`]; rules for which [`Enforcer::is_remote`] holds need
    /// [`Enforcer::check`].
    pub fn allows(&self, rule: &str, caller: &Caller, target: &dyn Target) -> bool {
        self.rules().allows(rule, caller, target)
    }

    /// Rule `context_is_admin` with the caller as target: the caller's admin flag.
    pub fn is_admin(&self, caller: &Caller) -> bool {
        self.rules().is_admin(caller)
    }

    /// Whether deciding the rule may need a policy server.
    pub fn is_remote(&self, rule: &str) -> bool {
        self.rules().is_remote(rule)
    }

    /// Like [`Enforcer::allows`], but also calls policy servers where the rule requires it.
    ///
    /// # Errors
    /// `NotRegistered`, and `Remote` when a server cannot be asked or the rule asks too many. A rule
    /// that is merely broken is a denial, logged.
    pub async fn check(&self, rule: &str, caller: &Caller, target: &dyn Target) -> Result<bool, PolicyError> {
        let rules = self.rules();
        let found = rules.registered(rule)?;
        if !rules.scope_accepts(found, caller) {
            return Ok(false);
        }
        self.decide(&rules, Some(rule), &found.expression, caller, target).await
    }

    /// Like [`Rules::allows_expression`], but also calls policy servers where the expression requires it.
    ///
    /// # Errors
    /// `Remote`, as for [`Enforcer::check`].
    pub async fn check_expression(
        &self,
        expression: &Expression,
        caller: &Caller,
        target: &dyn Target,
    ) -> Result<bool, PolicyError> {
        self.decide(&self.rules(), None, expression, caller, target).await
    }

    /// Evaluates again after each answer, so that the tree itself needs no asynchronous walk.
    async fn decide(
        &self,
        rules: &Rules,
        name: Option<&str>,
        expression: &Expression,
        caller: &Caller,
        target: &dyn Target,
    ) -> Result<bool, PolicyError> {
        let mut answers = HashMap::new();
        loop {
            let evaluation = Evaluation::new(rules, caller, target).with_answers(&answers);
            let url = match evaluation.decide(&expression.node) {
                Ok(decision) => return Ok(decision),
                Err(Fault::Remote(url)) => url,
                Err(fault) => {
                    decide::log_fault(name.unwrap_or("expression"), &fault);
                    return Ok(false);
                }
            };
            if answers.len() >= REMOTE_CHECKS_MAX {
                let reason = format!("one decision asks more than {REMOTE_CHECKS_MAX} URLs");
                return Err(PolicyError::Remote { url, reason });
            }
            let answer = self.remote.ask(&url, name, caller, target).await?;
            answers.insert(url, answer);
        }
    }

    /// Looks at the files and, if one changed, appeared or went, puts the new table in force; returns whether it did. A
    /// file that cannot be read or understood leaves the old table in force. Does blocking file I/O: one `stat` per
    /// file when nothing changed.
    ///
    /// # Errors
    /// The file and the reason; logged once, and kept for [`Enforcer::last_error`].
    pub fn reload_if_changed(&self) -> Result<bool, PolicyError> {
        let mut loader = self.loader.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = loader.refresh(&self.settings);
        let mut last_error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        match &changed {
            Ok(false) => {}
            Ok(true) => {
                let rules = build(&self.settings, &loader);
                *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
                *last_error = None;
                tracing::info!("policy: files changed, new rules are in force");
            }
            Err(error) if last_error.as_ref() == Some(error) => {}
            Err(error) => {
                tracing::error!(%error, "policy: the old rules stay in force");
                *last_error = Some(error.clone());
            }
        }
        changed
    }

    /// Why the last attempt to read the files failed, until one succeeds.
    pub fn last_error(&self) -> Option<PolicyError> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs [`Enforcer::reload_if_changed`] every second on a blocking thread, for ever. Spawn it.
    ///
    /// Glance checks before each decision; a second's delay makes no difference to an operator, and no request waits
    /// for a disk.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WATCH_PERIOD).await;
            let enforcer = Arc::clone(&self);
            // The outcome is logged and kept by the call itself.
            let _ = telemetry::blocking(move || enforcer.reload_if_changed()).await;
        }
    }
}

/// The table that the files make, after a word in the log about references that cannot work.
fn build(settings: &Settings, loader: &Loader) -> Arc<Rules> {
    let rules = Rules::build(settings, loader.definitions());
    let bad = rules.bad_references();
    for (rule, lost) in &bad.undefined {
        tracing::warn!(rule, reference = lost, "policy: refers to a rule that is not defined");
    }
    if !bad.cyclic.is_empty() {
        let names = bad.cyclic.join(", ");
        tracing::error!(rules = names, "policy: these rules refer to themselves in a circle");
    }
    Arc::new(rules)
}
