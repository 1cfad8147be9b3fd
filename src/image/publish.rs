//! Atomic publication of the current image of a family, and rollback.

use serde_json::json;

use super::{Images, change, change::Door, families::candidates, query, readers};
use crate::{
    access::{
        self,
        protection::{self, Action},
        targets::ImageTarget,
    },
    db::{self, Conn, DbResult},
    model::{
        caller::Caller,
        error::{Error, Result},
        family::{self, CANDIDATE_PROPERTY, FAMILY_PROPERTY, Face, Line, Publication},
        image::{Image, Visibility},
        lifecycle::{self, REPLACED_BY_PROPERTY},
        time::Timestamp,
    },
};

/// The rule of those who publish.
const RULE: &str = "ext:family_publish";
/// Images that one publication changes at most.
const CHANGES_MAX: i64 = 100;
/// How often what is to be published is looked at again because it changed meanwhile.
const TRIES: usize = 50;

/// What somebody wants to be done with a family.
#[derive(Clone, Debug)]
enum Wish {
    Publish(Publication),
    Rollback { owner: String, name: String },
}

/// What that comes to: images before and after, the image first.
struct Plan {
    owner: String,
    family: String,
    steps: Vec<(Image, Image)>,
    /// The publication that is taken back.
    taken_back: Option<i64>,
}

impl Plan {
    /// By what it is known whether another plan is the same.
    fn key(&self) -> Vec<(String, i64)> {
        self.steps.iter().map(|(before, _)| (before.id.clone(), before.revision)).collect()
    }
}

/// Publishes an image as the current one of its family, atomically. Returns the images that it changed, or with `dry_run`
/// would change.
///
/// # Errors
/// [`Error::ImageNotFound`], [`Error::Forbidden`] without the right, [`Error::Invalid`] for names, and
/// [`Error::Conflict`] with what is missing.
pub async fn publish(
    images: &Images,
    caller: &Caller,
    publication: Publication,
    dry_run: bool,
) -> Result<Vec<Image>> {
    access::mutating(caller)?;
    query::show(images, caller, &publication.image_id).await?;
    carry_out(images, caller, Wish::Publish(publication), dry_run).await
}

/// Undoes the last publication of a family. Returns the images that it changed, or with `dry_run` would change.
///
/// # Errors
/// [`Error::NotFound`] when there is none, [`Error::Forbidden`] without the right, and [`Error::Conflict`] when the image
/// before is gone.
pub async fn rollback(
    images: &Images,
    caller: &Caller,
    owner: &str,
    name: &str,
    dry_run: bool,
) -> Result<Vec<Image>> {
    access::mutating(caller)?;
    if !caller.is_admin && caller.project_id.as_deref() != Some(owner) {
        return Err(Error::forbidden(format!("The family {name} is another project's."))
            .because("family-owned", json!({})));
    }
    let wish = Wish::Rollback { owner: owner.to_owned(), name: name.to_owned() };
    carry_out(images, caller, wish, dry_run).await
}

async fn carry_out(images: &Images, caller: &Caller, wish: Wish, dry_run: bool) -> Result<Vec<Image>> {
    for _ in 0..TRIES {
        let (asked, now) = (wish.clone(), images.db.clock.now());
        let plan = images.db.read("family.plan", move |conn| plan(conn, &asked, now)).await?;
        for (before, after) in &plan.steps {
            authorize(images, caller, before, after).await?;
        }
        let (allowed, door, asked) = (plan.key(), images.door_of(caller), wish.clone());
        let change = move |conn: &mut Conn| apply(conn, &door, &asked, &allowed);
        let write = images.db.write_or_rehearse("family.publish", dry_run, change);
        let Some(changed) = write.await? else { continue };
        for image in changed.iter().filter(|_| !dry_run) {
            readers::admit(images, &image.id).await;
        }
        return Ok(changed);
    }
    Err(Error::conflict("The family is being changed by too many requests at once; try again."))
}

async fn authorize(images: &Images, caller: &Caller, before: &Image, after: &Image) -> Result<()> {
    access::owned(caller, before).map_err(|_| {
        Error::forbidden("The family is another project's.").because("family-owned", json!({}))
    })?;
    for rule in [RULE, "modify_image"] {
        images.access.enforce(caller, rule, before).await?;
    }
    let is_public = |image: &Image| image.visibility == Visibility::Public;
    let rule = match after.visibility {
        _ if is_public(before) || is_public(after) => "publicize_image",
        Visibility::Community if before.visibility != Visibility::Community => "communitize_image",
        _ => "",
    };
    if !rule.is_empty() && !images.access.allowed(caller, rule, &ImageTarget(before)).await? {
        return Err(access::refused(rule));
    }
    for name in Face::of(before).differing(&Face::of(after)) {
        let action = match (before.property(name), after.property(name)) {
            (None, _) => Action::Create,
            (_, None) => Action::Delete,
            _ => Action::Update,
        };
        if !images.access.may(caller, action, name) {
            return Err(protection::refused(name));
        }
    }
    Ok(())
}

/// Does what a plan says, if it is still the one that is allowed.
fn apply(
    conn: &mut Conn,
    door: &Door,
    wish: &Wish,
    allowed: &[(String, i64)],
) -> DbResult<Option<Vec<Image>>> {
    let now = door.clock.now();
    let first = plan(conn, wish, now)?;
    let family = (first.owner.as_str(), first.family.as_str());
    let number = db::families::lock(conn, family.0, family.1)?;
    // What it was before others published meanwhile does not count.
    let plan = plan(conn, wish, now)?;
    if plan.key() != allowed {
        return Ok(None);
    }
    let mut changed = Vec::with_capacity(plan.steps.len());
    let faces: Vec<Face> = plan.steps.iter().map(|(before, _)| Face::of(before)).collect();
    let is_change = plan.steps.iter().any(|(before, after)| before != after);
    for (before, after) in plan.steps {
        let step = |_: &mut Conn, image: &Image| Ok((image != &after).then(|| after.clone()));
        changed.push(change::in_txn(conn, door, &before.id, step)?);
    }
    match plan.taken_back {
        Some(number) => db::families::take_back(conn, family, number)?,
        None if is_change => {
            let faces = serde_json::to_string(&faces).map_err(|e| Error::internal("a publication", e))?;
            let published = changed.first().map_or("", |image: &Image| image.id.as_str());
            db::families::note(conn, family, number, (published, &faces), now)?;
        }
        None => {}
    }
    Ok(Some(changed))
}

fn plan(conn: &mut Conn, wish: &Wish, now: Timestamp) -> DbResult<Plan> {
    match wish {
        Wish::Publish(publication) => plan_publication(conn, publication, now),
        Wish::Rollback { owner, name } => plan_rollback(conn, owner, name),
    }
}

fn plan_publication(conn: &mut Conn, wish: &Publication, now: Timestamp) -> DbResult<Plan> {
    let missing = || Error::ImageNotFound(wish.image_id.clone());
    let image = db::images::find(conn, &wish.image_id)?.ok_or_else(missing)?;
    let owner = image.owner.clone().ok_or_else(|| Error::conflict("The image has no owner."))?;
    let family = wish.family.as_str();
    let (others, published_before) = candidates(conn, &owner, family, now)?;
    // Newer ones that nobody has published wait for their turn.
    let own = Line::of(&image);
    let previous = match others.first() {
        Some(first) if published_before => Some(first).filter(|line| line.id != image.id),
        _ => others.iter().find(|line| line.age() < own.age()),
    };
    let mut ids = db::families::named(conn, &owner, &wish.plain_name, CHANGES_MAX)?;
    ids.extend(previous.map(|line| line.id.clone()));
    ids.retain(|id| *id != image.id);
    ids.sort();
    ids.dedup();

    let mut gates = gates_of(&image, family, now);
    let mut steps = vec![(image.clone(), published(&image, wish))];
    for id in ids {
        let Some(before) = db::images::find(conn, &id)? else { continue };
        if lifecycle::text(&before, FAMILY_PROPERTY) != Some(family) {
            gates.push("name-taken");
            continue;
        }
        let mut after = before.clone();
        if before.name.as_deref() == Some(&wish.plain_name) {
            after.name = Some(family::renamed(&wish.rename, &before)?);
        }
        if wish.hide_previous {
            after.os_hidden = true;
            after.set_property(REPLACED_BY_PROPERTY, Some(image.id.clone()));
        }
        steps.push((before, after));
    }
    gates.dedup();
    if !gates.is_empty() {
        let text = format!("Image {} cannot be published in {family}: {}.", image.id, gates.join(", "));
        return Err(Error::conflict(text).because("not-publishable", json!({ "gates": gates })).into());
    }
    Ok(Plan { owner, family: family.to_owned(), steps, taken_back: None })
}

/// What an image lacks to be published.
fn gates_of(image: &Image, family: &str, now: Timestamp) -> Vec<&'static str> {
    let mut line = Line::of(image);
    let other = line.property(FAMILY_PROPERTY).is_some_and(|other| other != family);
    let is_active = image.status == crate::model::status::Status::Active;
    let mut gates = Vec::new();
    for (fails, gate) in [
        (!is_active, "not-active"),
        (image.os_hash_value.is_none(), "no-hash"),
        (line.is_retired(), "retired"),
        (other, "other-family"),
    ] {
        if fails {
            gates.push(gate);
        }
    }
    line.os_hidden = false;
    line.properties.retain(|(name, _)| name != CANDIDATE_PROPERTY);
    if gates.is_empty() && !line.may_be_current(now) {
        gates.push("deprecated");
    }
    gates
}

/// An image as the current one of its family.
fn published(image: &Image, wish: &Publication) -> Image {
    let mut after = Image { name: Some(wish.plain_name.clone()), os_hidden: false, ..image.clone() };
    after.visibility = wish.visibility.unwrap_or(image.visibility);
    after.set_property(FAMILY_PROPERTY, Some(wish.family.clone()));
    after.remove_property(CANDIDATE_PROPERTY);
    after.remove_property(REPLACED_BY_PROPERTY);
    after
}

fn plan_rollback(conn: &mut Conn, owner: &str, name: &str) -> DbResult<Plan> {
    let none = || Error::NotFound(format!("Nothing was published in the family {name} of project {owner}."));
    let (number, changes) = db::families::last(conn, (owner, name))?.ok_or_else(none)?;
    let faces: Vec<Face> = serde_json::from_str(&changes).map_err(|e| Error::internal("a publication", e))?;
    let (mut steps, mut plain) = (Vec::new(), None);
    for (index, face) in faces.iter().enumerate() {
        let found = db::images::find(conn, &face.image_id)?;
        let Some(before) = found.filter(|image| image.owner.as_deref() == Some(owner)) else {
            let gone = format!("Image {} from before the publication is gone.", face.image_id);
            match index {
                0 => continue,
                _ => return Err(Error::conflict(gone).into()),
            }
        };
        let mut after = before.clone();
        face.put_on(&mut after);
        if index == 0 {
            plain.clone_from(&before.name);
            // The one before is to be the current one again, though this is newer.
            after.set_property(CANDIDATE_PROPERTY, Some("false".to_owned()));
            if faces.len() > 1 && after.name == before.name {
                after.name = Some(family::renamed(family::RENAME, &before)?);
            }
        }
        steps.push((before, after));
    }
    if let Some(plain) = plain {
        let here = |id: &String| steps.iter().any(|(before, _)| before.id == *id);
        if db::families::named(conn, owner, &plain, CHANGES_MAX)?.iter().any(|id| !here(id)) {
            return Err(Error::conflict(format!("Another image has the name {plain} by now.")).into());
        }
    }
    Ok(Plan { owner: owner.to_owned(), family: name.to_owned(), steps, taken_back: Some(number) })
}
