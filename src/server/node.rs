//! What this node reports to the other nodes on its database, and its reaction to their reports.

use std::{any::Any, collections::BTreeMap, fmt::Debug, fs, net::SocketAddr};

use openssl::sha::Sha256;

use super::{
    error::{StartError, failed},
    options::{IdentityChoice, Options},
};
use crate::{
    db::{self, Db},
    identity::builtin,
    model::{
        node::{self, Node},
        time::Timestamp,
    },
    policy::Enforcer,
    store::kinds::file,
    telemetry,
};

/// Other nodes of which a start says that they differ.
const WARNINGS_MAX: usize = 20;

/// This node, as the others will see it.
pub fn describe(options: &Options, id: &str, address: SocketAddr, policy: &Enforcer, now: Timestamp) -> Node {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().take(255).collect();
    Node {
        id: id.to_owned(),
        host: if host.is_empty() { "unknown".to_owned() } else { host },
        bind: address.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: settings(options, policy),
        started_at: now,
        seen_at: now,
        lease_until: now.plus_seconds(options.jobs.lease_seconds),
        draining_since: None,
    }
}

/// Registers this node, and warns of nodes with different settings. Blocking.
///
/// # Errors
/// [`StartError`] when the database does not answer.
pub fn enter(db: &Db, here: &Node) -> Result<(), StartError> {
    let entered = db.write_blocking(|conn| {
        db::nodes::enter(conn, here)?;
        db::nodes::list(conn)
    });
    let nodes = entered.map_err(|e| failed("the database", e))?;
    let running = |other: &&Node| other.id != here.id && !other.is_stale(here.seen_at);
    let mut warnings = 0_usize;
    for other in nodes.iter().filter(running) {
        let pair = [here.clone(), other.clone()];
        let differing: Vec<String> = node::disagreements(&pair, here.seen_at).into_keys().collect();
        if differing.is_empty() {
            continue;
        }
        warnings = warnings.saturating_add(1);
        if warnings > WARNINGS_MAX {
            tracing::warn!("further nodes differ from this one; `vitrine nodes` lists them");
            return Ok(());
        }
        tracing::warn!(
            node = other.id,
            place = other.place(),
            version = other.version,
            differs = differing.join(", "),
            "a node on the same database differs from this one; `vitrine nodes` shows who has what"
        );
    }
    Ok(())
}

/// Tells the others that this node drains, without being waited for.
pub fn drains(db: &Db, id: &str) {
    let (db, id) = (db.clone(), id.to_owned());
    let now = db.clock.now();
    drop(telemetry::spawn(async move {
        let told = db.write("node.drain", move |conn| db::nodes::drain(conn, &id, now)).await;
        if let Err(error) = told {
            tracing::warn!(%error, "the other nodes cannot be told that this node drains");
        }
    }));
}

/// The settings in which nodes on one database must agree, group by group, each as a hash.
fn settings(options: &Options, policy: &Enforcer) -> BTreeMap<String, String> {
    let (api, jobs) = (&options.api, &options.jobs);
    // The embedded folder of images is another one in each data folder.
    let own_folder = options.stores.list.iter().any(|store| {
        let settings: &dyn Any = store.settings.as_ref();
        settings.downcast_ref::<file::Settings>().is_some_and(|settings| settings.folders.is_empty())
    });
    let folder = own_folder.then(|| fs::canonicalize(&options.data_dir).ok());
    let rules = policy.rules();
    let groups: [(&str, String); 10] = [
        ("stores", hash(&(&options.stores.list, &options.stores.default, options.stores.multiple, folder))),
        ("images", hash(&(&options.image, &options.declarations))),
        ("imports", hash(&options.imports)),
        ("usage", hash(&options.usage)),
        ("jobs", hash(&(jobs.lease_seconds, jobs.lost_seconds, jobs.per_project, jobs.kept_seconds))),
        // The same everywhere: what counts is that it is there.
        (node::STAGING, hash(&"renewed")),
        ("policy", hash(&rules.texts())),
        ("property_protections", hash(&options.protections)),
        ("identity", identity(&options.identity)),
        ("http", hash(&(&api.public_endpoint, &api.page, api.allow_anonymous_access, api.cache_management))),
    ];
    groups.into_iter().map(|(group, hash)| (group.to_owned(), hash)).collect()
}

fn identity(choice: &IdentityChoice) -> String {
    match choice {
        IdentityChoice::Builtin(settings) => {
            hash(&builtin::Settings { data_dir: Default::default(), ..settings.clone() })
        }
        IdentityChoice::Nobody => hash(&"nobody"),
        IdentityChoice::Given(_) => hash(&"another service"),
    }
}

/// Twelve hexadecimal digits that stand for a value.
fn hash(value: &impl Debug) -> String {
    let mut sha = Sha256::new();
    sha.update(format!("{value:?}").as_bytes());
    sha.finish().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
