//! Operators' policy files: finding, reading, merging, and noticing changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::{Map, Value};
use serde_saphyr::options::DuplicateKeyPolicy;

use super::rule::{Expression, ListItem, SyntaxError};
use super::{PolicyError, Settings};

/// Largest policy file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How many files of one policy directory are read.
const DIRECTORY_FILES_MAX: usize = 1000;

/// A rule as a file defines it.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    /// The check string as written, or the canonical text of a list form.
    pub(crate) text: String,
    /// The parsed expression; denies everyone if the text is invalid.
    pub(crate) expression: Expression,
    pub(crate) syntax_error: Option<SyntaxError>,
    /// The file gave the name without any value.
    pub(crate) blank: bool,
    pub(crate) file: Arc<Path>,
}

/// What tells two states of a file apart without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
    length: u64,
}

/// The files there are, in the order in which they are read: `policy_file`, then the directories.
type Listing = Vec<(PathBuf, Stamp)>;

/// The rules of one file, in its order.
type Definitions = Vec<(String, Definition)>;

/// The contents of the files when last read.
#[derive(Debug, Default)]
pub(crate) struct Loader {
    /// The listing last acted upon, whether it could be read or not.
    seen: Option<Listing>,
    /// The stamp that `policy_file` had when it was last merged.
    main_merged: Option<Stamp>,
    merged: BTreeMap<String, Definition>,
}

impl Loader {
    pub(crate) fn definitions(&self) -> &BTreeMap<String, Definition> {
        &self.merged
    }

    /// Reads the files again if any of them changed, appeared or disappeared since the last call, and returns whether
    /// it did. Either all files are merged or, on an error, nothing changes.
    ///
    /// As in Glance (`glance/api/policy.py`: `overwrite=False`), files add to the previous contents: a definition
    /// removed from its file stays in force until the process restarts.
    pub(crate) fn refresh(&mut self, settings: &Settings) -> Result<bool, PolicyError> {
        let listing = list(settings).inspect_err(|_| self.seen = None)?;
        if self.seen.as_ref() == Some(&listing) {
            return Ok(false);
        }
        let read = self.read_all(settings, &listing);
        // Broken contents are read again when the file changes, unreadable files each time.
        let retry = matches!(&read, Err(PolicyError::Unreadable { .. }));
        self.seen = (!retry).then_some(listing);
        let (merged, main) = read?;
        self.merged = merged;
        self.main_merged = main;
        Ok(true)
    }

    fn read_all(
        &self,
        settings: &Settings,
        listing: &Listing,
    ) -> Result<(BTreeMap<String, Definition>, Option<Stamp>), PolicyError> {
        let mut merged = self.merged.clone();
        let mut main = self.main_merged;
        let mut present = BTreeSet::new();
        for (path, stamp) in listing {
            let definitions = read(path)?;
            present.extend(definitions.iter().map(|(name, _)| name.clone()));
            let is_main = *path == settings.policy_file;
            // An unchanged policy_file is not laid over the directories' rules a second time.
            if !is_main || main != Some(*stamp) {
                merged.extend(definitions);
            }
            main = if is_main { Some(*stamp) } else { main };
        }
        for (name, definition) in merged.iter().filter(|(name, _)| !present.contains(*name)) {
            let file = definition.file.display();
            tracing::warn!(rule = %name, %file, "policy: no file defines this rule any more; its \
                last definition stays in force until the service restarts");
        }
        Ok((merged, main))
    }
}

/// Reads every file afresh, each on its own, for tools.
pub(crate) fn read_each(settings: &Settings) -> Result<Vec<Result<Definitions, PolicyError>>, PolicyError> {
    Ok(list(settings)?.into_iter().map(|(path, _)| read(&path)).collect())
}

/// Finds the files there are now; absent files and directories are fine, hidden files are skipped.
fn list(settings: &Settings) -> Result<Listing, PolicyError> {
    let mut listing = Vec::new();
    if !settings.policy_file.as_os_str().is_empty()
        && let Some(entry) = stamp(&settings.policy_file, true)?
    {
        listing.push(entry);
    }
    for directory in &settings.policy_dirs {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(directory, error)),
        };
        let mut paths = BTreeSet::new();
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(directory, error))?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                paths.insert(entry.path());
            }
            if paths.len() > DIRECTORY_FILES_MAX {
                let reason = format!("more than {DIRECTORY_FILES_MAX} files");
                return Err(unreadable(directory, reason));
            }
        }
        for path in paths {
            listing.extend(stamp(&path, false)?);
        }
    }
    Ok(listing)
}

/// The file's stamp; `None` if there is no such file, or, in a directory, if it is not a plain one.
fn stamp(path: &Path, named: bool) -> Result<Option<(PathBuf, Stamp)>, PolicyError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, error)),
    };
    if !metadata.is_file() {
        return if named { Err(unreadable(path, "not a file")) } else { Ok(None) };
    }
    let stamp = Stamp {
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        length: metadata.len(),
    };
    Ok(Some((path.to_owned(), stamp)))
}

fn unreadable(path: &Path, reason: impl ToString) -> PolicyError {
    PolicyError::Unreadable { path: path.to_owned(), reason: reason.to_string() }
}

fn broken(path: &Path, reason: impl ToString) -> PolicyError {
    PolicyError::Broken { path: path.to_owned(), reason: reason.to_string() }
}

/// Reads one file, YAML or JSON; later definitions of the same name in it win.
fn read(path: &Path) -> Result<Definitions, PolicyError> {
    let file = fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(FILE_BYTES_MAX + 1);
    bounded.read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(broken(path, format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| broken(path, error))?;
    definitions(&text, path).map_err(|reason| broken(path, reason))
}

/// The rules in the text of a file, in its order.
pub(crate) fn definitions(text: &str, path: &Path) -> Result<Definitions, String> {
    let file: Arc<Path> = path.into();
    let define = |(name, value): (String, Value)| match definition(value, &file) {
        Ok(definition) => {
            if let Some(error) = &definition.syntax_error {
                let file = file.display();
                tracing::error!(%file, rule = name, %error, "policy: this rule now denies everyone");
            }
            Ok((name, definition))
        }
        Err(reason) => Err(format!("rule {name:?}: {reason}")),
    };
    parse(text)?.into_iter().map(define).collect()
}

fn parse(text: &str) -> Result<Map<String, Value>, String> {
    static BARE_TAG: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?m)(?::|-|\[|,)[ \t]+!(?:[ \t]*$|[ \t]+#)").ok());
    if BARE_TAG.as_ref().is_some_and(|bare| bare.is_match(text)) {
        // YAML takes a bare ! for a tag on nothing, and an empty check would allow everyone.
        return Err("a check of ! must be quoted: \"!\"".to_owned());
    }
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let value: Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        Value::Array(items) if items.is_empty() => Ok(Map::new()),
        _ => Err("not a mapping of rule names to check strings".to_owned()),
    }
}

fn definition(value: Value, file: &Arc<Path>) -> Result<Definition, String> {
    let file = Arc::clone(file);
    let blank = value.is_null();
    match value {
        Value::Null | Value::String(_) => {
            let text = value.as_str().unwrap_or_default().to_owned();
            let (expression, syntax_error) = match Expression::parse(&text) {
                Ok(expression) => (expression, None),
                Err(error) => (Expression::never(), Some(error)),
            };
            Ok(Definition { text, expression, syntax_error, blank, file })
        }
        Value::Array(items) => {
            let items: Result<Vec<ListItem>, String> = items.into_iter().map(list_item).collect();
            let expression = Expression::from_list(&items?);
            let text = expression.to_string();
            Ok(Definition { text, expression, syntax_error: None, blank, file })
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Err("a check must be text or a list".to_owned())
        }
    }
}

fn list_item(value: Value) -> Result<ListItem, String> {
    match value {
        Value::Null => Ok(ListItem::Check(String::new())),
        Value::String(text) => Ok(ListItem::Check(text)),
        Value::Array(checks) => {
            let text = |check: Value| match check {
                Value::String(text) => Ok(text),
                other => Err(format!("{other} in a list is not text")),
            };
            checks.into_iter().map(text).collect::<Result<_, _>>().map(ListItem::All)
        }
        other => Err(format!("{other} in a list is not text")),
    }
}
