//! Unknown names in files and in the environment; each is reported once.

use std::collections::HashSet;

use super::check::{Finding, Topic};
use super::origin::Origin;
use super::registry::Registry;
use super::resolve::{is_named, variable};
use super::sources::{Layer, normal};

/// Adds a finding for each unknown section and option.
pub(super) fn report(
    registry: &Registry,
    layers: &[Layer],
    env: &[(String, String)],
    findings: &mut Vec<Finding>,
) {
    for layer in layers {
        sections(registry, layer, findings);
        options(registry, layer, findings);
    }
    variables(registry, env, findings);
}

/// Sections that stand in templates and are of something that is not in use, and what that is.
const OF_OTHERS: &[(&str, &str)] = &[
    ("file", A_STORE),
    ("http", A_STORE),
    ("rbd", A_STORE),
    ("swift", A_STORE),
    ("s3", A_STORE),
    ("cinder", A_STORE),
    ("vmware", A_STORE),
    ("os_brick", VOLUMES),
    ("privsep_osbrick", VOLUMES),
    (
        "service_user",
        "is of the user by whom a store of type cinder calls other services, and has no effect without one",
    ),
    ("oslo_messaging_kafka", A_BUS),
    ("oslo_messaging_amqp", A_BUS),
    ("oslo_messaging_zmq", A_BUS),
    ("matchmaker_redis", A_BUS),
    ("notifications", "is of Nova; notifications of images have one format"),
    (
        "cache",
        "is of oslo.cache, with which Glance caches nothing; the cache of images is [DEFAULT] image_cache_dir",
    ),
    ("vault", "is of a key manager that is not Barbican, and has no effect"),
];
const A_STORE: &str =
    "is of a store that [DEFAULT] enabled_backends does not name; nothing in it has an effect";
const VOLUMES: &str =
    "is of the library by which a store of type cinder reaches volumes, and has no effect without one";
const A_BUS: &str = "is of a kind of message bus that is not spoken; notifications go to RabbitMQ";

/// Options that tools write into sections of Glance's and read themselves.
const OPTIONS_OF_OTHERS: &[(&str, &str)] =
    &[("rbd_store_replication", A_POOL), ("rbd_store_crush_rule", A_POOL)];
const A_POOL: &str = "is no option of Glance; openstack-helm makes the pool by it, before the service starts";

fn is_section(registry: &Registry, name: &str) -> bool {
    registry.sections_of_header(name).next().is_some() || {
        // A section may be known by nothing but earlier names of options.
        let name = normal(name);
        registry.sections().iter().any(|section| {
            let mut aliases = section.options.iter().flat_map(|k| k.opt.aliases);
            aliases.any(|(place, _)| place.is_some_and(|place| normal(place) == name))
        })
    }
}

fn sections(registry: &Registry, layer: &Layer, findings: &mut Vec<Finding>) {
    let mut told = HashSet::new();
    for (name, line) in &layer.parsed.sections {
        if is_section(registry, name) || !told.insert(normal(name)) {
            continue;
        }
        let reason = if name.trim().eq_ignore_ascii_case("DEFAULT") {
            "is not a section; [DEFAULT] is written in capitals, without blanks"
        } else if registry.section(name.trim()).is_some() {
            "is not a section; names of sections are written without blanks"
        } else if let Some((_, belongs)) = OF_OTHERS.iter().find(|(other, _)| *other == normal(name)) {
            belongs
        } else {
            "is not a section that Vitrine knows; nothing in it is read"
        };
        findings.push(Finding {
            topic: Topic::Unknown,
            section: Some(name.clone()),
            option: None,
            origin: Origin::File(layer.path.clone(), *line),
            reason: reason.to_owned(),
        });
    }
}

fn options(registry: &Registry, layer: &Layer, findings: &mut Vec<Finding>) {
    let mut told = HashSet::new();
    for entry in &layer.parsed.entries {
        let known = registry.sections().iter().any(|section| {
            let mut options = section.options.iter();
            options.any(|known| is_named(&section.name, known.opt, entry))
        });
        let name = (normal(&entry.section), entry.key.clone());
        if known || !is_section(registry, &entry.section) || !told.insert(name) {
            continue;
        }
        findings.push(Finding::of_option(
            Topic::Unknown,
            &entry.section,
            &entry.key,
            Origin::File(layer.path.clone(), entry.line),
            hint(registry, &entry.section, &entry.key),
        ));
    }
}

/// Says where an option of that name stands, if there is one.
fn hint(registry: &Registry, section: &str, key: &str) -> String {
    if let Some((_, belongs)) = OPTIONS_OF_OTHERS.iter().find(|(other, _)| *other == key) {
        return (*belongs).to_owned();
    }
    let has = |key: &str| {
        registry.sections().iter().find(|section| {
            let mut options = section.options.iter();
            options.any(|known| known.opt.name == key)
        })
    };
    let usual = key.to_lowercase().replace('-', "_");
    let here = |name: &str| {
        registry.sections_of_header(section).any(|s| s.options.iter().any(|k| k.opt.name == name))
    };
    let singular = key.strip_suffix('s').filter(|name| here(name));
    let plural = Some(format!("{key}s")).filter(|name| here(name));
    if let Some(name) = singular.map(str::to_owned).or(plural) {
        return format!("is not an option; did you mean `{name}`?");
    }
    match (has(key), has(&usual)) {
        (Some(section), _) => format!("is not an option here, but in [{}]", section.name),
        (None, Some(_)) => format!("is not an option; did you mean `{usual}`?"),
        (None, None) => "is not an option that Vitrine knows".to_owned(),
    }
}

fn variables(registry: &Registry, env: &[(String, String)], findings: &mut Vec<Finding>) {
    let mut known = HashSet::new();
    for section in registry.sections() {
        for option in &section.options {
            known.insert(variable(&section.name, option.opt.name));
        }
    }
    for (name, _) in env {
        let looks_like_one = name
            .strip_prefix("OS_")
            .is_some_and(|rest| rest.split_once("__").is_some_and(|(s, o)| !s.is_empty() && !o.is_empty()));
        if looks_like_one && !known.contains(name) {
            findings.push(Finding::of_origin(
                Topic::Unknown,
                Origin::Environment(name.clone()),
                "names no option (OS_<SECTION>__<OPTION>, in capitals, by its present name)",
            ));
        }
    }
}
