//! `vitrine metrics`

/// What stands before the table.
const HEAD: &str = "\
# Figures for Prometheus

`[vitrine] metrics_listen = http://127.0.0.1:9293` serves `/metrics` at a place of its own, to everybody who can reach
that. `metrics_networks = 10.0.0.0/8` serves it where the API is, to whoever connects from there; for all others the path
is not there. Each node has its own figures; those called \"of all nodes\" come from the database, and are counted anew
when they are a minute old.

Nothing that a caller sends becomes a label. Routes and statements are fixed in the code, stores and projects are those
of the configuration and the database, and of projects no more are named than `metrics_projects` says.

`ops/prometheus/alerts.yml` has rules for alerts, and `ops/grafana/vitrine.json` a dashboard.

`vitrine metrics` writes this page. A histogram `x` is scraped as `x_bucket`, `x_sum` and `x_count`.

";

/// Writes the page that says what figures there are.
pub fn run() {
    print!("{HEAD}{}", crate::telemetry::metrics().table());
}
