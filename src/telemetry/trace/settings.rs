//! The operator's settings about traces.

use std::{fmt, path::PathBuf};

/// Where spans go, and which there are.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// `trace_endpoint`: where the collector takes OTLP over HTTP, without `/v1/traces`.
    pub endpoint: String,
    /// `trace_headers`: sent to it with each request; secret.
    pub headers: Vec<(String, String)>,
    /// `trace_ca_file`: the authorities that vouch for it, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// `trace_sample_ratio`: the part of the traces that begin here of which there are spans, from 0 to 1.
    pub ratio: f64,
    /// `trace_service_name`: the name of this service.
    pub service: String,
    /// `[profiler] hmac_keys`: what callers sign osprofiler's headers with; secret. Empty believes nobody.
    pub profiler_keys: Vec<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("ratio", &self.ratio)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
