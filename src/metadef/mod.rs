//! Metadata definitions: namespaces, objects, properties, tags, resource types, and whole catalogues.
//!
//! The order of the checks is Glance's: the namespace as the database shows it (404), the policy (404 or 403), the
//! part of the namespace (404), protection (403), then the change.

pub mod access;
pub mod catalogue;
pub mod namespaces;
pub mod objects;
pub mod properties;
pub mod resource_types;
pub mod tags;

use crate::{access::Access, db::Db};

/// The handles for use cases about definitions. Cheap to clone.
#[derive(Clone)]
pub struct Definitions {
    /// The database.
    pub db: Db,
    /// Authorisation.
    pub access: Access,
}
