//! The stores of types cinder and vmware (`glance_store/_drivers`).

use crate::config::option::Kind::{Bool, Text};
use crate::config::option::{ANY_INT, Group, Opt, Place, at_least, gone, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] =
    &[group("cinder", Feature::CinderStore, CINDER), group("vmware", Feature::Stores, VMWARE)];

const fn group(kind: &'static str, feature: Feature, options: &'static [Opt]) -> Group {
    Group { place: Place::Store(kind), feature, options }
}

const CINDER: &[Opt] = &[
    opt("cinder_catalog_info", Text, "volumev3::publicURL", "Cinder in the catalog, as type:name:interface."),
    unset("cinder_endpoint_template", Text, "URL of Cinder to use instead of the catalog's."),
    unset("cinder_os_region_name", Text, "Region of Cinder in the catalog.")
        .alias(&[(None, "os_region_name")]),
    unset("cinder_ca_certificates_file", Text, "Certificates that Cinder's one is checked against."),
    opt("cinder_api_insecure", Bool, "false", "Do not check Cinder's certificate."),
    opt("cinder_http_retries", at_least(0), "3", "Further attempts when Cinder does not answer."),
    opt(
        "cinder_state_transition_timeout",
        at_least(0),
        "300",
        "Seconds that a volume may take to change its state.",
    ),
    unset("cinder_store_auth_address", Text, "URL of Keystone for the service's own volumes."),
    unset("cinder_store_user_name", Text, "User that owns the volumes."),
    unset("cinder_store_password", Text, "Password of that user.").secret(),
    unset("cinder_store_project_name", Text, "Project that owns the volumes."),
    opt("cinder_store_user_domain_name", Text, "Default", "Domain of that user."),
    opt("cinder_store_project_domain_name", Text, "Default", "Domain of that project."),
    unset("cinder_store_application_credential_id", Text, "Id of an application credential to log in with."),
    unset("cinder_store_application_credential_secret", Text, "Secret of that application credential.")
        .secret(),
    opt("rootwrap_config", Text, "/etc/glance/rootwrap.conf", "Rules for commands that need root."),
    unset("cinder_volume_type", Text, "Type of the volumes."),
    opt("cinder_enforce_multipath", Bool, "false", "Fail when multipath is not there."),
    opt("cinder_use_multipath", Bool, "false", "Attach volumes over several paths."),
    opt("cinder_mount_point_base", Text, "/var/lib/glance/mnt", "Folder to mount NFS volumes in."),
    opt("cinder_do_extend_attached", Bool, "false", "Extend volumes while they are attached."),
    opt("cinder_attachment_retry_attempts", at_least(1), "5", "Attempts to attach a volume."),
];

const GONE: &str = "stores of type vmware are not supported; the driver is deprecated in Glance";

const VMWARE: &[Opt] = &[
    unset("vmware_server_host", Text, "Server.").refused(GONE),
    unset("vmware_server_username", Text, "User.").refused(GONE),
    unset("vmware_server_password", Text, "Password.").refused(GONE).secret(),
    gone("vmware_datastores", GONE),
    opt("vmware_api_retry_count", ANY_INT, "10", GONE).obsolete(GONE),
    opt("vmware_task_poll_interval", ANY_INT, "5", GONE).obsolete(GONE),
    gone("vmware_store_image_dir", GONE),
    gone("vmware_insecure", GONE).alias(&[(None, "vmware_api_insecure")]),
    gone("vmware_ca_file", GONE),
];
