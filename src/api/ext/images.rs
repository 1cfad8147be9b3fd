//! `GET /ext/v1/images`: the list of images with conditions that `/v2` does not have: what fits a flavor, what is for
//! rescue, what needs attention. And what is odd about an image, and which one has a short name.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    body::project,
    page::{Asked, link_after, twice},
};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, NoBody, Shared},
        images::view,
        origin::own_url,
        query::pairs,
    },
    image::{families, query, slugs, validate},
    model::{
        error::{Error, Result},
        fit,
        image::ATTENTION_PROPERTY,
        list::{Filter, ListQuery, PageLimits},
    },
};

/// The family of the images to rescue servers with.
const RESCUE_FAMILY: &str = "rescue";
const PATH: &str = "/ext/v1/images";

#[derive(Serialize)]
struct Body<'a> {
    images: Vec<view::View<'a>>,
    next: Option<String>,
}

/// What is asked for: all that `GET /v2/images` takes, and the conditions that are only here.
fn parse(asked: &Asked) -> Result<ListQuery> {
    let (mut list, mut more) = (Vec::new(), Vec::new());
    let mut known = Vec::new();
    for (name, value) in &asked.rest {
        match name.as_str() {
            "fits" | "rescue" | ATTENTION_PROPERTY if known.contains(name) => {
                return Err(twice(name));
            }
            "fits" => more.extend(fit::conditions(value)?),
            "rescue" if value == "true" => more.push(fit::for_rescue()),
            ATTENTION_PROPERTY if value == "true" => more.push(Filter::AnyProperty(vec![ATTENTION_PROPERTY])),
            "rescue" | ATTENTION_PROPERTY => {
                return Err(Error::invalid(format!("{name} must be true, not {value:?}.")));
            }
            _ => list.push((name.clone(), value.clone())),
        }
        known.push(name.clone());
    }
    let limits = PageLimits { default: asked.limit, max: asked.limit };
    let mut query = ListQuery { marker: asked.marker.clone(), ..ListQuery::parse(&list, limits)? };
    query.filters.extend(more);
    Ok(query)
}

/// Lists images.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::open(pairs(request.query_string())?)?;
    let page = query::list(&state.app.images, &caller.0, parse(&asked)?).await?;
    let images = page.images.iter().map(|image| view::image(&state, &caller.0, image)).collect();
    let next = page.next_marker.as_deref().map(|marker| link_after(PATH, &asked, marker));
    Ok(HttpResponse::Ok().json(Body { images, next }))
}

/// Says what is odd about an image.
pub async fn lint(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    let found = validate::lint(&state.app.images, &caller.0, &id).await?;
    let warnings: Vec<Value> = found
        .into_iter()
        .map(|warning| {
            json!({
                "property": warning.property,
                "value": warning.value,
                "level": "warning",
                "reason": warning.reason,
                "message": warning.message,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "lint": warnings })))
}

/// Leads to the image to rescue servers with: the current one of the family `rescue`.
pub async fn rescue(state: Shared, caller: Identified, request: HttpRequest, _: NoBody) -> ApiResult {
    if let Some((name, _)) = pairs(request.query_string())?.first() {
        return Err(Error::invalid(format!("There is no parameter {name:?} here.")).into());
    }
    let found = families::platform(&state.app.images, &caller.0, RESCUE_FAMILY).await?;
    let none = || Error::NotFound(format!("There is no image of the family {RESCUE_FAMILY}."));
    let place = format!("{}/v2/images/{}", own_url(&state.settings, &request), found.ok_or_else(none)?.id);
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
}

/// Leads to the image with a short name.
pub async fn by_slug(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    slug: Path<String>,
    _: NoBody,
) -> ApiResult {
    let mut owner = None;
    for (name, value) in pairs(request.query_string())? {
        if name != "owner" {
            return Err(Error::invalid(format!("There is no parameter {name:?} here.")).into());
        }
        project(&value)?;
        if owner.replace(value).is_some() {
            return Err(Error::invalid("owner is there twice.").into());
        }
    }
    let image = slugs::find(&state.app.images, &caller.0, owner.as_deref(), &slug).await?;
    let place = format!("{}/v2/images/{}", own_url(&state.settings, &request), image.id);
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
}
