//! `/ext/v1/bundles`: the disks of whole servers, each as one image that Nova boots.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use serde_json::{Map, Value, json};

use super::{
    body::{object, only},
    page::{self, Asked, link_after},
};
use crate::{
    access,
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
        origin::own_url,
        query::pairs,
    },
    image::{
        bundles::{self as domain, Bundle},
        query,
    },
    model::{
        bundle::{self, Disk, parse_disks},
        error::{Error, Result},
        image::Image,
        image_schema::ImageSchema,
        list::{ListQuery, PageLimits},
        new_image::NewImage,
    },
};

const PATH: &str = "/ext/v1/bundles";
/// What a bundle has of an image, in the words of `POST /v2/images`.
const OF_IMAGE: [&str; 8] =
    ["id", "name", "visibility", "tags", "min_ram", "min_disk", "protected", "os_hidden"];
/// What the service says of a bundle, and nobody else.
const OURS: [&str; 5] = ["image_set", "image_set_index", "image_kind", "block_device_mapping", "bdm_v2"];

/// A disk as its bundle has it, with what it is if the caller sees it.
fn disk(disk: &Disk, image: Option<&Image>) -> Value {
    json!({
        "image_id": disk.image_id,
        "boot_index": disk.boot_index,
        "volume_size": disk.volume_size,
        "name": image.and_then(|image| image.name.as_deref()),
        "status": image.map(|image| image.status.as_str()),
        "disk_format": image.and_then(|image| image.disk_format.as_deref()),
        "size": image.and_then(|image| image.size),
        "virtual_size": image.and_then(|image| image.virtual_size),
        "os_hash_algo": image.and_then(|image| image.os_hash_algo.as_deref()),
        "os_hash_value": image.and_then(|image| image.os_hash_value.as_deref()),
    })
}

fn brief(image: &Image, disks: Vec<Value>) -> Value {
    json!({
        "id": image.id,
        "name": image.name,
        "owner": image.owner,
        "status": image.status.as_str(),
        "visibility": image.visibility.as_str(),
        "os_hidden": image.os_hidden,
        "protected": image.protected,
        "min_ram": image.min_ram,
        "created_at": image.created_at.isotime(),
        "updated_at": image.updated_at.isotime(),
        "disks": disks,
    })
}

fn manifest(bundle: &Bundle) -> Value {
    let sizes = bundle.disks.iter().filter_map(|(_, image)| image.as_ref().map(Image::size_bytes));
    let total = sizes.fold(0_u64, u64::saturating_add);
    let disks = bundle.disks.iter().map(|(of, image)| disk(of, image.as_ref())).collect();
    let mut view = brief(&bundle.image, disks);
    if let Some(object) = view.as_object_mut() {
        object.insert("total_size".to_owned(), json!(total));
    }
    json!({ "bundle": view })
}

/// What is asked for: an image without data, and its disks.
fn parse(value: &Value, schema: &ImageSchema) -> Result<(NewImage, Vec<Disk>)> {
    let body = object(value)?;
    let known: Vec<&str> = OF_IMAGE.into_iter().chain(["disks", "properties"]).collect();
    only(body, &known)?;
    let mut image: Map<String, Value> = body
        .iter()
        .filter(|(name, _)| OF_IMAGE.contains(&name.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let properties = match body.get("properties") {
        None => None,
        Some(value) => {
            Some(value.as_object().ok_or_else(|| Error::invalid("properties must be an object."))?)
        }
    };
    for (name, value) in properties.into_iter().flatten() {
        if OURS.contains(&name.as_str()) || schema.is_base(name) {
            return Err(Error::invalid(format!("{name} is not a property that a bundle can be given.")));
        }
        image.insert(name.clone(), value.clone());
    }
    image.insert("disk_format".to_owned(), json!("raw"));
    image.insert("container_format".to_owned(), json!("bare"));
    Ok((NewImage::parse(&image, schema)?, parse_disks(body.get("disks"))?))
}

/// Makes one.
pub async fn create(state: Shared, caller: Identified, request: HttpRequest, body: JsonBody) -> ApiResult {
    access::mutating(&caller.0)?;
    let schema = state.app.images.schema.clone();
    let (new, disks) = body.read(move |value: &Value| parse(value, &schema)).await?;
    let bundle = domain::create(&state.app.images, &caller.0, new, disks).await?;
    let place = format!("{}{PATH}/{}", own_url(&state.settings, &request), bundle.image.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, place)).json(manifest(&bundle)))
}

/// Lists those that the caller sees.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &["name", "owner", "visibility"])?;
    let limits = PageLimits { default: asked.limit, max: asked.limit };
    let mut query = ListQuery { marker: asked.marker.clone(), ..ListQuery::parse(&asked.rest, limits)? };
    query.filters.push(bundle::only());
    let page = query::list(&state.app.images, &caller.0, query).await?;
    let bundles: Vec<Value> = page
        .images
        .iter()
        .map(|image| {
            let plain = |disk: Disk| {
                json!({"image_id": disk.image_id, "boot_index": disk.boot_index, "volume_size": disk.volume_size})
            };
            brief(image, bundle::disks(image).into_iter().map(plain).collect())
        })
        .collect();
    let next = page.next_marker.as_deref().map(|marker| link_after(PATH, &asked, marker));
    Ok(HttpResponse::Ok().json(json!({"bundles": bundles, "next": next})))
}

/// Shows one with its disks.
pub async fn show(state: Shared, caller: Identified, id: Path<String>) -> ApiResult {
    let bundle = domain::show(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::Ok().json(manifest(&bundle)))
}

/// Deletes one with its disks, or takes it apart.
pub async fn delete(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    _: NoBody,
) -> ApiResult {
    let asked = pairs(request.query_string())?;
    page::only(&asked, &["disks"])?;
    let images = &state.app.images;
    match asked.first().map(|(_, value)| value.as_str()) {
        None | Some("delete") => {
            domain::show(images, &caller.0, &id).await?;
            crate::image::delete::delete(images, &caller.0, &id).await?;
        }
        Some("keep") => domain::dissolve(images, &caller.0, &id).await?,
        Some(other) => return Err(Error::invalid(format!("disks is delete or keep, not {other:?}.")).into()),
    }
    Ok(HttpResponse::NoContent().finish())
}
