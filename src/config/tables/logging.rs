//! `[DEFAULT]`: the log (`oslo_log/_options.py`).

use crate::config::option::Kind::{Bool, List, Text, Word};
use crate::config::option::{ANY_INT, Group, Item, Opt, Place, gone, opt, unset};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] =
    &[Group { place: Place::Section("DEFAULT"), feature: Feature::Logging, options: LOGGING }];

const FORMAT: &str = "the lines of the log have one format, and use_json gives another";
const ROTATION: &str = "log files are rotated by the system's own means (logrotate)";

const LOGGING: &[Opt] = &[
    opt("debug", Bool, "false", "Log at level DEBUG instead of INFO.").must(),
    unset("log_file", Text, "File that the log is appended to.").alias(&[(None, "logfile")]).must(),
    unset(
        "log_dir",
        Text,
        "Folder that log_file is relative to; alone, the file is named after the program.",
    )
    .alias(&[(None, "logdir")])
    .must(),
    opt(
        "use_stderr",
        Bool,
        "false",
        "Log to standard error as well; without any other target the log goes there anyway.",
    )
    .must(),
    opt("use_journal", Bool, "false", "Log to systemd's journal as well, with fields.").must(),
    opt("use_syslog", Bool, "false", "Log to the system's syslog as well.").must(),
    opt("syslog_log_facility", Text, "LOG_USER", "Facility of the lines sent to syslog.").must(),
    opt("use_json", Bool, "false", "Write each line as a JSON object.").must(),
    unset(
        "default_log_levels",
        List(Item::Text),
        "Levels of single parts, as name=LEVEL: vitrine for all of it, vitrine.ROOM for one room of the code (vitrine.store), \
         access for the line of each request, root for everything. Names of Python modules are passed over. LEVEL may be \
         TRACE, too.",
    ),
    gone(
        "log_config_append",
        "it names a file of Python's logging module; use the options of the log instead",
    )
    .alias(&[(None, "log_config"), (None, "log-config")]),
    gone("log_date_format", FORMAT),
    gone("logging_context_format_string", FORMAT),
    gone("logging_default_format_string", FORMAT),
    gone("logging_debug_format_suffix", FORMAT),
    gone("logging_exception_prefix", FORMAT),
    gone("logging_user_identity_format", FORMAT),
    gone("instance_format", FORMAT),
    gone("instance_uuid_format", FORMAT),
    gone("log_color", FORMAT),
    gone("watch_log_file", ROTATION),
    gone("log_rotate_interval", ROTATION),
    gone("log_rotate_interval_type", ROTATION),
    gone("log_rotation_type", ROTATION),
    gone("max_logfile_count", ROTATION),
    gone("max_logfile_size_mb", ROTATION),
    opt(
        "rate_limit_interval",
        ANY_INT,
        "0",
        "Seconds in which lines of the same place in the code are counted; 0 writes all.",
    ),
    opt(
        "rate_limit_burst",
        ANY_INT,
        "0",
        "Lines of one place that are written in that time; how many others were left out is told. The lines of requests \
         are always written.",
    ),
    opt(
        "rate_limit_except_level",
        Word(&["critical", "error", "info", "warning", "debug", ""]),
        "CRITICAL",
        "Lines of this level and above are always written. There is none above ERROR here; empty excepts none.",
    ),
    gone("fatal_deprecations", "`vitrine config check --strict` fails on deprecated options"),
    gone("publish_errors", "errors are logged, not sent as notifications"),
    gone("log_options", "`vitrine config check` shows what was read"),
];
