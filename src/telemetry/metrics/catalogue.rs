//! What figures there are: each is described when it is registered, so that the documentation is that of the code.

use std::borrow::Cow;

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Metric, Registry},
};

/// The labels of one figure, and their values.
pub(super) type Labels = Vec<(&'static str, Cow<'static, str>)>;
/// Counts by labels.
pub(super) type Counters = Family<Labels, Counter>;
/// Present values by labels.
pub(super) type Gauges = Family<Labels, Gauge>;
/// Durations by labels.
pub(super) type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// A millisecond to some five minutes.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 3.0, 12))
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// As it is scraped; of a histogram without `_bucket`, `_count` and `_sum`.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts or says.
    pub help: String,
}

/// Registers figures, and keeps what is said of them.
pub(super) struct Book {
    pub registry: Registry,
    prefix: &'static str,
    pub described: Vec<Described>,
}

impl Book {
    pub fn new(prefix: &'static str) -> Self {
        let registry = if prefix.is_empty() { Registry::default() } else { Registry::with_prefix(prefix) };
        Self { registry, prefix, described: Vec::new() }
    }

    fn describe(&mut self, name: &str, kind: &'static str, labels: &'static [&'static str], help: &str) {
        let prefix = if self.prefix.is_empty() { String::new() } else { format!("{}_", self.prefix) };
        let suffix = if kind == "counter" { "_total" } else { "" };
        let name = format!("{prefix}{name}{suffix}");
        self.described.push(Described { name, kind, labels, help: format!("{help}.") });
    }

    /// A figure without labels.
    pub fn one(&mut self, name: &str, kind: &'static str, help: &str, metric: impl Metric) {
        self.describe(name, kind, &[], help);
        self.registry.register(name, help, metric);
    }

    pub fn counters(&mut self, name: &str, labels: &'static [&'static str], help: &str) -> Counters {
        self.describe(name, "counter", labels, help);
        let family = Counters::default();
        self.registry.register(name, help, family.clone());
        family
    }

    pub fn gauges(&mut self, name: &str, labels: &'static [&'static str], help: &str) -> Gauges {
        self.describe(name, "gauge", labels, help);
        let family = Gauges::default();
        self.registry.register(name, help, family.clone());
        family
    }

    pub fn histograms(&mut self, name: &str, labels: &'static [&'static str], help: &str) -> Histograms {
        self.describe(name, "histogram", labels, help);
        let family = Histograms::new_with_constructor(histogram as fn() -> Histogram);
        self.registry.register(name, help, family.clone());
        family
    }
}

/// The figures as a table of Markdown.
pub(super) fn table(described: &[Described]) -> String {
    let mut text = "| figure | kind | labels | what it says |\n|---|---|---|---|\n".to_owned();
    for Described { name, kind, labels, help } in described {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        text.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    text
}
