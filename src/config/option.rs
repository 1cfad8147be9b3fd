//! The description of an option: its type, default, status, and what Vitrine does with it.
//!
//! The options themselves are in `tables`; `wired` says which features are implemented.

use super::wired::{Feature, Status};

/// The type of an option's value, in the terms of oslo.config (`oslo_config/types.py`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `1/true/yes/on` or `0/false/no/off`, in any case.
    Bool,
    /// A decimal integer within both bounds, inclusive.
    Int(i128, i128),
    /// A finite decimal number within both bounds, inclusive.
    Float(f64, f64),
    /// Any text.
    Text,
    /// One of the words, in exactly this spelling.
    Choice(&'static [&'static str]),
    /// One of the words, in any case; read in lower case.
    Word(&'static [&'static str]),
    /// Comma-separated items without brackets: `a, b`.
    List(Item),
    /// Comma-separated items that Glance writes within brackets: `[a, b]`.
    Bracketed(Item),
    /// Comma-separated pairs: `key:value, key2:value2`.
    Dict,
    /// Text; each repetition of the key adds one value.
    Multi,
    /// Bytes, as Glance writes `user_storage_quota`: digits and an optional `B`, `KB`, `MB`, `GB`
    /// or `TB` in powers of 1024.
    Size,
}

/// The type of the items of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item {
    /// Any text; quotes around an item belong to it.
    Text,
    /// Any text, which may stand within single or double quotes.
    Quoted,
    /// One of the words, which may stand within quotes.
    Choice(&'static [&'static str]),
    /// A decimal integer within both bounds, inclusive.
    Int(i128, i128),
}

/// The importance of an option, from a survey of real deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rating {
    /// Real deployments set it, or clients notice it.
    Must,
    /// Useful, of low cost.
    Nice,
    /// Written by real deployments, without any effect.
    Obsolete,
}

/// An earlier name of an option: its section, if that differs from today's, and its key.
pub type Alias = (Option<&'static str>, &'static str);

/// One option of the registry. Built in constant tables by the functions of this file.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// The key, as written in a file.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// The default as it would be written in a file; `None` if it is unset by default.
    pub default: Option<&'static str>,
    /// Its importance.
    pub rating: Rating,
    /// Whether its value must not be shown.
    pub secret: bool,
    /// Earlier names that are honoured and named in a warning.
    pub aliases: &'static [Alias],
    /// Its description, one sentence.
    pub help: &'static str,
    status: Option<Status>,
    feature: Option<Feature>,
}

/// Where the options of a group may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the section of this name.
    Section(&'static str),
    /// In the section of each store of this type (a type of `enabled_backends`), in
    /// `[backend_defaults]`, and in `[glance_store]`.
    Store(&'static str),
    /// As `Store`, for stores of every type.
    EveryStore,
    /// In each section that says how to log in to a Keystone as a service user.
    Login,
}

/// Options that share a place and a feature.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Where they are written.
    pub place: Place,
    /// The feature that implements them.
    pub feature: Feature,
    /// The options, in the order of the sample file.
    pub options: &'static [Opt],
}

impl Opt {
    /// The status of this option when `feature` implements it.
    pub fn status(&self, feature: Feature) -> Status {
        match self.status {
            Some(status) => status,
            None => feature.status(),
        }
    }

    /// The feature that implements this option, if its group belongs to `feature`.
    pub fn feature(&self, feature: Feature) -> Feature {
        self.feature.unwrap_or(feature)
    }

    pub(super) const fn must(mut self) -> Opt {
        self.rating = Rating::Must;
        self
    }

    pub(super) const fn secret(mut self) -> Opt {
        self.secret = true;
        self
    }

    pub(super) const fn alias(mut self, aliases: &'static [Alias]) -> Opt {
        self.aliases = aliases;
        self
    }

    pub(super) const fn of(mut self, feature: Feature) -> Opt {
        self.feature = Some(feature);
        self
    }

    pub(super) const fn obsolete(mut self, reason: &'static str) -> Opt {
        self.rating = Rating::Obsolete;
        self.status = Some(Status::Obsolete(reason));
        self
    }

    pub(super) const fn refused(mut self, reason: &'static str) -> Opt {
        self.status = Some(Status::Refused(reason));
        self
    }
}

/// An option with a default.
pub(super) const fn opt(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Opt {
    Opt { default: Some(default), ..unset(name, kind, help) }
}

/// An option that is unset by default.
pub(super) const fn unset(name: &'static str, kind: Kind, help: &'static str) -> Opt {
    Opt {
        name,
        kind,
        default: None,
        rating: Rating::Nice,
        secret: false,
        aliases: &[],
        help,
        status: None,
        feature: None,
    }
}

/// An option that is accepted without effect; its value is ignored.
pub(super) const fn gone(name: &'static str, reason: &'static str) -> Opt {
    unset(name, Kind::Text, reason).obsolete(reason)
}

/// Any integer that fits 64 bits.
pub(super) const ANY_INT: Kind = Kind::Int(i64::MIN as i128, i64::MAX as i128);
/// An integer from `min` to the largest that fits 64 bits.
pub(super) const fn at_least(min: i128) -> Kind {
    Kind::Int(min, i64::MAX as i128)
}
/// A finite number from `min` upwards.
pub(super) const fn float_at_least(min: f64) -> Kind {
    Kind::Float(min, f64::MAX)
}
