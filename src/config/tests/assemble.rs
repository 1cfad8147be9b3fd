//! The typed result: nothing that counts as honoured is left unread, and the defaults agree.

use std::any::Any;

use crate::config::{Config, Finding, Input, Limits, Loaded, Sources, StoreSettings, Topic, load};
use crate::model::consumer::InUse;
use crate::store::file;
use crate::{api, api::health::Check, blob::transfers, cache::Driver, db::SqlMode, image, import, work};

use super::{data, found, loaded, written};

fn files_of(store: &StoreSettings) -> &file::Settings {
    (store.settings.as_ref() as &dyn Any).downcast_ref().unwrap()
}

fn unasked(loaded: &Loaded) -> Vec<String> {
    let unasked = loaded.unasked().into_iter();
    unasked.map(|(section, opt)| format!("[{section}] {}", opt.name)).collect()
}

/// Proves that every option whose status is "honoured" is read when the settings are assembled,
/// with one store and with several, and that no other is asked for by mistake.
#[test]
fn honoured_options_are_read() {
    let single = load(&Sources::default());
    Config::assemble(&single).unwrap();
    assert_eq!(unasked(&single), [""; 0]);
    assert_eq!(single.misasked(), []);

    let multi = loaded("[DEFAULT]\nenabled_backends = a:file, w:http\n[glance_store]\ndefault_backend = a\n");
    Config::assemble(&multi).unwrap();
    let mut left = unasked(&multi);
    left.retain(|option| !option.starts_with("[glance_store]"));
    assert_eq!(left, [""; 0]);
    assert_eq!(multi.misasked(), []);
}

/// Proves that no configuration gives the settings that the rooms have as their defaults.
#[test]
fn nothing_configured_is_the_rooms_defaults() {
    let config = Config::assemble(&load(&Sources::default())).unwrap();
    assert_eq!(format!("{:?}", config.api), format!("{:?}", api::Settings::default()));
    assert_eq!(format!("{:?}", config.image), format!("{:?}", image::Settings::default()));
    assert_eq!(format!("{:?}", config.imports), format!("{:?}", import::Settings::default()));
    assert_eq!(config.jobs, work::Settings::default());
    assert_eq!(config.transfers, transfers::Settings::default());
    assert!(config.database.is_none() && config.keystone.is_none() && config.listen.bind.is_none());
    assert!(config.log.stderr && config.log.file.is_none());
}

/// Proves how options become settings where it is not one to one.
#[test]
fn options_become_settings() {
    let loaded = loaded(
        "[DEFAULT]\nbind_host = ::1\nworkers = 3\nlog_dir = /var/log/glance\nuser_storage_quota = 2KB\n\
         enabled_backends = a:file, r:cinder\n[database]\nconnection = mysql://h/d?a=1\n\
         connection_parameters = b=2\nmax_pool_size = 2\nmax_overflow = 3\n\
         [glance_store]\ndefault_backend = a\n[a]\nfilesystem_store_datadir = /d\nweight = -4\n\
         vitrine_disk_format = raw\n[healthcheck]\nbackends =\n[DEFAULT]\nclient_socket_timeout = 0\n\
         [vitrine]\nmax_connections = 9\nmax_transfers_per_project = 7\n",
    );
    let config = Config::assemble(&loaded).unwrap();
    assert_eq!(config.listen.bind.as_deref(), Some("[::1]:9292"));
    assert_eq!(config.listen.workers, Some(3));
    assert_eq!(config.api.client_patience, None);
    assert_eq!((config.api.max_connections, config.transfers.per_project), (Some(9), 7));
    assert_eq!(config.log.file, Some("/var/log/glance/glance-api.log".into()));
    assert!(!config.log.stderr);
    assert_eq!(config.image.user_storage_quota, Some(2048));
    assert_eq!(config.api.health.checks, []);
    let database = config.database.unwrap();
    assert_eq!(database.connection, "mysql://h/d?a=1&b=2");
    assert_eq!((database.max_pool_size, database.max_overflow), (2, 3));
    assert_eq!((config.stores.default.as_str(), config.stores.multiple), ("a", true));
    let [store] = &config.stores.list[..] else { panic!("{:?}", config.stores) };
    assert_eq!((store.id.as_str(), store.weight), ("a", -4));
    assert_eq!(store.disk_format.as_deref(), Some("raw"));
    assert_eq!(files_of(store).folders[0].path.as_os_str(), "/d");
}

/// Proves that a profile sets what no option sets, and that stores may have a rule about images in use.
#[test]
fn profiles_and_rules_of_stores() {
    let several = "[DEFAULT]\nenabled_backends = a:file, b:file\n[glance_store]\ndefault_backend = a\n";
    for (text, private) in [
        ("", None),
        ("limits_profile = none\n", None),
        ("limits_profile = bare-metal\n", Some(50)),
        ("limits_profile = bare-metal\nprivate_images_per_project = 7\n", Some(7)),
        ("private_images_per_project = 7\n", Some(7)),
    ] {
        let config = Config::assemble(&loaded(&format!("{several}[vitrine]\n{text}"))).unwrap();
        assert_eq!(config.image.limits.private_images, private, "{text}");
    }
    assert!(Config::assemble(&loaded("[vitrine]\nlimits_profile = cloud\n")).is_err());
    let text = format!(
        "{several}[backend_defaults]\nvitrine_in_use_delete = retire\n[b]\nvitrine_in_use_delete = refuse\n\
         [vitrine]\nprotect_cooldown_hours = 24\ncreate_rate = 3\n"
    );
    let config = Config::assemble(&loaded(&text)).unwrap();
    let rules: Vec<_> = config.stores.list.iter().map(|store| store.in_use).collect();
    assert_eq!(rules, [Some(InUse::Retire), Some(InUse::Refuse)]);
    assert_eq!((config.image.cooldown_seconds, config.image.limits.create_rate), (86_400, Some(3)));
}

/// Proves that stores may want a format where there are several and where there is one, each or all, and no odd one.
#[test]
fn stores_may_want_a_format() {
    let several = "[DEFAULT]\nenabled_backends = a:file, b:file\n[glance_store]\ndefault_backend = a\n";
    for (text, formats) in [
        ("[glance_store]\nvitrine_disk_format = raw\n".to_owned(), [Some("raw"); 2]),
        (format!("{several}[b]\nvitrine_disk_format = qcow2\n"), [None, Some("qcow2")]),
        (
            format!(
                "{several}[backend_defaults]\nvitrine_disk_format = vmdk\n[a]\nvitrine_disk_format = raw\n"
            ),
            [Some("raw"), Some("vmdk")],
        ),
    ] {
        let stores = Config::assemble(&loaded(&text)).unwrap().stores;
        let found: Vec<_> = stores.list.iter().map(|store| store.disk_format.as_deref()).collect();
        assert_eq!(found, formats, "{text}");
    }
    assert!(Config::assemble(&loaded("[glance_store]\nvitrine_disk_format = iso\n")).is_err());
}

/// Proves what becomes of oslo.db's numbers that mean no number, and that the defaults are its own.
#[test]
fn options_of_the_database() {
    let settings = |text: &str| {
        let text = format!("[database]\nconnection = mysql://h/d\n{text}");
        let config = Config::assemble(&loaded(&text));
        config.map(|config| config.database.unwrap()).map_err(|findings| findings[0].line())
    };
    let default = settings("").unwrap();
    assert_eq!((default.max_pool_size, default.max_overflow), (5, 50));
    assert_eq!((default.start.attempts, default.start.interval_seconds), (Some(10), 10));
    assert_eq!((default.sessions.recycle_seconds, default.sessions.wsrep_sync_wait), (Some(3600), None));
    assert_eq!((default.sessions.sql_mode, default.sessions.logs_statements), (SqlMode::default(), false));
    let written = settings(
        "max_pool_size = 0\nmax_overflow = -1\nmax_retries = -1\nretry_interval = 0\nconnection_debug = 50\n\
         connection_recycle_time = -1\nmysql_sql_mode =\nmysql_wsrep_sync_wait = 7\n",
    );
    let written = written.unwrap();
    assert_eq!((written.max_pool_size, written.max_overflow), (200, 0));
    assert_eq!((written.start.attempts, written.start.interval_seconds), (None, 0));
    assert_eq!((written.sessions.recycle_seconds, written.sessions.wsrep_sync_wait), (None, Some(7)));
    assert_eq!(written.sessions.sql_mode, SqlMode::parse("").unwrap());
    assert!(written.sessions.logs_statements);
    assert_eq!(settings("max_retries = 0\n").unwrap().start.attempts, Some(1));
    assert_eq!(settings("max_pool_size = 9\nmax_overflow = -1\n").unwrap().max_overflow, 191);
    let refused = settings("mysql_sql_mode = TRADITIONAL,ANSI\n").unwrap_err();
    assert!(refused.contains("mysql_sql_mode: the mode \"ANSI\" would change"), "{refused}");
}

/// Proves that any store that can be opened may be the default, alone among several or with others of its kind.
#[test]
fn any_store_may_be_the_default() {
    for (text, default, ids) in [
        (
            "[DEFAULT]\nenabled_backends = v:http, a:file, w:http\n[glance_store]\ndefault_backend = w\n",
            "w",
            vec!["v", "a", "w"],
        ),
        ("[glance_store]\ndefault_store = HTTPS\n", "http", vec!["file", "http"]),
        ("[glance_store]\nstores = http\ndefault_store = http\n", "http", vec!["http"]),
        ("[glance_store]\nstores = memory,file\ndefault_store = memory\n", "memory", vec!["file", "memory"]),
    ] {
        let stores = Config::assemble(&loaded(text)).unwrap().stores;
        let found: Vec<_> = stores.list.iter().map(|store| store.id.as_str()).collect();
        assert_eq!((stores.default.as_str(), found), (default, ids), "{text}");
    }
}

/// Proves that a relative `policy_file` is the one beside the configuration, there or not.
#[test]
fn policy_files_lie_beside_the_configuration() {
    let (dir, mut sources) = written(b"[DEFAULT]\n");
    let name = dir.path().join("policy.yaml");
    assert_eq!(Config::assemble(&load(&sources)).unwrap().policy.policy_file, name);
    std::fs::write(&name, "{}").unwrap();
    sources.inputs.insert(0, Input::File(data("osa/glance-api.conf")));
    let policy = Config::assemble(&load(&sources)).unwrap().policy;
    assert_eq!(policy.policy_file, name);
    assert_eq!(policy.policy_dirs, [dir.path().join("policy.d")]);
}

/// Proves that `schema-image.json` beside the configuration is read, in both its forms, and that one that cannot
/// be used stops the start and says why.
#[test]
fn declared_properties_lie_beside_the_configuration() {
    let (dir, sources) = written(b"[DEFAULT]\n");
    let path = dir.path().join("schema-image.json");
    assert!(Config::assemble(&load(&sources)).unwrap().declarations.is_none());
    for good in [
        r#"{"a": {"type": "string"}}"#,
        "{}",
        r#"{"properties": {"a": {"type": ["null", "string"], "enum": [null, "x"]}}, "required": ["a"]}"#,
    ] {
        std::fs::write(&path, good).unwrap();
        let declarations = Config::assemble(&load(&sources)).unwrap().declarations.unwrap();
        assert_eq!(declarations, serde_json::from_str::<serde_json::Value>(good).unwrap());
    }
    for (bad, reason) in [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        (r#"{"name": {"type": "string"}}"#, "\"name\" clashes"),
        (r#"{"a": "string"}"#, "\"a\" must be an object"),
        (r#"{"a": {"type": "integer"}}"#, "\"a\" is declared as integer"),
        (r#"{"a": {"type": ["string", "array"]}}"#, "\"a\" is declared as array"),
        (r#"{"a": {"type": "string", "pattern": "("}}"#, "does not compile"),
        (r#"{"properties": {"a": {}}, "required": [1]}"#, "does not compile"),
    ] {
        std::fs::write(&path, bad).unwrap();
        let findings = Config::assemble(&load(&sources)).unwrap_err();
        let lines: Vec<_> = findings.iter().map(|f| f.line()).collect();
        assert!(lines.len() == 1 && lines[0].contains("schema-image.json:"), "{lines:?}");
        assert!(lines[0].contains(reason), "{bad}: {lines:?}");
    }
}

/// Proves that a Keystone is described by `[keystone_authtoken]` or the section it names, and only
/// asked when the flavor says so.
#[test]
fn the_flavor_decides_about_keystone() {
    let text = "[keystone_authtoken]\nauth_section = svc\ntoken_cache_time = -1\n[svc]\nauth_type = password\n\
                auth_url = http://k:5000\nusername = glance\nuser_domain_name = Default\npassword = hush\n\
                project_name = service\nproject_domain_name = Default\n[DEFAULT]\nimage_cache_dir = /c\n\
                [paste_deploy]\n";
    let config = Config::assemble(&loaded(&format!("{text}flavor = keystone+caching\n"))).unwrap();
    assert!(config.flavor.keystone && config.flavor.caching && !config.flavor.cache_management);
    let keystone = config.keystone.unwrap();
    assert_eq!((keystone.auth_url.as_str(), keystone.token_cache_time), ("http://k:5000", None));
    assert!(!format!("{keystone:?}").contains("hush"));
    assert!(Config::assemble(&loaded(&format!("{text}flavor =\n"))).unwrap().keystone.is_none());
    let loaded = loaded("[keystone_authtoken]\nauth_url = http://k\n");
    assert_eq!(found(&loaded, Topic::Unused).len(), 1);
}

/// Proves where limits are taken from, that the quota of a file is none beside them, and that a Keystone which cannot be
/// asked for them is refused rather than taken for no limits.
#[test]
fn limits_are_where_tokens_are() {
    let of = |text: &str| Config::assemble(&loaded(text));
    let on = "[DEFAULT]\nuse_keystone_limits = true\nuser_storage_quota = 5GB\n";
    assert_eq!(of("").unwrap().limits, Limits::Nowhere);
    let builtin = of(on).unwrap();
    assert_eq!((builtin.limits, builtin.image.user_storage_quota), (Limits::Builtin, None));
    let login = "[oslo_limit]\nauth_url = http://k:5000\nusername = glance\nuser_domain_name = Default\n\
                 password = hush\nsystem_scope = all\nvalid_interfaces = internal,public\n";
    let config = of(&format!("{on}{login}endpoint_id = e\n[vitrine]\nlimits_cache_seconds = 7\n")).unwrap();
    let Limits::Keystone(limits) = config.limits else { panic!("no Keystone") };
    assert_eq!(
        (limits.login.auth_url.as_str(), limits.login.interface.as_str()),
        ("http://k:5000", "internal")
    );
    assert_eq!((limits.cache.as_secs(), limits.last_known.as_secs()), (7, 3600));
    assert!(!format!("{limits:?}").contains("hush"));
    let refused = of(&format!("{on}{login}")).unwrap_err();
    assert_eq!(refused[0].option.as_deref(), Some("endpoint_id"), "{refused:?}");
    let keystone = login.replace("oslo_limit", "keystone_authtoken");
    let refused = of(&format!("{on}{keystone}[paste_deploy]\nflavor = keystone\n")).unwrap_err();
    assert!(refused[0].line().contains("[oslo_limit]"), "{refused:?}");
}

/// Proves that what cannot be started is refused with the option's place.
#[test]
fn what_cannot_be_started_is_refused() {
    for (text, expected) in [
        ("[DEFAULT]\nhashing_algorithm = crc\n", "[DEFAULT] hashing_algorithm: `crc` is not"),
        ("[glance_store]\ndefault_store = rbd\n", "[glance_store] default_store: it is no scheme"),
        (
            "[glance_store]\nstores = file\ndefault_store = http\n",
            "[glance_store] default_store: it is no scheme",
        ),
        (
            "[DEFAULT]\nenabled_backends = r:cinder\n[glance_store]\ndefault_backend = r\n",
            "default_backend: names",
        ),
        ("[paste_deploy]\nflavor = keystone\n", "[keystone_authtoken] auth_url: is missing"),
        ("[glance_store]\nstores = file,cinder\n", "[glance_store] stores: stores of type `cinder`"),
        ("[glance_store]\nrbd_store_chunk_size = 33\n", "Ceph has no objects above 32 MiB"),
        ("[glance_store]\nrbd_store_pool =\n", "[glance_store] rbd_store_pool: the value is empty"),
        (
            "[DEFAULT]\nproperty_protection_file = /nowhere/p.conf\n",
            "[DEFAULT] property_protection_file: /nowhere/p.conf: cannot be read",
        ),
        (
            "[glance_store]\nfilesystem_store_datadir = /a\nfilesystem_store_datadirs = /b\n",
            "filesystem_store_datadirs: there is also",
        ),
        ("[glance_store]\nfilesystem_store_datadirs = /b:x\n", "filesystem_store_datadirs: `x` in"),
        ("[glance_store]\nfilesystem_store_file_perm = 40\n", "filesystem_store_file_perm: `40` does not"),
        ("[glance_store]\nfilesystem_store_metadata_file = /nowhere/m\n", "/nowhere/m: it cannot be read"),
        ("[DEFAULT]\nnode_staging_uri = /tmp\n", "node_staging_uri: `/tmp` is not of the form"),
        ("[paste_deploy]\nflavor = caching\n", "[DEFAULT] image_cache_dir: is missing"),
        ("[DEFAULT]\nworkers = many\n", "[DEFAULT] workers: `many` is not"),
    ] {
        let findings = Config::assemble(&loaded(text)).unwrap_err();
        let lines: Vec<_> = findings.iter().map(|f| f.line()).collect();
        assert!(findings.iter().all(|f| matches!(f.topic, Topic::Bad | Topic::Refused)));
        assert!(lines.len() == 1 && lines[0].contains(expected), "{lines:?}");
    }
}

/// Proves that every option of the cache arrives, and that the flavor decides whether downloads go through it.
#[test]
fn the_cache_is_as_its_options_say() {
    let text = "[DEFAULT]\nimage_cache_dir = /c\nimage_cache_driver = XATTR\nimage_cache_max_size = 7\n\
                image_cache_stall_time = 0\nworker_self_reference_url = http://n1\n[paste_deploy]\nflavor = ";
    let cache = |text: &str| Config::assemble(&loaded(text)).unwrap().cache;
    let found = cache(&format!("{text}cachemanagement\n")).unwrap();
    assert_eq!((found.dir.to_str(), found.driver, found.max_size), (Some("/c"), Driver::Xattr, 7));
    assert_eq!((found.stall_time.as_secs(), found.node_url.as_deref()), (1, Some("http://n1")));
    assert!(found.serves_downloads);
    assert!(!cache(&format!("{text}\n")).unwrap().serves_downloads);
    let found = cache("[DEFAULT]\nimage_cache_dir = /c\n").unwrap();
    assert_eq!(
        (found.driver, found.max_size, found.stall_time.as_secs()),
        (Driver::CentralizedDb, 10 << 30, 86400)
    );
    assert!(found.serves_downloads && found.node_url.is_none());
    assert!(cache("").is_none());
    let url = format!("http://{}", "n".repeat(249));
    let long = loaded(&format!("[DEFAULT]\nimage_cache_dir = /c\nworker_self_reference_url = {url}\n"));
    assert_eq!(Config::assemble(&long).unwrap_err().len(), 1);
}

/// Proves that every option of a file store arrives, and where staged files go with one store and with several.
#[test]
fn file_stores_are_as_their_options_say() {
    let (dir, _) = written(b"");
    let metadata = dir.path().join("metadata.json");
    std::fs::write(&metadata, r#"{"id": "m", "mountpoint": "/a"}"#).unwrap();
    let text = format!(
        "[DEFAULT]\nenabled_backends = a:file\n[glance_store]\ndefault_backend = a\n\
         [backend_defaults]\nfilesystem_store_timeout = 7\n\
         [a]\nfilesystem_store_datadir =\nfilesystem_store_datadirs = /b:5\nfilesystem_store_datadirs = /c\n\
         filesystem_store_metadata_file = {}\nfilesystem_store_file_perm = 644\n\
         filesystem_store_chunk_size = 4096\nfilesystem_thin_provisioning = true\n\
         filesystem_store_thread_pool_size = 3\nfilesystem_store_threadpool_threshold = 50\n\
         [os_glance_staging_store]\nfilesystem_store_datadir = /s\n",
        metadata.display()
    );
    let stores = Config::assemble(&loaded(&text)).unwrap().stores;
    let files = files_of(&stores.list[0]);
    let folders: Vec<_> = files.folders.iter().map(|f| (f.path.to_str().unwrap(), f.priority)).collect();
    assert_eq!(folders, [("/b", 5), ("/c", 0)]);
    assert_eq!((files.mounts.len(), files.file_perm, files.chunk_size), (1, Some(0o644), Some(4096)));
    assert!(files.thin_provisioning && files.timeout.unwrap().as_secs() == 7);
    assert_eq!((files.thread_pool_size, files.threadpool_threshold), (3, 50));
    assert_eq!(stores.staging, Some("/s".into()));

    let stores = Config::assemble(&loaded("[DEFAULT]\nnode_staging_uri = file:///stage/\n")).unwrap().stores;
    assert_eq!(stores.staging, Some("/stage/".into()));
}

/// Proves that each backend of the health check gets its files, and that what is none is refused with a sentence.
#[test]
fn health_checks_have_their_files() {
    let health = |text: &str| {
        let assembled = Config::assemble(&loaded(&format!("[healthcheck]\n{text}\n")));
        assembled
            .map(|config| config.api.health)
            .map_err(|findings| findings.iter().map(Finding::line).collect::<Vec<_>>().join("\n"))
    };
    let good = health(
        "backends = disable_by_files_ports, enable_by_files\ndisable_by_file_paths = 9292:/a, 80 : /b:c\n\
         enable_by_file_paths = /d,/e\nallowed_source_ranges = 10.0.0.0/8, ::1\nignore_proxied_requests = true",
    );
    let good = good.unwrap();
    let ports = [(80, "/b:c".into()), (9292, "/a".into())];
    let files = vec!["/d".into(), "/e".into()];
    assert_eq!(good.checks, [Check::DisableByFilesPorts(ports.into()), Check::EnableByFiles(files)]);
    assert_eq!(good.allowed_sources, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
    assert!(good.ignore_proxied && !good.detailed);
    for (text, sentence) in [
        (
            "backends = disable_by_file, enable_by_files",
            "disable_by_file and enable_by_files exclude each other",
        ),
        ("backends = enable_by_file", "`enable_by_file` is no backend; there are disable_by_file,"),
        ("backends = disable_by_files_ports\ndisable_by_file_paths = /a", "`/a` is not PORT:PATH"),
        ("allowed_source_ranges = all", "`all` is not a network"),
    ] {
        let found = health(text).unwrap_err();
        assert!(found.contains(sentence), "{text}: {found}");
    }
}
