//! Media groups: who makes them, what becomes of the images in them, and which of them lists leave out.

use serde_json::{Value, json};

use super::{
    Images,
    change::{self, Door},
    query::{self, ImagePage},
};
use crate::{
    access::{
        self,
        protection::{self, Action},
        targets::CallerTarget,
    },
    db::{self, Conn, DbError, DbResult},
    model::{
        caller::Caller,
        error::{Error, Result},
        lifecycle,
        list::{ListQuery, PageLimits},
        media_group::{GROUP_PROPERTY, MediaGroup},
        time::Timestamp,
    },
};

/// The rule of the policy.
const RULE: &str = "ext:media_groups";
/// Groups at most.
const GROUPS_MAX: i64 = 500;
/// Images at most that get another name of their group in one transaction.
const RENAMED_MAX: usize = 2000;
/// Images that are taken out of a group in one transaction, and by one call.
const MOVED_AT_ONCE: usize = 200;
const MOVED_MAX: usize = 10_000;
/// Images of a group that are shown with it.
pub const SHOWN_MAX: u32 = 100;

fn none(name: &str) -> Error {
    Error::NotFound(format!("There is no media group {name:?}."))
}

fn or_taken(error: DbError, name: &str) -> DbError {
    match error {
        DbError::Duplicate(_) => Error::conflict(format!("There is a media group {name:?} already.")).into(),
        other => other,
    }
}

fn existing(conn: &mut Conn, name: &str) -> DbResult<MediaGroup> {
    db::media_groups::find(conn, name)?.ok_or_else(|| none(name).into())
}

async fn enforce(images: &Images, caller: &Caller) -> Result<()> {
    access::mutating(caller)?;
    if !images.access.allowed(caller, RULE, &CallerTarget(caller)).await? {
        return Err(access::refused(RULE));
    }
    match images.access.may(caller, Action::Update, GROUP_PROPERTY) {
        true => Ok(()),
        false => Err(protection::refused(GROUP_PROPERTY)),
    }
}

/// The groups in their order, after the one of a name, up to `count`. Those who are not administrators find the visible
/// ones, unless they ask for others.
///
/// # Errors
/// [`Error::NotFound`] for a name to begin after that nothing has.
pub async fn list(
    images: &Images,
    caller: &Caller,
    visible: Option<bool>,
    after: Option<String>,
    count: u32,
) -> Result<Vec<MediaGroup>> {
    let visible = visible.or((!caller.is_admin).then_some(true));
    let read = images.db.read("media_group.list", move |conn| {
        let after = match &after {
            Some(name) => Some(existing(conn, name)?),
            None => None,
        };
        db::media_groups::list(conn, visible, after.as_ref(), i64::from(count))
    });
    Ok(read.await?)
}

/// One group.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(images: &Images, name: &str) -> Result<MediaGroup> {
    let wanted = name.to_owned();
    let found = images.db.read("media_group.find", move |conn| db::media_groups::find(conn, &wanted)).await?;
    found.ok_or_else(|| none(name))
}

/// The active images of a group that the caller finds in lists, the newest first, up to [`SHOWN_MAX`].
///
/// # Errors
/// Those of a list.
pub async fn images_of(images: &Images, caller: &Caller, name: &str) -> Result<ImagePage> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let pairs = [pair(GROUP_PROPERTY, name), pair("status", "active")];
    let query = ListQuery::parse(&pairs, PageLimits { default: SHOWN_MAX, max: SHOWN_MAX })?;
    query::list(images, caller, query).await
}

/// Makes a group.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::Conflict`] for a name that is taken, [`Error::TooLarge`] when there are
/// too many.
pub async fn create(images: &Images, caller: &Caller, body: &Value) -> Result<MediaGroup> {
    enforce(images, caller).await?;
    let now = images.db.clock.now();
    let group = MediaGroup::parse(body, now)?;
    let made = group.clone();
    let write = images.db.write("media_group.insert", move |conn| {
        let namespace = db::media_groups::lock(conn, now)?;
        if db::media_groups::count(conn)? >= GROUPS_MAX {
            return Err(Error::TooLarge(format!("There can be {GROUPS_MAX} media groups.")).into());
        }
        db::media_groups::insert(conn, &made).map_err(|error| or_taken(error, &made.name))?;
        db::media_groups::publish(conn, namespace, now)
    });
    let result = write.await;
    images.hidden_groups.forget();
    result?;
    Ok(group)
}

/// Changes a group; with a new name all images in it are of the new one from the same moment on. With `dry_run` nothing
/// is changed, and the answer is the group as it would be.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::NotFound`], and [`Error::Conflict`] for a name that is taken or when too
/// many images would change at once.
pub async fn change(
    images: &Images,
    caller: &Caller,
    name: &str,
    body: Value,
    dry_run: bool,
) -> Result<MediaGroup> {
    enforce(images, caller).await?;
    let (door, name) = (images.door(caller.into()), name.to_owned());
    let write = images.db.write_or_rehearse("media_group.update", dry_run, move |conn| {
        let now = door.clock.now();
        let namespace = db::media_groups::lock(conn, now)?;
        let after = existing(conn, &name)?.changed(&body, now)?;
        db::media_groups::update(conn, &name, &after).map_err(|error| or_taken(error, &after.name))?;
        if after.name != name {
            rename(conn, &door, &name, &after.name)?;
        }
        db::media_groups::publish(conn, namespace, now)?;
        Ok(after)
    });
    let result = write.await;
    images.hidden_groups.forget();
    Ok(result?)
}

fn rename(conn: &mut Conn, door: &Door, from: &str, to: &str) -> DbResult<()> {
    let most = i64::try_from(RENAMED_MAX).unwrap_or(i64::MAX);
    let members = db::media_groups::members(conn, from, most.saturating_add(1))?;
    if members.len() > RENAMED_MAX {
        let text = format!(
            "More than {RENAMED_MAX} images are in the group. Make a group of the new name, and delete this one with \
             reassign."
        );
        return Err(Error::conflict(text).because("group-too-large", json!({ "most": RENAMED_MAX })).into());
    }
    move_all(conn, door, &members, from, Some(to))
}

/// Takes images out of a group, and into another if there is one.
fn move_all(conn: &mut Conn, door: &Door, members: &[String], from: &str, to: Option<&str>) -> DbResult<()> {
    for id in members {
        change::in_txn(conn, door, id, |_, image| {
            if lifecycle::text(image, GROUP_PROPERTY) != Some(from) {
                return Ok(None);
            }
            let mut after = image.clone();
            match to {
                Some(to) => after.set_property(GROUP_PROPERTY, Some(to.to_owned())),
                None => drop(after.remove_property(GROUP_PROPERTY)),
            }
            Ok(Some(after))
        })?;
    }
    Ok(())
}

/// What becomes of the images of a group that is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// There must be none.
    None,
    /// They are in no group any more.
    Clear,
    /// They are in the group of this name.
    Reassign(String),
}

/// Deletes a group. Returns how many images it took out of it.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::NotFound`] for the group and for the one to move images to, and
/// [`Error::Conflict`] while there are images in it.
pub async fn delete(images: &Images, caller: &Caller, name: &str, members: Members) -> Result<usize> {
    may_delete(images, caller, name, &members).await?;
    let mut moved = 0_usize;
    let result = loop {
        let (door, name, members) = (images.door(caller.into()), name.to_owned(), members.clone());
        let is_last = moved >= MOVED_MAX;
        let step = move |conn: &mut Conn| delete_step(conn, &door, &name, &members, is_last);
        match images.db.write("media_group.delete", step).await {
            Ok(0) => break Ok(moved),
            Ok(count) => moved = moved.saturating_add(count),
            Err(error) => break Err(error),
        }
    };
    images.hidden_groups.forget();
    Ok(result?)
}

async fn may_delete(images: &Images, caller: &Caller, name: &str, members: &Members) -> Result<()> {
    enforce(images, caller).await?;
    if *members == Members::Reassign(name.to_owned()) {
        return Err(Error::invalid("The images cannot stay in the group that is deleted."));
    }
    Ok(())
}

/// Says how many images [`delete`] would take out of a group, up to the number that one call can, and changes nothing.
///
/// # Errors
/// As [`delete`].
pub async fn rehearse_deletion(
    images: &Images,
    caller: &Caller,
    name: &str,
    members: Members,
) -> Result<usize> {
    may_delete(images, caller, name, &members).await?;
    let (door, name) = (images.door(caller.into()), name.to_owned());
    let step = move |conn: &mut Conn| {
        let most = i64::try_from(MOVED_MAX).unwrap_or(i64::MAX);
        let found = db::media_groups::members(conn, &name, most)?.len();
        delete_step(conn, &door, &name, &members, false)?;
        Ok(found)
    };
    Ok(images.db.write_or_rehearse("media_group.delete", true, step).await?)
}

/// Moves some images, and deletes the group when none is left. Answers how many were moved.
fn delete_step(
    conn: &mut Conn,
    door: &Door,
    name: &str,
    members: &Members,
    is_last: bool,
) -> DbResult<usize> {
    let now: Timestamp = door.clock.now();
    let namespace = db::media_groups::lock(conn, now)?;
    existing(conn, name)?;
    let to = match members {
        Members::Reassign(to) => Some(existing(conn, to)?.name),
        Members::None | Members::Clear => None,
    };
    let found = db::media_groups::members(conn, name, i64::try_from(MOVED_AT_ONCE).unwrap_or(i64::MAX))?;
    if found.is_empty() {
        db::media_groups::delete(conn, name)?;
        db::media_groups::publish(conn, namespace, now)?;
        return Ok(0);
    }
    if is_last || *members == Members::None {
        let text = match is_last {
            true => format!("There are images left in the media group {name:?}; ask again."),
            false => format!("There are images in the media group {name:?}; say reassign or clear."),
        };
        return Err(Error::conflict(text).because("group-not-empty", json!({})).into());
    }
    move_all(conn, door, &found, name, to.as_deref())?;
    Ok(found.len())
}
