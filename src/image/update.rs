//! Applying a patch to an image (`glance/api/v2/images.py: ImagesController.update`).

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::{
    access::{
        self,
        protection::{self, Action},
        quota,
        targets::ImageTarget,
    },
    model::{
        caller::Caller,
        error::{Error, Result},
        family,
        image::{Image, LOCK_PROPERTY, SYSTEM_PROPERTY_PREFIX},
        lifecycle,
        limits::Limits,
        new_image::{check_number, check_text, integer, strings},
        patch::{Operation, Verb},
        slug,
        status::Status,
        visibility::Visibility,
    },
};

use super::{Images, expected, keys, limits, locations, readers, validate};

/// After how many operations others on the same thread get their turn.
const OPERATIONS_AT_A_STRETCH: usize = 32;
/// What decides who may read an image.
const DECIDE_WHO_READS: [&str; 3] = ["visibility", "owner", "locations"];
/// Locations in one operation at most; a quota that has no limit has this one.
const LOCATIONS_MAX: usize = 1024;

/// Applies the operations in order to a copy and saves once; any failure discards all of them. An empty patch
/// needs no right beyond finding the image and changes nothing, `updated_at` included.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Conflict`] and [`Error::Invalid`] as each operation demands,
/// [`Error::TooLarge`] for quotas.
pub async fn update(images: &Images, caller: &Caller, id: &str, operations: &[Operation]) -> Result<Image> {
    access::mutating(caller)?;
    let (former_key, known) = (Mutex::new(None), limits::Known::default());
    let changed = images
        .change(caller, id, async |before: &Image| {
            *former_key.lock().unwrap_or_else(PoisonError::into_inner) = keys::of(images, before);
            if operations.is_empty() {
                return Ok(None);
            }
            // What is given away within the same patch is still its former owner's.
            let limits = match operations.iter().any(|operation| adds(images, operation)) {
                true => known.of(images, before.owner.as_deref()).await?,
                false => images.settings.limits_of_all(),
            };
            let mut after = before.clone();
            for (index, operation) in operations.iter().enumerate() {
                if index > 0 && index % OPERATIONS_AT_A_STRETCH == 0 {
                    tokio::task::yield_now().await;
                }
                apply(images, caller, &limits, &mut after, operation).await?;
            }
            let is_new = |name: &str| before.property(name).is_none();
            let grows = after
                .properties
                .iter()
                .any(|p| is_new(&p.name) && !p.name.starts_with(SYSTEM_PROPERTY_PREFIX));
            if grows {
                quota::check("properties", limits.max_properties, after.counted_properties())?;
            }
            images.settings.bounds.check_record(before.variable_bytes(), &after)?;
            lifecycle::check(Some(before), &after)?;
            lifecycle::check_policy(Some(before), &after)?;
            family::check(Some(before), &after)?;
            slug::check(Some(before), &after)?;
            validate::check(images, Some(before), &after).await?;
            Ok(Some(after))
        })
        .await?;
    if operations.iter().any(|operation| DECIDE_WHO_READS.contains(&operation.attribute.as_str())) {
        readers::admit(images, id).await;
    }
    let former_key = former_key.into_inner().unwrap_or_else(PoisonError::into_inner);
    keys::follow(images, caller, former_key, &changed).await;
    Ok(changed)
}

/// Whether an operation may bring an image properties, tags or locations, whose number has a limit.
fn adds(images: &Images, operation: &Operation) -> bool {
    let name = operation.attribute.as_str();
    operation.verb != Verb::Remove && (["tags", "locations"].contains(&name) || !images.schema.is_base(name))
}

async fn apply(
    images: &Images,
    caller: &Caller,
    limits: &Limits,
    image: &mut Image,
    operation: &Operation,
) -> Result<()> {
    let attribute = operation.attribute.as_str();
    if attribute == "locations" {
        let count = operation.value.as_array().map_or(0, Vec::len);
        if count > LOCATIONS_MAX {
            return Err(Error::TooLarge(format!(
                "An image can have {LOCATIONS_MAX} locations, not {count}."
            )));
        }
        return locations::patch(images, caller, limits, image, operation).await;
    }
    let gives_away = attribute == "owner" && !caller.is_admin;
    let not_yours = || Error::forbidden("Only an administrator may change the owner of an image.");
    if gives_away && operation.verb == Verb::Replace {
        return Err(not_yours());
    }
    if attribute == "visibility" && operation.verb != Verb::Remove {
        let rule = match operation.value.as_str().and_then(Visibility::parse) {
            Some(Visibility::Public) => Some("publicize_image"),
            Some(Visibility::Community) => Some("communitize_image"),
            _ => None,
        };
        if let Some(rule) = rule
            && !images.access.allowed(caller, rule, &ImageTarget(image)).await?
        {
            return Err(access::refused(rule));
        }
    }
    images.access.enforce(caller, "modify_image", image).await?;
    if gives_away && operation.verb == Verb::Add {
        return Err(not_yours());
    }
    if images.schema.is_base(attribute) {
        set_attribute(limits, image, operation)
    } else {
        set_property(images, caller, image, operation)
    }
}

fn set_property(images: &Images, caller: &Caller, image: &mut Image, operation: &Operation) -> Result<()> {
    let name = operation.attribute.as_str();
    let may = |action| images.access.may(caller, action, name);
    // What the caller may not read is to it as if it were not there.
    let exists = image.property(name).is_some() && may(Action::Read);
    let needed = match operation.verb {
        Verb::Remove => Action::Delete,
        _ if exists => Action::Update,
        _ => Action::Create,
    };
    // Clients send whole images back; what stays as it was is no change.
    let stays = || image.property(name).is_some_and(|p| p.value.as_deref() == operation.value.as_str());
    let is_harmless = || operation.verb != Verb::Remove && images.access.is_services(name) && stays();
    let protected = !may(needed) && !is_harmless();
    match operation.verb {
        _ if protected && (exists || operation.verb == Verb::Add) => return Err(protection::refused(name)),
        Verb::Remove if exists => {
            image.remove_property(name);
            return Ok(());
        }
        Verb::Remove | Verb::Replace if !exists => {
            return Err(Error::conflict(format!("Property {name} does not exist.")));
        }
        Verb::Add if exists && operation.add_conflicts => {
            return Err(Error::conflict(format!("Property {name} already present.")));
        }
        _ => {}
    }
    check_text("property", name)?;
    let value = operation.value.as_str().map(str::to_owned);
    check_text("property", value.as_deref().unwrap_or_default())?;
    images.settings.bounds.check_value(name, value.as_deref())?;
    expected::may_set(image, name, value.as_deref())?;
    image.set_property(name, value);
    Ok(())
}

/// Requires that no data is on its way: what data is, is judged by the formats that are declared.
fn check_has_no_data(image: &Image, name: &str) -> Result<()> {
    let state = match image.status {
        Status::Queued if image.property(LOCK_PROPERTY).is_none() => return Ok(()),
        Status::Queued => "about to get its data".to_owned(),
        other => other.to_string(),
    };
    Err(Error::forbidden(format!(
        "Attribute {name} can be only replaced for a queued image; this one is {state}."
    )))
}

fn set_attribute(limits: &Limits, image: &mut Image, operation: &Operation) -> Result<()> {
    let name = operation.attribute.as_str();
    match operation.verb {
        Verb::Remove => return Err(Error::forbidden(format!("Property {name} may not be removed."))),
        Verb::Add if operation.add_conflicts => {
            return Err(Error::conflict(format!("Property {name} already present.")));
        }
        _ => {}
    }
    let value = &operation.value;
    let text = value.as_str().map(str::to_owned);
    if let Some(text) = &text {
        check_text(name, text)?;
    }
    let number = || integer(Some(value)).and_then(|n| check_number(name, n).map(|()| n));
    match name {
        "name" => image.name = text,
        "owner" => image.owner = text,
        "visibility" => {
            if let Some(visibility) = text.as_deref().and_then(Visibility::parse) {
                image.visibility = visibility;
            }
        }
        "protected" => image.protected = value == &Value::Bool(true),
        "os_hidden" => image.os_hidden = value == &Value::Bool(true),
        "min_disk" => image.min_disk = number()?,
        "min_ram" => image.min_ram = number()?,
        "disk_format" | "container_format" => {
            check_has_no_data(image, name)?;
            if name == "disk_format" {
                image.disk_format = text;
            } else {
                image.container_format = text;
            }
        }
        "tags" => {
            let tags = strings(Some(value));
            quota::check("tags", limits.max_tags, tags.len())?;
            // Those that are there may stay, whatever they are: single ones are taken with any character.
            let mut new = tags.iter().filter(|tag| !image.tags.contains(tag));
            new.try_for_each(|tag| check_text("tag", tag))?;
            image.set_tags(tags);
        }
        other => return Err(Error::forbidden(format!("Attribute '{other}' is read-only."))),
    }
    Ok(())
}
