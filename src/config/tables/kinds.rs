//! The options of the supported stores, as each store type declares them.

use std::sync::LazyLock;

use crate::config::option::{Group, Kind, Opt, Place, opt, unset};
use crate::config::wired::Feature;
use crate::store::{
    backend::{Declared, Form},
    kinds,
};

static OPTIONS: LazyLock<Vec<(&str, Vec<Opt>)>> = LazyLock::new(|| {
    let of = |declared: &[Declared]| declared.iter().map(option).collect();
    kinds::ALL.iter().map(|kind| (kind.name, of(kind.options))).collect()
});

/// A group for each kind.
pub static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let group = |(kind, options): &'static (&str, Vec<Opt>)| Group {
        place: Place::Store(kind),
        feature: Feature::Stores,
        options,
    };
    OPTIONS.iter().map(group).collect()
});

fn option(declared: &Declared) -> Opt {
    let kind = match declared.form {
        Form::Bool => Kind::Bool,
        Form::Int(least, most) => Kind::Int(least.into(), most.into()),
        Form::Text => Kind::Text,
        Form::Dict => Kind::Dict,
        Form::Multi => Kind::Multi,
        Form::Size => Kind::Size,
    };
    let option = match declared.default {
        Some(default) => opt(declared.name, kind, default, declared.help),
        None => unset(declared.name, kind, declared.help),
    };
    let option = match declared.obsolete {
        Some(reason) => option.obsolete(reason),
        None => option.must(),
    };
    if declared.secret { option.secret() } else { option }
}
