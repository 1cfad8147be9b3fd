//! Opens the identity service that the options choose, and keeps the built-in one in order.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::{
    error::{StartError, failed, runtime},
    options::{IdentityChoice, LimitsChoice, Options},
};
use crate::{
    access::unified::Unified,
    db::Db,
    identity::{
        Identity, Unauthenticated,
        builtin::{self, Builtin},
        limits::BuiltinLimits,
    },
};

/// The identity service, and the built-in one if it is that. Blocking.
///
/// # Errors
/// [`StartError`] when the built-in one cannot be opened.
pub fn open(
    options: &Options,
    (scheme, address): (&str, SocketAddr),
    db: &Db,
) -> Result<(Arc<dyn Identity>, Option<Builtin>), StartError> {
    Ok(match &options.identity {
        IdentityChoice::Builtin(settings) => {
            let builtin = open_builtin(settings, options, (scheme, address), db)?;
            (Arc::new(builtin.clone()), Some(builtin))
        }
        IdentityChoice::Nobody => (Arc::new(Unauthenticated), None),
        IdentityChoice::Given(identity) => (Arc::clone(identity), None),
    })
}

/// Where the limits of projects come from, if there are any.
pub fn limits(choice: &LimitsChoice, db: &Db) -> Unified {
    Unified::new(match choice {
        LimitsChoice::Nowhere => None,
        LimitsChoice::Builtin(region) => Some(Arc::new(BuiltinLimits::new(db.clone(), region))),
        LimitsChoice::Given(source) => Some(Arc::clone(source)),
    })
}

/// Opens the built-in identity; the first start makes its users and a `clouds.yaml` for them.
fn open_builtin(
    settings: &builtin::Settings,
    options: &Options,
    (scheme, address): (&str, SocketAddr),
    db: &Db,
) -> Result<Builtin, StartError> {
    let data_dir = &options.data_dir;
    let settings = builtin::Settings { data_dir: data_dir.to_owned(), ..settings.clone() };
    let builtin = Builtin::open(settings, db.clone()).map_err(|e| failed("the built-in identity", e))?;
    let host = match address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    let own_url = format!("{scheme}://{host}:{}", address.port());
    let base = builtin.settings.public_endpoint.clone().unwrap_or(own_url);
    let (prefix, region) = (builtin.settings.prefix.clone(), builtin.settings.region.clone());
    let path = data_dir.join("clouds.yaml");
    let (target, url) = (path.clone(), base.clone());
    let keep = move |passwords: &builtin::bootstrap::Passwords| {
        let text = builtin::clouds::render(&url, &prefix, &region, passwords);
        builtin::clouds::write(&target, &text).map_err(|e| format!("{}: {e}", target.display()))
    };
    let runtime = runtime()?;
    let first = runtime.block_on(builtin.bootstrap(keep)).map_err(|e| failed("the built-in identity", e))?;
    if first.is_none() && path.exists() {
        let auth_url = format!("{base}{}/v3", builtin.settings.prefix);
        builtin::clouds::follow(&path, &auth_url)
            .map_err(|e| failed(&format!("cannot update {}", path.display()), e))?;
    }
    let shown = path.canonicalize().unwrap_or(path);
    if !shown.exists() {
        // The node that made the users has their passwords.
        println!("Vitrine serves images at {base}.");
        return Ok(builtin);
    }
    println!("Vitrine serves images at {base}. To use it from another terminal:");
    println!("  export OS_CLIENT_CONFIG_FILE={}", shown.display());
    println!("  export OS_CLOUD=vitrine");
    println!("  openstack image list");
    Ok(builtin)
}

/// Looks once a minute for keys that other nodes have made; rotates them and forgets what no token needs once an hour.
pub async fn keep_house(builtin: Builtin) {
    let mut ticks = tokio::time::interval(Duration::from_secs(60));
    for minute in (0..60).cycle() {
        ticks.tick().await;
        let done = if minute == 0 { builtin.maintain().await } else { builtin.reload_keys().await };
        if let Err(error) = done {
            tracing::error!(%error, "housekeeping of the built-in identity failed; it will be tried again");
        }
    }
}
