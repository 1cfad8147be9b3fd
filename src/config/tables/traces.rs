//! Traces: our own options in `[vitrine]`, and those of `[profiler]` (`osprofiler/opts.py`) that say whose headers are
//! believed.

use crate::config::option::{
    Group,
    Kind::{Bool, Dict, Float, Text},
    Opt, Place, gone, opt, unset,
};
use crate::config::wired::Feature;

/// The groups of this file.
pub const GROUPS: &[Group] = &[
    group("vitrine", TRACES),
    group("profiler", PROFILER),
    group("profiler_jaeger", DRIVER),
    group("profiler_otlp", DRIVER),
];

const fn group(section: &'static str, options: &'static [Opt]) -> Group {
    Group { place: Place::Section(section), feature: Feature::Traces, options }
}

const TRACES: &[Opt] = &[
    unset(
        "trace_endpoint",
        Text,
        "Where an OpenTelemetry collector takes traces, by OTLP over HTTP as protobuf: http://127.0.0.1:4318, to which \
         /v1/traces is added. Unset, nothing is traced.",
    )
    .must(),
    unset(
        "trace_headers",
        Dict,
        "Headers that are sent to the collector with each request, such as its password: authorization:Bearer abc.",
    )
    .secret()
    .must(),
    unset(
        "trace_ca_file",
        Text,
        "File with the certificates of the authorities that vouch for the collector; unset are those of the system.",
    )
    .must(),
    opt(
        "trace_sample_ratio",
        Float(0.0, 1.0),
        "1.0",
        "The part of the traces that begin here of which there are spans. Of a trace that began elsewhere there are, if its \
         traceparent says so.",
    )
    .must(),
    opt("trace_service_name", Text, "vitrine", "What the service is called in traces (service.name).").must(),
];

const DRIVER_REASON: &str = "spans go to the collector of [vitrine] trace_endpoint";

const PROFILER: &[Opt] = &[
    opt(
        "enabled",
        Bool,
        "false",
        "Whether the headers of osprofiler are read: their base id becomes the id of the trace. [vitrine] trace_endpoint \
         says where it goes.",
    )
    .alias(&[(None, "profiler_enabled")])
    .must(),
    unset(
        "hmac_keys",
        Text,
        "Keys, separated by commas, with one of which these headers have to be signed. Unset, none are believed.",
    )
    .secret()
    .must(),
    gone("trace_sqlalchemy", "statements are part of each trace"),
    gone("trace_requests", "requests to other services are part of each trace"),
    gone("connection_string", DRIVER_REASON).secret(),
    gone("es_doc_type", DRIVER_REASON),
    gone("es_scroll_time", DRIVER_REASON),
    gone("es_scroll_size", DRIVER_REASON),
    gone("socket_timeout", DRIVER_REASON),
    gone("sentinel_service_name", DRIVER_REASON),
    gone("filter_error_trace", DRIVER_REASON),
];

const DRIVER: &[Opt] = &[
    gone("service_name_prefix", "[vitrine] trace_service_name is the whole name"),
    gone("process_tags", DRIVER_REASON),
];
