//! Objects of namespaces (`glance/api/v2/metadef_objects.py`).

use super::{Definitions, access, namespaces::delete_parts};
use crate::{
    db::{
        DbError,
        metadefs::{Stamp, objects as rows},
    },
    model::{
        caller::Caller,
        error::{Error, Result},
        metadef::{Object, Stored},
        notice::metadef::{self as notice, Act},
    },
};

fn missing(name: &str) -> Error {
    Error::NotFound(format!("Could not find metadata object {name}"))
}

fn taken(namespace: &str, name: &str) -> Error {
    Error::conflict(format!(
        "A metadata definition object with name={name} already exists in namespace={namespace}."
    ))
}

/// The objects of a namespace, by name.
///
/// # Errors
/// As the policy decides.
pub async fn list(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
) -> Result<Vec<Stored<Object>>> {
    let namespace = access::find(definitions, caller, namespace, &["get_metadef_objects"]).await?;
    // The rule on each row has the namespace as its target, so it is the same for all of them.
    if !access::may(definitions, caller, "get_metadef_object", &namespace).await? {
        return Ok(Vec::new());
    }
    Ok(definitions.db.read("metadef_object.list", move |conn| rows::list(conn, namespace.id)).await?)
}

/// Adds an object.
///
/// # Errors
/// [`Error::Conflict`] for a name that the namespace has; as the policy decides.
pub async fn create(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    object: Object,
) -> Result<Stored<Object>> {
    let found = access::find(definitions, caller, namespace, &["add_metadef_object"]).await?;
    let (name, stamp) = (object.name.clone(), Stamp::made(definitions.db.clock.now()));
    let teller = definitions.db.teller(caller);
    let added = definitions
        .db
        .write("metadef_object.insert", move |conn| {
            let present = access::still_there(conn, &found)?;
            rows::insert(conn, &[(present.id, &object)], stamp)?;
            let stored = rows::find(conn, present.id, &object.name)?
                .ok_or_else(|| DbError::stale("metadef object", &object.name))?;
            // The answer says what the client said, not what absent members come to.
            let stored = Stored { value: object.clone(), ..stored };
            teller.tell(conn, |now| [notice::object(Act::Create, &present, &stored, now)])?;
            Ok(stored)
        })
        .await;
    added.map_err(|error| access::or_taken(error, || taken(namespace, &name)))
}

/// One object.
///
/// # Errors
/// [`Error::NotFound`]; as the policy decides.
pub async fn show(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    name: &str,
) -> Result<Stored<Object>> {
    let found = access::find(definitions, caller, namespace, &["get_metadef_object"]).await?;
    let key = name.to_owned();
    let object =
        definitions.db.read("metadef_object.find", move |conn| rows::find(conn, found.id, &key)).await?;
    object.ok_or_else(|| missing(name))
}

/// Replaces an object; what the client does not mention becomes empty.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Conflict`] for a new name that the namespace has; as the policy decides.
pub async fn update(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    name: &str,
    object: Object,
) -> Result<Stored<Object>> {
    let found = access::find(definitions, caller, namespace, &["modify_metadef_object"]).await?;
    let (key, new_name) = (name.to_owned(), object.name.clone());
    let (clock, teller) = (definitions.db.clock.clone(), definitions.db.teller(caller));
    let saved = definitions
        .db
        .write("metadef_object.update", move |conn| {
            let present = access::still_there(conn, &found)?;
            let before = rows::find(conn, present.id, &key)?.ok_or_else(|| missing(&key))?;
            let updated_at = Some(clock.now());
            rows::update(conn, before.id, &object, updated_at)?;
            let saved = Stored { value: object.clone(), updated_at, ..before };
            teller.tell(conn, |now| [notice::object(Act::Update(&key), &present, &saved, now)])?;
            Ok(saved)
        })
        .await;
    saved.map_err(|error| access::or_taken(error, || taken(namespace, &new_name)))
}

/// Deletes an object.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] when the namespace is protected; as the policy decides.
pub async fn delete(definitions: &Definitions, caller: &Caller, namespace: &str, name: &str) -> Result<()> {
    let found = access::find(definitions, caller, namespace, &["delete_metadef_object"]).await?;
    let (key, teller) = (name.to_owned(), definitions.db.teller(caller));
    Ok(definitions
        .db
        .write("metadef_object.delete", move |conn| {
            let present = access::still_there(conn, &found)?;
            let object = rows::find(conn, present.id, &key)?.ok_or_else(|| missing(&key))?;
            access::not_protected(&present, &format!("object {key}"))?;
            rows::delete(conn, object.id)?;
            teller.tell(conn, |now| [notice::object(Act::Delete, &present, &object, now)])
        })
        .await?)
}

/// Deletes every object of a namespace.
///
/// # Errors
/// [`Error::Forbidden`] when the namespace is protected; as the policy decides.
pub async fn delete_all(definitions: &Definitions, caller: &Caller, namespace: &str) -> Result<()> {
    let found = access::find(definitions, caller, namespace, &["delete_metadef_namespace"]).await?;
    delete_parts(definitions, caller, found, rows::delete_all, |space, now| {
        notice::emptied("metadef_namespace.delete_objects", space, now)
    })
    .await
}
