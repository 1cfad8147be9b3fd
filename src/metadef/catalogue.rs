//! The built-in catalogue, and the loading, removing and writing of whole catalogues
//! (`glance/db/sqlalchemy/metadata.py`).

use std::collections::BTreeSet;

use crate::{
    db::{self, Db, metadefs::catalogue as rows},
    model::{
        error::{Error, Result},
        metadef::file::{self, NamespaceFile},
    },
};

pub use rows::{Mode, Report};

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../schema/metadefs/", $name)))),*]
    };
}

/// The files of `schema/metadefs/`: name and text of each.
pub const SHIPPED: [(&str, &str); 35] = shipped![
    "cim-processor-allocation-setting-data.json",
    "cim-resource-allocation-setting-data.json",
    "cim-storage-allocation-setting-data.json",
    "cim-virtual-system-setting-data.json",
    "compute-aggr-disk-filter.json",
    "compute-aggr-iops-filter.json",
    "compute-aggr-num-instances.json",
    "compute-cpu-mode.json",
    "compute-cpu-pinning.json",
    "compute-guest-memory-backing.json",
    "compute-guest-shutdown.json",
    "compute-host-capabilities.json",
    "compute-hypervisor.json",
    "compute-instance-data.json",
    "compute-libvirt-image.json",
    "compute-libvirt.json",
    "compute-quota.json",
    "compute-randomgen.json",
    "compute-vcputopology.json",
    "compute-vmware-flavor.json",
    "compute-vmware-quota-flavor.json",
    "compute-vmware.json",
    "compute-vtpm-hw.json",
    "compute-vtpm.json",
    "compute-watchdog.json",
    "compute-xenapi.json",
    "glance-common-image-props.json",
    "image-signature-verification.json",
    "images-boot.json",
    "images-extensions.json",
    "operating-system.json",
    "software-databases.json",
    "software-runtimes.json",
    "software-webservers.json",
    "storage-volume-type.json",
];

/// The shipped catalogue.
///
/// # Errors
/// [`Error::Internal`] naming the file that cannot be read.
pub fn shipped() -> Result<Vec<NamespaceFile>> {
    SHIPPED
        .iter()
        .map(|(name, text)| file::parse(text).map_err(|fault| Error::internal(name, fault)))
        .collect()
}

/// Loads the built-in catalogue into a new database. Later changes by an operator are kept. Blocking.
///
/// # Errors
/// [`Error::Internal`], [`Error::Unavailable`] when the database does not answer.
pub fn seed(db: &Db) -> Result<()> {
    let files = shipped()?;
    let report = db.write_blocking(|conn| rows::seed(conn, &files, db.clock.now()))?;
    if let Some(report) = report {
        tracing::info!(namespaces = report.added, "loaded the shipped metadata definitions");
    }
    Ok(())
}

/// Loads namespaces in one transaction. Blocking.
///
/// # Errors
/// [`Error::Invalid`] when two files define one namespace; [`Error::Internal`], [`Error::Unavailable`] when the
/// database does not answer.
pub fn load(db: &Db, files: &[NamespaceFile], mode: Mode) -> Result<Report> {
    let mut names = BTreeSet::new();
    if let Some(twin) = files.iter().find(|file| !names.insert(file.fields.namespace.as_str())) {
        return Err(Error::invalid(format!("two files define the namespace {}", twin.fields.namespace)));
    }
    Ok(db.write_blocking(|conn| rows::load(conn, files, mode, db.clock.now()))?)
}

/// Removes every namespace and resource type; says how many namespaces there were. Blocking.
///
/// # Errors
/// [`Error::Internal`], [`Error::Unavailable`] when the database does not answer.
pub fn unload(db: &Db) -> Result<usize> {
    Ok(db.write_blocking(db::metadefs::catalogue::unload)?)
}

/// Every namespace as a file: its name and its text. Blocking.
///
/// # Errors
/// [`Error::Internal`], [`Error::Unavailable`] when the database does not answer.
pub fn export(db: &Db) -> Result<Vec<(String, String)>> {
    let found = db.write_blocking(rows::export)?;
    let mut taken = BTreeSet::new();
    let mut files = Vec::with_capacity(found.len());
    for (namespace, contents) in found {
        let name = file::file_name(&namespace.fields, &taken);
        taken.insert(name.clone());
        let value = file::render(&namespace, &contents);
        let text = serde_json::to_string_pretty(&value).map_err(|e| Error::internal("export", e))?;
        files.push((name, text + "\n"));
    }
    Ok(files)
}
