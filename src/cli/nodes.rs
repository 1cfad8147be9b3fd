//! `vitrine nodes`: the servers on a database, their state, and where their settings differ.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{listed::listed, place::Place};
use crate::{
    db,
    model::{
        node::{Node, disagreements},
        time::Timestamp,
    },
    server::{StartError, runtime},
};

/// Exit code when running nodes disagree.
const DISAGREE: u8 = 2;

/// Arguments of `vitrine nodes`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Write the list as JSON.
    #[arg(long)]
    json: bool,
}

/// Lists the nodes. The exit code is 0 when the running nodes agree, 2 when they do not, 1 when it cannot be
/// determined.
pub fn run(arguments: Arguments) -> ExitCode {
    listed(list(&arguments), DISAGREE)
}

fn list(arguments: &Arguments) -> Result<(String, bool), StartError> {
    let database = arguments.place.open()?;
    let nodes = runtime()?.block_on(database.read("nodes.list", db::nodes::list));
    let mut nodes = nodes.map_err(|e| StartError(e.to_string()))?;
    nodes.sort_by(|a, b| (&a.host, &a.bind, a.started_at).cmp(&(&b.host, &b.bind, b.started_at)));
    let now = database.clock.now();
    let agree = disagreements(&nodes, now).is_empty();
    let text = if arguments.json { format!("{:#}\n", as_json(&nodes, now)) } else { as_text(&nodes, now) };
    Ok((text, agree))
}

fn as_json(nodes: &[Node], now: Timestamp) -> Value {
    let rows: Vec<Value> = nodes
        .iter()
        .map(|node| {
            json!({
                "id": node.id,
                "host": node.host,
                "bind": node.bind,
                "version": node.version,
                "stale": node.is_stale(now),
                "draining": node.draining_since.is_some(),
                "started_at": node.started_at.isotime(),
                "seen_at": node.seen_at.isotime(),
                "settings": node.settings,
            })
        })
        .collect();
    json!({"nodes": rows, "disagreements": disagreements(nodes, now)})
}

fn as_text(nodes: &[Node], now: Timestamp) -> String {
    if nodes.is_empty() {
        return "there is no node\n".to_owned();
    }
    let mut text = String::new();
    for node in nodes {
        let state = match node.draining_since {
            _ if node.is_stale(now) => "stale",
            Some(_) => "draining",
            None => "running",
        };
        let (started, seen) = (node.started_at.isotime(), node.seen_at.isotime());
        let place = node.place();
        text.push_str(&format!(
            "{}  {state:<8}  {place}  version {}  started {started}  seen {seen}\n",
            node.id, node.version
        ));
    }
    for (group, values) in disagreements(nodes, now) {
        text.push_str(&format!("{group} differs:\n"));
        for (value, ids) in values {
            let places = nodes.iter().filter(|node| ids.contains(&node.id)).map(Node::place);
            text.push_str(&format!("  {value}: {}\n", places.collect::<Vec<_>>().join(", ")));
        }
    }
    text
}
