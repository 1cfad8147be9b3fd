//! `/v2/info/stores` and `/v2/stores` (`glance/api/v2/discovery.py: InfoController`).

use actix_web::{
    HttpResponse,
    web::{Path, ServiceConfig, delete as by_delete, get},
};
use serde_json::{Map, Value, json};

use super::{
    error::ApiResult,
    extract::{Identified, NoBody, Shared},
    resource::resource,
};
use crate::{
    image::from_store as domain,
    store::{NamedStore, Stores},
};

/// The routes of this file.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/v2/info/stores", "GET").route(get().to(list)))
        .service(resource("/v2/info/stores/detail", "GET").route(get().to(detail)))
        .service(resource("/v2/stores/{store}/{id}", "DELETE").route(by_delete().to(delete)));
}

fn view(stores: &Stores, named: &NamedStore) -> Map<String, Value> {
    let mut view = Map::new();
    view.insert("id".to_owned(), json!(named.id));
    if let Some(description) = &named.description {
        view.insert("description".to_owned(), json!(description));
    }
    // Both are texts, and absent unless they apply.
    if named.id == stores.default_id() {
        view.insert("default".to_owned(), json!("true"));
    }
    if !named.takes_data() {
        view.insert("read-only".to_owned(), json!("true"));
    }
    view
}

/// Lists the stores.
async fn list(state: Shared, _caller: Identified, _: NoBody) -> ApiResult {
    let stores = &state.app.stores;
    domain::several(&state.app.images)?;
    let list: Vec<_> = stores.iter().map(|named| view(stores, &named)).collect();
    Ok(HttpResponse::Ok().json(json!({ "stores": list })))
}

/// Lists the stores with what an operator wants to know.
async fn detail(state: Shared, caller: Identified, _: NoBody) -> ApiResult {
    let stores = &state.app.stores;
    domain::may_see_details(&state.app.images, &caller.0).await?;
    let one = |named: NamedStore| {
        let mut view = view(stores, &named);
        view.insert("type".to_owned(), json!(named.kind().name));
        view.insert("weight".to_owned(), json!(named.weight));
        view.insert("properties".to_owned(), json!(named.properties()));
        view
    };
    let list: Vec<_> = stores.iter().map(one).collect();
    Ok(HttpResponse::Ok().json(json!({ "stores": list })))
}

/// Takes the data of an image out of a store.
async fn delete(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (store, id) = path.into_inner();
    domain::delete(&state.app.images, &caller.0, &store, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}
