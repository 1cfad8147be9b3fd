//! The options of a Swift store: each one arrives, and what cannot be honoured is told by its name.

use std::any::Any;
use std::time::Duration;

use super::{loaded, written};
use crate::config::Config;
use crate::store::kinds::swift::{Domain, Projects, Settings, Version, Who};

fn text_of(options: &str) -> String {
    format!(
        "[DEFAULT]\nenabled_backends = a:file, s:swift\n[glance_store]\ndefault_backend = a\n\
         [a]\nfilesystem_store_datadir = /d\n[s]\n{options}"
    )
}

fn settings(options: &str) -> Settings {
    let stores = Config::assemble(&loaded(&text_of(options))).unwrap().stores;
    let settings = (stores.list[1].settings.as_ref() as &dyn Any).downcast_ref::<Settings>();
    settings.unwrap().clone()
}

/// Proves that each option arrives, with Glance's units and defaults.
#[test]
fn swift_stores_are_as_their_options_say() {
    let defaults = settings("");
    assert!(defaults.accounts.is_empty() && defaults.refusal.is_none() && !defaults.creates_container);
    assert_eq!(
        (defaults.reference.as_str(), defaults.container.as_str(), defaults.digits),
        ("ref1", "glance", 0)
    );
    assert_eq!((defaults.large, defaults.segment), (5_242_880_000, 204_800_000));
    assert_eq!((defaults.retries, defaults.soon), (0, Duration::from_secs(60)));
    assert_eq!(defaults.patience.total, Duration::from_secs(25));

    let (dir, _) = written(b"");
    let folder = dir.path().display();
    let given = settings(&format!(
        "swift_store_auth_version = 1\nswift_store_auth_address = http://h/auth/v1.0\nswift_store_user = a:b\n\
         swift_store_key = k\ndefault_swift_reference = here\nswift_store_auth_insecure = true\n\
         swift_store_region = two\nswift_store_endpoint = http://h/v1/a\nswift_store_endpoint_type = internalURL\n\
         swift_store_service_type = objects\nswift_store_container = images\n\
         swift_store_large_object_size = 2\nswift_store_large_object_chunk_size = 1\n\
         swift_store_create_container_on_put = true\nswift_store_multiple_containers_seed = 32\n\
         swift_store_retry_get_count = 5\nswift_store_expire_soon_interval = 9\n\
         swift_buffer_on_upload = true\nswift_upload_buffer_dir = {folder}\nvitrine_swift_patience = 3\n"
    ));
    let account = &given.accounts[0];
    assert_eq!((account.reference.as_str(), account.version), ("here", Version::One));
    let is_user = |who: &Who| {
        matches!(who, Who::User { user, key, project_domain: Domain::Id(id), .. }
        if user == "a:b" && key == "k" && id == "default")
    };
    assert!(is_user(&account.who) && !given.tls.verify && given.creates_container);
    let endpoint = &given.endpoint;
    assert_eq!((endpoint.fixed.as_deref(), endpoint.region.as_deref()), (Some("http://h/v1/a"), Some("two")));
    assert_eq!((endpoint.interface.as_str(), endpoint.service.as_str()), ("internal", "objects"));
    assert_eq!((given.container.as_str(), given.digits, given.retries), ("images", 32, 5));
    assert_eq!((given.large, given.segment), (2_048_000, 1_024_000));
    assert_eq!((given.soon, given.patience.total), (Duration::from_secs(9), Duration::from_secs(3)));
    assert_eq!(given.folder.as_deref(), Some(dir.path()));

    let accounts = dir.path().join("accounts");
    std::fs::write(&accounts, "[one]\nauth_address = http://k/v3\nuser = p:u\nkey = x\n").unwrap();
    let by_file = settings(&format!("swift_store_config_file = {}\n", accounts.display()));
    assert_eq!((by_file.accounts.len(), by_file.accounts[0].reference.as_str()), (1, "one"));
}

/// Proves how images are kept in the accounts of projects.
#[test]
fn projects_have_accounts() {
    let multi = "swift_store_multi_tenant = true\n";
    let one = "swift_store_endpoint = http://h/v1/AUTH_%(project_id)s\n";
    let given = settings(multi);
    assert_eq!((given.projects, given.refusal), (Some(Projects { trusts: true, admins: Vec::new() }), None));
    let more = "swift_store_use_trusts = no\nswift_store_admin_tenants = a, b\n";
    let given = settings(&format!("{multi}{one}{more}"));
    let admins = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!((given.projects, given.refusal), (Some(Projects { trusts: false, admins }), None));
    assert_eq!(settings(more).projects, None);
}

/// Proves that values which mean nothing stop the start, and that what keeps a store from being opened is told when it is.
#[test]
fn what_swift_cannot_do_is_told_by_its_name() {
    for (option, value) in [
        ("swift_store_auth_version", "2"),
        ("swift_store_auth_version", "4"),
        ("swift_store_endpoint_type", "inside"),
        ("swift_store_endpoint", "h/v1"),
        ("swift_store_container", "a/b"),
        ("swift_store_cacert", "/nowhere/at/all"),
    ] {
        let errors = Config::assemble(&loaded(&text_of(&format!("{option} = {value}\n")))).err().unwrap();
        let named: Vec<_> = errors.iter().filter_map(|finding| finding.option.as_deref()).collect();
        assert_eq!(named, [option], "{value}");
    }
    for (options, beginning) in [
        (
            "swift_store_multi_tenant = true\nswift_store_config_file = /x\n",
            "swift_store_multi_tenant: it cannot be used together",
        ),
        (
            "swift_store_multi_tenant = true\nswift_store_endpoint = http://h/v1/a\n",
            "swift_store_endpoint: with swift_store_multi_tenant it has to end in %(project_id)s",
        ),
        ("swift_buffer_on_upload = true\n", "swift_buffer_on_upload: it needs swift_upload_buffer_dir"),
        (
            "swift_buffer_on_upload = true\nswift_upload_buffer_dir = /nowhere/at/all\n",
            "swift_upload_buffer_dir: no file can be made in /nowhere/at/all",
        ),
        (
            "swift_store_config_file = /nowhere/at/all\n",
            "swift_store_config_file: /nowhere/at/all: it cannot be",
        ),
        (
            "swift_store_user = a:b\nswift_store_key = hush\n",
            "swift_store_auth_address: the reference `ref1` has no",
        ),
    ] {
        let refusal = settings(options).refusal.unwrap();
        assert!(refusal.starts_with(beginning) && !refusal.contains("hush"), "{refusal}");
    }
}
