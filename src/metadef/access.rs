//! Finding a namespace as a caller sees it, and the policy checks for it (`glance/api/v2/policy.py:
//! MetadefAPIPolicy`).

use std::borrow::Cow;

use serde_json::{Value, json};

use super::Definitions;
use crate::{
    access::{mutating, refused, targets::CallerTarget},
    db::{self, Conn, DbError, DbResult},
    model::{
        caller::Caller,
        error::{Error, Result},
        metadef::{NAME_CHARS_MAX, Namespace, NamespaceFields},
    },
    policy::Target,
};

/// A namespace as the target of a rule: its owner and its visibility.
pub struct NamespaceTarget<'a>(pub &'a NamespaceFields);

impl Target for NamespaceTarget<'_> {
    fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        match key {
            "project_id" => Some(Cow::Borrowed(&self.0.owner)),
            "visibility" => Some(Cow::Borrowed(self.0.visibility.as_str())),
            _ => None,
        }
    }

    fn entries(&self) -> Vec<(String, Value)> {
        vec![
            ("project_id".to_owned(), json!(self.0.owner)),
            ("visibility".to_owned(), json!(self.0.visibility.as_str())),
        ]
    }
}

const SHOW: &str = "get_metadef_namespace";

/// Requires rules on a target, one after the other. Writing is refused to read-only callers whatever the rules
/// say.
///
/// # Errors
/// [`Error::NotFound`] when the caller may not even see such a namespace, else [`Error::Forbidden`].
async fn enforce_on(
    definitions: &Definitions,
    caller: &Caller,
    rules: &[&str],
    target: &(dyn Target + Sync),
) -> Result<()> {
    for rule in rules {
        if !definitions.access.allowed(caller, rule, target).await? {
            if *rule == SHOW || !definitions.access.allowed(caller, SHOW, target).await? {
                return Err(Error::NotFound("The resource could not be found.".to_owned()));
            }
            return Err(refused(rule));
        }
        if !rule.starts_with("get_") && !rule.starts_with("list_") {
            mutating(caller)?;
        }
    }
    Ok(())
}

/// Requires rules on a namespace.
///
/// # Errors
/// [`Error::NotFound`] when the caller may not even see it, else [`Error::Forbidden`].
pub async fn enforce(
    definitions: &Definitions,
    caller: &Caller,
    rules: &[&str],
    namespace: &Namespace,
) -> Result<()> {
    enforce_on(definitions, caller, rules, &NamespaceTarget(&namespace.fields)).await
}

/// Requires rules that concern no namespace; the target is the caller's own project.
///
/// # Errors
/// As [`enforce`].
pub async fn enforce_anywhere(definitions: &Definitions, caller: &Caller, rules: &[&str]) -> Result<()> {
    enforce_on(definitions, caller, rules, &CallerTarget(caller)).await
}

/// Whether a rule allows a caller to have a row of a list.
///
/// # Errors
/// [`Error::Internal`] when the rule cannot be evaluated.
pub async fn may(
    definitions: &Definitions,
    caller: &Caller,
    rule: &str,
    namespace: &Namespace,
) -> Result<bool> {
    definitions.access.allowed(caller, rule, &NamespaceTarget(&namespace.fields)).await
}

/// The namespace does not exist, or is hidden from the caller.
pub fn missing(name: &str) -> Error {
    Error::NotFound(format!("Namespace {name} not found"))
}

/// Loads a namespace as the database shows it to the caller, and requires rules on it.
///
/// # Errors
/// [`Error::NotFound`] when it is absent or hidden; as [`enforce`].
pub async fn find(
    definitions: &Definitions,
    caller: &Caller,
    name: &str,
    rules: &[&str],
) -> Result<Namespace> {
    if name.chars().count() > NAME_CHARS_MAX || name.contains('\0') {
        return Err(missing(name));
    }
    let key = name.to_owned();
    let found = definitions
        .db
        .read("metadef_namespace.find", move |conn| db::metadefs::namespaces::find(conn, &key))
        .await?;
    let namespace = found.filter(|n| n.is_visible_to(caller)).ok_or_else(|| missing(name))?;
    enforce(definitions, caller, rules, &namespace).await?;
    Ok(namespace)
}

/// Locks a namespace inside a transaction and returns its present state.
///
/// # Errors
/// [`Error::NotFound`] when it was deleted since it was found.
pub fn still_there(conn: &mut Conn, namespace: &Namespace) -> DbResult<Namespace> {
    let present = db::metadefs::namespaces::lock(conn, namespace.id)?;
    Ok(present.ok_or_else(|| missing(&namespace.fields.namespace))?)
}

/// The caller's error for a failed change: `taken` if another has the name.
pub fn or_taken(error: DbError, taken: impl FnOnce() -> Error) -> Error {
    match error {
        DbError::Duplicate(_) => taken(),
        other => other.into(),
    }
}

/// Refuses to delete `what` from a protected namespace.
///
/// # Errors
/// [`Error::Forbidden`]
pub fn not_protected(namespace: &Namespace, what: &str) -> Result<()> {
    if namespace.fields.protected {
        return Err(Error::forbidden(format!(
            "Metadata definition {what} is protected and cannot be deleted."
        )));
    }
    Ok(())
}

/// Refuses to delete the whole of a protected namespace, or all of its parts of one kind.
///
/// # Errors
/// [`Error::Forbidden`]
pub fn whole_not_protected(namespace: &Namespace) -> Result<()> {
    not_protected(namespace, &format!("namespace {}", namespace.fields.namespace))
}
