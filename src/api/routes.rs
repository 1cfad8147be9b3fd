//! The routes of the Image API.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::LOCATION,
    web::{self, ServiceConfig, delete, get, patch, post, put},
};

use super::{
    extract::Shared,
    images::{actions, create, data, delete as remove, list, locations, members, show, tags, update},
    origin::own_url,
    resource::resource,
    schemas, stores,
};

/// Every route of the Image API.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("/v2").to(slash))
        .service(
            resource("/v2/schemas/{name:image|images|member|members|task|tasks}", "GET")
                .route(get().to(schemas::show)),
        )
        .configure(super::metadefs::configure)
        .service(
            resource("/v2/images", "GET, POST").route(get().to(list::list)).route(post().to(create::create)),
        )
        .service(
            resource("/v2/images/{id}", "GET, PATCH, DELETE")
                .route(get().to(show::show))
                .route(patch().to(update::update))
                .route(delete().to(remove::delete)),
        )
        .service(
            resource("/v2/images/{id}/file", "GET, PUT")
                .route(get().to(data::download))
                .route(put().to(data::upload)),
        )
        .service(
            resource("/v2/images/{id}/locations", "POST, GET")
                .route(post().to(locations::add))
                .route(get().to(locations::list)),
        )
        .service(resource("/v2/images/{id}/hash", "POST").route(post().to(locations::hash)))
        .service(resource("/v2/images/{id}/actions/deactivate", "POST").route(post().to(actions::deactivate)))
        .service(resource("/v2/images/{id}/actions/reactivate", "POST").route(post().to(actions::reactivate)))
        .service(
            resource("/v2/images/{id}/tags/{tag}", "PUT, DELETE")
                .route(put().to(tags::put))
                .route(delete().to(tags::delete)),
        )
        .service(
            resource("/v2/images/{id}/members", "GET, POST")
                .route(get().to(members::list))
                .route(post().to(members::add)),
        )
        .service(
            resource("/v2/images/{id}/members/{member}", "GET, PUT, DELETE")
                .route(get().to(members::show))
                .route(put().to(members::set_status))
                .route(delete().to(members::remove)),
        )
        .configure(super::tasks::configure)
        .configure(super::import::configure)
        .configure(stores::configure)
        .configure(super::usage::configure)
        .configure(super::cache::configure);
}

/// `GET /v2` leads to `/v2/`, as the reference's router does.
async fn slash(state: Shared, request: HttpRequest) -> HttpResponse {
    HttpResponse::Found()
        .insert_header((LOCATION, format!("{}/v2/", own_url(&state.settings, &request))))
        .finish()
}
