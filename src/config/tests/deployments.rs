//! Files in the shape that deployment tools write: they load without an error, and with exactly
//! the warnings that stand beside them.

use std::collections::BTreeSet;

use crate::config::check::{Finding, Topic};
use crate::config::wired::Status;
use crate::config::{Config, Input, Loaded, Sources, load};

use super::data;

fn read(tool: &str) -> Loaded {
    let files = ["glance-image-import.conf", "glance-api.conf"];
    let paths = files.map(|file| data(tool).join(file));
    let inputs = paths.into_iter().filter(|path| path.exists());
    load(&Sources { inputs: inputs.map(Input::File).collect(), ..Sources::default() })
}

/// A warning as the lists have it: `topic [section] option`, and for options that have no effect
/// yet the feature that will give them theirs.
fn in_short(loaded: &Loaded, finding: &Finding) -> String {
    let section = finding.section.as_deref().unwrap();
    let option = finding.option.as_deref().unwrap_or("");
    let word = finding.topic.word();
    if finding.topic != Topic::NotHonoured {
        return format!("{word} [{section}] {option}").trim_end().to_owned();
    }
    let feature = match loaded.registry().find(section, option) {
        Some(known) => known.feature,
        None => {
            let store = loaded.stores().iter().find(|store| store.id == section);
            let kind = &store.unwrap().kind;
            let mut types = loaded.registry().store_types();
            types.find(|(name, _)| name == kind).unwrap().1
        }
    };
    format!("{word} {feature:?} [{section}] {option}").trim_end().to_owned()
}

/// Whether a line of a list still holds: its feature, if it names one, is not wired.
fn still_holds(loaded: &Loaded, line: &str) -> bool {
    let Some(rest) = line.strip_prefix("not-honoured ") else {
        return true;
    };
    let name = rest.split(' ').next().unwrap();
    let mut features = loaded.registry().all().flat_map(|group| {
        let of = |opt: &crate::config::Opt| opt.feature(group.feature);
        group.options.iter().map(of).collect::<Vec<_>>()
    });
    let feature = features.find(|feature| format!("{feature:?}") == name).unwrap();
    matches!(feature.status(), Status::NotYet(_))
}

fn check(tool: &str) {
    check_but_for(tool, &[]);
}

/// As [`check`], for a tool whose options of these names must be changed before the start.
fn check_but_for(tool: &str, refused: &[&str]) {
    let loaded = read(tool);
    // Certificates of authorities are where the machine has them.
    let errors = Config::assemble(&loaded).err().unwrap_or_default();
    let errors: Vec<_> =
        errors.iter().filter_map(|f| f.option.as_deref()).filter(|o| *o != "cafile").collect();
    assert_eq!(errors, refused, "{tool}");
    let warnings = loaded.report().warnings();
    let said: BTreeSet<String> = warnings.map(|f| in_short(&loaded, f)).collect();
    let list = std::fs::read_to_string(data(tool).join("warnings.txt")).unwrap_or_default();
    let expected: BTreeSet<String> =
        list.lines().filter(|line| still_holds(&loaded, line)).map(str::to_owned).collect();
    let missing: Vec<_> = expected.difference(&said).collect();
    let new: Vec<_> = said.difference(&expected).collect();
    assert!(
        missing.is_empty() && new.is_empty(),
        "{tool}: not said any more: {missing:#?}, said now: {new:#?}"
    );
}

#[test]
fn kolla_ansible_loads_with_the_expected_warnings() {
    check("kolla");
    let loaded = read("kolla");
    assert_eq!(loaded.u64("DEFAULT", "workers"), Some(5));
    assert_eq!(loaded.i64("database", "max_retries"), Some(-1));
    assert_eq!(loaded.nonempty("paste_deploy", "flavor").unwrap(), "keystone+cachemanagement");
    assert_eq!(loaded.list("cors", "allowed_origin").len(), 2);
}

#[test]
fn devstack_loads_with_the_expected_warnings() {
    check_but_for("devstack", &["use_keystone_limits"]);
    let loaded = read("devstack");
    assert_eq!(
        loaded.list("image_import_opts", "image_import_plugins"),
        ["image_conversion", "inject_image_metadata"]
    );
    let ids: Vec<_> = loaded.stores().iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["fast", "robust"]);
}

#[test]
fn openstack_ansible_loads_with_the_expected_warnings() {
    check("osa");
    let loaded = read("osa");
    assert_eq!(loaded.u64("database", "pool_timeout"), Some(30));
    assert_eq!(loaded.nonempty("DEFAULT", "property_protection_rule_format").unwrap(), "policies");
}

#[test]
fn charm_loads_with_the_expected_warnings() {
    check("charm");
    let loaded = read("charm");
    assert!(loaded.bool("DEFAULT", "show_multiple_locations"));
    assert_eq!(loaded.list("keystone_authtoken", "service_token_roles"), ["Admin"]);
}
