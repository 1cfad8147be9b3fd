//! The key manager's options: each one arrives, and what is of no use is told by its name.

use std::time::Duration;

use super::loaded;
use crate::config::{Config, Topic};
use crate::key_manager::{Interface, Settings};

fn settings(text: &str) -> Option<Settings> {
    Config::assemble(&loaded(text)).unwrap().key_manager
}

/// The section and option of the one finding that stops the start, and its topic.
fn refused(text: &str) -> (Topic, String) {
    let findings = Config::assemble(&loaded(text)).err().unwrap();
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    (finding.topic, format!("{} {}", text(&finding.section), text(&finding.option)))
}

/// Proves that there is a key manager where an address is written, and that each option arrives.
#[test]
fn the_key_manager_is_as_its_options_say() {
    assert!(settings("[key_manager]\nbackend = barbican\n[barbican]\nverify_ssl = false\n").is_none());
    let defaults = settings("[barbican]\nauth_endpoint = http://k:5000\n").unwrap();
    assert_eq!(
        format!("{defaults:?}"),
        format!("{:?}", Settings { auth_endpoint: "http://k:5000".to_owned(), ..Settings::default() })
    );
    let class = "castellan.key_manager.barbican_key_manager.BarbicanKeyManager";
    let given =
        settings(&format!("[key_manager]\napi_class = {class}\n[barbican]\nbarbican_endpoint = http://b\n"));
    assert!(given.is_some(), "the old name and the old value");
}

/// Proves that the service user is who its section, or the one that it names, says.
#[test]
fn the_service_user_logs_in_as_written() {
    let given = settings(
        "[barbican]\nbarbican_endpoint = http://b:9311\nbarbican_endpoint_type = admin\nbarbican_region_name = Two\n\
         verify_ssl = false\ntimeout = 2.5\nsend_service_user_token = true\n\
         [barbican_service_user]\nauth_section = keystone_authtoken\n\
         [keystone_authtoken]\nauth_url = http://k:5000\nusername = glance\npassword = secret\n\
         user_domain_name = Default\nproject_name = service\nproject_domain_name = Default\n",
    );
    let given = given.unwrap();
    assert_eq!(given.endpoint.as_deref(), Some("http://b:9311"));
    assert_eq!((given.endpoint_type, given.region_name.as_deref()), (Interface::Admin, Some("Two")));
    assert_eq!((given.verify_ssl, given.timeout), (false, Duration::from_millis(2500)));
    let user = given.service_user.unwrap();
    assert_eq!((user.auth_url.as_str(), user.username.as_deref()), ("http://k:5000", Some("glance")));
}

/// Proves that another key manager, addresses that are none, and a service user without a login stop the start.
#[test]
fn what_is_of_no_use_is_refused() {
    let address = "[barbican]\nauth_endpoint = http://k\n";
    for (text, topic, option) in [
        ("[key_manager]\nbackend = vault\n".to_owned(), Topic::Refused, "key_manager backend"),
        ("[barbican]\nauth_endpoint = k:5000\n".to_owned(), Topic::Bad, "barbican auth_endpoint"),
        ("[barbican]\nbarbican_endpoint = ftp://b\n".to_owned(), Topic::Bad, "barbican barbican_endpoint"),
        (format!("{address}verify_ssl_path = /nowhere\n"), Topic::Bad, "barbican verify_ssl_path"),
        (format!("{address}timeout = 0\n"), Topic::Bad, "barbican timeout"),
        (format!("{address}send_service_user_token = true\n"), Topic::Bad, "barbican_service_user auth_url"),
    ] {
        assert_eq!(refused(&text), (topic, option.to_owned()), "{text}");
    }
}
