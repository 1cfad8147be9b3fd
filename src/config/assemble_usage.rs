//! The settings about usage.

use super::Loaded;
use super::assemble_imports::bad;
use super::check::Finding;
use crate::{
    model::usage::{
        meter::{Basis, Rounding, Rules},
        sums::{Month, Unit},
    },
    usage::Settings,
};

/// Reads them.
pub(super) fn usage(loaded: &Loaded, findings: &mut Vec<Finding>) -> Settings {
    let section = "vitrine";
    let text = |option| loaded.string(section, option).unwrap_or_default();
    let written = text("usage_hours_per_month");
    let month = Month::parse(&written).unwrap_or_else(|| {
        let option = "usage_hours_per_month";
        let reason = format!("`{written}` is neither a number of hours from 1 to 8784 nor `calendar`");
        findings.push(bad(loaded, section, option, reason));
        Month::default()
    });
    Settings {
        rules: Rules {
            basis: Basis::parse(&text("usage_basis")).unwrap_or_default(),
            rounding: Rounding::parse(&text("usage_rounding")).unwrap_or_default(),
            has_public: loaded.bool(section, "usage_bill_public"),
            min_bytes: loaded.i64(section, "usage_min_bytes").unwrap_or(0),
        },
        unit: Unit::parse(&text("usage_unit")).unwrap_or_default(),
        month,
    }
}
