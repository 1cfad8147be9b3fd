//! The history of images, for their owners: as recorded, and as it happens.

use std::sync::Arc;

use serde_json::{Value, json};

use super::hub::{Followed, Hub};
use crate::{
    db::events::{self, Recorded},
    image::{Images, query},
    model::{
        caller::Caller,
        error::{Error, Result},
        time::Timestamp,
        visibility::is_confided,
    },
};

/// Events that are read at once for one who comes back.
const BATCH: i64 = 500;

/// One event as the image's owner sees it.
///
/// # Errors
/// [`Error::Internal`] for a row that cannot be read.
pub fn told(event: &Recorded) -> Result<Value> {
    let changes: Value = serde_json::from_str(&event.changes).map_err(|e| Error::internal("an event", e))?;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(json!({
        "id": event.sequence.to_string(),
        "type": event.kind,
        "image_id": event.image_id,
        "project_id": event.project_id,
        "user_id": event.user_id,
        "request_id": text(&event.request_id),
        "changes": changes,
        "created_at": Timestamp(event.created_at).isotime(),
    }))
}

/// The events of an image after a place in their order, oldest first, up to `count`.
///
/// # Errors
/// [`Error::ImageNotFound`] when the caller may not see the image, [`Error::Forbidden`] when it is another project's.
pub async fn of_image(
    images: &Images,
    caller: &Caller,
    id: &str,
    after: i64,
    count: u32,
) -> Result<Vec<Recorded>> {
    let image = query::show(images, caller, id).await?;
    if !is_confided(caller, &image) {
        return Err(Error::forbidden("The history of an image is shown to the project that owns it."));
    }
    let read = move |conn: &mut _| events::of_image(conn, &image.id, after, i64::from(count));
    Ok(images.db.read("image.history", read).await?)
}

/// Whose events somebody may see: those of one project, or of all.
///
/// # Errors
/// [`Error::Forbidden`] for callers without a project.
fn scope(caller: &Caller) -> Result<Option<String>> {
    if caller.is_admin {
        return Ok(None);
    }
    let project = caller.project_id.clone();
    project.map(Some).ok_or_else(|| Error::forbidden("Events are shown to projects."))
}

/// The events of the caller's project after a sequence number, oldest first, up to `count`; for administrators those of
/// all projects. Includes events of deleted images.
///
/// # Errors
/// [`Error::Forbidden`] for callers without a project, and the database's.
pub async fn of_project(
    images: &Images,
    caller: &Caller,
    image: Option<String>,
    after: i64,
    count: u32,
) -> Result<Vec<Recorded>> {
    let project = scope(caller)?;
    let read = move |conn: &mut _| {
        events::of_project(conn, project.as_deref(), image.as_deref(), after, i64::from(count))
    };
    Ok(images.db.read("event.of_project", read).await?)
}

/// One who listens to the events of a project.
pub struct Listening {
    images: Images,
    project: Option<String>,
    image: Option<String>,
    /// Where the reading of what is past stands; absent once that is over.
    past: Option<i64>,
    followed: Followed,
}

/// Begins to listen, after an event that was seen before, or now.
///
/// # Errors
/// As [`of_project`], and [`Error::TooMany`].
pub async fn listen(
    images: &Images,
    hub: &Arc<Hub>,
    caller: &Caller,
    image: Option<String>,
    after: Option<i64>,
) -> Result<Listening> {
    let project = scope(caller)?;
    let followed = hub.follow(caller.project_id.as_deref().unwrap_or_default()).await?;
    Ok(Listening { images: images.clone(), project, image, past: after, followed })
}

impl Listening {
    /// The next events, at least one; `None` if the client has to reconnect.
    pub async fn next(&mut self) -> Option<Result<Vec<Recorded>>> {
        while let Some(after) = self.past {
            match self.past(after).await {
                Ok(found) if found.is_empty() => {}
                other => return Some(other),
            }
        }
        loop {
            let batch = self.followed.next().await?;
            let events: Vec<Recorded> = batch.iter().filter(|event| self.wants(event)).cloned().collect();
            if !events.is_empty() {
                return Some(Ok(events));
            }
        }
    }

    /// What was before this listener came, a part at a time.
    async fn past(&mut self, after: i64) -> Result<Vec<Recorded>> {
        let (project, image) = (self.project.clone(), self.image.clone());
        let read =
            move |conn: &mut _| events::of_project(conn, project.as_deref(), image.as_deref(), after, BATCH);
        let mut found = self.images.db.read("event.of_project", read).await?;
        self.past = found.last().filter(|_| found.len() as i64 == BATCH).map(|last| last.sequence);
        // The rest comes with the others.
        found.retain(|event| self.followed.position.has(event.sequence));
        Ok(found)
    }

    fn wants(&self, event: &Recorded) -> bool {
        let is_theirs = self.project.is_none() || self.project == event.project_id;
        let is_of_image = self.image.as_ref().is_none_or(|image| *image == event.image_id);
        is_theirs && is_of_image && !self.followed.position.has(event.sequence)
    }
}
