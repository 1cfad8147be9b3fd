//! What is said about a configuration, and where it says to look.

use proptest::prelude::*;

use crate::config::check::Topic;
use crate::config::ini;
use crate::config::{Input, Origin, Override, Sources, load};

use super::{found, loaded, written};

const NONE: [&str; 0] = [];

/// Proves that all faults are found at once, each with its line, and not only the first.
#[test]
fn all_faults_are_found_at_once() {
    let loaded = loaded(
        "stray = 1\n[DEFAULT]\nbind_port = 70000\n lonely\n[open\nx = 1\n[cors]\nmax_age = soon\n\
         no equals\n",
    );
    assert_eq!(
        found(&loaded, Topic::Syntax),
        [
            "1: the line stands before the first section header",
            "5: a section header must end with `]`",
            "9: there is neither `=` nor `:` in the line",
        ]
    );
    assert_eq!(
        found(&loaded, Topic::Bad),
        [
            "3: [DEFAULT] bind_port: `70000\nlonely` is not a decimal integer",
            "8: [cors] max_age: `soon` is not a decimal integer",
        ]
    );
    assert!(!loaded.report().is_usable());
    assert_eq!(loaded.report().exit_code(false), 1);
    assert_eq!(loaded.u64("DEFAULT", "bind_port"), Some(9292), "the default");
}

/// Proves that bytes that are no text are refused with the line they stand in.
#[test]
fn files_that_are_no_text_are_refused() {
    let cases: [(&[u8], &str); 4] = [
        (b"\xef\xbb\xbf[DEFAULT]\n", "1: the file begins with a byte order mark; save it without one"),
        (b"\xff\xfe[\0D\0", "1: the file is UTF-16; save it as UTF-8"),
        (b"[DEFAULT]\ndebug = \xe9\n", "2: the line is not UTF-8"),
        (b"[DEFAULT]\n\nlog_file = a\0b\n", "3: the line holds a NUL byte"),
    ];
    for (bytes, expected) in cases {
        let (_dir, sources) = written(bytes);
        assert_eq!(found(&load(&sources), Topic::Syntax), [expected]);
    }
}

/// Proves that a file that is named and missing stops the start.
#[test]
fn missing_files_and_folders_are_named() {
    let sources = Sources {
        inputs: vec![Input::File("/nowhere/a.conf".into()), Input::Dir("/nowhere/d".into())],
        ..Sources::default()
    };
    let loaded = load(&sources);
    let said = found(&loaded, Topic::Unreadable);
    assert!(said[0].starts_with("/nowhere/a.conf: cannot be read: "), "{said:?}");
    assert!(said[1].starts_with("/nowhere/d: cannot be read: "), "{said:?}");
}

/// Proves that what is not known is named once, with a hint where there is one.
#[test]
fn unknown_names_are_told() {
    let loaded = loaded(
        "[DEFAULT]\nconnection = x\ncolour = red\ncolour = blue\nBind-Host = ::\n[nova]\na = 1\n\
         [default]\n[ cors ]\n",
    );
    assert_eq!(
        found(&loaded, Topic::Unknown),
        [
            "6: [nova] is not a section that Vitrine knows; nothing in it is read",
            "8: [default] is not a section; [DEFAULT] is written in capitals, without blanks",
            "9: [ cors ] is not a section; names of sections are written without blanks",
            "2: [DEFAULT] connection: is not an option here, but in [database]",
            "3: [DEFAULT] colour: is not an option that Vitrine knows",
            "5: [DEFAULT] Bind-Host: is not an option; did you mean `bind_host`?",
        ]
    );
    assert!(loaded.report().is_usable());
    assert_eq!(loaded.report().exit_code(false), 0);
    assert_eq!(loaded.report().exit_code(true), 1);
}

/// Proves that variables of the right form that name no option are told, and others left alone.
#[test]
fn unknown_variables_are_told() {
    let names = ["OS_DEFAULT__DEBUG", "OS_AUTH_URL", "OS_DEFAULT__BUG", "PATH", "OS__X"];
    let sources =
        Sources { env: names.map(|n| (n.to_owned(), "true".to_owned())).to_vec(), ..Sources::default() };
    let loaded = load(&sources);
    let said = found(&loaded, Topic::Unknown);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("environment variable OS_DEFAULT__BUG: names no option"));
    assert!(loaded.bool("DEFAULT", "debug"));
}

/// Proves that the secrets in a file never reach a message.
#[test]
fn secrets_stay_secret() {
    let loaded = loaded(
        "[DEFAULT]\ntransport_url = rabbit://u:hush$hush@h\n[database]\n\
         connection = mysql://u:hush${hush.hush}@h/d\n[keystone_authtoken]\n\
         memcache_password = $hush\npassword hush\n[swift]\nswift_store_key = hush\n",
    );
    let text = loaded.report().text();
    assert_eq!(found(&loaded, Topic::Bad).len(), 3, "{text}");
    assert!(!text.contains("hush"), "{text}");
    assert!(!loaded.report().json().to_string().contains("hush"));
}

/// Proves the precedence: command line, environment, later files, earlier files, defaults; and
/// that folders are read in the order of names, without what is hidden or has another ending.
#[test]
fn what_comes_later_wins() {
    let (dir, mut sources) =
        written(b"[cors]\nmax_age = 1\nallowed_origin = a\n[healthcheck]\nbackends = b\n");
    let folder = dir.path().join("conf.d");
    std::fs::create_dir(&folder).unwrap();
    for (name, age) in [("20.conf", 4), ("10.conf", 3), (".90.conf", 5), ("99.ini", 6)] {
        std::fs::write(folder.join(name), format!("[cors]\nmax_age = {age}\n")).unwrap();
    }
    sources.inputs.push(Input::Dir(folder.clone()));
    let loaded = load(&sources);
    assert_eq!(loaded.u64("cors", "max_age"), Some(4));
    assert_eq!(loaded.list("cors", "allowed_origin"), ["a"]);
    let origin = Origin::File(folder.join("20.conf").as_path().into(), 2);
    assert_eq!(loaded.origin("cors", "max_age"), origin);
    assert_eq!(loaded.find_file("20.conf".as_ref()), Some(folder.join("20.conf")));

    sources.env.push(("OS_CORS__MAX_AGE".to_owned(), "7".to_owned()));
    let loaded = load(&sources);
    assert_eq!(loaded.u64("cors", "max_age"), Some(7));
    let origin = loaded.origin("cors", "max_age").to_string();
    assert_eq!(origin, "environment variable OS_CORS__MAX_AGE");

    sources.overrides.push(Override {
        section: "cors".to_owned(),
        option: "max_age".to_owned(),
        value: "8".to_owned(),
    });
    let loaded = load(&sources);
    assert_eq!(loaded.u64("cors", "max_age"), Some(8));
    assert_eq!(loaded.origin("cors", "max_age"), Origin::CommandLine);
}

/// Proves that earlier names are honoured and named, and options without effect named once.
#[test]
fn old_names_and_obsolete_options_are_told() {
    let loaded = loaded(
        "[DEFAULT]\ndisk_formats = raw\nlogfile = a.log\nhttp_keepalive = 1\nverbose = t\nverbose = u\n\
         [keystone_authtoken]\nauth_plugin = password\n",
    );
    assert_eq!(
        found(&loaded, Topic::Deprecated),
        [
            "3: [DEFAULT] logfile: is today's [DEFAULT] log_file",
            "2: [DEFAULT] disk_formats: is today's [image_format] disk_formats",
            "8: [keystone_authtoken] auth_plugin: is today's [keystone_authtoken] auth_type",
        ]
    );
    assert_eq!(loaded.list("image_format", "disk_formats"), ["raw"]);
    assert_eq!(
        found(&loaded, Topic::Obsolete),
        ["6: [DEFAULT] verbose: has no effect: INFO is always logged; debug adds more"]
    );
}

/// Proves the sections of stores: options by type, the fall-back, reserved names, the default.
#[test]
fn stores_have_sections_of_their_own() {
    let loaded = loaded(
        "[DEFAULT]\nenabled_backends = Fast:file, slow:file\n[glance_store]\ndefault_backend = slow\n\
         filesystem_store_datadir = /x\n[backend_defaults]\nfilesystem_store_chunk_size = 7\n\
         [fast]\nweight = 3\nrbd_store_pool = p\n[slow]\nfilesystem_store_chunk_size = 8\n\
         [ceph]\nrbd_store_pool = p\n",
    );
    let ids: Vec<_> = loaded.stores().iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["Fast", "slow"]);
    assert_eq!(loaded.i64("Fast", "weight"), Some(3));
    assert_eq!(loaded.u64("Fast", "filesystem_store_chunk_size"), Some(7));
    assert_eq!(loaded.u64("slow", "filesystem_store_chunk_size"), Some(8));
    assert_eq!(found(&loaded, Topic::Bad), NONE);
    assert_eq!(
        found(&loaded, Topic::Unused),
        ["5: [glance_store] filesystem_store_datadir: is not looked at, because [DEFAULT] \
          enabled_backends is set"]
    );
    assert_eq!(
        found(&loaded, Topic::Unknown),
        [
            "13: [ceph] is not a section that Vitrine knows; nothing in it is read",
            "10: [fast] rbd_store_pool: is not an option here, but in [glance_store]",
        ]
    );
}

/// Proves that a choice of stores that contradicts itself stops the start.
#[test]
fn contradictory_stores_are_refused() {
    let loaded = loaded(
        "[DEFAULT]\nenabled_backends = a:file, os_glance_x:file, b:floppy\n\
         [glance_store]\ndefault_backend = c\n",
    );
    assert_eq!(
        found(&loaded, Topic::Bad),
        [
            "2: [DEFAULT] enabled_backends: store `os_glance_x`: names that begin with os_glance_ \
             are reserved",
            "2: [DEFAULT] enabled_backends: store `b`: type `floppy` is not one of file, http, \
             memory, rbd, s3, swift, cinder, vmware",
            "4: [glance_store] default_backend: `c` is not a store of [DEFAULT] enabled_backends",
        ]
    );
    let loaded = super::loaded("[DEFAULT]\nenabled_backends = a:file\n");
    assert_eq!(
        found(&loaded, Topic::Bad),
        ["default: [glance_store] default_backend: must name one of the stores of [DEFAULT] \
          enabled_backends"]
    );
}

/// Proves that `auth_section` makes another section one of login options.
#[test]
fn a_login_may_stand_elsewhere() {
    let loaded =
        loaded("[keystone_authtoken]\nauth_section = service_user\n[service_user]\nusername = glance\n");
    let section = loaded.login_section("keystone_authtoken");
    assert_eq!(loaded.nonempty(&section, "username"), Some("glance".to_owned()));
    assert_eq!(found(&loaded, Topic::Unknown), NONE);
    assert_eq!(loaded.login_section("oslo_limit"), "oslo_limit");
}

/// Proves that what Vitrine refuses stops the start only when it is really asked for.
#[test]
fn refused_options_stop_the_start() {
    let text = "[DEFAULT]\nenabled_backends = v:vmware\n[glance_store]\ndefault_backend = v\n\
                [v]\nvmware_server_host = h\n";
    let loaded = loaded(text);
    let said = found(&loaded, Topic::Refused);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("6: [v] vmware_server_host: stores of type vmware"));
    assert!(!loaded.report().is_usable());
}

/// Proves the shape of both reports.
#[test]
fn reports_are_for_people_and_for_programs() {
    let (dir, sources) = written(b"[DEFAULT]\nbind_port = x\nverbose = 1\n");
    let report = load(&sources);
    let file = dir.path().join("glance-api.conf").display().to_string();
    assert_eq!(
        report.report().text(),
        format!(
            "error (bad): {file}:2: [DEFAULT] bind_port: `x` is not a decimal integer\n\
             warning (obsolete): {file}:3: [DEFAULT] verbose: has no effect: INFO is always \
             logged; debug adds more\n1 error, 1 warning\n"
        )
    );
    let expected = serde_json::json!({
        "topic": "bad", "section": "DEFAULT", "option": "bind_port", "origin": format!("{file}:2"),
        "reason": "`x` is not a decimal integer",
    });
    assert_eq!(report.report().json()["errors"][0], expected);
}

proptest! {
    /// Proves that no text makes the parser fail other than by a fault, and that every fault and
    /// entry names a line of the text.
    #[test]
    fn any_text_is_read(text in "(\\PC|[\\[\\]=:#;$'\" \t\r\n]){0,200}") {
        let parsed = ini::parse(&text);
        let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count();
        let at = parsed.entries.iter().map(|e| e.line);
        for line in at.chain(parsed.faults.iter().map(|f| f.line)) {
            prop_assert!((1..=lines).contains(&line));
        }
    }

    /// Proves that any value of options of every type is either read or reported.
    #[test]
    fn any_value_is_read_or_reported(
        value in "([$\\{\\}\\[\\]:,'\"._\\\\ ]|[a-z0-9]|é){0,30}",
        which in prop::sample::select(vec![
            ("DEFAULT", "bind_host"), ("DEFAULT", "bind_port"), ("DEFAULT", "debug"),
            ("DEFAULT", "enabled_backends"), ("DEFAULT", "enabled_import_methods"),
            ("DEFAULT", "user_storage_quota"), ("oslo_messaging_rabbit", "kombu_reconnect_delay"),
            ("cors", "allowed_origin"), ("import_filtering_opts", "allowed_ports"),
            ("keystone_authtoken", "auth_section"), ("oslo_policy", "policy_dirs"),
        ]),
    ) {
        let (section, option) = which;
        let name = format!("OS_{}__{}", section.to_uppercase(), option.to_uppercase());
        let sources = Sources { env: vec![(name, value)], ..Sources::default() };
        let loaded = load(&sources);
        let set = loaded.is_set(section, option);
        prop_assert!(set || !loaded.report().is_usable());
    }

    /// Proves that a value written within quotes is the value that is read.
    #[test]
    fn quoted_values_come_back(value in "[^\\x00-\\x1f\u{7f}-\u{9f}\u{2028}\u{2029}]{0,40}") {
        let text = format!("[s]\nk = \"{value}\"\n");
        let parsed = ini::parse(&text);
        prop_assert_eq!(&parsed.entries[0].value, &value);
    }

    /// Proves that any bytes are text or a fault in one of their lines.
    #[test]
    fn any_bytes_are_text_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(fault) = ini::decode(&bytes) {
            let lines = 1 + bytes.iter().filter(|b| **b == b'\n').count();
            prop_assert!((1..=lines).contains(&fault.line));
        }
    }
}

/// Proves that sections which templates write for things that are not in use are told for what they are.
#[test]
fn sections_of_others_are_named() {
    let found = loaded("[file]\n[rbd]\n[swift]\n[cinder]\n[os_brick]\n[service_user]\n");
    let lines: Vec<_> = found.report().warnings().map(|finding| finding.line()).collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    for (line, belongs) in
        lines.iter().zip(["of a store that", "of a store", "of a store", "of a store", "cinder", "cinder"])
    {
        assert!(line.contains(belongs) && !line.contains("Vitrine knows"), "{line}");
    }
}
