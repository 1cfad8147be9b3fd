//! Which options belong to which section: the tables, and the sections added by `enabled_backends` and
//! `auth_section`.

use super::option::{Group, Opt, Place};
use super::sources::normal;
use super::tables::{self, LOGIN_SECTIONS, TASKS_STORE_DATADIR};
use super::wired::{Feature, Status};

/// Section of options that all stores fall back to.
pub const BACKEND_DEFAULTS: &str = "backend_defaults";
/// Section of the choice among stores, and of the only store's options without `enabled_backends`.
pub const GLANCE_STORE: &str = "glance_store";
/// The stores that Glance adds for itself, of type file
/// (`glance/common/wsgi_app.py::RESERVED_STORES`).
pub const RESERVED_STORES: [&str; 2] = [STAGING, TASKS];
/// Where data waits to be imported.
pub const STAGING: &str = "os_glance_staging_store";
const TASKS: &str = "os_glance_tasks_store";

/// An option in its section.
#[derive(Clone, Debug)]
pub struct Known {
    /// The option.
    pub opt: &'static Opt,
    /// The feature that implements it.
    pub feature: Feature,
    /// The default here, as it would be written in a file.
    pub default: Option<String>,
    /// Whether it is a store's option.
    pub of_store: bool,
}

impl Known {
    /// Its status.
    pub fn status(&self) -> Status {
        self.opt.status(self.feature)
    }
}

/// A section and its options.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name, as the tables or the configuration write it.
    pub name: String,
    /// Its options, in the order of the tables.
    pub options: Vec<Known>,
    /// Whether options that are unset here are taken from `[backend_defaults]`.
    pub falls_back: bool,
}

/// All sections.
pub struct Registry {
    groups: &'static [&'static [Group]],
    sections: Vec<Section>,
}

impl Registry {
    /// The options of Vitrine, before any store is known.
    pub fn new() -> Registry {
        Registry::of(&tables::GROUPS)
    }

    /// A registry of other tables, for tests.
    pub(super) fn of(groups: &'static [&'static [Group]]) -> Registry {
        let mut registry = Registry { groups, sections: Vec::new() };
        for group in groups.iter().flat_map(|list| list.iter()) {
            if let Place::Section(name) = group.place {
                registry.add(name, group, group.feature, false);
            }
        }
        for group in registry.all() {
            match group.place {
                Place::Store(_) => {
                    registry.add(GLANCE_STORE, group, group.feature, true);
                    registry.add(BACKEND_DEFAULTS, group, group.feature, true);
                }
                Place::EveryStore => registry.add(BACKEND_DEFAULTS, group, group.feature, true),
                Place::Section(_) | Place::Login => {}
            }
        }
        if registry.all().any(|group| group.place == Place::Login) {
            for (section, feature) in LOGIN_SECTIONS {
                registry.add_login(section, *feature);
            }
        }
        for name in RESERVED_STORES {
            registry.add_store(name, "file", false);
            for known in registry.options_mut(name) {
                known.feature = Feature::StagingTuning;
                if known.opt.name == "filesystem_store_datadir" {
                    known.feature = Feature::Staging;
                    known.default = Some(format!("/var/lib/glance/{name}"));
                    if name == TASKS {
                        (known.opt, known.default) = (&TASKS_STORE_DATADIR, None);
                    }
                }
            }
        }
        registry
    }

    /// The sections, fixed ones first.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section of exactly this name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The sections that a header in a file may mean; several if their names differ in case only.
    pub fn sections_of_header<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Section> {
        let name = normal(name);
        self.sections.iter().filter(move |section| normal(&section.name) == name)
    }

    /// The option of exactly this section and name.
    pub fn find(&self, section: &str, name: &str) -> Option<&Known> {
        self.section(section)?.options.iter().find(|known| known.opt.name == name)
    }

    /// The types of stores, in the order of the tables.
    pub fn store_types(&self) -> impl Iterator<Item = (&'static str, Feature)> {
        self.all().filter_map(|group| match group.place {
            Place::Store(kind) => Some((kind, group.feature)),
            _ => None,
        })
    }

    /// The groups of the tables.
    pub fn all(&self) -> impl Iterator<Item = &'static Group> + use<> {
        self.groups.iter().flat_map(|list| list.iter())
    }

    /// Adds the section of a store.
    pub(super) fn add_store(&mut self, id: &str, kind: &str, falls_back: bool) {
        for group in self.all() {
            if group.place == Place::EveryStore || matches!(group.place, Place::Store(of) if of == kind) {
                self.add(id, group, group.feature, true);
            }
        }
        for section in &mut self.sections {
            if section.name == id {
                section.falls_back |= falls_back;
            }
        }
    }

    /// Adds the options of a login to a section.
    pub(super) fn add_login(&mut self, section: &str, feature: Feature) {
        for group in self.all() {
            if group.place == Place::Login {
                self.add(section, group, feature, false);
            }
        }
    }

    fn options_mut(&mut self, name: &str) -> impl Iterator<Item = &mut Known> {
        self.sections
            .iter_mut()
            .filter(move |section| section.name == name)
            .flat_map(|section| section.options.iter_mut())
    }

    fn add(&mut self, name: &str, group: &'static Group, feature: Feature, of_store: bool) {
        let at = match self.sections.iter().position(|s| s.name == name) {
            Some(at) => at,
            None => {
                self.sections.push(Section { name: name.to_owned(), options: Vec::new(), falls_back: false });
                self.sections.len() - 1
            }
        };
        let Some(section) = self.sections.get_mut(at) else {
            return;
        };
        for opt in group.options {
            if section.options.iter().any(|known| known.opt.name == opt.name) {
                continue;
            }
            section.options.push(Known {
                opt,
                feature: opt.feature(feature),
                default: opt.default.map(str::to_owned),
                of_store,
            });
        }
    }
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}
