//! The clocks of the database and of other nodes, and whether the nodes agree in their settings.

use super::{case::Case, finding::Finding};
use crate::{
    db::figures::about,
    model::{
        node::{Node, disagreements},
        time::Timestamp,
    },
};

/// Microseconds by which clocks may differ without anybody noticing, and beyond which leases and tokens go wrong.
const NOTICED: i64 = 5_000_000;
const WRONG: i64 = 60_000_000;

/// Looks at them.
pub async fn look(case: &Case) -> Vec<Finding> {
    let looked = async {
        let config = case.config()?;
        let db = case.database(config).await.map_err(Finding::skipped)?;
        let before = db.clock.now();
        let about = db.read_one("doctor.about", about::about).await.map_err(Finding::skipped)?;
        let after = db.clock.now();
        let ahead =
            about.clock.0.saturating_sub(before.0.saturating_add(after.0.saturating_sub(before.0) / 2));
        let (nodes, _) = case.running(config).await?;
        Ok::<_, Finding>((ahead, nodes, db.clock.now()))
    };
    let (ahead, nodes, now) = match looked.await {
        Ok(looked) => looked,
        Err(finding) => return vec![finding],
    };
    let mut findings: Vec<Finding> = judge("the database", ahead).into_iter().collect();
    // A node stamps its row with its own clock; one that is behind cannot be told from one that is late.
    findings.extend(nodes.iter().filter_map(|node| of_node(node, now)));
    findings.extend(disagreements(&nodes, now).into_keys().map(|group| {
        Finding::warning(
            "nodes-differ",
            format!("nodes on this database differ in {group}"),
            "Give them the same configuration and version; `vitrine nodes` shows who has what.",
        )
    }));
    if findings.is_empty() {
        let seconds = ahead as f64 / 1e6;
        findings.push(Finding::ok(format!(
            "the clock of the database differs by {:.1} s from this one; running nodes: {}",
            seconds.abs(),
            nodes.len()
        )));
    }
    findings
}

fn of_node(node: &Node, now: Timestamp) -> Option<Finding> {
    judge(&format!("node {}", node.place()), node.seen_at.0.saturating_sub(now.0).max(0))
}

/// What it means that another clock is so many microseconds ahead of ours, or behind it if negative.
pub fn judge(whose: &str, ahead: i64) -> Option<Finding> {
    let direction = if ahead < 0 { "behind" } else { "ahead of" };
    let what = format!("the clock of {whose} is {} s {direction} this one", ahead.abs() / 1_000_000);
    let remedy = "Have every machine keep its clock by NTP (chrony, systemd-timesyncd); `timedatectl` tells.";
    match ahead.abs() {
        ahead if ahead > WRONG => Some(Finding::failure("clock-wrong", what, remedy)),
        ahead if ahead > NOTICED => Some(Finding::warning("clock-off", what, remedy)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Proves from which difference on a clock is off, and wrong, in both directions.
    #[test]
    fn clocks_are_judged() {
        let id = |ahead| judge("it", ahead).map_or("", |finding| finding.id);
        for sign in [1, -1] {
            assert_eq!(id(sign * 5_000_000), "");
            assert_eq!(id(sign * 5_000_001), "clock-off");
            assert_eq!(id(sign * 60_000_000), "clock-off");
            assert_eq!(id(sign * 60_000_001), "clock-wrong");
        }
        assert_eq!(judge("X", -7_000_000).unwrap().what, "the clock of X is 7 s behind this one");
    }
}
