//! The configuration: what `vitrine config check` says of it.

use super::{case::Case, finding::Finding};

/// Looks at it.
pub async fn look(case: &Case) -> Vec<Finding> {
    let mut findings = Vec::new();
    for error in case.report.errors() {
        findings.push(Finding::failure(
            "config-error",
            error.line(),
            "No server starts like this. Correct it there; `vitrine config sample` has every option.",
        ));
    }
    for warning in case.report.warnings() {
        findings.push(Finding::warning(
            "config-warning",
            warning.line(),
            "See whether anything relies on it; if not, remove it.",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("every option is valid and has an effect"));
    }
    findings
}
