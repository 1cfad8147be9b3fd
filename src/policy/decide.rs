//! Decisions from a table of rules, and the log lines where none is possible.

use super::check::Evaluation;
use super::fault::Fault;
use super::rule::Expression;
use super::rules::Rules;
use super::target::{CallerTarget, Target};
use crate::model::caller::Caller;

impl Rules {
    /// Whether `caller` may do what the registered rule `name` guards.
    ///
    /// A rule that is not registered, or cannot be evaluated, or reaches a policy server before it
    /// is decided, denies with a line in the log; see [`super::Enforcer::check`] for those.
    pub fn allows(&self, name: &str, caller: &Caller, target: &dyn Target) -> bool {
        let decision = self.registered(name).map(|rule| {
            self.scope_accepts(rule, caller)
                && self.settle(name, Evaluation::new(self, caller, target), &rule.expression)
        });
        decision.unwrap_or_else(|error| {
            tracing::error!(rule = name, %error, "policy: denied");
            false
        })
    }

    /// Whether the expression holds; names in it may be registered rules or any from the files
    /// (property protections, `glance/common/property_utils.py`). No scope is enforced.
    pub fn allows_expression(&self, expression: &Expression, caller: &Caller, target: &dyn Target) -> bool {
        self.settle("expression", Evaluation::new(self, caller, target), expression)
    }

    /// Rule `context_is_admin` with the caller itself as target.
    pub fn is_admin(&self, caller: &Caller) -> bool {
        self.allows("context_is_admin", caller, &CallerTarget(caller))
    }

    fn settle(&self, name: &str, evaluation: Evaluation<'_>, expression: &Expression) -> bool {
        evaluation.decide(&expression.node).unwrap_or_else(|fault| {
            log_fault(name, &fault);
            false
        })
    }
}

pub(crate) fn log_fault(rule: &str, fault: &Fault) {
    match fault {
        Fault::Remote(url) => {
            tracing::error!(rule, url, "policy: denied, a policy server would have to be asked");
        }
        Fault::Broken(reason) => tracing::warn!(rule, reason, "policy: denied, broken check"),
        Fault::Endless => tracing::warn!(rule, "policy: denied, references without end"),
    }
}
