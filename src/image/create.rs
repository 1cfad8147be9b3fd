//! Creating an image record (`glance/api/v2/images.py: ImagesController.create`).

use crate::{
    access::{
        self,
        protection::{self, Action},
        quota,
        targets::NewImageTarget,
    },
    db::DbError,
    model::{
        caller::Caller,
        error::{Error, Result},
        family,
        image::{Image, SYSTEM_PROPERTY_PREFIX, WRITTEN_BY_SERVICE},
        lifecycle,
        new_image::NewImage,
        slug::{self, SLUG_PROPERTY},
        status::Status,
        time::Timestamp,
        visibility::Visibility,
    },
};

use super::{
    Images,
    expected::{self, EXPECTATIONS},
    keys, limits, validate,
};

/// Creates an image in status `queued`.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`], [`Error::TooLarge`] for quotas, and [`Error::Conflict`] for an id that
/// is or was in use; the order of the checks is Glance's.
pub async fn create(images: &Images, caller: &Caller, new: NewImage) -> Result<Image> {
    let is_chosen = new.id.is_some();
    let image = check(images, caller, new).await?;
    match images.insert(caller, &image, is_chosen).await {
        Ok(()) => {
            keys::follow(images, caller, None, &image).await;
            Ok(image)
        }
        Err(DbError::Duplicate(_)) => Err(Error::conflict(format!(
            "Image ID {} already exists, or was used by a deleted image.",
            image.id
        ))),
        Err(other) => Err(other.into()),
    }
}

/// The record of a new image, if the caller may create it like this.
///
/// # Errors
/// As [`create`], but those of entering it.
pub(super) async fn check(images: &Images, caller: &Caller, mut new: NewImage) -> Result<Image> {
    access::mutating(caller)?;
    new.disinherit(&EXPECTATIONS);
    new.disinherit(&WRITTEN_BY_SERVICE);
    new.disinherit(&[SLUG_PROPERTY]);
    let owner = match &new.owner {
        Some(owner) => owner.clone(),
        None => caller.project_id.clone(),
    };
    authorize(images, caller, &new, owner.as_deref()).await?;
    for property in &new.properties {
        if !images.access.may(caller, Action::Create, &property.name) {
            return Err(protection::refused(&property.name));
        }
    }
    let limits = match new.tags.is_empty() && new.properties.is_empty() {
        true => images.settings.limits_of_all(),
        false => limits::of(images, owner.as_deref()).await?,
    };
    quota::check("tags", limits.max_tags, new.tags.len())?;
    if let Some(name) = &new.read_only {
        return Err(Error::forbidden(format!("Attribute '{name}' is read-only.")));
    }
    new.check_storable()?;
    for property in &new.properties {
        images.settings.bounds.check_value(&property.name, property.value.as_deref())?;
    }
    let counted = new.properties.iter().filter(|p| !p.name.starts_with(SYSTEM_PROPERTY_PREFIX)).count();
    quota::check("properties", limits.max_properties, counted)?;
    let image = build(new, owner, images.db.clock.now());
    for property in &image.properties {
        expected::check_readable(&property.name, property.value.as_deref())?;
    }
    images.settings.bounds.check_record(0, &image)?;
    lifecycle::check(None, &image)?;
    lifecycle::check_policy(None, &image)?;
    family::check(None, &image)?;
    slug::check(None, &image)?;
    validate::check(images, None, &image).await?;
    Ok(image)
}

async fn authorize(images: &Images, caller: &Caller, new: &NewImage, owner: Option<&str>) -> Result<()> {
    let target = NewImageTarget { owner, visibility: new.visibility.unwrap_or(Visibility::Private) };
    if !images.access.allowed(caller, "add_image", &target).await? {
        if owner != caller.owner() {
            return Err(foreign_owner(owner));
        }
        return Err(access::refused("add_image"));
    }
    let extra = match new.visibility {
        Some(Visibility::Public) => "publicize_image",
        Some(Visibility::Community) => "communitize_image",
        _ => "",
    };
    if !extra.is_empty() && !images.access.allowed(caller, extra, &target).await? {
        return Err(access::refused(extra));
    }
    // The defaults of earlier releases let everybody create (`check_admin_or_same_owner`).
    let is_old = images.access.has_old_defaults();
    if is_old && !caller.is_admin && owner != caller.owner() {
        return Err(foreign_owner(owner));
    }
    Ok(())
}

fn foreign_owner(owner: Option<&str>) -> Error {
    Error::forbidden(format!(
        "You are not permitted to create images owned by {:?}.",
        owner.unwrap_or("nobody")
    ))
}

fn build(new: NewImage, owner: Option<String>, now: Timestamp) -> Image {
    let mut image = Image {
        id: new.id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        revision: 1,
        name: new.name,
        owner,
        visibility: new.visibility.unwrap_or(Visibility::Shared),
        status: Status::Queued,
        disk_format: new.disk_format,
        container_format: new.container_format,
        size: None,
        virtual_size: None,
        checksum: None,
        os_hash_algo: None,
        os_hash_value: None,
        min_disk: new.min_disk,
        min_ram: new.min_ram,
        protected: new.protected,
        os_hidden: new.os_hidden,
        created_at: now,
        updated_at: now,
        properties: new.properties.into(),
        tags: Vec::new(),
        locations: Vec::new(),
        member: None,
    };
    image.set_tags(new.tags);
    image
}
