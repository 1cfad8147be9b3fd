//! Tags of namespaces (`glance/api/v2/metadef_tags.py`).

use std::collections::BTreeSet;

use super::{Definitions, access, namespaces::delete_parts};
use crate::{
    db::{
        DbError,
        metadefs::{Stamp, tags as rows},
    },
    model::{
        caller::Caller,
        error::{Error, Result},
        metadef::{Stored, list::TagQuery},
        notice::metadef::{self as notice, Act},
    },
};

fn missing(name: &str) -> Error {
    Error::NotFound(format!("Could not find metadata tag {name}"))
}

fn taken(namespace: &str, name: &str) -> Error {
    Error::conflict(format!("A metadata tag with name={name} already exists in namespace={namespace}."))
}

/// A page of the tags of a namespace.
///
/// # Errors
/// [`Error::NotFound`] for an unknown marker; as the policy decides.
pub async fn list(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    query: TagQuery,
) -> Result<Vec<Stored<String>>> {
    let found = access::find(definitions, caller, namespace, &["get_metadef_tags"]).await?;
    Ok(definitions
        .db
        .read("metadef_tag.list", move |conn| {
            let marker = match &query.marker {
                None => None,
                Some(name) => Some(rows::find(conn, found.id, name)?.ok_or_else(|| missing(name))?),
            };
            rows::page(conn, found.id, &query, marker.as_ref())
        })
        .await?)
}

/// Adds a tag.
///
/// # Errors
/// [`Error::Conflict`] for a name that the namespace has; as the policy decides.
pub async fn create(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    name: String,
) -> Result<Stored<String>> {
    let found = access::find(definitions, caller, namespace, &["add_metadef_tag"]).await?;
    let (key, stamp) = (name.clone(), Stamp::made(definitions.db.clock.now()));
    let teller = definitions.db.teller(caller);
    let added = definitions
        .db
        .write("metadef_tag.insert", move |conn| {
            let present = access::still_there(conn, &found)?;
            rows::insert(conn, &[(present.id, key.as_str())], stamp)?;
            let tag = rows::find(conn, present.id, &key)?;
            let tag = tag.ok_or_else(|| DbError::stale("metadef tag", &key))?;
            teller.tell(conn, |now| [notice::tag(Act::Create, &present, &tag, now)])?;
            Ok(tag)
        })
        .await;
    added.map_err(|error| access::or_taken(error, || taken(namespace, &name)))
}

/// Adds many tags, or without `append` replaces all; an empty list changes nothing. `names` is `None` if the client
/// sent none at all.
///
/// # Errors
/// [`Error::Invalid`] without names, [`Error::Conflict`] for a name given twice or, when appending, one that the
/// namespace has; nothing has changed then. As the policy decides.
pub async fn create_many(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    names: Option<Vec<String>>,
    append: bool,
) -> Result<Vec<String>> {
    let found = access::find(definitions, caller, namespace, &["add_metadef_tags"]).await?;
    let names = names.ok_or_else(|| Error::invalid("'tags' is a required property"))?;
    let mut seen = BTreeSet::new();
    if let Some(twin) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(taken(namespace, twin));
    }
    if names.is_empty() {
        return Ok(names);
    }
    let (stamp, space) = (Stamp::made(definitions.db.clock.now()), namespace.to_owned());
    let teller = definitions.db.teller(caller);
    Ok(definitions
        .db
        .write("metadef_tag.insert_many", move |conn| {
            let present = access::still_there(conn, &found)?;
            if append {
                let have = rows::list(conn, present.id)?;
                let wanted: BTreeSet<&String> = names.iter().collect();
                if let Some(old) = have.iter().find(|old| wanted.contains(&old.value)) {
                    return Err(taken(&space, &old.value).into());
                }
            } else {
                rows::delete_all(conn, present.id)?;
            }
            let new: Vec<(i64, &str)> = names.iter().map(|name| (present.id, name.as_str())).collect();
            rows::insert(conn, &new, stamp)?;
            teller.tell(conn, |now| {
                let tags = names.iter().map(|name| notice::fresh(name.clone(), now));
                tags.map(|tag| notice::tag(Act::Create, &present, &tag, now)).collect::<Vec<_>>()
            })?;
            Ok(names.clone())
        })
        .await?)
}

/// One tag.
///
/// # Errors
/// [`Error::NotFound`]; as the policy decides.
pub async fn show(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    name: &str,
) -> Result<Stored<String>> {
    let found = access::find(definitions, caller, namespace, &["get_metadef_tag"]).await?;
    let key = name.to_owned();
    let tag = definitions.db.read("metadef_tag.find", move |conn| rows::find(conn, found.id, &key)).await?;
    tag.ok_or_else(|| missing(name))
}

/// Renames a tag.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Conflict`] for a new name that the namespace has; as the policy decides.
pub async fn rename(
    definitions: &Definitions,
    caller: &Caller,
    namespace: &str,
    name: &str,
    new_name: String,
) -> Result<Stored<String>> {
    let found = access::find(definitions, caller, namespace, &["modify_metadef_tag"]).await?;
    let (key, wanted) = (name.to_owned(), new_name.clone());
    let (clock, teller) = (definitions.db.clock.clone(), definitions.db.teller(caller));
    let saved = definitions
        .db
        .write("metadef_tag.rename", move |conn| {
            let present = access::still_there(conn, &found)?;
            let before = rows::find(conn, present.id, &key)?.ok_or_else(|| missing(&key))?;
            let now = clock.now();
            rows::rename(conn, before.id, &new_name, now)?;
            let saved = Stored { value: new_name.clone(), updated_at: Some(now), ..before };
            teller.tell(conn, |now| [notice::tag(Act::Update(&key), &present, &saved, now)])?;
            Ok(saved)
        })
        .await;
    saved.map_err(|error| access::or_taken(error, || taken(namespace, &wanted)))
}

/// Deletes a tag.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] when the namespace is protected; as the policy decides.
pub async fn delete(definitions: &Definitions, caller: &Caller, namespace: &str, name: &str) -> Result<()> {
    let found = access::find(definitions, caller, namespace, &["delete_metadef_tag"]).await?;
    let (key, teller) = (name.to_owned(), definitions.db.teller(caller));
    Ok(definitions
        .db
        .write("metadef_tag.delete", move |conn| {
            let present = access::still_there(conn, &found)?;
            let tag = rows::find(conn, present.id, &key)?.ok_or_else(|| missing(&key))?;
            access::not_protected(&present, &format!("tag {key}"))?;
            rows::delete(conn, tag.id)?;
            teller.tell(conn, |now| [notice::tag(Act::Delete, &present, &tag, now)])
        })
        .await?)
}

/// Deletes every tag of a namespace.
///
/// # Errors
/// [`Error::Forbidden`] when the namespace is protected; as the policy decides.
pub async fn delete_all(definitions: &Definitions, caller: &Caller, namespace: &str) -> Result<()> {
    let rules = ["delete_metadef_namespace", "delete_metadef_tags"];
    let found = access::find(definitions, caller, namespace, &rules).await?;
    delete_parts(definitions, caller, found, rows::delete_all, |space, now| {
        notice::emptied("metadef_namespace.delete_tags", space, now)
    })
    .await
}
