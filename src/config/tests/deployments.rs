//! Files as deployment tools write them: they load without an error, and with exactly the warnings that stand beside them.
//! docs/moving-in.md says which releases of the tools wrote them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::check::{Finding, Topic};
use crate::config::wired::Status;
use crate::config::{Config, Input, Loaded, Sources, load};

use super::data;

/// What the service reads, and then what the other programs read as well.
const OF_THE_SERVICE: [&str; 6] = [
    "glance-image-import.conf",
    "glance-api.conf",
    "00-config.conf",
    "01-config.conf",
    "02-config.conf",
    "03-config.conf",
];
const OF_OTHERS: [&str; 3] = ["glance-cache.conf", "glance-manage.conf", "glance-scrubber.conf"];

/// The files of a tool where the test is, with names of files that are found there.
fn placed(tool: &str, folder: &Path) {
    for entry in std::fs::read_dir(data(tool)).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let text = text.replace("/etc/glance", folder.to_str().unwrap());
            std::fs::write(folder.join(entry.file_name()), text).unwrap();
        }
    }
}

fn read_files(tool: &str, files: &[&str]) -> (tempfile::TempDir, Loaded) {
    let folder = tempfile::tempdir().unwrap();
    placed(tool, folder.path());
    let paths = files.iter().map(|file| folder.path().join(file));
    let inputs = paths.filter(|path| path.exists()).map(Input::File).collect();
    let loaded = load(&Sources { inputs, ..Sources::default() });
    (folder, loaded)
}

fn read(tool: &str) -> Loaded {
    read_files(tool, &OF_THE_SERVICE).1
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

/// Whether a line of a list still holds: its feature, if it names one, is there and not wired.
fn still_holds(loaded: &Loaded, line: &str) -> bool {
    let Some(rest) = line.strip_prefix("not-honoured ") else {
        return true;
    };
    let name = rest.split(' ').next().unwrap();
    let mut features = loaded.registry().all().flat_map(|group| {
        let of = |opt: &crate::config::Opt| opt.feature(group.feature);
        group.options.iter().map(of).collect::<Vec<_>>()
    });
    let feature = features.find(|feature| format!("{feature:?}") == name);
    feature.is_some_and(|feature| matches!(feature.status(), Status::NotYet(_)))
}

fn check(tool: &str) {
    let (_folder, loaded) = read_files(tool, &[&OF_THE_SERVICE[..], &OF_OTHERS].concat());
    // Certificates of authorities are where the machine has them.
    let errors = Config::assemble(&loaded).err().unwrap_or_default();
    let errors: Vec<_> = errors
        .iter()
        .filter_map(|f| f.option.as_deref())
        .filter(|o| !["cafile", "memcache_tls_cafile", "verify_ssl_path"].contains(o))
        .collect();
    assert_eq!(errors, [""; 0], "{tool}");
    let warnings: Vec<_> = loaded.report().warnings().collect();
    for warning in &warnings {
        let line = warning.line();
        assert!(!line.contains("a section that Vitrine knows"), "{tool}: {line}");
    }
    let said: BTreeSet<String> = warnings.iter().map(|f| in_short(&loaded, f)).collect();
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

/// The ids of the stores.
fn stores(loaded: &Loaded) -> Vec<&str> {
    loaded.stores().iter().map(|s| s.id.as_str()).collect()
}

#[test]
fn kolla_ansible_loads_with_the_expected_warnings() {
    check("kolla");
    let loaded = read("kolla");
    assert_eq!(loaded.u64("DEFAULT", "workers"), Some(5));
    assert_eq!(loaded.i64("database", "max_retries"), Some(-1));
    assert_eq!(loaded.nonempty("paste_deploy", "flavor").unwrap(), "keystone+cachemanagement");
    // The template writes the name of the store in quotes.
    assert_eq!(loaded.nonempty("glance_store", "default_backend").unwrap(), "file");
    assert_eq!(stores(&loaded), ["file", "s3", "rbd"]);
}

#[test]
fn devstack_loads_with_the_expected_warnings() {
    check("devstack");
    let loaded = read("devstack");
    assert!(loaded.list("image_import_opts", "image_import_plugins").is_empty());
    assert_eq!(stores(&loaded), ["fast", "cheap"]);
}

/// The older form: the types of stores, with their options side by side in one section.
#[test]
fn devstack_with_one_store_loads_with_the_expected_warnings() {
    check("devstack-single");
    let loaded = read("devstack-single");
    assert!(loaded.stores().is_empty());
    assert_eq!(loaded.list("glance_store", "stores"), ["file", "http"]);
    assert_eq!(loaded.nonempty("glance_store", "default_store").unwrap(), "file");
    let folder = loaded.nonempty("glance_store", "filesystem_store_datadir").unwrap();
    assert_eq!(folder, "/opt/stack/data/glance/images/");
}

#[test]
fn openstack_ansible_loads_with_the_expected_warnings() {
    check("osa");
    let loaded = read("osa");
    assert_eq!(loaded.u64("database", "pool_timeout"), Some(30));
    assert_eq!(loaded.login_section("barbican_service_user"), "keystone_authtoken");
    assert_eq!(stores(&loaded), ["file", "http", "cinder", "rbd", "swift", "nfs"]);
}

#[test]
fn charm_loads_with_the_expected_warnings() {
    check("charm");
    let loaded = read("charm");
    assert!(loaded.bool("DEFAULT", "show_multiple_locations"));
    assert!(!loaded.bool("oslo_policy", "enforce_new_defaults"));
    assert_eq!(loaded.list("keystone_authtoken", "service_token_roles"), ["Admin"]);
    assert_eq!(loaded.list("oslo_messaging_notifications", "driver"), ["messagingv2", "log"]);
}

#[test]
fn puppet_loads_with_the_expected_warnings() {
    check("puppet");
    let loaded = read("puppet");
    assert_eq!(loaded.u64("DEFAULT", "user_storage_quota"), Some(500 << 30));
    assert_eq!(loaded.list("import_filtering_opts", "allowed_hosts"), ["images.example.test"]);
    let plugins = loaded.list("image_import_opts", "image_import_plugins");
    assert_eq!(plugins, ["image_conversion", "inject_image_metadata"]);
}

#[test]
fn openstack_helm_loads_with_the_expected_warnings() {
    check("helm");
    let loaded = read("helm");
    assert_eq!(loaded.list("cors", "allowed_origin").len(), 2);
    assert_eq!(stores(&loaded), ["file", "http", "rbd"]);
}

#[test]
fn rhoso_loads_with_the_expected_warnings() {
    check("rhoso");
    let loaded = read("rhoso");
    assert_eq!(stores(&loaded), ["default_backend", "ceph"]);
    let methods = loaded.list("DEFAULT", "enabled_import_methods");
    assert_eq!(methods, ["web-download", "glance-direct"]);
    let url = loaded.nonempty("DEFAULT", "worker_self_reference_url").unwrap();
    assert!(url.starts_with("http://glance-default-single-0."), "{url}");
}
