//! `/ext/v1/media-groups`: the shelves on which images are offered.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::page::{Asked, is_dry, next_page, only};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
        origin::own_url,
        query::{link, pairs},
    },
    image::media_groups::{self as domain, Members},
    model::{
        error::Error,
        image::Image,
        lifecycle,
        media_group::{GROUP_PROPERTY, MediaGroup, check_name},
    },
};

const PATH: &str = "/ext/v1/media-groups";
/// Groups on one page that have their images with them.
const FULL_MAX: u32 = 20;

/// An image as a form shows it.
fn brief(image: &Image) -> Value {
    json!({
        "id": image.id,
        "name": image.name,
        "visibility": image.visibility.as_str(),
        "owner": image.owner,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "size": image.size,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "os_type": lifecycle::text(image, "os_type"),
        "os_distro": lifecycle::text(image, "os_distro"),
        "os_version": lifecycle::text(image, "os_version"),
        "architecture": lifecycle::text(image, "architecture"),
        "created_at": image.created_at.isotime(),
    })
}

/// Lists groups, with the active images in them where that is asked for.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let mut asked = Asked::parse(pairs(request.query_string())?, &["visible", "with"])?;
    let visible = asked.flag("visible")?;
    let is_full = match asked.get("with") {
        None => false,
        Some("images") => true,
        Some(other) => return Err(Error::invalid(format!("with is images, not {other:?}.")).into()),
    };
    if let Some(name) = &asked.marker {
        check_name(name)?;
    }
    if is_full {
        asked.limit = asked.limit.min(FULL_MAX);
    }
    let (images, after) = (&state.app.images, asked.marker.clone());
    let found = domain::list(images, &caller.0, visible, after, asked.limit).await?;
    let mut groups = Vec::with_capacity(found.len());
    for group in &found {
        let mut view = group.to_json();
        if is_full && let Some(object) = view.as_object_mut() {
            let page = domain::images_of(images, &caller.0, &group.name).await?;
            object.insert("images".to_owned(), page.images.iter().map(brief).collect());
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let more = [pair(GROUP_PROPERTY, &group.name), pair("status", "active")];
            let next = page.next_marker.map(|marker| link("/v2/images", &more, Some(&marker)));
            object.insert("images_next".to_owned(), json!(next));
        }
        groups.push(view);
    }
    let next = next_page(PATH, &asked, &found, |last: &MediaGroup| last.name.clone());
    Ok(HttpResponse::Ok().json(json!({"media_groups": groups, "next": next})))
}

/// Makes one.
pub async fn create(state: Shared, caller: Identified, request: HttpRequest, body: JsonBody) -> ApiResult {
    let group = domain::create(&state.app.images, &caller.0, &body.small()?).await?;
    let name = utf8_percent_encode(&group.name, NON_ALPHANUMERIC);
    let place = format!("{}{PATH}/{name}", own_url(&state.settings, &request));
    Ok(HttpResponse::Created().insert_header((LOCATION, place)).json(json!({"media_group": group.to_json()})))
}

/// Shows one.
pub async fn show(state: Shared, _: Identified, name: Path<String>) -> ApiResult {
    check_name(&name)?;
    let group = domain::show(&state.app.images, &name).await?;
    Ok(HttpResponse::Ok().json(json!({"media_group": group.to_json()})))
}

/// Changes one.
pub async fn update(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    name: Path<String>,
    body: JsonBody,
) -> ApiResult {
    let dry_run = is_dry(&request)?;
    check_name(&name)?;
    let group = domain::change(&state.app.images, &caller.0, &name, body.small()?, dry_run).await?;
    Ok(HttpResponse::Ok().json(json!({"media_group": group.to_json()})))
}

/// Deletes one, and says what becomes of its images.
pub async fn delete(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    name: Path<String>,
    _: NoBody,
) -> ApiResult {
    check_name(&name)?;
    let asked = pairs(request.query_string())?;
    let known = ["reassign", "clear", "dry_run"];
    // It has no pages.
    only(&asked, &known)?;
    let asked = Asked::parse(asked, &known)?;
    let members = match (asked.get("reassign"), asked.flag("clear")?.unwrap_or(false)) {
        (None, false) => Members::None,
        (None, true) => Members::Clear,
        (Some(name), false) => {
            check_name(name)?;
            Members::Reassign(name.to_owned())
        }
        (Some(_), true) => return Err(Error::invalid("Either reassign or clear.").into()),
    };
    if asked.flag("dry_run")?.unwrap_or(false) {
        let images = domain::rehearse_deletion(&state.app.images, &caller.0, &name, members).await?;
        return Ok(HttpResponse::Ok().json(json!({"dry_run": true, "images": images})));
    }
    domain::delete(&state.app.images, &caller.0, &name, members).await?;
    Ok(HttpResponse::NoContent().finish())
}
