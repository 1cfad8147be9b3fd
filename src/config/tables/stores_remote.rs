//! The stores of type swift (`glance_store/_drivers`).

use crate::config::option::Kind::{Bool, Choice, Int, List, Text};
use crate::config::option::{Group, Item, Opt, Place, at_least, gone, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[group("swift", Feature::SwiftStore, SWIFT)];

const fn group(kind: &'static str, feature: Feature, options: &'static [Opt]) -> Group {
    Group { place: Place::Store(kind), feature, options }
}

const SWIFT: &[Opt] = &[
    opt("swift_store_auth_insecure", Bool, "false", "Do not check Keystone's certificate.").must(),
    unset("swift_store_cacert", Text, "Certificates that servers are checked against.").must(),
    unset("swift_store_region", Text, "Region of Swift in the catalog.").must(),
    unset("swift_store_endpoint", Text, "URL of Swift to use instead of the catalog's.").must(),
    opt(
        "swift_store_endpoint_type",
        Choice(&["publicURL", "adminURL", "internalURL"]),
        "publicURL",
        "Interface of Swift in the catalog.",
    )
    .must(),
    opt("swift_store_service_type", Text, "object-store", "Type of Swift in the catalog.").must(),
    opt("swift_store_container", Text, "glance", "Container of the images, or its prefix.").must(),
    opt(
        "swift_store_large_object_size",
        at_least(1),
        "5120",
        "Units of 1,024,000 bytes from which an image is stored in segments.",
    )
    .must(),
    opt(
        "swift_store_large_object_chunk_size",
        at_least(1),
        "200",
        "Units of 1,024,000 bytes of each segment.",
    )
    .must(),
    opt("swift_store_create_container_on_put", Bool, "false", "Create the container if it is missing.")
        .must(),
    opt(
        "swift_store_multi_tenant",
        Bool,
        "false",
        "Keep images in the account of each project, with the caller's token.",
    )
    .must(),
    opt(
        "swift_store_multiple_containers_seed",
        Int(0, 32),
        "0",
        "Digits of the image id that choose among several containers.",
    )
    .must(),
    opt(
        "swift_store_admin_tenants",
        List(Item::Text),
        "",
        "Projects that may read and write every container of a multi-tenant store.",
    )
    .must(),
    opt("swift_store_ssl_compression", Bool, "true", "Compress the TLS stream.")
        .obsolete("TLS does not compress any more"),
    opt(
        "swift_store_retry_get_count",
        at_least(0),
        "0",
        "Times that a broken download goes on where it stopped.",
    )
    .must(),
    opt(
        "swift_store_expire_soon_interval",
        at_least(0),
        "60",
        "Seconds before its end in which a token is replaced.",
    )
    .must(),
    opt(
        "swift_store_use_trusts",
        Bool,
        "true",
        "Use a trust to go on when the caller's token ends during an upload.",
    )
    .must(),
    opt("swift_buffer_on_upload", Bool, "false", "Write each segment to a file first.")
        .obsolete("segments are kept in memory, which is bounded"),
    gone("swift_upload_buffer_dir", "segments are kept in memory, which is bounded"),
    opt(
        "default_swift_reference",
        Text,
        "ref1",
        "Section of swift_store_config_file that new images are stored with.",
    )
    .must(),
    unset("swift_store_config_file", Text, "File that holds accounts, by reference.").must(),
    opt("swift_store_auth_version", Choice(&["3"]), "3", "Version of the identity API.").must(),
    unset("swift_store_auth_address", Text, "URL of Keystone, without a file of accounts.").must(),
    unset("swift_store_user", Text, "Account as project:user.").must().secret(),
    unset("swift_store_key", Text, "Password of that account.").must().secret(),
    unset("swift_store_application_credential_id", Text, "Id of an application credential to log in with.")
        .must()
        .secret(),
    unset("swift_store_application_credential_secret", Text, "Secret of that application credential.")
        .must()
        .secret(),
    unset("swift_store_project_name", Text, "Name of its project.").must(),
    unset("swift_store_project_id", Text, "Id of its project.").must(),
];
