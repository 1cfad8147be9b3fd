//! The server on this machine, if one runs: whether it answers.

use std::time::Duration;

use super::{
    case::{Case, client, own_url},
    finding::Finding,
};
use crate::{
    config::Config,
    model::node::Node,
    outbound::{Method, Proxies, StatusCode},
};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of its answer that are read.
const BYTES: usize = 1 << 16;

/// Asks it.
pub async fn look(case: &Case) -> Vec<Finding> {
    let found = async {
        let config = case.config()?;
        let (_, here) = case.running(config).await?;
        Ok::<_, Finding>((config, here))
    };
    match found.await {
        Ok((config, Some(node))) => vec![asked(config, &node).await],
        Ok((_, None)) => vec![Finding::note(
            "server-not-running",
            "no server runs on this machine with this database",
            "Start one (`systemctl start vitrine`), and look again: its log says why if it does not start.",
        )],
        Err(finding) => vec![finding],
    }
}

async fn asked(config: &Config, node: &Node) -> Finding {
    let url = match own_url(config, node) {
        Ok(own) => format!("{own}/healthcheck"),
        Err(finding) => return finding,
    };
    let silent = |why: String| {
        Finding::failure(
            "server-silent",
            format!("the server on this machine does not answer at {url}: {why}"),
            "It said a moment ago that it runs: see its log, and whether a firewall of this machine is in the way.",
        )
    };
    // Its certificate is for the name by which others know it, and no proxy knows this machine's own addresses.
    let client = match client(false, None, Proxies::Nothing).await {
        Ok(client) => client,
        Err(why) => return Finding::skipped(why),
    };
    let request = client.request(Method::GET, &url).header("Accept", "text/plain");
    let answer = async {
        let mut answer = client.send(request).await.map_err(|e| e.to_string())?;
        let body = answer.body(BYTES).await.map_err(|e| e.to_string())?.unwrap_or_default();
        Ok::<_, String>((answer.status(), String::from_utf8_lossy(&body).trim().to_owned()))
    };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok((StatusCode::OK, _))) => Finding::ok(format!("{url} answers")),
        Ok(Ok((status, words))) => Finding::warning(
            "server-not-ready",
            format!("{url} answers {status}: {words}"),
            "DRAINING is a server that is being stopped, DATABASE UNAVAILABLE one that waits for its database, DISABLED BY \
             FILE one that an operator took out of service.",
        ),
        Ok(Err(why)) => silent(why),
        Err(_) => silent(format!("nothing came within {} s", PATIENCE.as_secs())),
    }
}
