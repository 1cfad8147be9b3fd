//! Webhooks, and the events that wait to be sent to them.

use diesel::{dsl::count_star, prelude::*};

use super::{
    Conn, DbError, DbResult,
    schema_webhooks::{event_readers, webhook_deliveries, webhooks},
};
use crate::model::{
    time::Timestamp,
    webhook::{Delivery, Webhook},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = webhooks)]
struct WebhookRow {
    id: String,
    project_id: Option<String>,
    owner: String,
    url: String,
    events: String,
    secret: String,
    since: i64,
    failing_since: Option<i64>,
    attempts: i64,
    run_after: i64,
    last_error: Option<String>,
    delivered: i64,
    given_up: i64,
    lease_until: i64,
    created_at: i64,
}

impl WebhookRow {
    fn into_webhook(self) -> DbResult<Webhook> {
        let events = serde_json::from_str(&self.events)
            .map_err(|e| DbError::Other(format!("webhook {}: unreadable events: {e}", self.id)))?;
        Ok(Webhook {
            id: self.id,
            project_id: self.project_id,
            owner: self.owner,
            url: self.url,
            events,
            secret: self.secret,
            since: self.since,
            failing_since: self.failing_since.map(Timestamp),
            attempts: self.attempts,
            run_after: Timestamp(self.run_after),
            last_error: self.last_error,
            delivered: self.delivered,
            given_up: self.given_up,
            created_at: Timestamp(self.created_at),
        })
    }
}

/// Enters an address.
///
/// # Errors
/// Only the database's own.
pub fn insert(conn: &mut Conn, hook: &Webhook) -> DbResult<()> {
    let row = WebhookRow {
        id: hook.id.clone(),
        project_id: hook.project_id.clone(),
        owner: hook.owner.clone(),
        url: hook.url.clone(),
        events: serde_json::json!(hook.events).to_string(),
        secret: hook.secret.clone(),
        since: hook.since,
        failing_since: None,
        attempts: 0,
        run_after: hook.run_after.0,
        last_error: None,
        delivered: 0,
        given_up: 0,
        lease_until: 0,
        created_at: hook.created_at.0,
    };
    diesel::insert_into(webhooks::table).values(row).execute(conn)?;
    Ok(())
}

/// How many a project has made, and how many there are.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn, owner: &str) -> DbResult<(i64, i64)> {
    let of_owner = webhooks::table.filter(webhooks::owner.eq(owner)).select(count_star()).first(conn)?;
    Ok((of_owner, webhooks::table.select(count_star()).first(conn)?))
}

/// Those that a project made, or all, after an id, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, owner: Option<&str>, after: &str, count: i64) -> DbResult<Vec<Webhook>> {
    let mut rows = webhooks::table.filter(webhooks::id.gt(after.to_owned())).into_boxed();
    if let Some(owner) = owner {
        rows = rows.filter(webhooks::owner.eq(owner.to_owned()));
    }
    let rows: Vec<WebhookRow> =
        rows.order(webhooks::id).limit(count).select(WebhookRow::as_select()).load(conn)?;
    rows.into_iter().map(WebhookRow::into_webhook).collect()
}

/// One of them.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, id: &str) -> DbResult<Option<Webhook>> {
    let row: Option<WebhookRow> =
        webhooks::table.find(id).select(WebhookRow::as_select()).first(conn).optional()?;
    row.map(WebhookRow::into_webhook).transpose()
}

/// Removes one, with what waits for it.
///
/// # Errors
/// Only the database's own.
pub fn delete(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(webhook_deliveries::table.filter(webhook_deliveries::webhook_id.eq(id))).execute(conn)?;
    diesel::delete(webhooks::table.find(id)).execute(conn)?;
    Ok(())
}

/// The position of a reader, if it has one.
///
/// # Errors
/// Only the database's own.
pub fn reader(conn: &mut Conn, name: &str) -> DbResult<Option<String>> {
    Ok(event_readers::table.find(name).select(event_readers::position).first(conn).optional()?)
}

/// Locks a reader's row until the transaction ends, and returns its position; inserts it with `first` if there is none.
///
/// # Errors
/// Only the database's own.
pub fn lock_reader(conn: &mut Conn, name: &str, first: &str) -> DbResult<String> {
    // An update locks on all three databases.
    diesel::update(event_readers::table.find(name)).set(event_readers::name.eq(name)).execute(conn)?;
    if let Some(text) = reader(conn, name)? {
        return Ok(text);
    }
    let values = (event_readers::name.eq(name), event_readers::position.eq(first));
    diesel::insert_into(event_readers::table).values(values).execute(conn)?;
    Ok(first.to_owned())
}

/// Records a reader's position.
///
/// # Errors
/// Only the database's own.
pub fn set_reader(conn: &mut Conn, name: &str, position: &str) -> DbResult<()> {
    diesel::update(event_readers::table.find(name))
        .set(event_readers::position.eq(position))
        .execute(conn)?;
    Ok(())
}

/// Has events wait for their addresses. One that has `most` waiting already loses them, which is counted.
///
/// # Errors
/// Only the database's own.
pub fn enqueue(conn: &mut Conn, hook: &Webhook, deliveries: &[Delivery], most: i64) -> DbResult<()> {
    use webhook_deliveries as waiting;
    let there: i64 =
        waiting::table.filter(waiting::webhook_id.eq(&hook.id)).select(count_star()).first(conn)?;
    let room = usize::try_from(most.saturating_sub(there)).unwrap_or_default();
    for delivery in deliveries.iter().take(room) {
        diesel::insert_into(waiting::table)
            .values((
                waiting::webhook_id.eq(&delivery.webhook_id),
                waiting::sequence.eq(delivery.sequence),
                waiting::kind.eq(&delivery.kind),
                waiting::body.eq(&delivery.body),
            ))
            .execute(conn)?;
    }
    let lost = deliveries.len().saturating_sub(room);
    if lost > 0 {
        let lost = i64::try_from(lost).unwrap_or(i64::MAX);
        diesel::update(webhooks::table.find(&hook.id))
            .set(webhooks::given_up.eq(webhooks::given_up + lost))
            .execute(conn)?;
    }
    Ok(())
}

/// Whether something waits for an address that may be claimed.
///
/// # Errors
/// Only the database's own.
pub fn is_any_due(conn: &mut Conn, now: Timestamp) -> DbResult<bool> {
    Ok(!due(conn, now, 1)?.is_empty())
}

fn due(conn: &mut Conn, now: Timestamp, count: i64) -> DbResult<Vec<WebhookRow>> {
    let something = webhook_deliveries::table
        .filter(webhook_deliveries::webhook_id.eq(webhooks::id))
        .select(count_star());
    let due = webhooks::table
        .filter(webhooks::run_after.le(now.0))
        .filter(webhooks::lease_until.lt(now.0))
        .filter(something.single_value().gt(0))
        .order(webhooks::run_after)
        .limit(count);
    Ok(due.select(WebhookRow::as_select()).load(conn)?)
}

/// Claims due webhooks with waiting events, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn claim(
    conn: &mut Conn,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
    count: i64,
) -> DbResult<Vec<Webhook>> {
    let mut claimed = Vec::new();
    for row in due(conn, now, count)? {
        let free = webhooks::table.find(&row.id).filter(webhooks::lease_until.eq(row.lease_until));
        let values = (webhooks::holder.eq(holder), webhooks::lease_until.eq(until.0));
        if diesel::update(free).set(values).execute(conn)? == 1 {
            claimed.push(row.into_webhook()?);
        }
    }
    Ok(claimed)
}

/// The events waiting for a webhook, in order, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn waiting(conn: &mut Conn, id: &str, count: i64) -> DbResult<Vec<Delivery>> {
    use webhook_deliveries as waiting;
    let rows: Vec<(String, i64, String, String)> = waiting::table
        .filter(waiting::webhook_id.eq(id))
        .order(waiting::sequence)
        .limit(count)
        .select((waiting::webhook_id, waiting::sequence, waiting::kind, waiting::body))
        .load(conn)?;
    let delivery = |(webhook_id, sequence, kind, body)| Delivery { webhook_id, sequence, kind, body };
    Ok(rows.into_iter().map(delivery).collect())
}

/// Saves the state of a webhook, and deletes events that were sent or given up; returns whether it still belongs to
/// `holder`.
///
/// # Errors
/// Only the database's own.
pub fn note(
    conn: &mut Conn,
    hook: &Webhook,
    holder: &str,
    lease_until: Timestamp,
    done: Option<i64>,
) -> DbResult<bool> {
    let held = webhooks::table.find(&hook.id).filter(webhooks::holder.eq(holder));
    let values = (
        webhooks::failing_since.eq(hook.failing_since.map(|time| time.0)),
        webhooks::attempts.eq(hook.attempts),
        webhooks::run_after.eq(hook.run_after.0),
        webhooks::last_error.eq(hook.last_error.as_deref()),
        webhooks::delivered.eq(hook.delivered),
        webhooks::lease_until.eq(lease_until.0),
    );
    if diesel::update(held).set(values).execute(conn)? == 0 {
        return Ok(false);
    }
    if let Some(sequence) = done {
        diesel::delete(webhook_deliveries::table.find((&hook.id, sequence))).execute(conn)?;
    }
    Ok(true)
}

/// Replaces a secret by a newly encrypted one.
///
/// # Errors
/// Only the database's own.
pub fn set_secret(conn: &mut Conn, id: &str, before: &str, after: &str) -> DbResult<()> {
    let same = webhooks::table.find(id).filter(webhooks::secret.eq(before));
    diesel::update(same).set(webhooks::secret.eq(after)).execute(conn)?;
    Ok(())
}

/// Counts an event that was given up.
///
/// # Errors
/// Only the database's own.
pub fn count_given_up(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::update(webhooks::table.find(id))
        .set(webhooks::given_up.eq(webhooks::given_up + 1))
        .execute(conn)?;
    Ok(())
}
