//! Retention rules of projects, applied daily and on request.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{
    Images, change, change::Door, consumers, cooldown, families::LINES_MAX, in_use::InUseRule, locations,
    query,
};
use crate::{
    access::{self, targets::ProjectTarget},
    db::{self, Conn, DbResult, retention::Kept},
    model::{
        caller::Caller,
        consumer::InUse,
        error::{Error, Result},
        event::Author,
        family::{FAMILY_PROPERTY, Line},
        image::Image,
        retention::{Fate, Known, Rule, Verdict, judge},
        status::Status,
        time::Timestamp,
    },
};

/// The rule of the policy.
const RULE: &str = "ext:retention";
/// Seconds after which a rule is applied again.
const PERIOD_SECONDS: i64 = 24 * 3600;
/// Seconds after which a rule is taken from a node that began to apply it.
const CLAIM_SECONDS: i64 = 3600;
/// Images that one call retires or deletes.
const ACTS_MAX: usize = 100;
/// Images that a report names.
const REPORT_MAX: usize = 1000;

async fn enforce(images: &Images, caller: &Caller, owner: &str) -> Result<()> {
    if images.access.allowed(caller, RULE, &ProjectTarget(owner)).await? {
        return Ok(());
    }
    Err(access::refused(RULE))
}

fn none(owner: &str, family: &str) -> Error {
    match family {
        "" => Error::NotFound(format!("Project {owner} has no rule.")),
        family => Error::NotFound(format!("Project {owner} has no rule for the family {family}.")),
    }
}

/// The rules of a project by family, after one of them, up to `count`.
///
/// # Errors
/// [`Error::Forbidden`] without the right.
pub async fn list(
    images: &Images,
    caller: &Caller,
    owner: &str,
    after: Option<String>,
    count: u32,
) -> Result<Vec<Kept>> {
    enforce(images, caller, owner).await?;
    let owner = owner.to_owned();
    let read = images.db.read("retention.list", move |conn| {
        db::retention::list(conn, &owner, after.as_deref(), i64::from(count))
    });
    Ok(read.await?)
}

/// Sets the rule of a project for a family, or with an empty name for all images whose family has none. It is first
/// applied a day later.
///
/// # Errors
/// [`Error::Forbidden`] without the right.
pub async fn put(images: &Images, caller: &Caller, owner: &str, family: &str, rule: Rule) -> Result<Kept> {
    access::mutating(caller)?;
    enforce(images, caller, owner).await?;
    let now = images.db.clock.now();
    let kept = Kept {
        owner: owner.to_owned(),
        family: family.to_owned(),
        rule,
        next_run_at: now.plus_seconds(PERIOD_SECONDS),
        report: None,
    };
    let stored = kept.clone();
    images.db.write("retention.put", move |conn| db::retention::put(conn, &stored, now)).await?;
    Ok(kept)
}

/// Removes a rule.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::NotFound`] when there is none.
pub async fn remove(images: &Images, caller: &Caller, owner: &str, family: &str) -> Result<()> {
    access::mutating(caller)?;
    enforce(images, caller, owner).await?;
    let (project, name) = (owner.to_owned(), family.to_owned());
    let write = images.db.write("retention.remove", move |conn| db::retention::remove(conn, &project, &name));
    if write.await? { Ok(()) } else { Err(none(owner, family)) }
}

/// Applies a rule now, or as a dry run. Returns the report.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::NotFound`] when there is none.
pub async fn run(
    images: &Images,
    caller: &Caller,
    owner: &str,
    family: &str,
    dry_run: bool,
) -> Result<Value> {
    access::mutating(caller)?;
    enforce(images, caller, owner).await?;
    let (project, name) = (owner.to_owned(), family.to_owned());
    let read = images.db.read("retention.find", move |conn| db::retention::find(conn, &project, &name));
    let kept = read.await?.ok_or_else(|| none(owner, family))?;
    apply(images, Author::from(caller), &kept, dry_run).await
}

/// Applies all due rules. Returns how many images were retired or deleted.
///
/// # Errors
/// The database's.
pub async fn run_due(images: &Images) -> Result<usize> {
    let mut acted = 0_usize;
    loop {
        let now = images.db.clock.now();
        let claim = move |conn: &mut Conn| db::retention::claim(conn, now, now.plus_seconds(CLAIM_SECONDS));
        let Some(kept) = images.db.write("retention.claim", claim).await? else { return Ok(acted) };
        let mut before = acted;
        loop {
            let report = apply(images, Author::service(), &kept, false).await?;
            let count = report["acted"].as_u64().and_then(|count| usize::try_from(count).ok());
            acted = acted.saturating_add(count.unwrap_or(0));
            let (owner, family, text) = (kept.owner.clone(), kept.family.clone(), report.to_string());
            let next = now.plus_seconds(PERIOD_SECONDS);
            let done = move |conn: &mut Conn| db::retention::done(conn, &owner, &family, &text, next);
            images.db.write("retention.done", done).await?;
            if acted == before || report["left"] == json!(0) {
                break;
            }
            before = acted;
        }
    }
}

/// The images that a rule is about, and what it says of each.
fn verdicts(conn: &mut Conn, kept: &Kept, now: Timestamp) -> DbResult<Vec<Verdict>> {
    let family = Some(kept.family.as_str()).filter(|family| !family.is_empty());
    let mut lines = db::families::lines(conn, &kept.owner, family, LINES_MAX)?;
    if family.is_none() {
        let others: HashSet<String> = db::retention::families(conn, &kept.owner)?.into_iter().collect();
        let is_other = |line: &Line| line.property(FAMILY_PROPERTY).is_some_and(|name| others.contains(name));
        lines.retain(|line| !is_other(line));
    }
    let used = db::families::used(conn, &kept.owner, family)?.into_iter().collect();
    let tagged = match &kept.rule.keep_if.tag {
        Some(tag) => db::families::tagged(conn, &kept.owner, family, tag)?.into_iter().collect(),
        None => HashSet::new(),
    };
    let published = db::families::published(conn, &kept.owner, family)?.into_iter().collect();
    Ok(judge(&kept.rule, &lines, &Known { used, tagged, published }, now))
}

async fn apply(images: &Images, author: Author, kept: &Kept, dry_run: bool) -> Result<Value> {
    let (asked, now) = (kept.clone(), images.db.clock.now());
    let found = images.db.read("retention.judge", move |conn| verdicts(conn, &asked, now)).await?;
    let fate = kept.rule.action;
    let (mut listed, mut reasons) = (Vec::new(), HashMap::<&'static str, usize>::new());
    let (mut acted, mut left) = (0_usize, 0_usize);
    for verdict in found {
        let reason = match verdict.kept {
            None if acted >= ACTS_MAX => {
                left = left.saturating_add(1);
                continue;
            }
            None if dry_run => None,
            None => end(images, &author, &kept.rule, &verdict.id).await?,
            reason => reason,
        };
        let action = match reason {
            None => {
                acted = acted.saturating_add(1);
                fate.as_str()
            }
            Some(reason) => {
                let count = reasons.entry(reason).or_default();
                *count = count.saturating_add(1);
                "keep"
            }
        };
        if listed.len() < REPORT_MAX {
            listed.push(json!({"id": verdict.id, "action": action, "reason": reason}));
        }
    }
    images.doomed.notify_one();
    Ok(json!({
        "dry_run": dry_run,
        "ran_at": now.isotime(),
        "action": fate.as_str(),
        "acted": acted,
        "left": left,
        "kept": reasons,
        "images": listed,
    }))
}

/// Retires or deletes an image. Answers why it stays, if it does: what it is may have changed since it was judged.
async fn end(images: &Images, author: &Author, rule: &Rule, id: &str) -> Result<Option<&'static str>> {
    let fate = rule.action;
    if fate == Fate::Delete
        && let Some(mut image) = query::find_unseen(images, id).await?
    {
        images.stores.settle(&mut image.locations);
        if let Err(Error::Conflict(_) | Error::Unavailable(_)) =
            locations::check_unused(images, &image.locations).await
        {
            return Ok(Some("in-use"));
        }
    }
    // Whatever the operator lets others do.
    let door = Door { in_use: InUseRule::whatever(InUse::Refuse), ..images.door(author.clone()) };
    let (key, keeps) = (id.to_owned(), rule.keep_if.clone());
    let write = images.db.write("retention.end", move |conn| {
        let mut kept = None;
        change::in_txn(conn, &door, &key, |conn, image| {
            let is_used = !db::consumers::counts(conn, &image.id)?.is_empty();
            let deletes = fate == Fate::Delete;
            kept = if !matches!(image.status, Status::Active | Status::Deactivated) {
                Some("no-data")
            } else if image.protected && (deletes || keeps.protected) {
                Some("protected")
            } else if is_used && (deletes || keeps.in_use) {
                Some("in-use")
            } else {
                None
            };
            let after = match fate {
                Fate::Retire => consumers::retired(image),
                Fate::Delete => Image { status: Status::Deleted, ..image.clone() },
            };
            Ok(kept.is_none().then_some(after))
        })?;
        Ok(kept)
    });
    match write.await.map_err(Error::from) {
        Ok(kept) => Ok(kept),
        Err(Error::ImageNotFound(_)) => Ok(Some("no-data")),
        Err(Error::Conflict(_)) => Ok(Some("in-use")),
        Err(error) if error.is_because(cooldown::REASON) => Ok(Some("protected")),
        Err(error) => Err(error),
    }
}
