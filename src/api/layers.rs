//! The layers around all routes.

use actix_web::{
    App, HttpRequest,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{Compress, Condition, from_fn},
    web,
};

use super::{
    access_log::log_access,
    authenticate::authenticate,
    compress::only_gzip,
    connection::{admit, mark_served},
    cors::cross_origin,
    error::{ApiResult, not_found, render_errors},
    negotiate::negotiate,
    request_info::name_request,
};

/// What no route takes.
async fn nowhere(request: HttpRequest) -> ApiResult {
    Err(not_found(request).await)
}

/// The layers around the routes, innermost first: authentication, version negotiation, admission, error bodies,
/// compression if `gzip`, CORS, the access log, the id of the request, the connection.
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
    outer_layers(
        app.default_service(web::to(nowhere)).wrap(from_fn(authenticate)).wrap(from_fn(negotiate)),
        gzip,
    )
}

/// All of these but the two innermost, for routes that answer everybody alike.
pub fn outer_layers<T, B>(
    app: App<T>,
    gzip: bool,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        Config = (),
        InitError = (),
    >,
>
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    app.wrap(from_fn(admit))
        .wrap(from_fn(render_errors))
        .wrap(Condition::new(gzip, Compress::default()))
        .wrap(Condition::new(gzip, from_fn(only_gzip)))
        .wrap(from_fn(cross_origin))
        .wrap(from_fn(log_access))
        .wrap(from_fn(name_request))
        .wrap(from_fn(mark_served))
}
