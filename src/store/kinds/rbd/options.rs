//! The options of an RBD store in the configuration (`glance_store/_drivers/rbd.py`).

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::url::SCHEME;
use crate::store::backend::{self, Declared, Form, Kind, NamedBy, Options};

/// The RBD store.
pub static KIND: Kind = Kind {
    name: "rbd",
    schemes: &[SCHEME],
    named_by: NamedBy::Services,
    writes: true,
    options: OPTIONS,
    read,
};

const CHUNK: &str = "rbd_store_chunk_size";
const POOL: &str = "rbd_store_pool";
const USER: &str = "rbd_store_user";
const CONF: &str = "rbd_store_ceph_conf";
const TIMEOUT: &str = "rados_connect_timeout";
const THIN: &str = "rbd_thin_provisioning";

const OPTIONS: &[Declared] = &[
    Declared::new(CHUNK, Form::Int(1, i64::MAX), "8", "MiB of each object of an image, up to 32."),
    Declared::new(POOL, Form::Text, "images", "Pool of the images."),
    Declared::unset(
        USER,
        Form::Text,
        "Ceph user to connect as, without `client.`; Ceph's own default if unset.",
    ),
    Declared::new(CONF, Form::Text, "", "Ceph's configuration file; empty lets Ceph's library find it."),
    Declared::new(
        TIMEOUT,
        Form::Int(i64::MIN, i64::MAX),
        "-1",
        "Seconds that Ceph may take for one answer; 30 if it is not above 0.",
    ),
    Declared::new(THIN, Form::Bool, "false", "Do not write runs of zeros."),
];

/// Largest object that images may have, in MiB: Ceph takes no larger ones.
const CHUNK_MAX_MIB: u64 = 32;

/// Options of an RBD store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `rbd_store_chunk_size`, in bytes.
    pub chunk: u64,
    /// `rbd_store_pool`.
    pub pool: String,
    /// `rbd_store_user`.
    pub user: Option<String>,
    /// `rbd_store_ceph_conf`.
    pub conf: Option<PathBuf>,
    /// `rados_connect_timeout`; `None` is ours.
    pub timeout: Option<Duration>,
    /// `rbd_thin_provisioning`.
    pub thin: bool,
}

fn read(options: &mut dyn Options) -> Arc<dyn backend::Settings> {
    let mib = options.u64(CHUNK).unwrap_or(8);
    if mib > CHUNK_MAX_MIB {
        options.refuse(CHUNK, format!("Ceph has no objects above {CHUNK_MAX_MIB} MiB"));
    }
    let text = |option: &str| options.path(option).map(|text| text.to_string_lossy().into_owned());
    let (pool, user) = (text(POOL), text(USER));
    if pool.is_none() {
        options.refuse(POOL, "the value is empty".to_owned());
    }
    let seconds = options.i64(TIMEOUT).and_then(|seconds| u64::try_from(seconds).ok());
    Arc::new(Settings {
        chunk: mib.clamp(1, CHUNK_MAX_MIB) << 20,
        pool: pool.unwrap_or_default(),
        user,
        conf: options.path(CONF),
        timeout: seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
        thin: options.bool(THIN),
    })
}
