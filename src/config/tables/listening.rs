//! `[vitrine]`: what is spoken where the service listens.

use crate::config::option::Kind::{Bool, Choice, Int, List, Text};
use crate::config::option::{Group, Item, Opt, Place, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] =
    &[Group { place: Place::Section("vitrine"), feature: Feature::Listener, options: LISTENING }];

const LISTENING: &[Opt] = &[
    opt(
        "listen",
        List(Item::Text),
        "",
        "Where the API listens in place of bind_host and bind_port, any number of http://ADDRESS:PORT, https://ADDRESS:PORT, \
         which takes tls_cert_file, and unix:/PATH, a socket in the file system. Sockets of a service manager (LISTEN_FDS) \
         come in place of all of these.",
    )
    .must(),
    opt(
        "listen_socket_mode",
        Text,
        "0660",
        "Mode of the sockets in the file system, in octal digits: who may write to one may connect.",
    ),
    opt(
        "reuse_port",
        Bool,
        "false",
        "Let other servers of the same user listen at the same address and port (SO_REUSEPORT); the kernel spreads \
         connections over them.",
    ),
    opt(
        "proxy_protocol",
        Bool,
        "false",
        "Connections from trusted_proxies begin with a header of the PROXY protocol, version 1 or 2, and count as those of \
         the client in it; one without is closed. Who connects by a socket in the file system counts as 127.0.0.1.",
    )
    .must(),
    unset(
        "tls_cert_file",
        Text,
        "Certificate of the API, in PEM, followed by those between it and its authority. With tls_key_file the API speaks \
         TLS 1.2 and 1.3 and nothing else. Both files are read again when they change and at SIGHUP; open connections \
         go on.",
    )
    .must(),
    unset("tls_key_file", Text, "Key of that certificate, in PEM and without a password.").must(),
    unset(
        "tls_client_ca_file",
        Text,
        "Authorities, in PEM, that vouch for the certificates of clients; unset, clients are asked for none. A certificate \
         lets its client connect and gives no rights: who calls is told by the token.",
    )
    .must(),
    opt(
        "tls_client_certificates",
        Choice(&["required", "optional"]),
        "required",
        "With tls_client_ca_file: whether a client has to show a certificate, or only has to show no wrong one.",
    )
    .must(),
    opt(
        "metrics_listen",
        List(Item::Text),
        "",
        "Where /metrics is served to everybody who can reach it, and nothing else is, in the form of listen.",
    )
    .must(),
    opt(
        "metrics_networks",
        List(Item::Text),
        "",
        "Networks from which /metrics may be read where the API is; for all others the path is not there.",
    )
    .must(),
    opt(
        "metrics_projects",
        Int(0, 1000),
        "0",
        "How many projects /metrics names with the bytes of their images, those with most; 0 names none.",
    ),
];
