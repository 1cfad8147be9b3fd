//! `/v2/cache`, and the calls of earlier releases that manage the cache
//! (`glance/api/v2/router.py`, `glance/api/middleware/cache_manage.py`).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::HeaderName,
    web::{Path, ServiceConfig, delete as by_delete, get, post, put},
};
use serde_json::{Map, Value, json};

use super::{
    error::{ApiResult, not_found},
    extract::{Identified, NoBody, Shared},
    images::data::text,
    resource::resource,
};
use crate::{
    cache::{Cache, Driver, manage as domain},
    model::{cached_image::CachedImage, time::Timestamp},
};

/// The routes of this file; those with a fixed word in place of an id come first.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/v2/cache", "GET, DELETE").route(get().to(state)).route(by_delete().to(clear)))
        .service(resource("/v2/cache/clean", "POST").route(post().to(clean)))
        .service(resource("/v2/cache/prune", "POST").route(post().to(prune)))
        .service(resource("/v2/cache/nodes/{id}", "GET").route(get().to(nodes)))
        .service(
            resource("/v2/cache/{id}", "DELETE, PUT").route(by_delete().to(delete)).route(put().to(queue)),
        )
        .service(
            resource("/v2/cached_images", "")
                .route(get().to(list_cached))
                .route(by_delete().to(delete_all_cached)),
        )
        .service(resource("/v2/cached_images/{id}", "").route(by_delete().to(delete_cached)))
        .service(
            resource("/v2/queued_images", "")
                .route(get().to(list_queued))
                .route(by_delete().to(delete_all_queued)),
        )
        .service(
            resource("/v2/queued_images/{id}", "")
                .route(put().to(queue_old))
                .route(by_delete().to(delete_queued)),
        );
}

/// Seconds since 1970, with a fraction.
fn seconds(time: Timestamp) -> f64 {
    time.0 as f64 / 1e6
}

/// A record as its driver shows it (`glance/image_cache/drivers/`).
fn view(record: &CachedImage, driver: Driver) -> Value {
    let mut view = Map::new();
    if driver == Driver::CentralizedDb {
        view.insert("id".to_owned(), json!(record.id));
    }
    view.insert("image_id".to_owned(), json!(record.image_id));
    view.insert("last_accessed".to_owned(), json!(seconds(record.last_accessed)));
    view.insert("last_modified".to_owned(), json!(seconds(record.last_modified)));
    view.insert("size".to_owned(), json!(record.size));
    view.insert("hits".to_owned(), json!(record.hits));
    if driver == Driver::CentralizedDb {
        view.insert("checksum".to_owned(), json!(record.checksum));
    }
    Value::Object(view)
}

fn views(records: &[CachedImage], cache: Option<&std::sync::Arc<Cache>>) -> Vec<Value> {
    let driver = cache.map_or(Driver::CentralizedDb, |cache| cache.driver());
    records.iter().map(|record| view(record, driver)).collect()
}

/// Tells what is cached and what waits for it.
async fn state(state: Shared, caller: Identified, _: NoBody) -> ApiResult {
    let domain::State { cached, queued } = domain::state(&state.app.site, &caller.0).await?;
    let cached = views(&cached, state.app.cache());
    Ok(HttpResponse::Ok().json(json!({ "cached_images": cached, "queued_images": queued })))
}

/// Has an image cached.
async fn queue(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::queue(&state.app.site, &caller.0, &id).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Takes an image out of cache and queue.
async fn delete(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::delete(&state.app.site, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Empties cache, queue or both.
async fn clear(state: Shared, caller: Identified, request: HttpRequest, _: NoBody) -> ApiResult {
    let name = HeaderName::from_static("x-image-cache-clear-target");
    // What is no text is no target either.
    let target =
        if request.headers().contains_key(&name) { text(&request, &name).unwrap_or("?") } else { "" };
    domain::clear(&state.app.site, &caller.0, target).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Tells which nodes hold an image.
async fn nodes(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    Ok(HttpResponse::Ok().json(domain::nodes(&state.app.site, &caller.0, &id).await?))
}

/// Removes what is of no use.
async fn clean(state: Shared, caller: Identified, _: NoBody) -> ApiResult {
    domain::clean(&state.app.site, &caller.0).await?;
    Ok(HttpResponse::Ok().finish())
}

/// Brings the cache down to its size.
async fn prune(state: Shared, caller: Identified, _: NoBody) -> ApiResult {
    let (files, bytes) = domain::prune(&state.app.site, &caller.0).await?;
    Ok(HttpResponse::Ok().json(json!({ "total_files_pruned": files, "total_bytes_pruned": bytes })))
}

/// The cache, for the calls of earlier releases; without the flavour there are none.
async fn of_old<'a>(state: &'a Shared, caller: &Identified, request: HttpRequest) -> ApiResult<&'a Cache> {
    if !state.settings.cache_management {
        return Err(not_found(request).await);
    }
    Ok(domain::of_old(&state.app.site, &caller.0).await?)
}

async fn list_cached(state: Shared, caller: Identified, request: HttpRequest, _: NoBody) -> ApiResult {
    let records = of_old(&state, &caller, request).await?.list().await?;
    Ok(HttpResponse::Ok().json(json!({ "cached_images": views(&records, state.app.cache()) })))
}

async fn delete_cached(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    _: NoBody,
) -> ApiResult {
    of_old(&state, &caller, request).await?.drop_copy(&id).await?;
    Ok(HttpResponse::Ok().json(Value::Null))
}

async fn delete_all_cached(state: Shared, caller: Identified, request: HttpRequest, _: NoBody) -> ApiResult {
    let count = of_old(&state, &caller, request).await?.drop_all().await?;
    Ok(HttpResponse::Ok().json(json!({ "num_deleted": count })))
}

async fn list_queued(state: Shared, caller: Identified, request: HttpRequest, _: NoBody) -> ApiResult {
    let queued = of_old(&state, &caller, request).await?.queued().await?;
    Ok(HttpResponse::Ok().json(json!({ "queued_images": queued })))
}

/// Puts an id into the queue; whether it is an image is found out later.
async fn queue_old(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    _: NoBody,
) -> ApiResult {
    of_old(&state, &caller, request).await?.queue(&id).await?;
    Ok(HttpResponse::Ok().json(Value::Null))
}

async fn delete_queued(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    _: NoBody,
) -> ApiResult {
    of_old(&state, &caller, request).await?.unqueue(&id).await?;
    Ok(HttpResponse::Ok().json(Value::Null))
}

async fn delete_all_queued(state: Shared, caller: Identified, request: HttpRequest, _: NoBody) -> ApiResult {
    let count = of_old(&state, &caller, request).await?.unqueue_all().await?;
    Ok(HttpResponse::Ok().json(json!({ "num_deleted": count })))
}
