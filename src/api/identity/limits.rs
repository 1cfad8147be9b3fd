//! Unified limits, revocation events, and the collections that are empty here.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{
    error::Answer,
    extract::{Auth, Body},
    items, view,
    view::wrapped,
};
use crate::model::{error::Error, time::Timestamp};

/// Collections of what this identity does not have: path below v3, and name.
const EMPTY: &[(&str, &str)] = &[
    ("/groups", "groups"),
    ("/policies", "policies"),
    ("/credentials", "credentials"),
    ("/OS-TRUST/trusts", "trusts"),
    ("/OS-FEDERATION/identity_providers", "identity_providers"),
    ("/OS-FEDERATION/service_providers", "service_providers"),
    ("/OS-FEDERATION/mappings", "mappings"),
];

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/limits/model", web::get().to(model));
    for (registered, singular, plural) in
        [(true, "registered_limit", "registered_limits"), (false, "limit", "limits")]
    {
        cfg.service(
            web::resource(format!("/{plural}"))
                .route(web::get().to(move |auth: Auth| list(auth, registered, plural)))
                .route(web::post().to(move |auth: Auth, body: Body| create(auth, registered, plural, body))),
        )
        .service(
            web::resource(format!("/{plural}/{{id}}"))
                .route(web::get().to(move |auth: Auth, id| show(auth, registered, singular, id)))
                .route(
                    web::patch().to(move |auth: Auth, id, body| update(auth, registered, singular, id, body)),
                )
                .route(web::delete().to(move |auth: Auth, id| delete(auth, registered, id))),
        );
    }
    cfg.route("/OS-REVOKE/events", web::get().to(events));
    for (path, plural) in EMPTY {
        cfg.route(path, web::get().to(move |auth: Auth| empty(auth, plural)));
    }
}

async fn empty(auth: Auth, plural: &'static str) -> Answer {
    Ok(view::list(plural, Vec::new(), &auth.url))
}

async fn model(_: Auth) -> Answer {
    let description = "A limit of a project or domain replaces the registered one; limits do not add up.";
    Ok(HttpResponse::Ok().json(json!({"model": {"name": "flat", "description": description}})))
}

async fn list(auth: Auth, registered: bool, plural: &str) -> Answer {
    let rows = auth.site.builtin.limit_list(&auth.token, registered, &auth.query).await?;
    let items = rows.iter().map(|row| items::limit(&auth.site, row)).collect();
    Ok(view::list(plural, items, &auth.url))
}

async fn show(auth: Auth, registered: bool, singular: &str, id: web::Path<String>) -> Answer {
    let row = auth.site.builtin.limit_show(&auth.token, registered, &id).await?;
    Ok(HttpResponse::Ok().json(wrapped(singular, items::limit(&auth.site, &row))))
}

async fn create(auth: Auth, registered: bool, plural: &str, body: Body) -> Answer {
    let limits = body.0.get(plural).unwrap_or(&Value::Null);
    let rows = auth.site.builtin.limit_create(&auth.token, registered, limits).await?;
    let items: Vec<Value> = rows.iter().map(|row| items::limit(&auth.site, row)).collect();
    Ok(HttpResponse::Created().json(wrapped(plural, Value::Array(items))))
}

async fn update(auth: Auth, registered: bool, singular: &str, id: web::Path<String>, body: Body) -> Answer {
    let row = auth.site.builtin.limit_update(&auth.token, registered, &id, body.inner(singular)?).await?;
    Ok(HttpResponse::Ok().json(wrapped(singular, items::limit(&auth.site, &row))))
}

async fn delete(auth: Auth, registered: bool, id: web::Path<String>) -> Answer {
    auth.site.builtin.limit_delete(&auth.token, registered, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /v3/OS-REVOKE/events?since=<time>`, for services that validate tokens themselves.
async fn events(auth: Auth) -> Answer {
    if !auth.token.is_service() && !auth.token.reads_all() {
        return Err(Error::forbidden("Revocations are for services and admins.").into());
    }
    let since = match auth.query.get("since") {
        None => Timestamp::default(),
        Some(text) => Timestamp::parse_iso(text).ok_or_else(|| Error::invalid("\"since\" is not a time."))?,
    };
    let rows = auth.site.builtin.revocations(since).await?;
    Ok(view::list("events", rows.iter().map(items::revocation).collect(), &auth.url))
}
