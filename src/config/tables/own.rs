//! `[vitrine]`: options that Glance does not have.

use crate::config::option::Kind::{Bool, Choice, Int, List, Text};
use crate::config::option::{Group, Item, Opt, Place, at_least, opt, unset};
use crate::config::wired::Feature;
use crate::model::consumer::InUse;

/// The group of this file.
pub const GROUPS: &[Group] =
    &[Group { place: Place::Section("vitrine"), feature: Feature::Http, options: VITRINE }];

const VITRINE: &[Opt] = &[
    unset(
        "data_dir",
        Text,
        "Folder that the server keeps for itself: the embedded database, its keys, and images and staged data where no \
         store has a folder of its own. Unset it is `data`, and /var/lib/glance/vitrine for what is called by a name \
         of Glance's.",
    )
    .of(Feature::Database)
    .must(),
    opt(
        "drain_seconds",
        Int(0, 3600),
        "15",
        "Seconds for which a server that gets SIGTERM goes on as usual but for /healthcheck, which answers 503, and for \
         connections, which end with their next answer: so long balancers may take to send requests elsewhere. It stops \
         without that when nobody has asked /healthcheck for a minute, and at once at SIGINT or a second signal.",
    )
    .of(Feature::Listener)
    .must(),
    opt(
        "gzip",
        Bool,
        "false",
        "Compress answers with gzip for clients that ask for it, in place of Glance's filter in its paste file.",
    ),
    unset(
        "region",
        Text,
        "The region of this service, as tables of images name it; unset it is [keystone_authtoken] region_name.",
    ),
    opt(
        "send_file",
        Choice(&["off", "x-accel-redirect", "x-sendfile"]),
        "off",
        "How a proxy in front is asked to send data of a file store by itself: with the header X-Accel-Redirect, which \
         nginx obeys, or X-Sendfile, which Apache and lighttpd do. Only a peer in trusted_proxies is asked, and for the \
         whole data of an image alone. One that does not obey shows its clients paths and no data.",
    )
    .must(),
    opt(
        "send_file_prefix",
        Text,
        "/vitrine-files",
        "What stands before the path of a file in X-Accel-Redirect: the proxy has an internal location there.",
    )
    .must(),
    opt(
        "trusted_proxies",
        List(Item::Text),
        "",
        "Networks of the proxies whose forwarding headers are believed (X-Forwarded-For of a login, and the others with \
         enable_proxy_headers_parsing), who may be asked to send files (send_file), and who speak the PROXY protocol \
         (proxy_protocol). Empty, headers are believed of whoever connects if enable_proxy_headers_parsing is set, and \
         of nobody else.",
    )
    .must(),
    opt(
        "max_patch_operations",
        at_least(1),
        "1024",
        "Operations that one PATCH of an image may have. More than twice image_property_quota are never needed.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "max_property_bytes",
        at_least(1),
        "65535",
        "Bytes of the value of one property of an image; the default is what Glance can store on MySQL.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "max_virtual_size",
        at_least(1),
        "1125899906842624",
        "Bytes of the largest disk that the header of an image may claim; the default is 1 PiB.",
    )
    .of(Feature::Formats)
    .must(),
    opt(
        "max_record_bytes",
        at_least(1),
        "1048576",
        "Bytes of the properties, tags and locations of one image together.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "queued_images_per_project",
        at_least(0),
        "0",
        "Images without data that one project may have; 0 is no limit.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "in_use_delete",
        Choice(&InUse::NAMES),
        "allow",
        "What DELETE does with an image that services say is in use: delete it as Glance does, retire it until nobody uses \
         it any more, or refuse. Owners make it stricter for an image by its property delete_policy.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "profile",
        Choice(&["open", "hardened"]),
        "open",
        "Who may have data fetched from other networks (the policy ext:import_remote) unless a policy file says so: everybody \
         who may import, as in Glance, or only the roles admin and image_import_admin.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "custom_images",
        Bool,
        "true",
        "Whether projects may make images of their own. Administrators always may, and PUT /ext/v1/projects/{id}/limits says \
         otherwise for single projects.",
    )
    .of(Feature::Images)
    .must(),
    unset(
        "custom_images_sentence",
        Text,
        "What projects are told that may not; unset it is `Images are not enabled for this project in this region`.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "limits_profile",
        Choice(&["none", "bare-metal"]),
        "none",
        "Limits for a kind of region, where no option of their own sets them: for bare-metal, private_images_per_project is 50.",
    )
    .of(Feature::Images)
    .must(),
    unset("images_per_project", at_least(0), "Images that one project may have; unset is no limit.")
        .of(Feature::Images)
        .must(),
    unset(
        "private_images_per_project",
        at_least(0),
        "Images that one project may have and that nobody else sees; unset is no limit, unless limits_profile has one.",
    )
    .of(Feature::Images)
    .must(),
    unset(
        "create_rate",
        at_least(1),
        "Images that one project may create in a minute, administrators apart; unset is no limit. More are answered with 429.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "public_deprecation_days",
        at_least(0),
        "0",
        "Days after which a public image is deprecated whose owner sets no date in its property deprecate_at; 0 is never.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "orphan_grace_hours",
        Int(1, 24 * 365),
        "24",
        "Hours for which an object in a store is left alone that nothing refers to.",
    )
    .of(Feature::Images),
    opt(
        "quarantine_days",
        Int(1, 3650),
        "14",
        "Days after which an object that was taken out of the way of a store is deleted.",
    )
    .of(Feature::Images),
    opt(
        "queued_image_hours",
        at_least(0),
        "0",
        "Hours after which an unprotected image without data, that nobody touches, is deleted; 0 is never.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "max_page_bytes",
        at_least(1),
        "8388608",
        "Bytes of the properties, tags and locations of all images on one page of a list. A page that would have \
         more ends earlier, and its link next leads on.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "database_wait",
        Int(1, 3600),
        "2",
        "Seconds that a request waits for a connection to the database to be opened, and within which a database that \
         does not answer is found out; a request stands in line five times as long while others are answered. Then it \
         is answered with 503.",
    )
    .of(Feature::Database)
    .must(),
    opt(
        "database_statement_timeout",
        Int(1, 86400),
        "30",
        "Seconds that one statement may take on PostgreSQL and MariaDB. Migrations may take longer.",
    )
    .of(Feature::Database)
    .must(),
    opt(
        "legacy_checksum",
        Bool,
        "true",
        "Give new data an MD5 (checksum) beside its secure hash, as Glance does. It costs as much of the processor as the \
         secure hash does. Without it checksum is null, unless the owner of the image expects an MD5 of its data.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "verify_downloads",
        Choice(&["locations", "all", "none"]),
        "locations",
        "Which data is held against the hash and size of its image while it is served: that of locations which \
         Vitrine did not write itself, all, or none. What does not match breaks off before its end, and a part of it \
         (Range) is answered with the whole.",
    )
    .of(Feature::Images)
    .must(),
    opt(
        "fence_store_after",
        at_least(0),
        "5",
        "Calls in a row that a store leaves without an answer before it is asked something itself; if it does not answer          that either, it is left alone, and calls of it fail at once. 0 never leaves one alone.",
    )
    .of(Feature::Stores)
    .must(),
    opt(
        "fenced_store_pause",
        Int(1, 3600),
        "1",
        "Seconds after which a store that is left alone is asked again; each time it does not answer, the pause is twice \
         as long. It is taken back once it answers.",
    )
    .of(Feature::Stores)
    .must(),
    opt(
        "fenced_store_longest_pause",
        Int(1, 3600),
        "15",
        "Seconds that such a pause lasts at most.",
    )
    .of(Feature::Stores)
    .must(),
    opt(
        "shared_reads",
        Choice(&["remote", "all", "none"]),
        "remote",
        "Which stores are read once for all who download the same image at the same time: those that are read over the \
         network, all, or none. Whoever is slower than the others reads by himself.",
    )
    .of(Feature::Stores)
    .must(),
    opt(
        "storage_folders",
        List(Item::Text),
        "",
        "Folders, separated by commas, below which administrators may add file stores while the service runs.",
    )
    .of(Feature::Stores)
    .must(),
    opt(
        "import_deadline",
        at_least(1),
        "86400",
        "Seconds that an import may take to fetch its data from another server.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "import_idle_timeout",
        at_least(1),
        "60",
        "Seconds after which an import gives up a server that sends nothing, or next to nothing.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "decompression_ratio",
        at_least(1),
        "1000",
        "How many times as large as the compressed data an import may become by image_decompression. Up to 1 GiB \
         it may in any case, and never more than image_size_cap.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "decompression_memory",
        Int(16_777_216, 1_099_511_627_776),
        "268435456",
        "Bytes of memory that image_decompression uses on this node, for all imports together; what needs more than \
         that, or than 136 MiB, is refused.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "ova_bundles",
        Bool,
        "false",
        "Let ovf_process make a bundle of an OVA with several disks, with an image of each; else such an OVA is refused.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "conversions_at_once",
        Int(1, 1024),
        "2",
        "Converters that image_conversion runs on this node at the same time, each with up to 2 GiB of address space.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "conversion_wait",
        Int(0, 600),
        "10",
        "Seconds that an upload into a store with vitrine_disk_format waits for its conversion before it is answered; one \
         that takes longer goes on, and the image is saving until it ends.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "converter_confinement",
        Choice(&["required", "wanted"]),
        "required",
        "The converter has no network and no files but the two that it works on. Where the kernel cannot do that \
         (Linux before 5.13, or without Landlock or seccomp), `required` stops the start, and `wanted` lets it run \
         with what can be done.",
    )
    .of(Feature::Imports)
    .must(),
    opt(
        "jobs_per_project",
        at_least(1),
        "8",
        "Imports and other jobs of one project that run at the same time, on all nodes.",
    )
    .of(Feature::Tasks)
    .must(),
    opt(
        "lease_seconds",
        Int(3, 3600),
        "15",
        "Seconds after which other nodes take over the uploads and jobs of a node that fell silent. The clocks \
         of the nodes must agree to a fraction of it.",
    )
    .of(Feature::Tasks)
    .must(),
    opt(
        "jobs_wait_for_store",
        Int(0, 31_536_000),
        "14400",
        "Seconds after it was asked for during which an import or another job waits for a store that does not answer.",
    )
    .of(Feature::Tasks)
    .must(),
    opt(
        "lost_node_after",
        Int(60, 31_536_000),
        "3600",
        "Seconds after which a staging folder that no node has reached is given up: images whose data is staged there are \
         queued again, and their imports fail.",
    )
    .of(Feature::Tasks)
    .must(),
];
