//! Evaluates a tree for one caller and one target.

use std::cell::Cell;
use std::collections::HashMap;

use super::atom::Left;
use super::fault::Fault;
use super::rule::{Generic, Node};
use super::rules::Rules;
use super::target::{Held, Target};
use crate::model::caller::Caller;

/// How deep references and nesting may go together; a cycle always reaches it.
const DEPTH_MAX: usize = 256;
/// How many nodes one decision may visit, which bounds rules that refer to each other many times.
const STEPS_MAX: u32 = 100_000;

/// One decision in the making.
pub(crate) struct Evaluation<'a> {
    rules: &'a Rules,
    caller: &'a Caller,
    target: &'a dyn Target,
    answers: Option<&'a HashMap<String, bool>>,
    steps: Cell<u32>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(rules: &'a Rules, caller: &'a Caller, target: &'a dyn Target) -> Self {
        Self { rules, caller, target, answers: None, steps: Cell::new(0) }
    }

    /// Lends the answers that policy servers have given so far, by URL.
    pub(crate) fn with_answers(self, answers: &'a HashMap<String, bool>) -> Self {
        Self { answers: Some(answers), ..self }
    }

    pub(crate) fn decide(&self, node: &Node) -> Result<bool, Fault> {
        self.node(node, 0)
    }

    fn node(&self, node: &Node, depth: usize) -> Result<bool, Fault> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if depth > DEPTH_MAX || steps > STEPS_MAX {
            return Err(Fault::Endless);
        }
        match node {
            Node::Always => Ok(true),
            Node::Never | Node::Unreadable(_) => Ok(false),
            Node::Not(inner) => Ok(!self.node(inner, depth + 1)?),
            Node::And(nodes) => {
                for node in nodes {
                    if !self.node(node, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Or(nodes) => {
                for node in nodes {
                    if self.node(node, depth + 1)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::Rule(name) => match self.rules.resolve(name) {
                Some(rule) => self.node(&rule.expression.node, depth + 1),
                None => Ok(false),
            },
            Node::Role(role) => {
                let role = role.render(self.target)?;
                Ok(role.is_some_and(|role| self.caller.roles.iter().any(|r| same_role(r, &role))))
            }
            Node::Remote(url) => match url.render(self.target)? {
                Some(url) => self.answer(&url),
                None => Err(Fault::Broken(format!("the target lacks a key of {}", url.source()))),
            },
            Node::Generic(check) => self.generic(check),
        }
    }

    fn answer(&self, url: &str) -> Result<bool, Fault> {
        let known = self.answers.and_then(|answers| answers.get(url));
        known.copied().ok_or_else(|| Fault::Remote(url.to_owned()))
    }

    fn generic(&self, check: &Generic) -> Result<bool, Fault> {
        let Some(right) = check.right.render(self.target)? else {
            return Ok(false);
        };
        let broken = |reason: &str| Err(Fault::Broken(format!("{:?}: {reason}", check.kind)));
        match &check.left {
            Left::Literal(text) => Ok(**text == *right),
            Left::Absent => Ok(false),
            Left::Faulty(reason) => broken(reason),
            Left::Credential(credential) => Ok(match credential.value(self.caller) {
                Held::Text(text) => text == right,
                Held::List(list) => list.iter().any(|item| *item == right),
                Held::Missing => false,
            }),
            Left::Beneath(credential) => match credential.value(self.caller) {
                Held::Missing | Held::List([]) => Ok(false),
                Held::Text(_) | Held::List(_) => broken("the credential has nothing inside"),
            },
        }
    }
}

/// Role names compare without regard to case, beyond ASCII as well.
fn same_role(held: &str, wanted: &str) -> bool {
    held.eq_ignore_ascii_case(wanted)
        || (!(held.is_ascii() && wanted.is_ascii()) && held.to_lowercase() == wanted.to_lowercase())
}
