//! The settings about traces.

use super::Loaded;
use super::assemble_imports::bad;
use super::check::Finding;
use crate::{outbound::Collector, telemetry::trace::Settings};

const SECTION: &str = "vitrine";

/// Assembles and validates the settings; the collector itself is not called. `None` without one.
pub(super) fn traces(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<Settings> {
    // Read in any case, so that it shows which options have a reader.
    let endpoint = loaded.nonempty(SECTION, "trace_endpoint");
    let keys = loaded.string("profiler", "hmac_keys").unwrap_or_default();
    let keys = keys.split(',').map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    let is_profiled = loaded.bool("profiler", "enabled");
    let settings = Settings {
        endpoint: endpoint.clone().unwrap_or_default(),
        headers: loaded.dict(SECTION, "trace_headers"),
        ca_file: loaded.path(SECTION, "trace_ca_file"),
        ratio: loaded.f64(SECTION, "trace_sample_ratio").unwrap_or(1.0),
        service: loaded.string(SECTION, "trace_service_name").unwrap_or_default(),
        profiler_keys: keys.filter(|_| is_profiled).collect(),
    };
    endpoint?;
    if let Err((option, reason)) = Collector::new(&settings, "") {
        findings.push(bad(loaded, SECTION, option, reason));
    }
    Some(settings)
}
