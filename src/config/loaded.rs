//! The values read, with typed access; `Config` is assembled from them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::check::Report;
use super::option::Opt;
use super::origin::Origin;
use super::registry::{BACKEND_DEFAULTS, Registry};
use super::resolve::Setting;
use super::value::Value;
use super::wired::Status;

/// A store of `[DEFAULT] enabled_backends`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreName {
    /// Its id, which is the name of its section.
    pub id: String,
    /// Its type: `file`, `http`, `swift`, `rbd`, `cinder`, `s3` or `vmware`.
    pub kind: String,
}

/// All options with their values.
///
/// The getters take a section and an option. Requesting an option that is not in the registry, or as another type, is a
/// programming error: the getter returns the type's empty value and keeps the name for `misasked`, which a test
/// requires to be empty. Every requested name is kept, so that `unasked` can list options that nobody reads.
pub struct Loaded {
    registry: Registry,
    settings: BTreeMap<String, BTreeMap<&'static str, Setting>>,
    stores: Vec<StoreName>,
    search_dirs: Vec<PathBuf>,
    report: Report,
    asked: Mutex<Asked>,
}

impl std::fmt::Debug for Loaded {
    /// Without the values, among which are passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("stores", &self.stores.len()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Asked {
    rightly: BTreeSet<(String, String)>,
    wrongly: BTreeSet<(String, String)>,
}

impl Loaded {
    pub(super) fn new(
        registry: Registry,
        settings: BTreeMap<String, BTreeMap<&'static str, Setting>>,
        stores: Vec<StoreName>,
        search_dirs: Vec<PathBuf>,
        report: Report,
    ) -> Loaded {
        Loaded { registry, settings, stores, search_dirs, report, asked: Mutex::default() }
    }

    /// Errors and warnings of the load.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The sections and options there are, those of the stores included.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The valid stores of `enabled_backends`, in order; none in single-store mode. The id is the section of their
    /// options.
    pub fn stores(&self) -> &[StoreName] {
        self.setting("DEFAULT", "enabled_backends");
        &self.stores
    }

    /// The section that holds the login options of `section`: itself, or the one that its
    /// `auth_section` names.
    pub fn login_section(&self, section: &str) -> String {
        self.nonempty(section, "auth_section").unwrap_or_else(|| section.to_owned())
    }

    /// The file that a name in an option refers to: an absolute path itself, otherwise the first match beside the
    /// configuration (`oslo_config/cfg.py::ConfigOpts.find_file`).
    pub fn find_file(&self, name: &Path) -> Option<PathBuf> {
        self.search_dirs.iter().map(|dir| dir.join(name)).find(|path| path.exists())
    }

    /// As `find_file`; for a file that does not exist (yet), where it is looked for first.
    pub fn place_of(&self, name: &Path) -> PathBuf {
        let first = || self.search_dirs.first().map(|dir| dir.join(name));
        self.find_file(name).or_else(first).unwrap_or_else(|| name.to_owned())
    }

    /// A boolean. False if it is unset.
    pub fn bool(&self, section: &str, option: &str) -> bool {
        match self.value(section, option) {
            Some(Value::Bool(value)) => *value,
            other => self.misfit(section, option, other, false),
        }
    }

    /// An integer or a size, if it is set. Numbers beyond the type are cut to its bounds.
    pub fn u64(&self, section: &str, option: &str) -> Option<u64> {
        let number = self.integer(section, option)?;
        Some(u64::try_from(number.max(0)).unwrap_or(u64::MAX))
    }

    /// An integer that may be negative, if it is set. Numbers beyond the type are cut to its
    /// bounds.
    pub fn i64(&self, section: &str, option: &str) -> Option<i64> {
        let number = self.integer(section, option)?;
        let bound = if number < 0 { i64::MIN } else { i64::MAX };
        Some(i64::try_from(number).unwrap_or(bound))
    }

    fn integer(&self, section: &str, option: &str) -> Option<i128> {
        match self.value(section, option) {
            Some(Value::Int(number)) => Some(*number),
            other => self.misfit(section, option, other, None),
        }
    }

    /// A decimal number, if it is set.
    pub fn f64(&self, section: &str, option: &str) -> Option<f64> {
        match self.value(section, option) {
            Some(Value::Float(number)) => Some(*number),
            other => self.misfit(section, option, other, None),
        }
    }

    /// A text, if it is set; it may be empty.
    pub fn string(&self, section: &str, option: &str) -> Option<String> {
        match self.value(section, option) {
            Some(Value::Text(text)) => Some(text.clone()),
            other => self.misfit(section, option, other, None),
        }
    }

    /// A text, if it is set and not empty.
    pub fn nonempty(&self, section: &str, option: &str) -> Option<String> {
        self.string(section, option).filter(|text| !text.is_empty())
    }

    /// A path, if it is set and not empty.
    pub fn path(&self, section: &str, option: &str) -> Option<PathBuf> {
        self.nonempty(section, option).map(PathBuf::from)
    }

    /// The items of a list, or the values of a multi-valued option. Empty if it is unset.
    pub fn list(&self, section: &str, option: &str) -> Vec<String> {
        match self.value(section, option) {
            Some(Value::List(items)) => items.clone(),
            other => self.misfit(section, option, other, Vec::new()),
        }
    }

    /// The pairs of a dict, in the order written. Empty if it is unset.
    pub fn dict(&self, section: &str, option: &str) -> Vec<(String, String)> {
        match self.value(section, option) {
            Some(Value::Dict(pairs)) => pairs.clone(),
            other => self.misfit(section, option, other, Vec::new()),
        }
    }

    /// Where the value of an option was written; `Default` also for one that does not exist.
    pub fn origin(&self, section: &str, option: &str) -> Origin {
        match self.setting(section, option) {
            Some(setting) => setting.origin.clone(),
            None => Origin::Default,
        }
    }

    /// Whether the option was written anywhere.
    pub fn is_set(&self, section: &str, option: &str) -> bool {
        self.origin(section, option) != Origin::Default
    }

    /// The options whose values differ, by section, those of stores that only one of both has included.
    pub fn differing(&self, other: &Loaded) -> BTreeSet<(String, &'static str)> {
        let names = |loaded: &Loaded| -> Vec<(String, &'static str)> {
            let settings = loaded.settings.iter();
            settings.flat_map(|(s, o)| o.keys().map(move |name| (s.clone(), *name))).collect()
        };
        let of = |loaded: &Loaded, (section, option): &(String, &'static str)| {
            loaded.settings.get(section).and_then(|s| s.get(option)).map(|setting| setting.value.clone())
        };
        let mut all: BTreeSet<_> = names(self).into_iter().chain(names(other)).collect();
        all.retain(|name| of(self, name) != of(other, name));
        all
    }

    /// The files in which secret options are written.
    pub fn secret_files(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        for (section, settings) in &self.settings {
            for (name, setting) in settings {
                let is_secret = self.registry.find(section, name).is_some_and(|known| known.opt.secret);
                if let Origin::File(path, _) = &setting.origin
                    && is_secret
                    && !setting.text.is_empty()
                {
                    files.insert(path.to_path_buf());
                }
            }
        }
        files
    }

    /// Requested options that do not exist or have another type: programming errors.
    pub fn misasked(&self) -> Vec<(String, String)> {
        self.asked().wrongly.iter().cloned().collect()
    }

    /// The `Honoured` options that nobody has read so far: once `Config` is assembled, each of them would be silently
    /// ignored.
    pub fn unasked(&self) -> Vec<(String, &'static Opt)> {
        let asked = self.asked();
        let mut unasked = Vec::new();
        for section in self.registry.sections() {
            if section.name == BACKEND_DEFAULTS {
                // Read through the stores that fall back to it.
                continue;
            }
            for known in &section.options {
                let name = (section.name.clone(), known.opt.name.to_owned());
                if known.status() == Status::Honoured && !asked.rightly.contains(&name) {
                    unasked.push((section.name.clone(), known.opt));
                }
            }
        }
        unasked
    }

    /// The value of an option, for tests that compare all of them.
    #[cfg(test)]
    pub(super) fn value_of(&self, section: &str, option: &str) -> Option<&Value> {
        self.value(section, option)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn setting(&self, section: &str, option: &str) -> Option<&Setting> {
        let setting = self.settings.get(section).and_then(|s| s.get(option));
        let name = (section.to_owned(), option.to_owned());
        let mut asked = self.asked();
        match setting {
            Some(_) => asked.rightly.insert(name),
            None => asked.wrongly.insert(name),
        };
        setting
    }

    fn value(&self, section: &str, option: &str) -> Option<&Value> {
        self.setting(section, option).map(|setting| &setting.value)
    }

    fn misfit<T>(&self, section: &str, option: &str, value: Option<&Value>, empty: T) -> T {
        if !matches!(value, None | Some(Value::Unset)) {
            let name = (section.to_owned(), option.to_owned());
            self.asked().wrongly.insert(name);
        }
        empty
    }
}
