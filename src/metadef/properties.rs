//! Properties of namespaces (`glance/api/v2/metadef_properties.py`).

use super::{Definitions, access, namespaces::delete_parts};
use crate::{
    db::{
        Conn, DbResult,
        metadefs::{Stamp, properties as rows, resource_types},
    },
    model::{
        caller::Caller,
        error::{Error, Result},
        metadef::{Property, Stored},
        notice::metadef::{self as notice, Act},
    },
};

fn missing(name: &str) -> Error {
    Error::NotFound(format!("Could not find property {name}"))
}

fn taken(namespace: &str, name: &str) -> Error {
    Error::conflict(format!(
        "A metadata definition property with name={name} already exists in namespace={namespace}."
    ))
}

/// The properties of a namespace, by name.
///
/// # Errors
/// As the policy decides.
pub async fn list(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
) -> Result<Vec<Stored<Property>>> {
    let found = access::find(definitions, caller, namespace, &["get_metadef_properties"]).await?;
    Ok(definitions.db.read("metadef_property.list", move |conn| rows::list(conn, found.id)).await?)
}

/// Adds a property.
///
/// # Errors
/// [`Error::Conflict`] for a name that the namespace has; as the policy decides.
pub async fn create(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    property: Property,
) -> Result<Property> {
    let found = access::find(definitions, caller, namespace, &["add_metadef_property"]).await?;
    let (name, stamp) = (property.name.clone(), Stamp::made(definitions.db.clock.now()));
    let teller = definitions.db.teller(caller);
    let added = definitions
        .db
        .write("metadef_property.insert", move |conn| {
            let present = access::still_there(conn, &found)?;
            rows::insert(conn, &[(present.id, &property)], stamp)?;
            teller.tell(conn, |now| [notice::property(Act::Create, &present, &property, now)])?;
            Ok(property.clone())
        })
        .await;
    added.map_err(|error| access::or_taken(error, || taken(namespace, &name)))
}

/// One property. With `resource_type`, `name` carries the prefix that the association with that type has.
///
/// # Errors
/// [`Error::NotFound`]; as the policy decides.
pub async fn show(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    name: &str,
    resource_type: Option<&str>,
) -> Result<Property> {
    let mut rules = vec!["get_metadef_property"];
    if resource_type.is_some() {
        rules.push("get_metadef_resource_type");
    }
    let found = access::find(definitions, caller, namespace, &rules).await?;
    let (key, kind, space) = (name.to_owned(), resource_type.map(str::to_owned), namespace.to_owned());
    let property = definitions
        .db
        .read("metadef_property.find", move |conn| {
            let key = match &kind {
                Some(kind) => without_prefix(conn, found.id, &space, kind, &key)?,
                None => key.clone(),
            };
            rows::find(conn, found.id, &key)
        })
        .await?;
    property.map(|property| property.value).ok_or_else(|| missing(name))
}

/// The property's own name, from the name that it has on a type of resource.
fn without_prefix(conn: &mut Conn, id: i64, namespace: &str, kind: &str, name: &str) -> DbResult<String> {
    if !resource_types::exists(conn, kind)? {
        return Err(
            Error::NotFound(format!("The metadata definition resource-type {kind} was not found.")).into()
        );
    }
    let association = resource_types::find(conn, id, kind)?.ok_or_else(|| {
        Error::NotFound(format!("The namespace {namespace} is not associated with the resource type {kind}."))
    })?;
    let prefix = association.value.prefix;
    match prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix)) {
        Some(rest) => Ok(rest.to_owned()),
        None => Err(Error::NotFound(format!(
            "Property {name} does not start with the prefix {:?} of the resource type association.",
            prefix.unwrap_or_default()
        ))
        .into()),
    }
}

/// Replaces a property.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Conflict`] for a new name that the namespace has; as the policy decides.
pub async fn update(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    name: &str,
    property: Property,
) -> Result<Property> {
    let found = access::find(definitions, caller, namespace, &["modify_metadef_property"]).await?;
    let (key, new_name) = (name.to_owned(), property.name.clone());
    let (clock, teller) = (definitions.db.clock.clone(), definitions.db.teller(caller));
    let saved = definitions
        .db
        .write("metadef_property.update", move |conn| {
            let present = access::still_there(conn, &found)?;
            let before = rows::find(conn, present.id, &key)?.ok_or_else(|| missing(&key))?;
            rows::update(conn, before.id, &property, Some(clock.now()))?;
            teller.tell(conn, |now| [notice::property(Act::Update(&key), &present, &property, now)])?;
            Ok(property.clone())
        })
        .await;
    saved.map_err(|error| access::or_taken(error, || taken(namespace, &new_name)))
}

/// Deletes a property.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] when the namespace is protected; as the policy decides.
pub async fn delete(definitions: &Definitions, caller: &Caller, namespace: &str, name: &str) -> Result<()> {
    let found = access::find(definitions, caller, namespace, &["remove_metadef_property"]).await?;
    let (key, teller) = (name.to_owned(), definitions.db.teller(caller));
    Ok(definitions
        .db
        .write("metadef_property.delete", move |conn| {
            let present = access::still_there(conn, &found)?;
            let property = rows::find(conn, present.id, &key)?.ok_or_else(|| missing(&key))?;
            access::not_protected(&present, &format!("property {key}"))?;
            rows::delete(conn, property.id)?;
            teller.tell(conn, |now| [notice::property(Act::Delete, &present, &property.value, now)])
        })
        .await?)
}

/// Deletes every property of a namespace.
///
/// # Errors
/// [`Error::Forbidden`] when the namespace is protected; as the policy decides.
pub async fn delete_all(definitions: &Definitions, caller: &Caller, namespace: &str) -> Result<()> {
    let found = access::find(definitions, caller, namespace, &["delete_metadef_namespace"]).await?;
    delete_parts(definitions, caller, found, rows::delete_all, |space, now| {
        notice::emptied("metadef_namespace.delete_properties", space, now)
    })
    .await
}
