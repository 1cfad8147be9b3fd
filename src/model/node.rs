//! A node, one running server, as other nodes see it, and the settings that should be equal but differ.

use std::collections::BTreeMap;

use super::time::Timestamp;

/// One running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id, new at every start; leases name it.
    pub id: String,
    /// Name of its machine.
    pub host: String,
    /// Where it listens, `ADDRESS:PORT`.
    pub bind: String,
    /// Its version of Vitrine.
    pub version: String,
    /// The settings that nodes must share: for each group of them a hash.
    pub settings: BTreeMap<String, String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last said that it runs.
    pub seen_at: Timestamp,
    /// Until when that counts.
    pub lease_until: Timestamp,
    /// Since when it drains, if it does: it is stopping, but serves until balancers have noticed.
    pub draining_since: Option<Timestamp>,
}

impl Node {
    /// Whether it has said nothing for longer than it should; it is dead, or cut off from the database.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.lease_until < now
    }

    /// Whether it says of its staging folder that it reaches it.
    pub fn tells_of_its_folder(&self) -> bool {
        self.settings.contains_key(STAGING)
    }

    /// Host and address, for display.
    pub fn place(&self) -> String {
        format!("{} ({})", self.host, self.bind)
    }
}

/// The group of settings by which a node says that it renews the row of its staging folder. Versions of before the rows
/// do not have it, and reach their folders all the same.
pub const STAGING: &str = "staging";

/// The name under which [`disagreements`] reports versions.
pub const VERSION: &str = "version";

/// The differences between running nodes: for `version` and for each group of settings with several values, the ids of
/// the nodes with each value. Groups that only one version has are not compared; the version shows it.
pub fn disagreements(nodes: &[Node], now: Timestamp) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let mut found: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| !node.is_stale(now)) {
        let settings = node.settings.iter().map(|(group, hash)| (group.as_str(), hash.as_str()));
        for (group, value) in settings.chain([(VERSION, node.version.as_str())]) {
            let values = found.entry(group.to_owned()).or_default();
            values.entry(value.to_owned()).or_default().push(node.id.clone());
        }
    }
    found.retain(|_, values| values.len() > 1);
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn node(id: &str, version: &str, stores: &str, lease_until: i64) -> Node {
        Node {
            id: id.to_owned(),
            host: "h".to_owned(),
            bind: "b".to_owned(),
            version: version.to_owned(),
            settings: [("stores".to_owned(), stores.to_owned())].into(),
            started_at: Timestamp(0),
            seen_at: Timestamp(0),
            lease_until: Timestamp(lease_until),
            draining_since: None,
        }
    }

    /// Only running nodes are compared, and only what differs is told.
    #[test]
    fn running_nodes_that_differ_are_told_apart() {
        let (a, b) = (node("a", "1", "x", 10), node("b", "1", "y", 10));
        let dead = node("d", "0", "z", 4);
        let now = Timestamp(5);
        assert_eq!(disagreements(&[a.clone(), dead.clone()], now), BTreeMap::new());
        let found = disagreements(&[a, b, dead], now);
        let stores =
            BTreeMap::from([("x".to_owned(), vec!["a".to_owned()]), ("y".to_owned(), vec!["b".to_owned()])]);
        assert_eq!(found, BTreeMap::from([("stores".to_owned(), stores)]));
    }
}
