//! Sets the read ACLs of an image's data in stores where each project has its own account (`glance/location.py:
//! ImageRepoProxy._set_acls`).

use super::Images;
use crate::{
    db::{self, DbResult},
    model::{bundle::disk_ids, image::Image, visibility::Visibility},
    store::Readers,
};

/// How often it is looked at again whether something has changed meanwhile.
const LOOKS: usize = 4;

/// Updates read ACLs in stores that have them, those of the disks of a bundle too. A failure is only logged: access
/// through this service does not depend on them.
pub async fn admit(images: &Images, id: &str) {
    if !images.stores.iter().any(|named| named.admits()) {
        return;
    }
    let key = id.to_owned();
    let read =
        images.db.read("image.disks", move |conn| Ok(db::images::find(conn, &key)?.map(|i| disk_ids(&i))));
    let disks = read.await.unwrap_or_else(|error| {
        tracing::warn!(%error, image = id, "the disks of a bundle could not be found");
        None
    });
    for id in disks.into_iter().flatten().chain([id.to_owned()]) {
        admit_one(images, &id).await;
    }
}

async fn admit_one(images: &Images, id: &str) {
    let mut told = None;
    for _ in 0..LOOKS {
        let now = match wanted(images, id).await {
            Ok(Some(now)) if told.as_ref() != Some(&now) => now,
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, image = id, "the read permissions of an image could not be set in its stores");
                return;
            }
        };
        for (store, name, readers) in &now {
            let Some(named) = images.stores.get(store) else { continue };
            if let Err(error) = named.admit(name, readers).await {
                tracing::warn!(%error, image = id, "the read permissions of an image could not be set in a store");
            }
        }
        told = Some(now);
    }
}

/// Store, name and readers of each of the image's data.
type Wanted = Vec<(String, String, Readers)>;

async fn wanted(images: &Images, id: &str) -> DbResult<Option<Wanted>> {
    let id = id.to_owned();
    let found = images.db.read("image.readers", move |conn| {
        let Some(image) = db::images::find(conn, &id)? else { return Ok(None) };
        let members = db::members::list(conn, &id)?;
        Ok(Some((image, members.into_iter().map(|member| member.member).collect::<Vec<_>>())))
    });
    let Some((image, members)) = found.await? else { return Ok(None) };
    let stores = image.locations.iter().filter_map(|location| {
        let named = images.stores.for_location(location).filter(|named| named.admits())?;
        let name = named.name_of(&location.url)?.to_owned();
        let readers = readers(&image, &members, &name);
        Some((named.id, name, readers))
    });
    Ok(Some(stores.collect()))
}

/// Who may read what has this name, the owner included where it is kept by another project.
fn readers(image: &Image, members: &[String], name: &str) -> Readers {
    let mut projects = match image.visibility {
        Visibility::Public | Visibility::Community => return Readers::Everybody,
        Visibility::Shared => members.to_vec(),
        Visibility::Private => Vec::new(),
    };
    let keeper = name.split('/').next();
    projects.extend(image.owner.iter().filter(|owner| Some(owner.as_str()) != keeper).cloned());
    Readers::Projects(projects)
}
