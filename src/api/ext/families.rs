//! `/ext/v1/families`: images that are versions of one thing, and which is current.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use serde_json::{Value, json};

use super::{
    body::{flag, object, only, text, word},
    page::{Asked, is_dry, link_after, next_page},
};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared, has_body},
        origin::own_url,
        query::pairs,
    },
    image::{families as domain, publish as publishing},
    model::{
        error::{Error, Result},
        family::{BUILT_PROPERTY, FAMILY_PROPERTY, Publication, RENAME, check_name},
        image::{ID_CHARS_MAX, Image, TEXT_CHARS_MAX, Visibility},
        lifecycle,
        list::{ListQuery, PageLimits},
    },
};

const PATH: &str = "/ext/v1/families";
/// Bytes of a marker: an owner and a name.
const MARKER_MAX: usize = 320;

fn view(image: &Image) -> Value {
    json!({
        "id": image.id,
        "name": image.name,
        "status": image.status.as_str(),
        "visibility": image.visibility.as_str(),
        "os_hidden": image.os_hidden,
        "image_build_date": lifecycle::text(image, BUILT_PROPERTY),
        "created_at": image.created_at.isotime(),
    })
}

/// A family in a path: a name that can be none is that of no family.
fn named(owner: &str, name: &str) -> Result<()> {
    let found = check_name(name).is_ok() && owner.chars().count() <= TEXT_CHARS_MAX && !owner.contains('\0');
    if found { Ok(()) } else { Err(Error::NotFound(format!("Project {owner} has no family {name}."))) }
}

/// Lists the families that the caller may see.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse_long(pairs(request.query_string())?, &[], MARKER_MAX)?;
    let after = match &asked.marker {
        None => None,
        Some(marker) => {
            let wrong = || Error::invalid(format!("Invalid marker: {marker:?} is not OWNER:NAME."));
            let (owner, name) = marker.rsplit_once(':').ok_or_else(wrong)?;
            Some((word("marker", owner, TEXT_CHARS_MAX)?, word("marker", name, TEXT_CHARS_MAX)?))
        }
    };
    let found = domain::list(&state.app.images, &caller.0, after, asked.limit).await?;
    let next = next_page(PATH, &asked, &found, |(owner, name)| format!("{owner}:{name}"));
    let known = found.iter().filter(|(_, name)| check_name(name).is_ok());
    let families: Vec<Value> = known.map(|(owner, name)| json!({"owner": owner, "name": name})).collect();
    Ok(HttpResponse::Ok().json(json!({"families": families, "next": next})))
}

/// Shows a family with its images, the newest record first.
pub async fn show(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> ApiResult {
    let (owner, name) = path.into_inner();
    named(&owner, &name)?;
    let asked = Asked::parse(pairs(request.query_string())?, &["hidden"])?;
    let hidden = if asked.flag("hidden")?.unwrap_or(false) { "true" } else { "false" };
    let wanted = [("owner", owner.as_str()), (FAMILY_PROPERTY, &*name), ("os_hidden", hidden)];
    let mut wanted: Vec<(String, String)> =
        wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    wanted.extend(asked.marker.iter().map(|marker| ("marker".to_owned(), marker.clone())));
    let query = ListQuery::parse(&wanted, PageLimits { default: asked.limit, max: asked.limit })?;
    let (images, caller) = (&state.app.images, &caller.0);
    let page = domain::members(images, caller, &owner, &name, query).await?;
    let current = domain::current(images, caller, &owner, &name).await?;
    let path = format!("{PATH}/{owner}/{name}");
    let next = page.next_marker.as_deref().map(|marker| link_after(&path, &asked, marker));
    let members: Vec<Value> = page.images.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({
        "family": {"owner": owner, "name": name, "current": current.map(|image| image.id)},
        "members": members,
        "next": next,
    })))
}

/// Leads to the current image of a family.
pub async fn current(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    path: Path<(String, String)>,
    _: NoBody,
) -> ApiResult {
    let (owner, name) = path.into_inner();
    named(&owner, &name)?;
    let none = || Error::NotFound(format!("Project {owner} has no current image of a family {name}."));
    let found = domain::current(&state.app.images, &caller.0, &owner, &name).await?;
    let place = format!("{}/v2/images/{}", own_url(&state.settings, &request), found.ok_or_else(none)?.id);
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
}

fn publication(family: String, value: &Value) -> Result<Publication> {
    let object = object(value)?;
    only(object, &["image_id", "plain_name", "hide_previous", "visibility", "rename"])?;
    let needed = |name: &str| text(object, name)?.ok_or_else(|| Error::invalid(format!("{name} is needed.")));
    let visibility = match text(object, "visibility")? {
        None => None,
        Some(text) => Some(Visibility::parse(text).ok_or_else(|| {
            Error::invalid(format!("visibility is public, community, shared or private, not {text:?}."))
        })?),
    };
    Ok(Publication {
        family,
        image_id: word("image_id", needed("image_id")?, ID_CHARS_MAX)?,
        plain_name: needed("plain_name")?.to_owned(),
        rename: text(object, "rename")?.unwrap_or(RENAME).to_owned(),
        hide_previous: flag(object, "hide_previous")?.unwrap_or(true),
        visibility,
    })
}

/// Publishes an image in a family.
pub async fn publish(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    name: Path<String>,
    body: JsonBody,
) -> ApiResult {
    let (name, dry_run) = (name.into_inner(), is_dry(&request)?);
    check_name(&name)?;
    let publication = publication(name, &body.small()?)?;
    let changed = publishing::publish(&state.app.images, &caller.0, publication, dry_run).await?;
    Ok(answer(&changed))
}

/// Takes back the last publication in a family.
pub async fn rollback(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    name: Path<String>,
    body: Option<JsonBody>,
) -> ApiResult {
    let value = match body {
        Some(body) => body.small()?,
        None if has_body(&request) => return Err(Error::invalid("The body cannot be read as JSON.").into()),
        None => json!({}),
    };
    let dry_run = is_dry(&request)?;
    check_name(&name)?;
    let object = object(&value)?;
    only(object, &["owner"])?;
    let owner = match text(object, "owner")? {
        Some(owner) => owner.to_owned(),
        None => caller.0.project_id.clone().unwrap_or_default(),
    };
    let changed = publishing::rollback(&state.app.images, &caller.0, &owner, &name, dry_run).await?;
    Ok(answer(&changed))
}

fn answer(changed: &[Image]) -> HttpResponse {
    let images: Vec<Value> = changed.iter().map(view).collect();
    HttpResponse::Ok().json(json!({"changed": images}))
}
