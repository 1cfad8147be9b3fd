//! The tables themselves: every option can be asked for, and every default is valid.

use std::collections::HashSet;

use crate::config::check::Topic;
use crate::config::option::{Kind, Rating};
use crate::config::registry::Registry;
use crate::config::value::{Value, convert};
use crate::config::wired::Status;
use crate::config::{Sources, load, sample};

use super::{found, loaded};

/// Proves that names are unique within a section, that no earlier name is also a present one, that
/// every default is of its type, and that a secret has none.
#[test]
fn tables_are_consistent() {
    for section in Registry::new().sections() {
        let mut names = HashSet::new();
        for known in &section.options {
            let (opt, place) = (known.opt, format!("[{}] {}", section.name, known.opt.name));
            assert!(names.insert(opt.name), "{place} stands there twice");
            if let Some(default) = &known.default {
                let value = convert(opt.kind, default, true);
                assert!(value.is_ok(), "{place}: {value:?}");
                assert!(!default.contains('$'), "{place}: a `$` would be a reference");
            }
            assert!(!opt.help.is_empty(), "{place} has no help");
            let obsolete = matches!(known.status(), Status::Obsolete(_));
            assert_eq!(obsolete, opt.rating == Rating::Obsolete, "{place}");
        }
        for known in &section.options {
            for (place, key) in known.opt.aliases {
                let here = place.is_none_or(|place| place == section.name);
                assert!(!(here && names.contains(key)), "{key} is old and new");
            }
        }
    }
}

/// Proves that each option can be read by the getter of its type and by no name beside it.
#[test]
fn every_option_can_be_asked_for() {
    let loaded = load(&Sources::default());
    assert!(loaded.report().is_usable());
    for section in loaded.registry().sections() {
        for known in &section.options {
            let (s, o) = (section.name.as_str(), known.opt.name);
            match known.opt.kind {
                Kind::Bool => drop(loaded.bool(s, o)),
                Kind::Int(..) | Kind::Size => drop((loaded.u64(s, o), loaded.i64(s, o))),
                Kind::Float(..) => drop(loaded.f64(s, o)),
                Kind::Text | Kind::Choice(_) | Kind::Word(_) => drop(loaded.string(s, o)),
                Kind::List(_) | Kind::Bracketed(_) | Kind::Multi => drop(loaded.list(s, o)),
                Kind::Dict => drop(loaded.dict(s, o)),
            }
        }
    }
    assert_eq!(loaded.misasked(), []);

    assert_eq!(loaded.string("DEFAULT", "no_such"), None);
    assert!(!loaded.bool("DEFAULT", "bind_host"), "asked for as another type");
    let wrong = [("DEFAULT", "bind_host"), ("DEFAULT", "no_such")];
    assert_eq!(loaded.misasked(), wrong.map(|(s, o)| (s.to_owned(), o.to_owned())));
}

/// Proves that the defaults of the reference are the ones that hold without any file.
#[test]
fn defaults_hold_without_a_file() {
    let loaded = load(&Sources::default());
    let d = "DEFAULT";
    assert_eq!(loaded.u64(d, "image_size_cap"), Some(1 << 40));
    assert_eq!(loaded.u64(d, "bind_port"), Some(9292));
    assert_eq!(loaded.u64(d, "workers"), None);
    assert_eq!(loaded.i64("database", "max_overflow"), Some(50));
    assert_eq!(loaded.list(d, "enabled_import_methods"), ["glance-direct", "web-download", "copy-image"]);
    assert_eq!(loaded.list("import_filtering_opts", "allowed_ports"), ["80", "443"]);
    assert_eq!(loaded.list("oslo_policy", "policy_dirs"), ["policy.d"]);
    assert_eq!(loaded.list("image_format", "gpt_safety_checks_nonfatal"), [""; 0]);
    assert!(loaded.bool("keystone_authtoken", "service_token_roles_required"));
    assert_eq!(
        loaded.string("os_glance_staging_store", "filesystem_store_datadir"),
        Some("/var/lib/glance/os_glance_staging_store".to_owned())
    );
    assert!(loaded.stores().is_empty());
}

/// Proves that the sample is read without a word, and that taking off every `#` before an option
/// leaves all values as they were.
#[test]
fn sample_shows_the_defaults() {
    let text = sample();
    let plain = loaded(&text);
    let said: Vec<_> = plain.report().warnings().map(|f| f.line()).collect();
    assert!(plain.report().is_usable() && said.is_empty(), "{said:?}");

    let bare: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(option) if !option.starts_with(' ') => format!("{option}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let bare = loaded(&bare);
    // Unset booleans and numbers cannot be written; an empty text is as good as none.
    assert_eq!(found(&bare, Topic::Unknown), [""; 0]);
    for section in plain.registry().sections() {
        for known in &section.options {
            let (s, o) = (section.name.as_str(), known.opt.name);
            let (a, b) = (plain.value_of(s, o).unwrap(), bare.value_of(s, o).unwrap());
            let empty = |v: &Value| match v {
                Value::Unset => true,
                Value::Text(text) => text.is_empty(),
                Value::List(items) => items.iter().all(String::is_empty),
                Value::Dict(pairs) => pairs.is_empty(),
                _ => false,
            };
            assert!(a == b || (empty(a) && empty(b)), "[{s}] {o}: {a:?} {b:?}");
        }
    }
}
