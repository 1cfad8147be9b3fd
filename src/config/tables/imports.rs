//! Imports, their filters and plug-ins, and tasks (`glance/async_/flows`, `glance/common/config.py`).

use crate::config::option::Kind::{Bracketed, Choice, Dict, List};
use crate::config::option::{Group, Item, Opt, Place, at_least, gone, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[
    group("task", Feature::Tasks, TASK),
    group("taskflow_executor", Feature::Tasks, TASKFLOW),
    group("wsgi", Feature::Tasks, WSGI),
    group("image_import_opts", Feature::Imports, IMPORT),
    group("import_filtering_opts", Feature::Imports, FILTERING),
    group("inject_metadata_properties", Feature::Imports, INJECT),
    group("image_conversion", Feature::Imports, CONVERSION),
    group("glance_download_properties", Feature::Imports, DOWNLOAD),
];

const fn group(section: &'static str, feature: Feature, options: &'static [Opt]) -> Group {
    Group { place: Place::Section(section), feature, options }
}

const ENGINE: &str = "jobs run on an engine of our own, which needs no such choice";

const IN_STAGING: &str = "tasks keep their files in the staging folder";

/// `[os_glance_tasks_store] filesystem_store_datadir`
pub const TASKS_STORE_DATADIR: Opt = gone("filesystem_store_datadir", IN_STAGING);

const TASK: &[Opt] = &[
    opt("task_time_to_live", at_least(0), "48", "Hours that a finished task can be looked at.")
        .alias(&[(Some("DEFAULT"), "task_time_to_live")])
        .must(),
    opt("task_executor", Choice(&["taskflow"]), "taskflow", ENGINE)
        .alias(&[(Some("DEFAULT"), "task_executor")])
        .obsolete(ENGINE),
    gone("work_dir", IN_STAGING),
    gone("eventlet_executor_pool_size", ENGINE),
];

const TASKFLOW: &[Opt] = &[
    opt("engine_mode", Choice(&["serial", "parallel"]), "parallel", ENGINE).obsolete(ENGINE),
    opt("max_workers", at_least(1), "10", ENGINE).obsolete(ENGINE),
    unset("conversion_format", Choice(&["qcow2", "raw", "vmdk"]), ENGINE)
        .obsolete("only the legacy task API used it; [image_conversion] output_format replaces it"),
];

const WSGI: &[Opt] = &[
    opt("task_pool_threads", at_least(1), "16", "Jobs that this node runs at the same time.").must(),
    gone("python_interpreter", "no Python runs here"),
];

const IMPORT: &[Opt] = &[
    opt(
        "image_import_plugins",
        Bracketed(Item::Quoted),
        "[]",
        "Plug-ins that work on imported data, in this order: no_op, inject_image_metadata, \
         image_decompression, image_conversion, and ovf_process, which keeps of an OVA its disk and what its descriptor \
         says of hardware.",
    )
    .must(),
    opt("max_parallel_stores", at_least(1), "1", "Stores that one import writes at the same time.")
        .obsolete("one read of the data feeds all stores at the same time"),
];

const FILTERING: &[Opt] = &[
    opt(
        "allowed_schemes",
        Bracketed(Item::Quoted),
        "[http, https]",
        "Schemes that web-download may fetch; unless empty, all others are refused.",
    )
    .must(),
    opt(
        "disallowed_schemes",
        Bracketed(Item::Quoted),
        "[]",
        "Schemes that it may not fetch; looked at when allowed_schemes is empty.",
    )
    .must(),
    opt(
        "allowed_hosts",
        Bracketed(Item::Quoted),
        "[]",
        "Hosts that it may fetch from; unless empty, all others are refused.",
    )
    .must(),
    opt(
        "disallowed_hosts",
        Bracketed(Item::Quoted),
        "[]",
        "Hosts that it may not fetch from; looked at when allowed_hosts is empty.",
    )
    .must(),
    opt(
        "allowed_ports",
        Bracketed(Item::Int(0, 65535)),
        "[80, 443]",
        "Ports that it may fetch from; unless empty, all others are refused.",
    )
    .must(),
    opt(
        "disallowed_ports",
        Bracketed(Item::Int(0, 65535)),
        "[]",
        "Ports that it may not fetch from; looked at when allowed_ports is empty.",
    )
    .must(),
    opt(
        "allowed_networks",
        Bracketed(Item::Quoted),
        "[]",
        "Networks (CIDR) that are not on the public Internet and that it may fetch from all the \
         same. The options of this section hold for http stores, too. Vitrine's own option.",
    )
    .must(),
];

const INJECT: &[Opt] = &[
    opt("inject", Dict, "", "Properties that every imported image gets, as name:value.").must(),
    opt("ignore_user_roles", List(Item::Text), "admin", "Roles whose imports get none of them.").must(),
];

const CONVERSION: &[Opt] = &[opt(
    "output_format",
    Choice(&["qcow2", "raw", "vmdk"]),
    "raw",
    "Disk format that imported images are converted to.",
)
.must()];

const DOWNLOAD: &[Opt] = &[opt(
    "extra_properties",
    Bracketed(Item::Quoted),
    "[hw_, trait:, os_distro, os_secure_boot, os_type]",
    "Beginnings of the names of properties that glance-download takes over.",
)
.must()];
