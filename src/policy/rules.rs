//! The table of rules in force: registered defaults, overridden by operators' files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::defaults::{self, Registered};
use super::error::PolicyError;
use super::files::Definition;
use super::rule::{Expression, Node};
use super::settings::Settings;
use crate::model::caller::Caller;

/// An immutable table of rules. Hold one while filtering a page, so that every row is judged alike.
#[derive(Debug)]
pub struct Rules {
    by_name: HashMap<Box<str>, Rule>,
    default_rule: Box<str>,
    enforce_scope: bool,
}

/// One rule in force.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) expression: Expression,
    /// The check string as written, or the canonical text of a list form.
    pub(crate) text: String,
    /// The file that defines the rule; `None` for a default.
    pub(crate) file: Option<Arc<Path>>,
    pub(crate) registered: Option<&'static Registered>,
    /// Whether evaluation may have to ask a policy server.
    remote: bool,
}

/// References that cannot work, found when a table is built.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BadReferences {
    /// Rule and the undefined name that it refers to.
    pub(crate) undefined: Vec<(String, String)>,
    /// Rules on a cycle of references.
    pub(crate) cyclic: Vec<String>,
}

impl Rules {
    /// The table that `definitions` (from files, by rule name) and the registered defaults make.
    pub(crate) fn build(settings: &Settings, definitions: &BTreeMap<String, Definition>) -> Self {
        let mut by_name = HashMap::new();
        for rule in defaults::registered() {
            if !definitions.contains_key(rule.name) {
                by_name.insert(rule.name.into(), default_rule(rule, settings));
            }
        }
        for (name, definition) in definitions {
            let rule = Rule {
                expression: definition.expression.clone(),
                text: definition.text.clone(),
                file: Some(Arc::clone(&definition.file)),
                registered: defaults::find(name),
                remote: false,
            };
            by_name.insert(name.as_str().into(), rule);
        }
        let default_rule = settings.policy_default_rule.as_str().into();
        let mut rules = Self { by_name, default_rule, enforce_scope: settings.enforce_scope };
        rules.mark_remote();
        rules
    }

    /// The text of each rule, from its file or its default.
    pub fn texts(&self) -> BTreeMap<&str, &str> {
        self.by_name.iter().map(|(name, rule)| (name.as_ref(), rule.text.as_str())).collect()
    }

    /// Whether deciding `name` may need a policy server; such rules go through
    /// [`super::Enforcer::check`].
    pub fn is_remote(&self, name: &str) -> bool {
        self.resolve(name).is_some_and(|rule| rule.remote)
    }

    /// Whether deciding `expression` may need a policy server.
    pub fn is_expression_remote(&self, expression: &Expression) -> bool {
        let (direct, references) = reach(&expression.node);
        direct || references.iter().any(|name| self.is_remote(name))
    }

    /// The rule of that name if the service registered it.
    pub(crate) fn registered(&self, name: &str) -> Result<&Rule, PolicyError> {
        let rule = self.by_name.get(name).filter(|rule| rule.registered.is_some());
        rule.ok_or_else(|| PolicyError::NotRegistered { rule: name.to_owned() })
    }

    /// Whether the scope of the caller's token is among those that the rule accepts
    /// (`oslo_policy/policy.py` `_enforce_scope`).
    pub(crate) fn scope_accepts(&self, rule: &Rule, caller: &Caller) -> bool {
        let accepted = rule.registered.map_or(&[][..], |registered| registered.scope_types);
        !self.enforce_scope || accepted.is_empty() || accepted.contains(&token_scope(caller))
    }

    /// The rule called `name`, or else the configured default rule if that exists.
    pub(crate) fn resolve(&self, name: &str) -> Option<&Rule> {
        self.by_name.get(name).or_else(|| self.by_name.get(&self.default_rule))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Rule> {
        self.by_name.get(name)
    }

    /// All rules, sorted by name.
    pub(crate) fn sorted(&self) -> BTreeMap<&str, &Rule> {
        self.by_name.iter().map(|(name, rule)| (&**name, rule)).collect()
    }

    /// Who refers to whom; a reference to an undefined name leads to the default rule.
    fn references(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let known = |name: &str| self.by_name.get_key_value(name).map(|(known, _)| &**known);
        let resolved = |name: &str| known(name).or_else(|| known(&self.default_rule));
        let mut references = BTreeMap::new();
        for (name, rule) in &self.by_name {
            let (_, names) = reach(&rule.expression.node);
            references.insert(&**name, names.into_iter().filter_map(resolved).collect());
        }
        references
    }

    /// Marks the rules that hold a remote check, and all that refer to them, however far.
    fn mark_remote(&mut self) {
        let mut referrers: HashMap<&str, Vec<&str>> = HashMap::new();
        for (from, names) in self.references() {
            for to in names {
                referrers.entry(to).or_default().push(from);
            }
        }
        let direct = |rule: &Rule| reach(&rule.expression.node).0;
        let remote = self.by_name.iter().filter(|(_, rule)| direct(rule));
        let mut open: Vec<&str> = remote.map(|(name, _)| &**name).collect();
        let mut reached = BTreeSet::new();
        while let Some(name) = open.pop() {
            if reached.insert(name.to_owned()) {
                open.extend(referrers.get(name).into_iter().flatten());
            }
        }
        for (name, rule) in &mut self.by_name {
            rule.remote = reached.contains(&**name);
        }
    }

    /// The references that lead nowhere or round in a circle.
    pub(crate) fn bad_references(&self) -> BadReferences {
        let mut undefined = Vec::new();
        for (name, rule) in self.sorted() {
            let (_, names) = reach(&rule.expression.node);
            let lost = names.into_iter().filter(|name| !self.by_name.contains_key(*name));
            undefined.extend(lost.map(|lost| (name.to_owned(), lost.to_owned())));
        }
        let forward = self.references();
        let mut backward: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, names) in &forward {
            backward.entry(from).or_default();
            for to in names {
                backward.entry(to).or_default().insert(from);
            }
        }
        // What neither runs out forwards nor backwards lies on a cycle or between two.
        let (ahead, behind) = (circling(&forward, &backward), circling(&backward, &forward));
        let cyclic = ahead.intersection(&behind).map(|name| (*name).to_owned()).collect();
        BadReferences { undefined, cyclic }
    }
}

type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The nodes from which `edges` lead on without end: those that remain when nodes without an exit are removed again and
/// again.
fn circling<'a>(edges: &Graph<'a>, reverse: &Graph<'a>) -> BTreeSet<&'a str> {
    let mut exits: BTreeMap<&str, usize> = edges.iter().map(|(name, names)| (*name, names.len())).collect();
    let ended = exits.iter().filter(|(_, count)| **count == 0);
    let mut open: Vec<&str> = ended.map(|(name, _)| *name).collect();
    while let Some(name) = open.pop() {
        exits.remove(name);
        for before in reverse.get(name).into_iter().flatten() {
            if let Some(count) = exits.get_mut(before) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    open.push(before);
                }
            }
        }
    }
    exits.into_keys().collect()
}

/// Whether the tree holds a remote check, and the names of the rules that it refers to.
pub(crate) fn reach(node: &Node) -> (bool, BTreeSet<&str>) {
    let mut remote = false;
    let mut names = BTreeSet::new();
    node.walk(&mut |node| match node {
        Node::Remote(_) => remote = true,
        Node::Rule(name) => {
            names.insert(&**name);
        }
        _ => {}
    });
    (remote, names)
}

/// A registered rule without an override; with old defaults allowed, either definition will do
/// (`oslo_policy/policy.py` `_handle_deprecated_rule`).
fn default_rule(rule: &'static Registered, settings: &Settings) -> Rule {
    let parse = |text| Expression::parse(text).unwrap_or_else(|_| Expression::never());
    let check = rule.hardened.filter(|_| settings.hardened).unwrap_or(rule.check);
    let mut expression = parse(check);
    let mut text = check.to_owned();
    if let Some(old) = rule.old.filter(|old| !settings.enforce_new_defaults && old.check != rule.check) {
        expression = expression.or(parse(old.check));
        text = expression.to_string();
    }
    Rule { expression, text, file: None, registered: Some(rule), remote: false }
}

/// `system`, `domain` or `project`; a token without scope counts as a project's.
pub(crate) fn token_scope(caller: &Caller) -> &'static str {
    let given = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.is_empty());
    match (given(&caller.system_scope), given(&caller.domain_id)) {
        (true, _) => "system",
        (false, true) => "domain",
        (false, false) => "project",
    }
}
