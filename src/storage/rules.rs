//! The rules of placement: made, changed, removed and tried.

use std::sync::Arc;

use uuid::Uuid;

use serde_json::{Value, json};

use super::{Storages, enforce, refresh, several};
use crate::{
    access,
    db::{self, Conn, DbResult},
    image::{Images, placement, query},
    model::{
        caller::Caller,
        error::{Error, Result},
        placement::{Decision, Facts, Rule},
    },
    store::Stores,
};

fn none(id: &str) -> Error {
    Error::NotFound(format!("There is no placement rule {id}."))
}

/// Requires that a rule leads to a store that can take data.
fn check_store(images: &Images, rule: &Rule) -> Result<()> {
    match images.stores.get(&rule.store) {
        Some(named) if named.capabilities().writes => Ok(()),
        Some(_) => Err(Error::invalid(format!("The store {:?} only reads.", rule.store))),
        None => Err(Error::invalid(format!("There is no store {:?}.", rule.store))),
    }
}

/// The rules, in their order.
///
/// # Errors
/// [`Error::Forbidden`]
pub async fn list(storages: &Storages, caller: &Caller) -> Result<Vec<Rule>> {
    enforce(&storages.images, caller).await?;
    Ok(storages.images.db.read("placement.list", db::placement::list).await?)
}

/// A rule.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`]
pub async fn show(storages: &Storages, caller: &Caller, id: &str) -> Result<Rule> {
    enforce(&storages.images, caller).await?;
    let key = id.to_owned();
    let found =
        storages.images.db.read("placement.find", move |conn| db::placement::find(conn, &key)).await?;
    found.ok_or_else(|| none(id))
}

/// Makes a rule.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`], and [`Error::Conflict`] beyond the number that there may be.
pub async fn create(storages: &Storages, caller: &Caller, body: &Value) -> Result<Rule> {
    let images = &storages.images;
    access::mutating(caller)?;
    enforce(images, caller).await?;
    several(images)?;
    let (rule, is_placed) = Rule::parse(body, Uuid::new_v4().to_string(), images.db.clock.now())?;
    check_store(images, &rule)?;
    let stores = Arc::clone(&images.stores);
    let insert = move |conn: &mut Conn| {
        let (count, last) = db::placement::count(conn)?;
        if count >= db::placement::LIST_MAX {
            let text = format!("There are {count} placement rules, which is as many as there may be.");
            return Err(Error::conflict(text).because("too-many", json!({})).into());
        }
        let place = if is_placed { rule.position } else { last.map_or(0, Rule::place_after) };
        let rule = Rule { position: place, ..rule.clone() };
        hold(conn, &stores, &rule)?;
        db::placement::insert(conn, &rule)?;
        Ok(rule)
    };
    let rule = images.db.write("placement.insert", insert).await?;
    refresh::refresh(storages).await?;
    Ok(rule)
}

/// Requires that the store of a rule is there, which stays so until the transaction ends: this node may not know yet that it
/// has gone.
fn hold(conn: &mut Conn, stores: &Stores, rule: &Rule) -> DbResult<()> {
    if db::storages::hold(conn, &rule.store)?.is_some() || stores.is_configured(&rule.store) {
        return Ok(());
    }
    Err(Error::invalid(format!("There is no store {}.", rule.store)).into())
}

/// Changes a rule.
///
/// # Errors
/// As [`create`], and [`Error::NotFound`].
pub async fn change(storages: &Storages, caller: &Caller, id: &str, body: &Value) -> Result<Rule> {
    let images = &storages.images;
    access::mutating(caller)?;
    let before = show(storages, caller, id).await?;
    let rule = before.changed(body, images.db.clock.now())?;
    check_store(images, &rule)?;
    let stores = Arc::clone(&images.stores);
    let update = move |conn: &mut Conn| {
        hold(conn, &stores, &rule)?;
        match db::placement::update(conn, &rule)? {
            true => Ok(rule.clone()),
            false => Err(none(&rule.id).into()),
        }
    };
    let rule = images.db.write("placement.update", update).await?;
    refresh::refresh(storages).await?;
    Ok(rule)
}

/// Removes a rule.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`]
pub async fn remove(storages: &Storages, caller: &Caller, id: &str) -> Result<()> {
    access::mutating(caller)?;
    enforce(&storages.images, caller).await?;
    let key = id.to_owned();
    let gone =
        storages.images.db.write("placement.delete", move |conn| db::placement::delete(conn, &key)).await?;
    if !gone {
        return Err(none(id));
    }
    refresh::refresh(storages).await?;
    Ok(())
}

/// What an image is that is tried.
#[derive(Debug)]
pub enum Tried {
    /// One that is there.
    Image(String),
    /// One that need not be.
    Facts(Facts),
}

/// Where an image would go now whose client names no store, and why.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::ImageNotFound`], [`Error::Conflict`] with a single store.
pub async fn try_out(storages: &Storages, caller: &Caller, tried: Tried) -> Result<(Facts, Decision)> {
    let images = &storages.images;
    enforce(images, caller).await?;
    several(images)?;
    let facts = match tried {
        Tried::Facts(facts) => facts,
        Tried::Image(id) => Facts::of(&query::find(images, caller, &id).await?),
    };
    let rules = images.db.read("placement.list", db::placement::list).await?;
    let decision = placement::decision(images, &rules, &facts);
    Ok((facts, decision))
}
