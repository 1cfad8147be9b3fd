//! Notifications and the message bus (`oslo_messaging`, `glance/notifier.py`).

use crate::config::option::Kind::{Bool, List, Multi, Text};
use crate::config::option::{ANY_INT, Group, Item, Kind, Opt, Place, at_least, gone, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[
    group("DEFAULT", DEFAULTS),
    group("oslo_messaging_notifications", NOTIFICATIONS),
    group("oslo_messaging_rabbit", RABBIT),
    group("vitrine", OWN),
];

const fn group(section: &'static str, options: &'static [Opt]) -> Group {
    Group { place: Place::Section(section), feature: Feature::Notifications, options }
}

const RPC: &str = "Vitrine sends notifications only and answers no calls over the bus";

const DEFAULTS: &[Opt] = &[
    opt(
        "transport_url",
        Text,
        "rabbit://",
        "URL of the message bus: rabbit://user:password@host:port/vhost.",
    )
    .must()
    .secret(),
    opt("control_exchange", Text, "glance", "Exchange that notifications are sent to.").must(),
    opt("default_publisher_id", Text, "image.localhost", "Name of the sender in notifications.").must(),
    opt(
        "disabled_notifications",
        List(Item::Text),
        "",
        "Events that are not sent, by their whole name or by the part before its first dot.",
    )
    .must(),
    gone("rpc_response_timeout", RPC),
    gone("rpc_ping_enabled", RPC),
    gone("rpc_backend", RPC),
    gone("executor_thread_pool_size", RPC).alias(&[(None, "rpc_thread_pool_size")]),
];

const NOTIFICATIONS: &[Opt] = &[
    unset(
        "driver",
        Multi,
        "How notifications are sent: messagingv2, messaging, log or noop; none without one.",
    )
    .must(),
    unset("transport_url", Text, "URL of another message bus for notifications.").must().secret(),
    opt("topics", List(Item::Text), "notifications", "Topics that every notification is sent to.").must(),
    opt("retry", at_least(-1), "-1", "Attempts to send a notification; -1 goes on for ever, 0 tries once.")
        .must(),
];

const OWN: &[Opt] = &[unset(
    "audit_log",
    Text,
    "Where a record of every change and download is written, in CADF's form, a line of JSON each: the path of a file, or \
     stderr, from where systemd takes it to the journal. Nowhere without it.",
)
.must()];

const KOMBU: Kind = Kind::Float(0.0, 4.5);

const RABBIT: &[Opt] = &[
    opt("ssl", Bool, "false", "Speak TLS with the broker.").must(),
    opt("ssl_ca_file", Text, "", "Certificates that the broker's one is checked against.").must(),
    opt("ssl_cert_file", Text, "", "Client certificate to show to the broker.").must(),
    opt("ssl_key_file", Text, "", "Key of that client certificate.").must(),
    opt("ssl_version", Text, "", "Version of TLS to speak.").must(),
    opt(
        "ssl_enforce_hostname_verification",
        Bool,
        "true",
        "Check that the broker's certificate names its host.",
    )
    .must(),
    opt("amqp_durable_queues", Bool, "false", "Declare the exchange and its queues durable.").must(),
    opt("amqp_auto_delete", Bool, "false", "Declare them to vanish when nobody uses them.").must(),
    opt("rabbit_quorum_queue", Bool, "false", "Declare quorum queues, which are durable.").must(),
    opt("rabbit_ha_queues", Bool, "false", "Declare mirrored queues.").must(),
    opt(
        "rabbit_quorum_delivery_limit",
        at_least(0),
        "0",
        "Deliveries of a message of a quorum queue; 0 is no limit.",
    )
    .must(),
    opt(
        "rabbit_quorum_max_memory_length",
        at_least(0),
        "0",
        "Messages of a quorum queue in memory; 0 is no limit.",
    )
    .must(),
    opt(
        "rabbit_quorum_max_memory_bytes",
        at_least(0),
        "0",
        "Bytes of a quorum queue in memory; 0 is no limit.",
    )
    .must(),
    opt(
        "rabbit_login_method",
        Kind::Word(&["plain", "amqplain", "external", "rabbit-cr-demo"]),
        "AMQPLAIN",
        "How to log in to the broker.",
    )
    .must(),
    opt(
        "heartbeat_timeout_threshold",
        at_least(0),
        "60",
        "Seconds of silence after which the broker counts as gone; 0 sends no heartbeats.",
    )
    .must(),
    opt("heartbeat_rate", at_least(1), "3", "Heartbeats within that time.")
        .obsolete("heartbeats are sent twice within heartbeat_timeout_threshold"),
    opt("kombu_reconnect_delay", KOMBU, "1.0", "Seconds before a new connection is tried.").must(),
    opt("rabbit_retry_interval", at_least(1), "1", "Seconds before the first new attempt.").must(),
    opt("rabbit_retry_backoff", at_least(0), "2", "Seconds by which each wait grows.").must(),
    opt("rabbit_interval_max", at_least(1), "30", "Seconds that a wait grows to at most.").must(),
    unset("kombu_compression", Text, "How messages are compressed.").must(),
    opt("rpc_conn_pool_size", ANY_INT, "30", RPC).obsolete(RPC),
    gone("conn_pool_min_size", RPC),
    gone("conn_pool_ttl", RPC),
    gone("rabbit_qos_prefetch_count", RPC),
    gone("rabbit_transient_quorum_queue", RPC),
    gone("rabbit_transient_queues_ttl", RPC),
    gone("rabbit_stream_fanout", RPC),
    gone("direct_mandatory_flag", RPC),
    gone("enable_cancel_on_failover", RPC),
    gone("use_queue_manager", RPC),
    gone("hostname", RPC),
    gone("processname", RPC),
    gone("kombu_missing_consumer_retry_timeout", RPC).alias(&[(None, "kombu_reconnect_timeout")]),
    gone("kombu_reconnect_splay", "attempts are spread by themselves"),
    gone("kombu_failover_strategy", "brokers are tried in the order of the URL"),
    gone("ssl_enforce_fips_mode", "the system's OpenSSL decides about FIPS"),
    gone("heartbeat_in_pthread", "removed from OpenStack; heartbeats never wait for requests"),
    gone("fake_rabbit", RPC),
];
