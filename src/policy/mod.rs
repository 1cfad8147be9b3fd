//! Answers one question: may they? Rules in the oslo.policy language, Glance's defaults, and the
//! files in which operators override them.
//!
//! Who asks is a [`Caller`], what about is a [`Target`], and [`Enforcer`] decides. Rules are looked
//! up in an immutable table; [`Enforcer::watch`] swaps it when a file changes, so that deciding
//! never touches the disk.

mod atom;
mod check;
mod defaults;
mod files;
mod remote;
mod rule;
mod rules;
mod target;
#[cfg(test)]
mod tests;
mod tools;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

pub use defaults::{OldDefault, Registered, registered};
pub use rule::{Expression, ListItem, SyntaxError};
pub use rules::Rules;
pub use target::{CallerTarget, Empty, MapTarget, Target, python_list, python_text};
pub use tools::{Finding, Severity, sample, validate};

use crate::model::caller::Caller;
use crate::telemetry;
use check::{Evaluation, Fault};
use files::Loader;

/// How often [`Enforcer::watch`] looks at the files.
const WATCH_PERIOD: Duration = Duration::from_secs(1);
/// How many policy servers one decision may ask.
const REMOTE_CHECKS_MAX: usize = 16;

/// Options of the configuration's section `oslo_policy`, with paths already resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The main override file. It may be absent, and may appear later; empty means none.
    pub policy_file: PathBuf,
    /// Directories of further override files, read after `policy_file` in this order.
    pub policy_dirs: Vec<PathBuf>,
    /// The rule that stands in for names without a definition.
    pub policy_default_rule: String,
    /// False: a rule that no file defines is also granted by its default of earlier releases.
    pub enforce_new_defaults: bool,
    /// Whether a rule refuses tokens of a scope that is not its own. oslo.policy 6 removed the option
    /// and always does; we still honour an explicit false.
    pub enforce_scope: bool,
    /// How remote checks encode their question.
    pub remote_content_type: RemoteContentType,
    /// Seconds that a remote check may take in all.
    pub remote_timeout: f64,
    /// Whether remote checks over https verify the server's certificate.
    pub remote_ssl_verify_server_crt: bool,
    /// Authorities for that verification (PEM), in place of the system's.
    pub remote_ssl_ca_crt_file: Option<PathBuf>,
    /// Our certificate for remote checks over https (PEM).
    pub remote_ssl_client_crt_file: Option<PathBuf>,
    /// Its key (PEM, without a passphrase); by default in the same file as the certificate.
    pub remote_ssl_client_key_file: Option<PathBuf>,
}

/// Encoding of a remote check's question, option `remote_content_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemoteContentType {
    /// `application/x-www-form-urlencoded`: three fields, each a JSON text.
    #[default]
    Form,
    /// `application/json`: one object.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy_file: PathBuf::new(),
            policy_dirs: Vec::new(),
            policy_default_rule: "default".to_owned(),
            enforce_new_defaults: true,
            enforce_scope: true,
            remote_content_type: RemoteContentType::default(),
            remote_timeout: 60.0,
            remote_ssl_verify_server_crt: false,
            remote_ssl_ca_crt_file: None,
            remote_ssl_client_crt_file: None,
            remote_ssl_client_key_file: None,
        }
    }
}

/// What can go wrong with policy, apart from a plain denial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A rule was enforced that the service never registered: a fault of ours, a 500.
    #[error("policy rule {rule:?} is not registered")]
    NotRegistered {
        /// The name that was enforced.
        rule: String,
    },
    /// A file or directory that is there cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A file that was read is no policy file.
    #[error("{}: not a valid policy file: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// An option's value is out of range.
    #[error("[oslo_policy] {option}: {reason}")]
    Setting {
        /// The option's name.
        option: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// A policy server could not be asked or did not answer in time: a server error, not a denial.
    #[error("the policy server at {url} did not answer: {reason}")]
    Remote {
        /// The URL that was asked; it may hold attributes of the target.
        url: String,
        /// The transport's words.
        reason: String,
    },
}

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

    /// Like [`Enforcer::allows`], and asks policy servers where the rule says so.
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

    /// Like [`Rules::allows_expression`], and asks policy servers where the expression says so.
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
                    rules::log_fault(name.unwrap_or("expression"), &fault);
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

    /// Looks at the files and, if one changed, appeared or went, puts the new table in force; says
    /// whether it did. A file that cannot be read or understood leaves the old table in force.
    /// Does blocking file I/O: one `stat` per file when nothing changed.
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
    /// Glance looks before each decision; a second's delay is no different to an operator, and no
    /// request ever waits for a disk.
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
