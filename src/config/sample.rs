//! `vitrine config sample`: a `glance-api.conf` in which every option is written out as a comment.

use std::fmt::Write as _;

use super::option::{Item, Kind, Opt, Place, Rating};
use super::registry::{BACKEND_DEFAULTS, GLANCE_STORE, Registry, Section};
use super::wired::Status;

const WIDTH: usize = 78;

/// The sample: every section and every option that is not obsolete, each with its description, type, default and
/// status. Everything but the section headers is a comment.
pub fn sample() -> String {
    let registry = Registry::new();
    let mut out = String::new();
    comment(
        &mut out,
        "Configuration of Vitrine, in the form of Glance's glance-api.conf. Each line below shows \
         a default; remove its `#` to change it.",
    );
    for section in registry.sections() {
        let has_any = section.options.iter().any(|known| is_shown(known.opt));
        if has_any && section.name != GLANCE_STORE && section.name != BACKEND_DEFAULTS {
            write_section(&mut out, section);
        }
        if section.name == GLANCE_STORE {
            write_stores(&mut out, &registry, section);
        }
    }
    out
}

fn is_shown(opt: &Opt) -> bool {
    opt.rating != Rating::Obsolete
}

fn write_section(out: &mut String, section: &Section) {
    let _ = writeln!(out, "\n[{}]", section.name);
    for known in &section.options {
        write_option(out, known.opt, known.default.as_deref(), known.status());
    }
}

/// The choice among stores, then the options of each type, which go into sections of their own.
fn write_stores(out: &mut String, registry: &Registry, section: &Section) {
    let _ = writeln!(out, "\n[{}]", section.name);
    for known in section.options.iter().filter(|known| !known.of_store) {
        write_option(out, known.opt, known.default.as_deref(), known.status());
    }
    out.push('\n');
    comment(
        out,
        "With [DEFAULT] enabled_backends, each store has a section named by its id, and what it \
         leaves out is taken from [backend_defaults]. Without, the options of the one store stand \
         in [glance_store].",
    );
    let _ = writeln!(out, "\n[{BACKEND_DEFAULTS}]");
    for group in registry.all() {
        match group.place {
            Place::EveryStore => comment(out, "Of every store."),
            Place::Store(kind) if group.options.iter().any(is_shown) => {
                out.push('\n');
                comment(out, &format!("Of stores of type {kind}."));
            }
            _ => continue,
        }
        for opt in group.options {
            write_option(out, opt, opt.default, opt.status(opt.feature(group.feature)));
        }
    }
}

fn write_option(out: &mut String, opt: &Opt, default: Option<&str>, status: Status) {
    if !is_shown(opt) {
        return;
    }
    out.push('\n');
    comment(out, opt.help);
    comment(out, &format!("Type: {}.", describe(opt.kind)));
    for (section, key) in opt.aliases {
        let place = section.map_or(String::new(), |section| format!("[{section}] "));
        comment(out, &format!("Earlier name: {place}{key}."));
    }
    match status {
        Status::NotYet(reason) => comment(out, &format!("Without effect so far: {reason}.")),
        Status::Refused(reason) => comment(out, &format!("Refused: {reason}.")),
        Status::Honoured | Status::Obsolete(_) => {}
    }
    let _ = match default {
        Some(default) => writeln!(out, "#{} = {}", opt.name, default.replace('$', "$$")),
        None => writeln!(out, "#{} =", opt.name),
    };
}

/// The type in words.
pub fn describe(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Int(min, max) => format!("integer{}", bounds(min, max)),
        Kind::Float(min, _) if min > f64::MIN => format!("number, at least {min}"),
        Kind::Float(..) => "number".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Choice(words) | Kind::Word(words) => {
            let words: Vec<_> = words.iter().filter(|w| !w.is_empty()).copied().collect();
            format!("one of {}", words.join(", "))
        }
        Kind::List(item) => format!("list of {}, as a, b", items(item)),
        Kind::Bracketed(item) => format!("list of {}, as [a, b]", items(item)),
        Kind::Dict => "pairs, as name:value, name:value".to_owned(),
        Kind::Multi => "text; may be repeated".to_owned(),
        Kind::Size => "bytes, with B, KB, MB, GB or TB".to_owned(),
    }
}

fn items(item: Item) -> String {
    match item {
        Item::Text | Item::Quoted => "texts".to_owned(),
        Item::Int(min, max) => format!("integers{}", bounds(min, max)),
        Item::Choice(words) => words.join(", "),
    }
}

fn bounds(min: i128, max: i128) -> String {
    let (low, high) = (min > i128::from(i64::MIN), max != i128::from(i64::MAX));
    match (low, high) {
        (true, true) => format!(" from {min} to {max}"),
        (true, false) => format!(", at least {min}"),
        (false, true) => format!(", at most {max}"),
        (false, false) => String::new(),
    }
}

/// Writes a text as comment lines.
fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
}
