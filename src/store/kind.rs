//! What a kind of store tells of itself: the row that it has in the table of [`super::kinds`].

use std::{
    any::Any,
    fmt::Debug,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Backend;

/// A kind of store.
#[derive(Debug)]
pub struct Kind {
    /// Its name in `enabled_backends` and `stores`.
    pub name: &'static str,
    /// The schemes of its URLs.
    pub schemes: &'static [&'static str],
    /// Who may name URLs of these schemes in a location.
    pub named_by: NamedBy,
    /// Its options.
    pub options: &'static [Declared],
    /// Reads its options.
    pub read: fn(&mut dyn Options) -> Arc<dyn Settings>,
}

impl Kind {
    /// Whether everybody may name this URL, by its beginning as Glance looks at it.
    pub fn is_for_everybody(&self, url: &str) -> bool {
        self.named_by == NamedBy::Everybody && self.schemes.iter().any(|scheme| url.starts_with(scheme))
    }
}

/// Who may name a URL in a location of an image (`glance/common/store_utils.py: RESTRICTED_URI_SCHEMAS`,
/// `glance/api/v2/images.py: add_location`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// Only the store itself: the URL would open the machine's own files.
    Nobody,
    /// Services, and by the older calls whoever may change locations.
    Services,
    /// Everybody who may change the image.
    Everybody,
}

/// An option of a kind of store.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    /// The key, as written in a file.
    pub name: &'static str,
    /// The form of its value.
    pub form: Form,
    /// The default as it would be written in a file; `None` if it is unset by default.
    pub default: Option<&'static str>,
    /// What it does, in a sentence.
    pub help: &'static str,
}

/// The form of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Yes or no.
    Bool,
    /// A whole number within both bounds, inclusive.
    Int(i64, i64),
    /// Any text.
    Text,
    /// Pairs of a key and a text.
    Dict,
    /// A text for each time that the option is written.
    Multi,
    /// Bytes, with a unit or without.
    Size,
}

impl Declared {
    /// An option with a default.
    pub const fn new(name: &'static str, form: Form, default: &'static str, help: &'static str) -> Self {
        Self { name, form, default: Some(default), help }
    }

    /// An option that is unset by default.
    pub const fn unset(name: &'static str, form: Form, help: &'static str) -> Self {
        Self { name, form, default: None, help }
    }
}

/// The values of the options of one store, defaults included. To ask for an option that the kind does not declare, or in
/// another form, is a fault of the program, and answered with the form's empty value.
pub trait Options {
    /// Whether there is this one store and no other of its kind, configured without an id.
    fn is_single(&self) -> bool;

    /// Whether the option is written anywhere.
    fn is_set(&self, option: &str) -> bool;

    /// Yes or no.
    fn bool(&self, option: &str) -> bool;

    /// A number, if there is one.
    fn i64(&self, option: &str) -> Option<i64>;

    /// A number or bytes; what is below zero is zero.
    fn u64(&self, option: &str) -> Option<u64>;

    /// A path that is not empty.
    fn path(&self, option: &str) -> Option<PathBuf>;

    /// Every text that was written.
    fn list(&self, option: &str) -> Vec<String>;

    /// The pairs, in the order written.
    fn dict(&self, option: &str) -> Vec<(String, String)>;

    /// Says why a value cannot be used, which stops the start.
    fn refuse(&mut self, option: &str, reason: String);
}

/// The options of one store, read; they can open it.
pub trait Settings: Any + Debug + Send + Sync {
    /// The kind of the store.
    fn kind(&self) -> &'static Kind;

    /// Opens the store. Blocking.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn open(&self, site: &Site<'_>) -> Result<Arc<dyn Backend>, String>;
}

/// Where a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Its id.
    pub id: &'a str,
    /// Folder of everything that this server keeps for itself.
    pub data_dir: &'a Path,
}
