//! Whole catalogues: loading many namespaces at once, removing all, reading all.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use super::{
    contents, insert_contents, namespaces, objects, properties, resource_types,
    shared::{KEYS_AT_ONCE, Stamp},
    tags,
};
use crate::{
    db::{Conn, DbError, DbResult, metadefs::tables::metadef_seed},
    model::{
        metadef::{Contents, Namespace, NamespaceFields, StoredContents, file::NamespaceFile},
        time::Timestamp,
    },
};

/// What happens to existing namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They stay as they are.
    Skip,
    /// What they lack is added.
    Merge,
    /// What they lack is added, and what they have is brought up to date.
    PreferNew,
    /// They are deleted and come again.
    Replace,
}

/// The result of a load, in namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// New ones.
    pub added: usize,
    /// Ones that got what they lacked.
    pub merged: usize,
    /// Ones that got what they lacked, and whose rest was brought up to date.
    pub updated: usize,
    /// Ones that were replaced.
    pub replaced: usize,
    /// Ones that stayed as they were.
    pub skipped: usize,
}

/// Loads namespaces, whose names must be different.
///
/// # Errors
/// Only the database's own.
pub fn load(conn: &mut Conn, files: &[NamespaceFile], mode: Mode, now: Timestamp) -> DbResult<Report> {
    let existing = ids_by_name(conn)?;
    let (mut new, mut old, mut doomed) = (Vec::new(), Vec::new(), Vec::new());
    let mut report = Report::default();
    for file in files {
        match (existing.get(&file.fields.namespace), mode) {
            (None, _) => {
                report.added += 1;
                new.push(file);
            }
            (Some(_), Mode::Skip) => report.skipped += 1,
            (Some(id), Mode::Merge) => {
                report.merged += 1;
                old.push((*id, file));
            }
            (Some(id), Mode::PreferNew) => {
                report.updated += 1;
                old.push((*id, file));
            }
            (Some(id), Mode::Replace) => {
                report.replaced += 1;
                doomed.push(*id);
                new.push(file);
            }
        }
    }
    if !doomed.is_empty() {
        namespaces::delete(conn, &doomed)?;
    }
    insert_new(conn, &new, now)?;
    for (id, file) in old {
        merge(conn, id, file, mode == Mode::PreferNew, now)?;
    }
    Ok(report)
}

fn ids_by_name(conn: &mut Conn) -> DbResult<HashMap<String, i64>> {
    Ok(namespaces::all(conn)?.into_iter().map(|n| (n.fields.namespace, n.id)).collect())
}

fn insert_new(conn: &mut Conn, new: &[&NamespaceFile], now: Timestamp) -> DbResult<()> {
    if new.is_empty() {
        return Ok(());
    }
    let stamp = Stamp::loaded(now);
    let fields: Vec<&NamespaceFields> = new.iter().map(|file| &file.fields).collect();
    namespaces::insert(conn, &fields, stamp)?;
    let ids = ids_by_name(conn)?;
    let mut parts = Vec::with_capacity(new.len());
    for file in new {
        let id = ids
            .get(&file.fields.namespace)
            .ok_or_else(|| DbError::stale("metadef namespace", &file.fields.namespace))?;
        parts.push((*id, &file.contents));
    }
    insert_contents(conn, &parts, stamp, true)
}

/// Adds what a namespace lacks; with `prefer_new`, brings what it has up to date.
fn merge(
    conn: &mut Conn,
    id: i64,
    file: &NamespaceFile,
    prefer_new: bool,
    loaded_at: Timestamp,
) -> DbResult<()> {
    let present = contents(conn, id)?;
    let now = Some(loaded_at);
    if prefer_new {
        namespaces::update(conn, id, &file.fields, now)?;
    }
    let mut missing = Contents::default();
    for new in file.contents.associations.iter().flatten() {
        match present.associations.iter().find(|old| old.value.name == new.name) {
            None => missing.associations.get_or_insert_default().push(new.clone()),
            Some(old) if prefer_new => resource_types::update(conn, old.id, new, now)?,
            Some(_) => {}
        }
    }
    for new in file.contents.objects.iter().flatten() {
        match present.objects.iter().find(|old| old.value.name == new.name) {
            None => missing.objects.get_or_insert_default().push(new.clone()),
            Some(old) if prefer_new => objects::update(conn, old.id, new, now)?,
            Some(_) => {}
        }
    }
    for new in file.contents.properties.iter().flatten() {
        match present.properties.iter().find(|old| old.value.name == new.name) {
            None => missing.properties.get_or_insert_default().push(new.clone()),
            Some(old) if prefer_new => properties::update(conn, old.id, new, now)?,
            Some(_) => {}
        }
    }
    for new in file.contents.tags.iter().flatten() {
        if !present.tags.iter().any(|old| old.value == *new) {
            missing.tags.get_or_insert_default().push(new.clone());
        }
    }
    insert_contents(conn, &[(id, &missing)], Stamp::loaded(loaded_at), true)
}

/// Loads the shipped catalogue if it was never offered to this database before; `None` if it was.
///
/// # Errors
/// Only the database's own.
pub fn seed(conn: &mut Conn, files: &[NamespaceFile], now: Timestamp) -> DbResult<Option<Report>> {
    let seeded: Option<i64> = metadef_seed::table.select(metadef_seed::id).first(conn).optional()?;
    if seeded.is_some() {
        return Ok(None);
    }
    diesel::insert_into(metadef_seed::table)
        .values((metadef_seed::id.eq(1_i64), metadef_seed::seeded_at.eq(now.0)))
        .execute(conn)?;
    load(conn, files, Mode::Skip, now).map(Some)
}

/// Removes every namespace and every resource type; says how many namespaces there were.
///
/// # Errors
/// Only the database's own.
pub fn unload(conn: &mut Conn) -> DbResult<usize> {
    let ids: Vec<i64> = namespaces::all(conn)?.into_iter().map(|n| n.id).collect();
    for part in ids.chunks(KEYS_AT_ONCE) {
        namespaces::delete(conn, part)?;
    }
    resource_types::delete_all(conn)?;
    Ok(ids.len())
}

/// Every namespace with everything that it holds.
///
/// # Errors
/// Only the database's own.
pub fn export(conn: &mut Conn) -> DbResult<Vec<(Namespace, StoredContents)>> {
    let found = namespaces::all(conn)?;
    let ids: Vec<i64> = found.iter().map(|n| n.id).collect();
    let mut parts: BTreeMap<i64, StoredContents> = BTreeMap::new();
    for some in ids.chunks(KEYS_AT_ONCE) {
        for (id, association) in resource_types::of_namespaces(conn, some)? {
            parts.entry(id).or_default().associations.push(association);
        }
        for (id, object) in objects::of_namespaces(conn, some)? {
            parts.entry(id).or_default().objects.push(object);
        }
        for (id, property) in properties::of_namespaces(conn, some)? {
            parts.entry(id).or_default().properties.push(property);
        }
        for (id, tag) in tags::of_namespaces(conn, some)? {
            parts.entry(id).or_default().tags.push(tag);
        }
    }
    Ok(found
        .into_iter()
        .map(|namespace| {
            let held = parts.remove(&namespace.id).unwrap_or_default();
            (namespace, held)
        })
        .collect())
}
