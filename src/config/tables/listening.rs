//! `[vitrine]`: what is spoken where the service listens.

use crate::config::option::Kind::{Choice, Text};
use crate::config::option::{Group, Opt, Place, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] =
    &[Group { place: Place::Section("vitrine"), feature: Feature::Listener, options: LISTENING }];

const LISTENING: &[Opt] = &[
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
];
