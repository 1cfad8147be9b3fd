//! Where to listen, what is spoken there, and where the log goes.

use crate::api::Endpoint;
use crate::config::{Config, Sources, load};

use super::loaded;

/// The sentences that forbid a start, without the place of each.
fn refusals(text: &str) -> Vec<String> {
    let findings = Config::assemble(&loaded(text)).map(|config| config.listen).unwrap_err();
    findings.iter().map(|finding| finding.line()).collect()
}

/// Proves that several places are read, and that what does not go together is refused and says why.
#[test]
fn places_and_certificates() {
    let config = Config::assemble(&loaded(
        "[vitrine]\nlisten = https://[::]:443, unix:/run/v.sock\nlisten_socket_mode = 600\ntls_cert_file = /c\n\
         tls_key_file = /k\ntls_client_ca_file = /a\ntls_client_certificates = optional\nmetrics_listen = http://a:1\n",
    ));
    let listen = config.unwrap().listen;
    assert_eq!(
        listen.endpoints,
        [Endpoint::Https("[::]:443".to_owned()), Endpoint::Unix("/run/v.sock".into())]
    );
    assert_eq!(listen.metrics, [Endpoint::Http("a:1".to_owned())]);
    let tls = listen.tls.unwrap();
    assert!(listen.socket_mode == 0o600 && tls.clients_may_have_none && tls.key.ends_with("k"));
    for (text, reason) in [
        ("tls_cert_file = /c", "it takes tls_key_file"),
        ("tls_key_file = /k", "it takes tls_cert_file"),
        ("tls_client_ca_file = /a", "it takes tls_cert_file and tls_key_file"),
        ("listen = https://a:1", "takes tls_cert_file"),
        ("listen = a:1", "is none of http://ADDRESS:PORT"),
        ("metrics_listen = unix:v", "is none of http://ADDRESS:PORT"),
        ("listen_socket_mode = 0999", "is no mode"),
        ("listen_socket_mode = 4755", "is no mode"),
    ] {
        let refusals = refusals(&format!("[vitrine]\n{text}\n"));
        assert!(refusals.len() == 1 && refusals[0].contains(reason), "{text}: {refusals:?}");
    }
}

/// Proves that a change is told of each option, and only of those whose values differ.
#[test]
fn changes_are_found() {
    let before = loaded("[DEFAULT]\nworkers = 2\ndebug = true\n[vitrine]\ngzip = yes\n");
    let after = loaded("[DEFAULT]\nworkers = 3\ndebug = True\n[vitrine]\ngzip = true\ndrain_seconds = 1\n");
    let found = before.differing(&after);
    let found: Vec<_> = found.iter().map(|(section, option)| (section.as_str(), *option)).collect();
    assert_eq!(found, [("DEFAULT", "workers"), ("vitrine", "drain_seconds")]);
    let several = loaded("[DEFAULT]\nenabled_backends = a:file\n[glance_store]\ndefault_backend = a\n");
    let found = load(&Sources::default()).differing(&several);
    assert!(found.contains(&("a".to_owned(), "filesystem_store_datadir")), "{found:?}");
    assert!(before.differing(&before).is_empty());
}

/// Proves where the log goes, and that a facility of syslog which there is not is refused.
#[test]
fn targets_of_the_log() {
    let log = |text: &str| Config::assemble(&loaded(&format!("[DEFAULT]\n{text}\n"))).unwrap().log;
    let both = log("use_journal = true\nuse_syslog = true\nsyslog_log_facility = local0");
    assert!(both.journal && both.syslog == Some(16) && !both.stderr);
    assert!(log("use_syslog = true\nuse_stderr = true").stderr);
    assert_eq!(
        log("default_log_levels = vitrine.db=DEBUG, amqp=WARN").levels,
        ["vitrine.db=DEBUG", "amqp=WARN"]
    );
    let limit =
        log("rate_limit_interval = 5\nrate_limit_burst = 2\nrate_limit_except_level = error").limit.unwrap();
    assert_eq!((limit.interval.as_secs(), limit.burst, limit.except), (5, 2, Some(tracing::Level::ERROR)));
    assert!(log("rate_limit_burst = 2").limit.is_none());
    let refusals = refusals("[DEFAULT]\nuse_syslog = true\nsyslog_log_facility = nowhere\n");
    assert!(refusals.len() == 1 && refusals[0].contains("no facility of syslog"), "{refusals:?}");
}
