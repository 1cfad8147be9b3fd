//! From written values to effective values: precedence, deprecated names, `$` references and types
//! (`oslo_config/cfg.py::ConfigOpts._do_get`).

use std::cell::RefCell;
use std::collections::HashMap;

use super::ini::Entry;
use super::option::{Alias, Kind, Opt};
use super::origin::Origin;
use super::registry::{BACKEND_DEFAULTS, Known, Registry, Section};
use super::sources::{Layer, Override, normal};
use super::value::{Value, convert};

/// The value of an option and where it was written.
#[derive(Clone)]
pub struct Setting {
    /// The typed value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
    /// As written, with references replaced.
    pub text: String,
}

/// Why an option has no value.
#[derive(Clone)]
pub(super) enum Fault {
    /// Its references lead into a circle.
    Circle,
    /// Something else, in words.
    Other(String),
}

impl Fault {
    /// The reason in words.
    pub(super) fn reason(&self) -> &str {
        match self {
            Fault::Circle => "the value leads back to itself through `$`",
            Fault::Other(reason) => reason,
        }
    }
}

/// An earlier name under which an option was found.
pub(super) struct OldName {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) origin: Origin,
}

/// The written values of an option: one text, or several of a multi-valued one.
pub(super) struct Written {
    pub(super) texts: Vec<String>,
    pub(super) origin: Origin,
}

/// The name of the variable that sets an option (`oslo_config/sources/_environment.py`).
pub(super) fn variable(section: &str, option: &str) -> String {
    format!("OS_{}__{}", section.to_uppercase(), option.to_uppercase())
}

type Place = (String, &'static str);

/// Looks options up among everything that was read.
pub(super) struct Resolver<'a> {
    pub(super) registry: &'a Registry,
    pub(super) layers: &'a [Layer],
    pub(super) env: &'a HashMap<&'a str, &'a str>,
    pub(super) overrides: &'a [Override],
    done: RefCell<HashMap<Place, Result<Setting, Fault>>>,
    open: RefCell<Vec<Place>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        layers: &'a [Layer],
        env: &'a HashMap<&'a str, &'a str>,
        overrides: &'a [Override],
    ) -> Resolver<'a> {
        Resolver { registry, layers, env, overrides, done: RefCell::default(), open: RefCell::default() }
    }

    /// The value of an option in its section.
    pub(super) fn setting(&self, section: &Section, known: &Known) -> Result<Setting, Fault> {
        let place = (section.name.clone(), known.opt.name);
        if let Some(done) = self.done.borrow().get(&place) {
            return done.clone();
        }
        if self.open.borrow().contains(&place) {
            return Err(Fault::Circle);
        }
        self.open.borrow_mut().push(place.clone());
        let written = self.written_or_default(section, known);
        let result = self.typed(section, known, written);
        self.open.borrow_mut().pop();
        self.done.borrow_mut().insert(place, result.clone());
        result
    }

    /// The written values of an option: on the command line, in the environment, in the last file that has it, or in
    /// `[backend_defaults]`.
    pub(super) fn written(&self, section: &Section, known: &Known) -> Option<Written> {
        let own = self.written_in(&section.name, known);
        if own.is_some() || !section.falls_back {
            return own;
        }
        let defaults = self.registry.section(BACKEND_DEFAULTS)?;
        let same = self.registry.find(&defaults.name, known.opt.name)?;
        self.written_in(&defaults.name, same)
    }

    fn written_or_default(&self, section: &Section, known: &Known) -> Written {
        self.written(section, known).unwrap_or_else(|| Written {
            texts: known.default.iter().cloned().collect(),
            origin: Origin::Default,
        })
    }

    fn written_in(&self, section: &str, known: &Known) -> Option<Written> {
        let name = known.opt.name;
        let one = |text: &str, origin| {
            let texts = vec![text.to_owned()];
            Some(Written { texts, origin })
        };
        let is_it = |o: &&Override| o.section == section && o.option == name;
        let given: Vec<_> = self.overrides.iter().filter(is_it).collect();
        if let Some(last) = given.last() {
            let multi = known.opt.kind == Kind::Multi;
            let kept = if multi { given.as_slice() } else { &[*last] };
            let texts = kept.iter().map(|o| o.value.clone()).collect();
            return Some(Written { texts, origin: Origin::CommandLine });
        }
        let variable = variable(section, name);
        if let Some(text) = self.env.get(variable.as_str()) {
            return one(text, Origin::Environment(variable));
        }
        self.in_files(section, known.opt)
    }

    /// The last file that has the option under any of its names decides, and in it the first of
    /// the names; all values of all files count if it is multi-valued.
    fn in_files(&self, section: &str, opt: &Opt) -> Option<Written> {
        let mut texts = Vec::new();
        let mut origin = None;
        for layer in self.layers.iter().rev() {
            for (place, key) in names(section, opt) {
                let entries: Vec<&Entry> = layer.entries(place, key).collect();
                let Some(last) = entries.last() else {
                    continue;
                };
                let at = Origin::File(layer.path.clone(), last.line);
                if opt.kind != Kind::Multi {
                    return Some(Written { texts: vec![last.value.clone()], origin: at });
                }
                origin.get_or_insert(at);
                texts.splice(0..0, entries.iter().map(|e| e.value.clone()));
            }
        }
        origin.map(|origin| Written { texts, origin })
    }

    /// The earlier names under which files have the option.
    pub(super) fn old_names(&self, section: &Section, opt: &Opt) -> Vec<OldName> {
        let mut found = Vec::new();
        for layer in self.layers {
            for (place, key) in names(&section.name, opt).skip(1) {
                found.extend(layer.entries(place, key).map(|entry| OldName {
                    section: entry.section.clone(),
                    key: entry.key.clone(),
                    origin: Origin::File(layer.path.clone(), entry.line),
                }));
            }
        }
        found
    }

    fn typed(&self, section: &Section, known: &Known, written: Written) -> Result<Setting, Fault> {
        let opt = known.opt;
        let Written { texts, origin } = written;
        let mut whole = Vec::new();
        for text in &texts {
            if text.contains(char::REPLACEMENT_CHARACTER) {
                return Err(Fault::Other("the value is not UTF-8".to_owned()));
            }
            let replaced = expand(text, |name| self.reference(section, name, opt.secret));
            whole.push(replaced?);
        }
        let value = match (opt.kind, whole.last()) {
            (Kind::Multi, _) => Value::List(whole.clone()),
            (_, None) => Value::Unset,
            (kind, Some(text)) => match convert(kind, text, !opt.secret).map_err(Fault::Other)? {
                Value::Unset if known.default.is_some() => {
                    return Err(Fault::Other("the value is empty".to_owned()));
                }
                value => value,
            },
        };
        Ok(Setting { value, origin, text: whole.join(",") })
    }

    /// The text that stands for `$name` in a value of `section`: an option of that section, or
    /// else of `[DEFAULT]`; `$group.name` is an option of that group.
    fn reference(&self, section: &Section, name: &str, secret: bool) -> Result<String, Fault> {
        let found = match name.split_once('.') {
            Some((group, option)) => self.lookup(group, option),
            None => self.lookup(&section.name, name).or_else(|| self.lookup("DEFAULT", name)),
        };
        let shown = if secret { "…" } else { name };
        let Some((section, known)) = found else {
            return Err(Fault::Other(format!(
                "`${shown}` names no option; write `$$` for the character itself"
            )));
        };
        match self.setting(section, known) {
            Ok(setting) => Ok(python_text(&setting)),
            Err(Fault::Circle) => Err(Fault::Circle),
            Err(Fault::Other(_)) => {
                Err(Fault::Other(format!("`${shown}` stands for an option that has an error")))
            }
        }
    }

    fn lookup(&self, section: &str, name: &str) -> Option<(&'a Section, &'a Known)> {
        let section = self.registry.section(section)?;
        let known = section.options.iter().find(|known| known.opt.name == name)?;
        Some((section, known))
    }
}

/// The names of an option: today's, then the earlier ones.
pub(super) fn names<'b>(section: &'b str, opt: &'b Opt) -> impl Iterator<Item = (&'b str, &'b str)> {
    let old = opt.aliases.iter().map(move |(place, key): &Alias| (place.unwrap_or(section), *key));
    std::iter::once((section, opt.name)).chain(old)
}

/// Whether a line of a file is one of the names of an option.
pub(super) fn is_named(section: &str, opt: &Opt, entry: &Entry) -> bool {
    names(section, opt).any(|(place, key)| key == entry.key && normal(place) == normal(&entry.section))
}

/// How Python writes a value into a text. Lists and pairs stay as they were written.
fn python_text(setting: &Setting) -> String {
    match &setting.value {
        Value::Unset => String::new(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Text(text) => text.clone(),
        Value::List(_) | Value::Dict(_) => setting.text.clone(),
    }
}

/// Replaces `$name`, `${name}`, `$$` and `\$`, as `ConfigOpts._substitute` does: a `$` that begins
/// none of them stays.
fn expand(text: &str, mut lookup: impl FnMut(&str) -> Result<String, Fault>) -> Result<String, Fault> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push('$');
            rest = after;
            continue;
        }
        out.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        let braced = after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
            .filter(|(name, _)| name_length(name) == name.len());
        let (name, tail) = match braced {
            Some(parts) => parts,
            None => after.split_at_checked(name_length(after)).unwrap_or(("", after)),
        };
        if name.is_empty() {
            out.push('$');
            rest = after;
        } else {
            out.push_str(&lookup(name)?);
            rest = tail;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Bytes of the reference's name at the beginning of `text`: `[_a-z][._a-z0-9]*` in any case.
fn name_length(text: &str) -> usize {
    let first = |b: &u8| *b == b'_' || b.is_ascii_alphabetic();
    if !text.as_bytes().first().is_some_and(first) {
        return 0;
    }
    text.bytes().take_while(|b| matches!(b, b'.' | b'_') || b.is_ascii_alphanumeric()).count()
}
