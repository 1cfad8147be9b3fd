//! Notifications as oslo.messaging's drivers send them: to a RabbitMQ, or into the log.

mod broker;
mod session;
mod tls;
pub mod url;

use std::{path::PathBuf, time::Duration};

pub use broker::{Bus, Turn};
pub use url::Host;

use crate::model::notice::message::Format;

/// How notifications are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Formats in which they are sent to the broker (`driver = messagingv2`, `messaging`).
    pub formats: Vec<Format>,
    /// Whether they are written into the log (`driver = log`).
    pub log: bool,
    /// `topics`
    pub topics: Vec<String>,
    /// `control_exchange`
    pub exchange: String,
    /// `retry`: attempts after the first one; `None` goes on for ever.
    pub retries: Option<u64>,
    /// Where they are sent.
    pub broker: Broker,
}

/// A broker, and how to speak with it. Names and defaults are those of `[oslo_messaging_rabbit]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Broker {
    /// Its nodes, which are tried one after the other.
    pub hosts: Vec<Host>,
    /// Its virtual host.
    pub vhost: String,
    /// How TLS is spoken, if it is.
    pub tls: Option<Tls>,
    /// `rabbit_login_method`, in lower case.
    pub login: String,
    /// `heartbeat_timeout_threshold`: seconds, 0 for none.
    pub heartbeat_seconds: u16,
    /// Whether exchange and queues are durable.
    pub durable: bool,
    /// `amqp_auto_delete`
    pub auto_delete: bool,
    /// `rabbit_ha_queues`
    pub ha: bool,
    /// What quorum queues are declared with, if they are wanted: names and numbers.
    pub quorum: Option<Vec<(&'static str, i64)>>,
    /// How bodies are compressed, if they are.
    pub compression: Option<Compression>,
    /// The waits between attempts.
    pub pauses: Pauses,
}

/// `ssl_…`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates that the broker's one is checked against. Without them it is not checked, as in oslo.messaging.
    pub ca_file: Option<PathBuf>,
    /// Our certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// The one version to speak; `None` is any.
    pub version: Option<TlsVersion>,
    /// Whether a certificate that is checked must name its host.
    pub hostname: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.0
    V1,
    /// 1.1
    V1_1,
    /// 1.2
    V1_2,
}

/// `kombu_compression`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zlib's format, whatever kombu calls it.
    Gzip,
    /// bzip2's.
    Bzip2,
}

/// `rabbit_retry_interval`, `rabbit_retry_backoff`, `rabbit_interval_max` and `kombu_reconnect_delay`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pauses {
    /// Before the first new attempt.
    pub first: Duration,
    /// By how much each is longer than the one before.
    pub step: Duration,
    /// How long one is at most.
    pub longest: Duration,
    /// Added to the first after a connection was lost.
    pub reconnect: Duration,
}

impl Pauses {
    /// The pause after so many failures in a row, the first being 1.
    pub fn after(&self, failures: u64) -> Duration {
        let steps = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = self.first.saturating_add(self.step.saturating_mul(steps)).min(self.longest);
        if steps == 0 { pause.saturating_add(self.reconnect) } else { pause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that pauses grow by their step up to the longest.
    #[test]
    fn pauses_grow_to_the_longest() {
        let seconds = Duration::from_secs;
        let pauses =
            Pauses { first: seconds(1), step: seconds(2), longest: seconds(6), reconnect: seconds(3) };
        let found: Vec<u64> =
            [1, 2, 3, 4, u64::MAX].iter().map(|failures| pauses.after(*failures).as_secs()).collect();
        assert_eq!(found, [4, 3, 5, 6, 6]);
    }
}
