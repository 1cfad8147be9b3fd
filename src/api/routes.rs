//! The routes of the Image API, and the layers around all routes.

use actix_web::{
    App, HttpRequest, HttpResponse, Resource,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::{StatusCode, header::LOCATION},
    middleware::{Compress, Condition, from_fn},
    web::{self, ServiceConfig, delete, get, patch, post, put},
};

use super::{
    access_log::log_access,
    authenticate::authenticate,
    compress::only_gzip,
    connection::mark_served,
    cors::cross_origin,
    error::{ApiError, ApiResult, not_found, render_errors},
    extract::Shared,
    images::{actions, create, data, delete as remove, list, locations, members, show, tags, update},
    negotiate::negotiate,
    origin::own_url,
    request_info::name_request,
    schemas, stores,
};

/// A resource that answers other methods with 405 and `Allow`, in Glance's exact text; an empty text stands for
/// the few that the reference routes by method alone, so that other methods are 404.
pub(super) fn resource(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |request: HttpRequest| async move {
        if allow.is_empty() {
            return Err::<HttpResponse, _>(ApiError::new(
                StatusCode::NOT_FOUND,
                "The resource could not be found.",
            ));
        }
        Err(ApiError::method_not_allowed(request.method(), allow))
    }))
}

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

/// What no route takes.
async fn nowhere(request: HttpRequest) -> ApiResult {
    Err(not_found(request).await)
}

/// The layers around the routes, innermost first: authentication, version negotiation, error bodies, compression
/// if `gzip`, CORS, the access log, the id of the request, the connection.
pub fn layers<T>(
    app: App<T>,
    gzip: bool,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
>
where
    T: ServiceFactory<ServiceRequest, Config = (), Error = actix_web::Error, InitError = ()>,
    T: ServiceFactory<ServiceRequest, Response = ServiceResponse>,
    T: 'static,
{
    app.default_service(web::to(nowhere))
        .wrap(from_fn(authenticate))
        .wrap(from_fn(negotiate))
        .wrap(from_fn(render_errors))
        .wrap(Condition::new(gzip, Compress::default()))
        .wrap(Condition::new(gzip, from_fn(only_gzip)))
        .wrap(from_fn(cross_origin))
        .wrap(from_fn(log_access))
        .wrap(from_fn(name_request))
        .wrap(from_fn(mark_served))
}
