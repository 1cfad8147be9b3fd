//! Webhooks: created, shown and removed by projects; and events queued for them.

use openssl::rand::rand_bytes;
use uuid::Uuid;

use super::Position;
use crate::{
    access::{self, Access, targets::CallerTarget},
    db::{self, Conn, Db, DbResult, events},
    model::{
        caller::Caller,
        error::{Error, Result},
        event::EventKind,
        hash::hex,
        webhook::{Delivery, Webhook},
    },
    outbound::Fetcher,
    telemetry::trace::Tracer,
    work::seal::{Sealed, Seals},
};

/// The rule of those who have events sent to addresses.
const RULE: &str = "ext:webhooks";
/// The reader that puts events in line.
const READER: &str = "webhooks";
/// Addresses that one project may have, and all together.
const OF_PROJECT: i64 = 10;
const IN_ALL: i64 = 1000;
/// Events that are put in line at once.
const BATCH: i64 = 500;
/// Maximum number of events waiting for a webhook; further ones are dropped.
pub(super) const WAITING_MAX: i64 = 10_000;
/// Bytes of a secret that is made.
const SECRET_BYTES: usize = 32;

/// The handle of this part of the room.
#[derive(Clone)]
pub struct Webhooks {
    /// Rows and the clock.
    pub db: Db,
    /// Authorisation.
    pub access: Access,
    /// The way out, filtered like that of imports.
    pub fetcher: Fetcher,
    /// The keys that encrypt secrets.
    pub seals: Seals,
    /// What takes spans, where traces are on.
    pub tracer: Option<Tracer>,
}

/// The parameters of a new webhook.
#[derive(Debug)]
pub struct Asked {
    /// Where events are sent.
    pub url: String,
    /// The event types; empty means all.
    pub events: Vec<String>,
    /// The signing secret; generated if there is none.
    pub secret: Option<String>,
    /// Whether events of all projects are meant, which only administrators may have.
    pub all_projects: bool,
}

/// The purpose for which an address's secret is sealed.
pub(super) fn purpose(id: &str) -> String {
    format!("webhook {id}")
}

async fn enforce(hooks: &Webhooks, caller: &Caller) -> Result<()> {
    if hooks.access.allowed(caller, RULE, &CallerTarget(caller)).await? {
        return Ok(());
    }
    Err(access::refused(RULE))
}

/// The project whose addresses a caller sees; all of them for administrators.
fn owner(caller: &Caller) -> Result<Option<&str>> {
    if caller.is_admin {
        return Ok(None);
    }
    let project = caller.project_id.as_deref();
    project.map(Some).ok_or_else(|| Error::forbidden("Webhooks belong to projects."))
}

fn check_kinds(kinds: &[String]) -> Result<()> {
    let known = EventKind::ALL.map(EventKind::as_str);
    match kinds.iter().find(|kind| !known.contains(&kind.as_str())) {
        None => Ok(()),
        Some(kind) => {
            Err(Error::invalid(format!("events has {kind:?}, which is none of {}.", known.join(", "))))
        }
    }
}

/// Creates a webhook. Returns it with its secret, which is not shown again.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`] for kinds that are none and addresses that may not be connected to,
/// [`Error::TooLarge`] when the project has as many as it may.
pub async fn create(hooks: &Webhooks, caller: &Caller, asked: Asked) -> Result<(Webhook, String)> {
    access::mutating(caller)?;
    enforce(hooks, caller).await?;
    let Some(project) = caller.project_id.clone() else {
        return Err(Error::forbidden("Webhooks belong to projects."));
    };
    if asked.all_projects && !caller.is_admin {
        return Err(Error::forbidden("Events of all projects are for administrators."));
    }
    check_kinds(&asked.events)?;
    hooks.fetcher.check(&asked.url).await.map_err(|refusal| Error::invalid(format!("url: {refusal}.")))?;
    let secret = match asked.secret {
        Some(secret) => secret,
        None => {
            let mut bytes = [0; SECRET_BYTES];
            rand_bytes(&mut bytes).map_err(|e| Error::internal("make a secret", e))?;
            hex(&bytes)
        }
    };
    let (id, now) = (Uuid::new_v4().to_string(), hooks.db.clock.now());
    let sealed = hooks.seals.seal(&secret, &purpose(&id)).await?;
    let hook = Webhook {
        id,
        project_id: (!asked.all_projects).then(|| project.clone()),
        owner: project,
        url: asked.url,
        events: asked.events,
        secret: sealed.text().to_owned(),
        since: 0,
        failing_since: None,
        attempts: 0,
        run_after: now,
        last_error: None,
        delivered: 0,
        given_up: 0,
        created_at: now,
    };
    let made = hooks.db.write("webhook.create", move |conn| insert(conn, hook.clone())).await?;
    Ok((made, secret))
}

fn insert(conn: &mut Conn, mut hook: Webhook) -> DbResult<Webhook> {
    hook.since = events::last(conn)?;
    let now = Position::after(hook.since).text();
    db::webhooks::lock_reader(conn, READER, &now)?;
    let (of_project, in_all) = db::webhooks::count(conn, &hook.owner)?;
    if of_project >= OF_PROJECT || in_all >= IN_ALL {
        let text = format!("A project may have {OF_PROJECT} webhooks, and all together {IN_ALL}.");
        return Err(Error::TooLarge(text).into());
    }
    if in_all == 0 {
        // Nobody has read since the last was removed.
        db::webhooks::set_reader(conn, READER, &now)?;
    }
    db::webhooks::insert(conn, &hook)?;
    Ok(hook)
}

/// Lists those of the caller's project, or all for administrators, after an id, up to `count`.
///
/// # Errors
/// [`Error::Forbidden`], and the database's.
pub async fn list(hooks: &Webhooks, caller: &Caller, after: String, count: u32) -> Result<Vec<Webhook>> {
    enforce(hooks, caller).await?;
    let owner = owner(caller)?.map(str::to_owned);
    let read = move |conn: &mut Conn| db::webhooks::list(conn, owner.as_deref(), &after, i64::from(count));
    Ok(hooks.db.read("webhook.list", read).await?)
}

/// Shows one.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`] also for those of others.
pub async fn show(hooks: &Webhooks, caller: &Caller, id: &str) -> Result<Webhook> {
    enforce(hooks, caller).await?;
    let (owner, wanted) = (owner(caller)?, id.to_owned());
    let found = hooks.db.read("webhook.find", move |conn| db::webhooks::find(conn, &wanted)).await?;
    found
        .filter(|hook| owner.is_none_or(|owner| owner == hook.owner))
        .ok_or_else(|| Error::NotFound(format!("There is no webhook {id}.")))
}

/// Removes a webhook. Afterwards nothing more is sent, except a request in progress.
///
/// # Errors
/// As [`show`].
pub async fn delete(hooks: &Webhooks, caller: &Caller, id: &str) -> Result<()> {
    access::mutating(caller)?;
    let hook = show(hooks, caller, id).await?;
    Ok(hooks.db.write("webhook.delete", move |conn| db::webhooks::delete(conn, &hook.id)).await?)
}

/// Re-encrypts secrets with old keys, so that they can be decrypted however long nothing is sent.
///
/// # Errors
/// The database's, and those of the library.
pub async fn renew_seals(hooks: &Webhooks) -> Result<()> {
    let all = hooks.db.read("webhook.list", |conn| db::webhooks::list(conn, None, "", IN_ALL)).await?;
    for hook in all {
        let (sealed, purpose) = (Sealed::of_text(&hook.secret), purpose(&hook.id));
        if let Some(again) = hooks.seals.renewed(&sealed, &purpose).await? {
            let set =
                move |conn: &mut Conn| db::webhooks::set_secret(conn, &hook.id, &hook.secret, again.text());
            hooks.db.write("webhook.set_secret", set).await?;
        }
    }
    Ok(())
}

/// Queues new events for the webhooks that want them, each once, whichever node does it. Returns whether there may be
/// more.
///
/// # Errors
/// Only the database's.
pub async fn put_in_line(hooks: &Webhooks) -> DbResult<bool> {
    let now = hooks.db.clock.now();
    // Most of the time there is nothing, which takes no lock to see.
    let anything = move |conn: &mut Conn| {
        if db::webhooks::list(conn, None, "", 1)?.is_empty() {
            return Ok(false);
        }
        let noted = db::webhooks::reader(conn, READER)?;
        let mut position = Position::parse(noted.as_deref().unwrap_or_default());
        Ok(!position.read(conn, now, 1)?.is_empty())
    };
    if !hooks.db.read("webhook.any", anything).await? {
        return Ok(false);
    }
    let put = move |conn: &mut Conn| {
        let first = Position::after(events::last(conn)?).text();
        let before = db::webhooks::lock_reader(conn, READER, &first)?;
        let mut position = Position::parse(&before);
        let found = position.read(conn, now, BATCH)?;
        if !found.is_empty() {
            for hook in db::webhooks::list(conn, None, "", IN_ALL)? {
                let mut deliveries = Vec::new();
                for event in &found {
                    if hook.wants(event.sequence, &event.kind, event.project_id.as_deref()) {
                        deliveries.push(Delivery {
                            webhook_id: hook.id.clone(),
                            sequence: event.sequence,
                            kind: event.kind.clone(),
                            body: super::history::told(event)?.to_string(),
                        });
                    }
                }
                if !deliveries.is_empty() {
                    db::webhooks::enqueue(conn, &hook, &deliveries, WAITING_MAX)?;
                }
            }
            for event in &found {
                position.pass(event.sequence, now);
            }
        }
        let after = position.text();
        if after != before {
            db::webhooks::set_reader(conn, READER, &after)?;
        }
        Ok(found.len() as i64 >= BATCH)
    };
    hooks.db.write("webhook.put_in_line", put).await
}
