//! The rows of running servers. A server writes only its own; rows of dead servers are deleted after a while.

use diesel::prelude::*;

use super::{Conn, DbError, DbResult, schema::nodes};
use crate::model::{node::Node, time::Timestamp};

/// Nodes that are read at most.
pub const LIST_MAX: i64 = 1000;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = nodes)]
struct NodeRow {
    id: String,
    host: String,
    bind: String,
    version: String,
    settings: String,
    started_at: i64,
    seen_at: i64,
    lease_until: i64,
    draining_since: Option<i64>,
}

impl NodeRow {
    fn of(node: &Node) -> Self {
        let settings: serde_json::Map<_, _> =
            node.settings.iter().map(|(group, hash)| (group.clone(), hash.clone().into())).collect();
        Self {
            id: node.id.clone(),
            host: node.host.clone(),
            bind: node.bind.clone(),
            version: node.version.clone(),
            settings: serde_json::Value::Object(settings).to_string(),
            started_at: node.started_at.0,
            seen_at: node.seen_at.0,
            lease_until: node.lease_until.0,
            draining_since: node.draining_since.map(|time| time.0),
        }
    }

    fn into_node(self) -> DbResult<Node> {
        let settings = serde_json::from_str(&self.settings)
            .map_err(|e| DbError::Other(format!("node {}: unreadable settings: {e}", self.id)))?;
        Ok(Node {
            id: self.id,
            host: self.host,
            bind: self.bind,
            version: self.version,
            settings,
            started_at: Timestamp(self.started_at),
            seen_at: Timestamp(self.seen_at),
            lease_until: Timestamp(self.lease_until),
            draining_since: self.draining_since.map(Timestamp),
        })
    }
}

/// Inserts a starting node, replacing a previous one at the same address.
///
/// # Errors
/// Only the database's own.
pub fn enter(conn: &mut Conn, node: &Node) -> DbResult<()> {
    let same_place = nodes::table.filter(nodes::host.eq(&node.host)).filter(nodes::bind.eq(&node.bind));
    diesel::delete(same_place).execute(conn)?;
    diesel::insert_into(nodes::table).values(NodeRow::of(node)).execute(conn)?;
    Ok(())
}

/// Records that a node runs. One whose row went, because it was silent for long, is entered again.
///
/// # Errors
/// Only the database's own.
pub fn renew(conn: &mut Conn, node: &Node, now: Timestamp, until: Timestamp) -> DbResult<()> {
    let renewed = diesel::update(nodes::table.filter(nodes::id.eq(&node.id)))
        .set((nodes::seen_at.eq(now.0), nodes::lease_until.eq(until.0)))
        .execute(conn)?;
    if renewed == 0 {
        let node = Node { seen_at: now, lease_until: until, ..node.clone() };
        diesel::insert_into(nodes::table).values(NodeRow::of(&node)).execute(conn)?;
    }
    Ok(())
}

/// Records that a node drains.
///
/// # Errors
/// Only the database's own.
pub fn drain(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<()> {
    let row = nodes::table.filter(nodes::id.eq(id));
    diesel::update(row).set(nodes::draining_since.eq(now.0)).execute(conn)?;
    Ok(())
}

/// Removes a node that stops.
///
/// # Errors
/// Only the database's own.
pub fn leave(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(nodes::table.filter(nodes::id.eq(id))).execute(conn)?;
    Ok(())
}

/// Removes nodes whose lease expired before `limit`. Returns how many.
///
/// # Errors
/// Only the database's own.
pub fn forget(conn: &mut Conn, limit: Timestamp) -> DbResult<usize> {
    Ok(diesel::delete(nodes::table.filter(nodes::lease_until.lt(limit.0))).execute(conn)?)
}

/// All nodes, the one that was seen last first; [`LIST_MAX`] at most.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn) -> DbResult<Vec<Node>> {
    let rows: Vec<NodeRow> = nodes::table
        .order((nodes::lease_until.desc(), nodes::id))
        .limit(LIST_MAX)
        .select(NodeRow::as_select())
        .load(conn)?;
    rows.into_iter().map(NodeRow::into_node).collect()
}
