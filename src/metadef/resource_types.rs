//! Resource types, and the associations of namespaces with them (`glance/api/v2/metadef_resource_types.py`).

use super::{Definitions, access};
use crate::{
    db::{
        DbError,
        metadefs::{Stamp, resource_types as rows},
    },
    model::{
        caller::Caller,
        error::{Error, Result},
        metadef::{Association, Stored},
        notice::metadef::{self as notice, Act},
    },
};

/// Every resource type.
///
/// # Errors
/// As the policy decides.
pub async fn all(definitions: &Definitions, caller: &Caller) -> Result<Vec<Stored<String>>> {
    access::enforce_anywhere(definitions, caller, &["list_metadef_resource_types"]).await?;
    Ok(definitions.db.read("metadef_resource_type.all", rows::all).await?)
}

/// The associations of a namespace.
///
/// # Errors
/// As the policy decides.
pub async fn list(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
) -> Result<Vec<Stored<Association>>> {
    let found = access::find(definitions, caller, namespace, &["list_metadef_resource_types"]).await?;
    // The rule on each row has the namespace as its target, so it is the same for all of them.
    if !access::may(definitions, caller, "get_metadef_resource_type", &found).await? {
        return Ok(Vec::new());
    }
    let held = definitions
        .db
        .read("metadef_resource_type.list", move |conn| rows::of_namespaces(conn, &[found.id]))
        .await?;
    Ok(held.into_iter().map(|(_, association)| association).collect())
}

/// Associates a namespace with a resource type, which is created if it does not exist.
///
/// # Errors
/// [`Error::Conflict`] for an association that the namespace has; as the policy decides.
pub async fn associate(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    association: Association,
) -> Result<Stored<Association>> {
    let rules = ["add_metadef_resource_type_association"];
    let found = access::find(definitions, caller, namespace, &rules).await?;
    let (kind, stamp) = (association.name.clone(), Stamp::made(definitions.db.clock.now()));
    let teller = definitions.db.teller(caller);
    let added = definitions
        .db
        .write("metadef_resource_type.associate", move |conn| {
            let present = access::still_there(conn, &found)?;
            rows::insert(conn, &[(present.id, &association)], stamp, false)?;
            let stored = rows::find(conn, present.id, &association.name)?
                .ok_or_else(|| DbError::stale("metadef resource type", &association.name))?;
            teller.tell(conn, |now| [notice::association(Act::Create, &present, &stored, now)])?;
            Ok(stored)
        })
        .await;
    added.map_err(|error| {
        access::or_taken(error, || {
            Error::conflict(format!(
                "The metadata definition resource-type association of resource-type={kind} to \
             namespace={namespace} already exists."
            ))
        })
    })
}

/// Ends an association; the resource type stays.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] when the namespace is protected; as the policy decides.
pub async fn dissociate(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    kind: &str,
) -> Result<()> {
    let rules = ["remove_metadef_resource_type_association"];
    let found = access::find(definitions, caller, namespace, &rules).await?;
    let (key, teller) = (kind.to_owned(), definitions.db.teller(caller));
    Ok(definitions
        .db
        .write("metadef_resource_type.dissociate", move |conn| {
            let present = access::still_there(conn, &found)?;
            let association = rows::find(conn, present.id, &key)?
                .ok_or_else(|| Error::NotFound(format!("Failed to find resource type {key} to delete")))?;
            access::not_protected(&present, &format!("resource-type-association {key}"))?;
            rows::delete(conn, association.id)?;
            teller.tell(conn, |now| [notice::association(Act::Delete, &present, &association, now)])
        })
        .await?)
}
