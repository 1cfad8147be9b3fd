//! `/v2/metadefs` and `/v2/schemas/metadefs`.

mod asked;
mod namespaces;
mod objects;
mod properties;
mod resource_types;
mod schemas;
mod tags;
mod view;

use actix_web::web::{ServiceConfig, delete, get, post, put};

use super::resource::resource;

/// The routes of metadata definitions.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/v2/schemas/metadefs/{name}", "GET").route(get().to(schemas::show)))
        .service(resource("/v2/metadefs/resource_types", "GET").route(get().to(resource_types::all)))
        .service(
            resource("/v2/metadefs/namespaces", "GET, POST")
                .route(get().to(namespaces::list))
                .route(post().to(namespaces::create)),
        )
        .service(
            resource("/v2/metadefs/namespaces/{ns}", "GET, PUT, DELETE")
                .route(get().to(namespaces::show))
                .route(put().to(namespaces::update))
                .route(delete().to(namespaces::remove)),
        )
        .service(
            resource("/v2/metadefs/namespaces/{ns}/resource_types", "GET, POST")
                .route(get().to(resource_types::list))
                .route(post().to(resource_types::associate)),
        )
        .service(
            resource("/v2/metadefs/namespaces/{ns}/resource_types/{rt}", "DELETE")
                .route(delete().to(resource_types::dissociate)),
        )
        .configure(parts);
}

fn parts(config: &mut ServiceConfig) {
    config
        .service(
            resource("/v2/metadefs/namespaces/{ns}/properties", "GET, POST, DELETE")
                .route(get().to(properties::list))
                .route(post().to(properties::create))
                .route(delete().to(properties::remove_all)),
        )
        .service(
            resource("/v2/metadefs/namespaces/{ns}/properties/{name}", "GET, PUT, DELETE")
                .route(get().to(properties::show))
                .route(put().to(properties::update))
                .route(delete().to(properties::remove)),
        )
        .service(
            resource("/v2/metadefs/namespaces/{ns}/objects", "GET, POST, DELETE")
                .route(get().to(objects::list))
                .route(post().to(objects::create))
                .route(delete().to(objects::remove_all)),
        )
        .service(
            resource("/v2/metadefs/namespaces/{ns}/objects/{name}", "GET, PUT, DELETE")
                .route(get().to(objects::show))
                .route(put().to(objects::update))
                .route(delete().to(objects::remove)),
        )
        .service(
            resource("/v2/metadefs/namespaces/{ns}/tags", "GET, POST, DELETE")
                .route(get().to(tags::list))
                .route(post().to(tags::create_many))
                .route(delete().to(tags::remove_all)),
        )
        .service(
            resource("/v2/metadefs/namespaces/{ns}/tags/{name}", "GET, POST, PUT, DELETE")
                .route(get().to(tags::show))
                .route(post().to(tags::create))
                .route(put().to(tags::rename))
                .route(delete().to(tags::remove)),
        );
}
