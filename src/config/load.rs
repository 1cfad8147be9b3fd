//! Reads all sources and decides about every option: the only way to a `Loaded`.

use std::collections::{BTreeMap, HashMap};

use super::check::{Finding, Report, Topic};
use super::loaded::{Loaded, StoreName};
use super::option::Kind;
use super::origin::Origin;
use super::registry::{BACKEND_DEFAULTS, GLANCE_STORE, Known, RESERVED_STORES, Registry, Section};
use super::resolve::{Resolver, Setting, Written};
use super::sources::{self, Layer, Sources};
use super::unknown;
use super::value::{Value, convert};
use super::wired::{Feature, Status};

/// Reads everything. The result always has a value for every option; whether it may be used says
/// its report (`Loaded::report`). An option with an error has its default.
pub fn load(sources: &Sources) -> Loaded {
    load_with(Registry::new(), sources)
}

pub(super) fn load_with(registry: Registry, sources: &Sources) -> Loaded {
    let mut findings = Vec::new();
    let layers = sources::read(&sources.inputs, &mut findings);
    let mut loading = Loading {
        registry,
        layers,
        env: sources.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        sources,
        findings,
    };
    let stores = loading.add_stores();
    loading.add_logins();
    let settings = loading.settings(!stores.is_empty());
    loading.check_default_backend(&stores, &settings);
    loading.check_flavor(&settings);
    loading.check_connection(&settings);
    unknown::report(&loading.registry, &loading.layers, &sources.env, &mut loading.findings);
    Loaded::new(loading.registry, settings, stores, sources.search_dirs(), Report::new(loading.findings))
}

struct Loading<'a> {
    registry: Registry,
    layers: Vec<Layer>,
    env: HashMap<&'a str, &'a str>,
    sources: &'a Sources,
    findings: Vec<Finding>,
}

impl Loading<'_> {
    fn resolver(&self) -> Resolver<'_> {
        Resolver::new(&self.registry, &self.layers, &self.env, &self.sources.overrides)
    }

    fn early(&self, section: &str, option: &str) -> Option<Setting> {
        let section = self.registry.section(section)?;
        let known = self.registry.find(&section.name, option)?;
        self.resolver().setting(section, known).ok()
    }

    /// Adds a section for each store that `enabled_backends` names, and checks their names.
    fn add_stores(&mut self) -> Vec<StoreName> {
        let mut stores = Vec::new();
        let Some(setting) = self.early("DEFAULT", "enabled_backends") else {
            return stores;
        };
        let Value::Dict(pairs) = setting.value else {
            return stores;
        };
        let types: Vec<_> = self.registry.store_types().collect();
        for (id, kind) in pairs {
            let bad = |reason: String| {
                let origin = setting.origin.clone();
                Finding::of_option(Topic::Bad, "DEFAULT", "enabled_backends", origin, reason)
            };
            if id.starts_with("os_glance_") {
                let reason = format!("store `{id}`: names that begin with os_glance_ are reserved");
                self.findings.push(bad(reason));
                continue;
            }
            let Some((_, feature)) = types.iter().find(|(name, _)| *name == kind) else {
                let names: Vec<_> = types.iter().map(|(name, _)| *name).collect();
                self.findings
                    .push(bad(format!("store `{id}`: type `{kind}` is not one of {}", names.join(", "))));
                continue;
            };
            if let Status::NotYet(reason) = feature.status() {
                let finding = bad(format!("the store cannot be used: {reason}"));
                self.findings.push(Finding {
                    topic: Topic::NotHonoured,
                    section: Some(id.clone()),
                    option: None,
                    ..finding
                });
            }
            self.registry.add_store(&id, &kind, true);
            stores.push(StoreName { id, kind });
        }
        stores
    }

    /// Adds the options of a login to each section that an `auth_section` names.
    fn add_logins(&mut self) {
        let with_login: Vec<(String, Feature)> = self
            .registry
            .sections()
            .iter()
            .filter_map(|section| {
                let known = self.registry.find(&section.name, "auth_section")?;
                Some((section.name.clone(), known.feature))
            })
            .collect();
        for (section, feature) in with_login {
            if let Some(setting) = self.early(&section, "auth_section")
                && let Value::Text(name) = setting.value
                && !name.is_empty()
            {
                self.registry.add_login(&name, feature);
            }
        }
    }

    /// Decides about every option of every section.
    fn settings(&mut self, multi_store: bool) -> BTreeMap<String, BTreeMap<&'static str, Setting>> {
        let mut findings = Vec::new();
        let mut all = BTreeMap::new();
        let resolver = self.resolver();
        for section in self.registry.sections() {
            let mut settings = BTreeMap::new();
            for known in &section.options {
                let setting = decide(&resolver, section, known, multi_store, &mut findings);
                settings.insert(known.opt.name, setting);
            }
            all.insert(section.name.clone(), settings);
        }
        self.findings.append(&mut findings);
        all
    }

    /// Says that a Keystone is described and not asked.
    fn check_flavor(&mut self, settings: &BTreeMap<String, BTreeMap<&'static str, Setting>>) {
        let find = |section: &str, option| settings.get(section).and_then(|s| s.get(option));
        let flavor = find("paste_deploy", "flavor").map_or("", |flavor| flavor.text.as_str());
        let Some(url) = find("keystone_authtoken", "auth_url") else {
            return;
        };
        if !flavor.starts_with("keystone") && url.origin != Origin::Default {
            self.findings.push(Finding {
                topic: Topic::Unused,
                section: Some("keystone_authtoken".to_owned()),
                option: None,
                origin: url.origin.clone(),
                reason: "is not looked at, because [paste_deploy] flavor does not ask for keystone"
                    .to_owned(),
            });
        }
    }

    /// Says that a plug-in of SQLAlchemy in the URL of the database does nothing.
    fn check_connection(&mut self, settings: &BTreeMap<String, BTreeMap<&'static str, Setting>>) {
        let connection = settings.get("database").and_then(|section| section.get("connection"));
        let Some(connection) = connection else { return };
        let options = connection.text.split_once('?').map_or("", |(_, options)| options);
        if options.split('&').any(|option| option.starts_with("plugin=")) {
            self.findings.push(Finding::of_option(
                Topic::Obsolete,
                "database",
                "connection",
                connection.origin.clone(),
                "the plug-in of SQLAlchemy in the URL has no effect: nothing counts statements",
            ));
        }
    }

    /// With `enabled_backends`, a default must be named and be one of them
    /// (`glance_store/multi_backend.py::verify_store`).
    fn check_default_backend(
        &mut self,
        stores: &[StoreName],
        settings: &BTreeMap<String, BTreeMap<&'static str, Setting>>,
    ) {
        let Some(setting) = settings.get(GLANCE_STORE).and_then(|section| section.get("default_backend"))
        else {
            return;
        };
        let reason = match &setting.value {
            _ if stores.is_empty() => return,
            Value::Text(id) if stores.iter().any(|store| store.id == *id) => return,
            Value::Text(id) if !id.is_empty() => {
                format!("`{id}` is not a store of [DEFAULT] enabled_backends")
            }
            _ => "must name one of the stores of [DEFAULT] enabled_backends".to_owned(),
        };
        self.findings.push(Finding::of_option(
            Topic::Bad,
            GLANCE_STORE,
            "default_backend",
            setting.origin.clone(),
            reason,
        ));
    }
}

/// The value of one option, with whatever there is to say about it.
fn decide(
    resolver: &Resolver,
    section: &Section,
    known: &Known,
    multi_store: bool,
    findings: &mut Vec<Finding>,
) -> Setting {
    let opt = known.opt;
    let default = default_of(known);
    for old in resolver.old_names(section, opt) {
        findings.push(Finding::of_option(
            Topic::Deprecated,
            &old.section,
            &old.key,
            old.origin,
            format!("is today's [{}] {}", section.name, opt.name),
        ));
    }
    let Some(written) = resolver.written(section, known) else {
        return default_in_use(resolver, section, known, default);
    };
    let mut say = |topic, reason: &str| {
        let origin = written.origin.clone();
        let finding = Finding::of_option(topic, &section.name, opt.name, origin, reason);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    };
    let status = known.status();
    if let Status::Obsolete(reason) = status {
        say(Topic::Obsolete, &format!("has no effect: {reason}"));
        return default;
    }
    if let Some(reason) = unused(section, known, multi_store) {
        say(Topic::Unused, reason);
        return default;
    }
    match resolver.setting(section, known) {
        Ok(setting) => {
            // An empty text asks for as little as none.
            let is_nothing = |value: &Value| *value == Value::Unset || *value == Value::Text(String::new());
            let differs =
                setting.value != default.value && !(is_nothing(&setting.value) && is_nothing(&default.value));
            match status {
                Status::Refused(reason) if differs => say(Topic::Refused, reason),
                Status::NotYet(reason) if differs => {
                    say(Topic::NotHonoured, &format!("has no effect: {reason}"));
                }
                _ => {}
            }
            setting
        }
        Err(fault) => {
            say(Topic::Bad, fault.reason());
            default
        }
    }
}

/// Why an option of a store is not looked at, given whether there are several stores.
fn unused(section: &Section, known: &Known, multi_store: bool) -> Option<&'static str> {
    let name = section.name.as_str();
    let of_one_store = known.of_store || ["stores", "default_store"].contains(&known.opt.name);
    let single = of_one_store && name == GLANCE_STORE;
    let multi = known.opt.name == "default_backend" && name == GLANCE_STORE
        || name == BACKEND_DEFAULTS
        || RESERVED_STORES.contains(&name);
    if single && multi_store {
        Some("is not looked at, because [DEFAULT] enabled_backends is set")
    } else if multi && !multi_store {
        Some("is not looked at, because [DEFAULT] enabled_backends is not set")
    } else {
        None
    }
}

/// A default may refer to other options, so it is resolved like any value.
fn default_in_use(resolver: &Resolver, section: &Section, known: &Known, default: Setting) -> Setting {
    resolver.setting(section, known).unwrap_or(default)
}

fn default_of(known: &Known) -> Setting {
    let Written { texts, origin } =
        Written { texts: known.default.iter().cloned().collect(), origin: Origin::Default };
    let text = texts.join(",");
    let value = match (known.opt.kind, texts.first()) {
        (Kind::Multi, _) => Value::List(texts),
        (_, None) => Value::Unset,
        (kind, Some(text)) => convert(kind, text, true).unwrap_or(Value::Unset),
    };
    Setting { value, origin, text }
}
