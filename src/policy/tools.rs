//! The operators' tools: a sample file, the rules in force, errors in their files, and why a caller was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use serde_json::Value;

use super::atom::{Left, Template};
use super::check::Evaluation;
use super::defaults::{self, Registered, registered};
use super::fault::Fault;
use super::files::{self, Definition};
use super::rule::{Generic, Node};
use super::rules::{Rules, reach, token_scope};
use super::target::{Held, Target};
use super::{PolicyError, Settings};
use crate::model::caller::Caller;

/// How many lines [`Rules::explain`] writes at most.
const EXPLAIN_LINES_MAX: usize = 1000;

/// A `policy.yaml` with every registered rule, its API calls and its default, commented out.
pub fn sample() -> String {
    let mut text = String::from(
        "# Remove the # before a rule to override it. A line taken out again has an effect only\n\
         # after a restart.\n",
    );
    for rule in registered() {
        text.push('\n');
        for operation in rule.operations {
            text.push_str(&format!("# {operation}\n"));
        }
        text.push_str(&remarks(rule));
        text.push_str(&format!("#{}\n", yaml_line(rule.name, rule.check)));
    }
    text
}

fn remarks(rule: &Registered) -> String {
    let mut text = String::new();
    if !rule.scope_types.is_empty() {
        text.push_str(&format!("# Accepts tokens of scope: {}\n", rule.scope_types.join(", ")));
    }
    if let Some(old) = rule.old {
        let check = quoted(old.check);
        text.push_str(&format!("# Until {} the default was {check}\n", old.since));
    }
    if let Some(since) = rule.for_removal_since {
        text.push_str(&format!("# Announced for removal since {since}\n"));
    }
    text
}

fn yaml_line(name: &str, check: &str) -> String {
    format!("{}: {}", quoted(name), quoted(check))
}

/// A JSON string, which is a YAML one as well.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Something to know about the operator's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// The file, where one is to blame.
    pub file: Option<PathBuf>,
    /// The rule, where one is to blame.
    pub rule: Option<String>,
    /// The description.
    pub message: String,
}

/// The severity of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Harmless, could be tidied.
    Note,
    /// Most likely not what was meant.
    Warning,
    /// Does not work.
    Error,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Note => "note: ",
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        })?;
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(rule) = &self.rule {
            write!(f, "{rule}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Reads the files afresh and lists everything in them that is broken, unknown or superfluous.
/// Does blocking file I/O; an empty list means that all is well.
pub fn validate(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut definitions: BTreeMap<String, Definition> = BTreeMap::new();
    let mut unusable = |error: PolicyError| {
        findings.push(Finding {
            severity: Severity::Error,
            file: None,
            rule: None,
            message: error.to_string(),
        });
    };
    match files::read_each(settings) {
        Err(error) => unusable(error),
        Ok(files) => {
            for file in files {
                match file {
                    Ok(entries) => definitions.extend(entries),
                    Err(error) => unusable(error),
                }
            }
        }
    }
    let used: BTreeSet<&str> =
        definitions.values().flat_map(|definition| reach(&definition.expression.node).1).collect();
    for (name, definition) in &definitions {
        let known = defaults::find(name).is_some() || used.contains(name.as_str());
        for (severity, message) in definition_findings(name, definition, known) {
            let file = Some(definition.file.to_path_buf());
            findings.push(Finding { severity, file, rule: Some(name.clone()), message });
        }
    }
    let rules = Rules::build(settings, &definitions);
    let bad = rules.bad_references();
    let file_of = |name: &str| definitions.get(name).map(|found| found.file.to_path_buf());
    for (rule, lost) in bad.undefined {
        let stand_in = &settings.policy_default_rule;
        let message = match rules.get(stand_in) {
            Some(_) => format!("refers to rule:{lost}, which no one defines; {stand_in} decides"),
            None => format!("refers to rule:{lost}, which no one defines; that denies"),
        };
        let (severity, file) = (Severity::Error, file_of(&rule));
        findings.push(Finding { severity, file, rule: Some(rule), message });
    }
    for rule in bad.cyclic {
        let message = "refers to itself in a circle, which denies".to_owned();
        let (severity, file) = (Severity::Error, file_of(&rule));
        findings.push(Finding { severity, file, rule: Some(rule), message });
    }
    findings
}

fn definition_findings(name: &str, definition: &Definition, known: bool) -> Vec<(Severity, String)> {
    let mut findings = Vec::new();
    if let Some(error) = &definition.syntax_error {
        findings.push((Severity::Error, format!("{error}; this denies everyone")));
    }
    if definition.blank {
        let message = "has no value, which allows everyone; write \"\" or \"@\" if that is meant";
        findings.push((Severity::Warning, message.to_owned()));
    }
    if !known {
        let message = "the service has no such rule, and no other rule refers to it";
        findings.push((Severity::Warning, message.to_owned()));
    }
    if let Some(rule) = defaults::find(name) {
        if rule.check == definition.text && !definition.blank {
            findings.push((Severity::Note, "is the same as the default".to_owned()));
        }
        if let Some(since) = rule.for_removal_since {
            findings.push((Severity::Note, format!("is announced for removal since {since}")));
        }
    }
    definition.expression.node.walk(&mut |node| {
        if let Some((severity, message)) = node_finding(node) {
            findings.push((severity, format!("{node}: {message}")));
        }
    });
    findings
}

fn node_finding(node: &Node) -> Option<(Severity, String)> {
    let defect = |template: &Template| {
        template.defect().map(|reason| (Severity::Error, format!("{reason}; this denies everyone")))
    };
    match node {
        Node::Unreadable(_) => Some((Severity::Error, "is not a check; this denies".to_owned())),
        Node::Role(template) | Node::Remote(template) => defect(template),
        Node::Generic(check) => match &check.left {
            Left::Absent => {
                let message = format!("callers have no attribute {}; never true", check.kind);
                Some((Severity::Warning, message))
            }
            Left::Beneath(_) => Some((Severity::Error, "there is nothing below it".to_owned())),
            Left::Faulty(reason) => Some((Severity::Error, (*reason).to_owned())),
            Left::Literal(_) | Left::Credential(_) => defect(&check.right),
        },
        _ => None,
    }
}

impl Rules {
    /// Every rule in force as YAML that could be loaded again, with where it comes from
    /// (`oslopolicy-policy-generator`).
    pub fn effective(&self) -> String {
        let mut text = String::new();
        for (name, rule) in self.sorted() {
            let origin = match &rule.file {
                Some(file) => format!("# from {}\n", file.display()),
                None => "# default\n".to_owned(),
            };
            text.push_str(&origin);
            let denies = matches!(rule.expression.node, Node::Never);
            let check = if denies { "!" } else { rule.text.as_str() };
            text.push_str(&yaml_line(name, check));
            text.push('\n');
        }
        text
    }

    /// Why the rule allows or denies: the tree, a line for each check, with what was compared.
    /// Policy servers are not asked. The text holds ids and roles of the caller: for operators only.
    pub fn explain(&self, name: &str, caller: &Caller, target: &dyn Target) -> String {
        let Some(rule) = self.resolve(name) else {
            return format!("{name}: denied, there is no such rule and no default rule\n");
        };
        let evaluation = Evaluation::new(self, caller, target);
        let outcome = evaluation.decide(&rule.expression.node);
        let scope_accepted = self.scope_accepts(rule, caller);
        let verdict = match &outcome {
            Err(Fault::Remote(_)) if scope_accepted => "a policy server decides",
            Ok(true) if scope_accepted => "allowed",
            _ => "denied",
        };
        let mut text = format!("{name}: {verdict}\n");
        let origin = match (&rule.file, self.get(name)) {
            (_, None) => "the default rule, as nothing defines this one".to_owned(),
            (Some(file), _) => format!("from {}", file.display()),
            (None, _) => "the service's default".to_owned(),
        };
        let _ = writeln!(text, "  defined as {} ({origin})", quoted(&rule.text));
        let scope = token_scope(caller);
        let accepted = if scope_accepted { "accepted" } else { "refused, whatever the checks say" };
        let _ = writeln!(text, "  token of scope {scope}: {accepted}");
        let mut trace = Trace { rules: self, caller, target, text, trail: vec![name], lines: 0 };
        trace.node(&rule.expression.node, 1, true);
        trace.text
    }
}

struct Trace<'a> {
    rules: &'a Rules,
    caller: &'a Caller,
    target: &'a dyn Target,
    text: String,
    /// The rules being explained, outermost first.
    trail: Vec<&'a str>,
    lines: usize,
}

impl<'a> Trace<'a> {
    /// Writes the node and what is below it; `reached` is false behind a check that had settled it.
    fn node(&mut self, node: &'a Node, indent: usize, reached: bool) {
        self.lines += 1;
        if self.lines > EXPLAIN_LINES_MAX {
            return;
        }
        let outcome = Evaluation::new(self.rules, self.caller, self.target).decide(node);
        let label = match node {
            Node::And(_) => "all of".to_owned(),
            Node::Or(_) => "any of".to_owned(),
            Node::Not(_) => "not".to_owned(),
            leaf => leaf.to_string(),
        };
        let verdict = match (&outcome, reached) {
            (_, false) => "not needed".to_owned(),
            (Ok(true), _) => "yes".to_owned(),
            (Ok(false), _) => format!("no{}", self.reason(node)),
            (Err(Fault::Remote(url)), _) => format!("depends on the policy server at {url}"),
            (Err(Fault::Broken(reason)), _) => format!("broken, denies all: {reason}"),
            (Err(Fault::Endless), _) => "endless references, denies all".to_owned(),
        };
        let _ = writeln!(self.text, "{:1$}{label}: {verdict}", "", indent * 2);
        if !reached {
            return;
        }
        match node {
            Node::Not(inner) => self.node(inner, indent + 1, true),
            Node::And(nodes) => self.nodes(nodes, indent + 1, true),
            Node::Or(nodes) => self.nodes(nodes, indent + 1, false),
            Node::Rule(name) if !self.trail.contains(&&**name) => {
                if let Some(rule) = self.rules.resolve(name) {
                    self.trail.push(name);
                    self.node(&rule.expression.node, indent + 1, true);
                    self.trail.pop();
                }
            }
            _ => {}
        }
    }

    /// Writes the children; evaluation stops after the first that is not `go_on`.
    fn nodes(&mut self, nodes: &'a [Node], indent: usize, go_on: bool) {
        let mut reached = true;
        for node in nodes {
            self.node(node, indent, reached);
            let evaluation = Evaluation::new(self.rules, self.caller, self.target);
            reached = reached && evaluation.decide(node) == Ok(go_on);
        }
    }

    fn reason(&self, node: &Node) -> String {
        match node {
            Node::Rule(name) if self.rules.get(name).is_none() => " (nothing defines that rule)".to_owned(),
            Node::Role(_) => format!(" (the caller's roles: {})", self.caller.roles.join(", ")),
            Node::Unreadable(_) => " (not a check)".to_owned(),
            Node::Generic(check) => self.generic_reason(check),
            _ => String::new(),
        }
    }

    fn generic_reason(&self, check: &Generic) -> String {
        let Ok(Some(right)) = check.right.render(self.target) else {
            return format!(" (the target lacks a key of {})", check.right.source());
        };
        let held = match &check.left {
            Left::Literal(text) => text.to_string(),
            Left::Credential(credential) => match credential.value(self.caller) {
                Held::Text(text) => text.to_owned(),
                Held::List(list) => list.join(", "),
                Held::Missing => "nothing".to_owned(),
            },
            _ => "nothing".to_owned(),
        };
        format!(" (caller: {held}; target: {right})")
    }
}
