//! The settings about notifications and the audit log (`oslo_messaging`).

use std::{path::PathBuf, time::Duration};

use super::Loaded;
use super::assemble_imports::bad;
use super::check::Finding;
use crate::{
    model::notice::{self, message::Format},
    notify::{
        audit::Place,
        bus::{Broker, Compression, Pauses, Settings, Tls, TlsVersion, url},
    },
};

const SECTION: &str = "oslo_messaging_notifications";
const RABBIT: &str = "oslo_messaging_rabbit";

/// Who is told of changes, and how.
#[derive(Clone, Debug, Default)]
pub struct Notifying {
    /// What is told to whom.
    pub notices: notice::Settings,
    /// How notifications are sent, if they are.
    pub bus: Option<Settings>,
    /// Where the audit log is, if there is one.
    pub audit: Option<Place>,
}

/// Reads them.
pub(super) fn notifying(loaded: &Loaded, findings: &mut Vec<Finding>) -> Notifying {
    let bus = bus(loaded, findings);
    let audit = audit(loaded, findings);
    let notices = notice::Settings {
        publisher_id: loaded.string("DEFAULT", "default_publisher_id").unwrap_or_default(),
        disabled: loaded.list("DEFAULT", "disabled_notifications"),
        bus: bus.is_some(),
        audit: audit.is_some(),
    };
    Notifying { notices, bus, audit }
}

fn audit(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<Place> {
    let place = loaded.nonempty("vitrine", "audit_log")?;
    if place == "stderr" {
        return Some(Place::Stderr);
    }
    let path = PathBuf::from(&place);
    if !path.is_absolute() {
        let reason = format!("`{place}` is neither `stderr` nor the absolute path of a file");
        findings.push(bad(loaded, "vitrine", "audit_log", reason));
    }
    Some(Place::File(path))
}

/// The drivers that do something; `None` without any.
fn bus(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<Settings> {
    let (mut formats, mut log) = (Vec::new(), false);
    for driver in loaded.list(SECTION, "driver") {
        let format = match driver.as_str() {
            "messagingv2" => Format::Enveloped,
            "messaging" => Format::Bare,
            "log" => {
                log = true;
                continue;
            }
            "noop" | "test" | "" => continue,
            other => {
                let reason = format!("`{other}` is not messagingv2, messaging, log or noop");
                findings.push(bad(loaded, SECTION, "driver", reason));
                continue;
            }
        };
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    let section = if loaded.nonempty(SECTION, "transport_url").is_some() { SECTION } else { "DEFAULT" };
    let text = loaded.nonempty(section, "transport_url").unwrap_or_default();
    let mut problems = Vec::new();
    let broker = broker(loaded, &text, &mut problems);
    let settings = Settings {
        log,
        topics: loaded.list(SECTION, "topics").into_iter().filter(|topic| !topic.is_empty()).collect(),
        exchange: loaded.string("DEFAULT", "control_exchange").unwrap_or_default(),
        retries: loaded.i64(SECTION, "retry").and_then(|number| u64::try_from(number).ok()),
        broker,
        formats,
    };
    if !settings.formats.is_empty() {
        // What nobody uses may be wrong.
        for (is_of_url, option, reason) in problems {
            let (section, option) = if is_of_url { (section, "transport_url") } else { (RABBIT, option) };
            findings.push(bad(loaded, section, option, reason));
        }
    }
    (settings.log || !settings.formats.is_empty()).then_some(settings)
}

/// Options of the broker: those of the URL first.
struct Options<'a> {
    loaded: &'a Loaded,
    query: &'a [(String, String)],
    problems: &'a mut Vec<(bool, &'static str, String)>,
}

impl Options<'_> {
    fn of_url(&self, name: &str) -> Option<String> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    fn bool(&self, name: &'static str) -> bool {
        let configured = self.loaded.bool(RABBIT, name);
        self.of_url(name).map_or(configured, |text| {
            ["1", "true", "yes", "on", "t", "y"].contains(&text.to_lowercase().as_str())
        })
    }

    fn text(&self, name: &'static str) -> Option<String> {
        let configured = self.loaded.nonempty(RABBIT, name);
        self.of_url(name).or(configured).filter(|text| !text.is_empty())
    }

    fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    fn number(&mut self, name: &'static str) -> u64 {
        let configured = self.loaded.u64(RABBIT, name).unwrap_or_default();
        match self.of_url(name).map(|text| (text.parse(), text)) {
            None => configured,
            Some((Ok(number), _)) => number,
            Some((Err(_), text)) => {
                self.problems.push((true, name, format!("`{text}` is no number for {name}")));
                configured
            }
        }
    }

    fn problem<T>(&mut self, name: &'static str, reason: String) -> Option<T> {
        self.problems.push((self.of_url(name).is_some(), name, reason));
        None
    }
}

fn broker(loaded: &Loaded, text: &str, problems: &mut Vec<(bool, &'static str, String)>) -> Broker {
    let parsed = url::parse(text).unwrap_or_else(|reason| {
        problems.push((true, "transport_url", reason));
        url::Url { hosts: Vec::new(), vhost: "/".to_owned(), query: Vec::new() }
    });
    let mut options = Options { loaded, query: &parsed.query, problems };
    let quorum = quorum(&mut options);
    let ha = options.bool("rabbit_ha_queues");
    if ha && quorum.is_some() {
        options.problem::<()>("rabbit_ha_queues", "queues are either mirrored or quorum queues".to_owned());
    }
    let seconds = |number| Duration::from_secs(number);
    let heartbeat = options.number("heartbeat_timeout_threshold");
    let tls = tls(&mut options);
    Broker {
        tls,
        login: options.text("rabbit_login_method").unwrap_or_default().to_lowercase(),
        heartbeat_seconds: u16::try_from(heartbeat).unwrap_or(u16::MAX),
        durable: options.bool("amqp_durable_queues") || quorum.is_some(),
        auto_delete: options.bool("amqp_auto_delete"),
        ha,
        quorum,
        compression: compression(&mut options),
        pauses: Pauses {
            first: seconds(options.number("rabbit_retry_interval")),
            step: seconds(options.number("rabbit_retry_backoff")),
            longest: seconds(options.number("rabbit_interval_max")),
            reconnect: Duration::from_secs_f64(
                loaded.f64(RABBIT, "kombu_reconnect_delay").unwrap_or_default().max(0.0),
            ),
        },
        hosts: parsed.hosts,
        vhost: parsed.vhost,
    }
}

fn quorum(options: &mut Options<'_>) -> Option<Vec<(&'static str, i64)>> {
    let limits = [
        ("rabbit_quorum_delivery_limit", "x-delivery-limit"),
        ("rabbit_quorum_max_memory_length", "x-max-in-memory-length"),
        ("rabbit_quorum_max_memory_bytes", "x-max-in-memory-bytes"),
    ];
    let limits: Vec<(&'static str, i64)> = limits
        .map(|(option, argument)| (argument, i64::try_from(options.number(option)).unwrap_or(i64::MAX)))
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .collect();
    options.bool("rabbit_quorum_queue").then_some(limits)
}

fn tls(options: &mut Options<'_>) -> Option<Tls> {
    let version = options.text("ssl_version").and_then(|text| match text.to_lowercase().as_str() {
        "sslv23" => None,
        "tlsv1" => Some(TlsVersion::V1),
        "tlsv1_1" => Some(TlsVersion::V1_1),
        "tlsv1_2" => Some(TlsVersion::V1_2),
        _ => options.problem("ssl_version", format!("`{text}` is not SSLv23, TLSv1, TLSv1_1 or TLSv1_2")),
    });
    let tls = Tls {
        ca_file: options.path("ssl_ca_file"),
        cert_file: options.path("ssl_cert_file"),
        key_file: options.path("ssl_key_file"),
        version,
        hostname: options.bool("ssl_enforce_hostname_verification"),
    };
    options.bool("ssl").then_some(tls)
}

fn compression(options: &mut Options<'_>) -> Option<Compression> {
    let name = options.text("kombu_compression")?;
    match name.as_str() {
        "gzip" | "zlib" | "application/x-gzip" => Some(Compression::Gzip),
        "bzip2" | "bz2" | "application/x-bz2" => Some(Compression::Bzip2),
        _ => options.problem("kombu_compression", format!("`{name}` is neither gzip nor bzip2")),
    }
}
