//! Namespaces: create, list, show, update, delete (`glance/api/v2/metadef_namespaces.py`).

use std::collections::HashMap;

use super::Definitions;
use super::access::{self, enforce_anywhere};
use crate::{
    db::{
        Conn, DbError, DbResult,
        metadefs::{self as rows, Stamp},
    },
    model::{
        caller::Caller,
        error::{Error, Result},
        metadef::{
            Association, Contents, Namespace, NamespaceFields, Stored, StoredContents, input::NamespaceInput,
            list::NamespaceQuery,
        },
        notice::{
            Notice,
            metadef::{self as notice, Act},
        },
        time::Timestamp,
    },
};

/// A page of a list: namespaces with their associations.
#[derive(Debug)]
pub struct NamespacePage {
    /// The namespaces that the caller may see, in order.
    pub namespaces: Vec<(Namespace, Vec<Stored<Association>>)>,
    /// Where the next page starts, if there may be one.
    pub next_marker: Option<String>,
}

fn fields_of(input: NamespaceInput, caller: &Caller) -> NamespaceFields {
    NamespaceFields {
        namespace: input.namespace,
        display_name: input.display_name,
        description: input.description,
        visibility: input.visibility,
        protected: input.protected,
        owner: input.owner.or_else(|| caller.project_id.clone()).unwrap_or_default(),
    }
}

/// Creates a namespace with everything that the client gave it, or nothing of it.
///
/// # Errors
/// [`Error::Conflict`] for a name that is taken or a part that is given twice; as the policy decides.
pub async fn create(
    definitions: &Definitions,
    caller: &Caller,
    input: NamespaceInput,
    contents: Contents,
) -> Result<(Namespace, Contents)> {
    let mut rules = vec!["add_metadef_namespace"];
    let given = |some: Option<bool>| some.is_some_and(|is_empty| !is_empty);
    if given(contents.associations.as_ref().map(Vec::is_empty)) {
        rules.push("add_metadef_resource_type_association");
    }
    if given(contents.objects.as_ref().map(Vec::is_empty)) {
        rules.push("add_metadef_object");
    }
    if given(contents.properties.as_ref().map(Vec::is_empty)) {
        rules.push("add_metadef_property");
    }
    if given(contents.tags.as_ref().map(Vec::is_empty)) {
        rules.push("add_metadef_tag");
    }
    enforce_anywhere(definitions, caller, &rules).await?;
    let fields = fields_of(input, caller);
    refuse_twins(&fields.namespace, &contents)?;
    let (name, stamp) = (fields.namespace.clone(), Stamp::made(definitions.db.clock.now()));
    let teller = definitions.db.teller(caller);
    let added = definitions
        .db
        .write("metadef_namespace.insert", move |conn| {
            rows::namespaces::insert(conn, &[&fields], stamp)?;
            let namespace = rows::namespaces::find(conn, &fields.namespace)?
                .ok_or_else(|| DbError::stale("metadef namespace", &fields.namespace))?;
            rows::insert_contents(conn, &[(namespace.id, &contents)], stamp, false)?;
            teller.tell(conn, |now| notice::whole(&namespace, &contents, now))?;
            Ok((namespace, contents.clone()))
        })
        .await;
    added.map_err(|error| access::or_taken(error, || taken(&name)))
}

fn taken(name: &str) -> Error {
    Error::conflict(format!("The metadata definition namespace={name} already exists."))
}

/// Refuses parts that are given twice; the database would, but could not say which.
fn refuse_twins(namespace: &str, contents: &Contents) -> Result<()> {
    let associations = contents.associations.iter().flatten().map(|a| ("association with", &a.name));
    let objects = contents.objects.iter().flatten().map(|o| ("object", &o.name));
    let tags = contents.tags.iter().flatten().map(|t| ("tag", t));
    let mut seen = std::collections::BTreeSet::new();
    for (kind, name) in associations.chain(objects).chain(tags) {
        if !seen.insert((kind, name)) {
            return Err(Error::conflict(format!(
                "The {kind} {name} is given twice for the metadata definition namespace={namespace}."
            )));
        }
    }
    Ok(())
}

/// A page of the namespaces that the caller may see.
///
/// # Errors
/// [`Error::NotFound`] for an unknown marker, [`Error::Forbidden`] for one that the caller may not see; as the
/// policy decides.
pub async fn list(
    definitions: &Definitions,
    caller: &Caller,
    query: NamespaceQuery,
) -> Result<NamespacePage> {
    enforce_anywhere(definitions, caller, &["get_metadef_namespaces", "list_metadef_resource_types"]).await?;
    let (asked, who) = (query.clone(), caller.clone());
    let found = definitions
        .db
        .read("metadef_namespace.list", move |conn| {
            let marker = match &asked.marker {
                None => None,
                Some(name) => Some(marker(&who, name, rows::namespaces::find(conn, name)?)?),
            };
            let page = rows::namespaces::page(conn, &who, &asked, marker.as_ref())?;
            let ids: Vec<i64> = page.iter().map(|n| n.id).collect();
            Ok((page, rows::resource_types::of_namespaces(conn, &ids)?))
        })
        .await?;
    let (page, associations) = found;
    let is_full = query.limit > 0 && page.len() as u64 == u64::from(query.limit);
    let mut by_namespace: HashMap<i64, Vec<Stored<Association>>> = HashMap::new();
    for (id, association) in associations {
        by_namespace.entry(id).or_default().push(association);
    }
    let mut namespaces = Vec::with_capacity(page.len());
    for namespace in page {
        if access::may(definitions, caller, "get_metadef_namespace", &namespace).await? {
            let held = by_namespace.remove(&namespace.id).unwrap_or_default();
            namespaces.push((namespace, held));
        }
    }
    let last = namespaces.last().map(|(namespace, _)| namespace.fields.namespace.clone());
    Ok(NamespacePage { namespaces, next_marker: last.filter(|_| is_full) })
}

fn marker(caller: &Caller, name: &str, found: Option<Namespace>) -> DbResult<Namespace> {
    match found {
        None => Err(Error::NotFound(format!("Metadata definition namespace={name} was not found.")).into()),
        Some(namespace) if !namespace.is_visible_to(caller) => Err(Error::forbidden(format!(
            "The metadata definition namespace={name} is not visible; it cannot serve as a marker."
        ))
        .into()),
        Some(namespace) => Ok(namespace),
    }
}

/// A namespace with all its parts, and the prefix of its properties on a resource type: none unless the namespace is
/// associated with `resource_type` with a prefix.
///
/// # Errors
/// [`Error::NotFound`] when the caller may not see it; as the policy decides.
pub async fn show(
    definitions: &Definitions,
    caller: &Caller,
    name: &str,
    resource_type: Option<&str>,
) -> Result<(Namespace, StoredContents, String)> {
    let rules = [
        "get_metadef_namespace",
        "list_metadef_resource_types",
        "get_metadef_objects",
        "get_metadef_properties",
        "get_metadef_tags",
    ];
    let namespace = access::find(definitions, caller, name, &rules).await?;
    let id = namespace.id;
    let held =
        definitions.db.read("metadef_namespace.contents", move |conn| rows::contents(conn, id)).await?;
    let association = held.associations.iter().find(|a| Some(a.value.name.as_str()) == resource_type);
    let prefix = association.and_then(|a| a.value.prefix.clone()).unwrap_or_default();
    Ok((namespace, held, prefix))
}

/// Replaces what is said about a namespace; what it holds stays.
///
/// # Errors
/// [`Error::Conflict`] when the new name is taken; as the policy decides.
pub async fn update(
    definitions: &Definitions,
    caller: &Caller,
    name: &str,
    input: NamespaceInput,
) -> Result<Namespace> {
    let namespace = access::find(definitions, caller, name, &["modify_metadef_namespace"]).await?;
    // Unlike a creation, an update takes an empty owner for none.
    let owner = input.owner.filter(|owner| !owner.is_empty());
    let fields = fields_of(NamespaceInput { owner, ..input }, caller);
    let new_name = fields.namespace.clone();
    let (clock, teller) = (definitions.db.clock.clone(), definitions.db.teller(caller));
    let saved = definitions
        .db
        .write("metadef_namespace.update", move |conn| {
            let before = access::still_there(conn, &namespace)?;
            let updated_at = Some(clock.now());
            rows::namespaces::update(conn, before.id, &fields, updated_at)?;
            let old = before.fields.namespace.clone();
            let saved = Namespace { fields: fields.clone(), updated_at, ..before };
            teller.tell(conn, |now| [notice::namespace(Act::Update(&old), &saved, now)])?;
            Ok(saved)
        })
        .await;
    saved.map_err(|error| access::or_taken(error, || taken(&new_name)))
}

/// Deletes a namespace and everything that it holds; resource types stay.
///
/// # Errors
/// [`Error::Forbidden`] when it is protected; as the policy decides.
pub async fn delete(definitions: &Definitions, caller: &Caller, name: &str) -> Result<()> {
    let namespace = access::find(definitions, caller, name, &["delete_metadef_namespace"]).await?;
    let delete = |conn: &mut Conn, id| rows::namespaces::delete(conn, &[id]);
    delete_parts(definitions, caller, namespace, delete, |space, now| {
        notice::namespace(Act::Delete, space, now)
    })
    .await
}

/// Deletes the whole of a namespace, or all of its parts of one kind; `say` is what others are told of that.
///
/// # Errors
/// [`Error::Forbidden`] when it is protected.
pub(super) async fn delete_parts(
    definitions: &Definitions,
    caller: &Caller,
    namespace: Namespace,
    delete: impl Fn(&mut Conn, i64) -> DbResult<()> + Send + 'static,
    say: impl Fn(&Namespace, Timestamp) -> Notice + Send + 'static,
) -> Result<()> {
    let teller = definitions.db.teller(caller);
    Ok(definitions
        .db
        .write("metadef_namespace.delete_parts", move |conn| {
            let present = access::still_there(conn, &namespace)?;
            access::whole_not_protected(&present)?;
            delete(conn, present.id)?;
            teller.tell(conn, |now| [say(&present, now)])
        })
        .await?)
}
