//! `/v3/auth`: tokens, and what the caller's token can be scoped to.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header::HeaderValue};
use serde_json::{Value, json};

use super::{
    client,
    error::Answer,
    extract::{Auth, Body, SUBJECT_TOKEN, Site, header},
    items, view,
};
use crate::{
    identity::builtin::{
        context::{Scope, Token},
        manage::Filters,
        request::LoginRequest,
    },
    model::error::{Error, Result},
};

/// `POST /v3/auth/tokens`.
pub(super) async fn issue(request: HttpRequest, site: Site, query: Filters, body: Body) -> Answer {
    let login = LoginRequest::parse(&body.0)?;
    let address = client::address(&request, &site.builtin.settings);
    let (text, token) = site.builtin.login(login, address).await?;
    let shown = shown(&site, &token, &query).await?;
    Ok(HttpResponse::Created().insert_header((SUBJECT_TOKEN, token_header(&text)?)).json(shown))
}

/// `GET` and `HEAD /v3/auth/tokens`.
pub(super) async fn show(request: HttpRequest, auth: Auth) -> Answer {
    let (text, subject) = subject(&request, &auth, auth.query.flag("allow_expired").unwrap_or(false)).await?;
    let caller = &auth.token;
    let by_service = caller.is_service() && request.method() != actix_web::http::Method::HEAD;
    if text != auth.text && caller.user.id != subject.user.id && !caller.reads_all() && !by_service {
        return Err(Error::forbidden("You may not read the tokens of others.").into());
    }
    let understands = request.headers().contains_key("openstack-identity-access-rules");
    let has_rules = subject.app_credential.as_ref().is_some_and(|c| c.access_rules.is_some());
    if has_rules && !understands {
        // A service that does not enforce the rules must not take the token.
        return Err(no_such_token().into());
    }
    let shown = shown(&auth.site, &subject, &auth.query).await?;
    Ok(HttpResponse::Ok().insert_header((SUBJECT_TOKEN, token_header(&text)?)).json(shown))
}

/// `DELETE /v3/auth/tokens`.
pub(super) async fn revoke(request: HttpRequest, auth: Auth) -> Answer {
    let (_, subject) = subject(&request, &auth, false).await?;
    if auth.token.user.id != subject.user.id && !auth.token.is_admin() {
        return Err(Error::forbidden("You may not revoke tokens of others.").into());
    }
    let cascade = auth.query.flag("cascade").unwrap_or(true);
    auth.site.builtin.revoke(&subject, cascade).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /v3/auth/catalog`.
pub(super) async fn catalog(auth: Auth) -> Answer {
    if auth.token.scope == Scope::Unscoped {
        return Err(Error::forbidden("A token without scope has no catalog.").into());
    }
    let catalog = auth.site.builtin.catalog_of(&auth.token, &auth.site.base).await?;
    Ok(HttpResponse::Ok().json(json!({"catalog": catalog, "links": {"self": auth.url}})))
}

/// `GET /v3/auth/projects`.
pub(super) async fn projects(auth: Auth) -> Answer {
    let reach = auth.site.builtin.reach(&auth.token.user.id).await?;
    let projects: Vec<Value> = reach.projects.iter().map(|p| items::project(&auth.site, p)).collect();
    Ok(view::list("projects", projects, &auth.url))
}

/// `GET /v3/auth/domains`.
pub(super) async fn domains(auth: Auth) -> Answer {
    let reach = auth.site.builtin.reach(&auth.token.user.id).await?;
    let domains: Vec<Value> = reach.domains.iter().map(|d| items::domain(&auth.site, d)).collect();
    Ok(view::list("domains", domains, &auth.url))
}

/// `GET /v3/auth/system`.
pub(super) async fn system(auth: Auth) -> Answer {
    let reach = auth.site.builtin.reach(&auth.token.user.id).await?;
    let system = if reach.system { json!([{"all": true}]) } else { json!([]) };
    Ok(HttpResponse::Ok().json(json!({"system": system, "links": {"self": auth.url}})))
}

async fn subject(request: &HttpRequest, auth: &Auth, allow_expired: bool) -> Result<(String, Arc<Token>)> {
    let text = header(request, &SUBJECT_TOKEN).ok_or_else(no_such_token)?;
    let token = auth.site.builtin.validate(&text, allow_expired).await?.ok_or_else(no_such_token)?;
    Ok((text, token))
}

fn no_such_token() -> Error {
    Error::NotFound("The subject token is not valid.".to_owned())
}

fn token_header(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|e| Error::internal("send a token", e))
}

async fn shown(site: &Site, token: &Token, query: &Filters) -> Result<Value> {
    let mut body = view::token(token);
    if token.scope != Scope::Unscoped && !query.flag("nocatalog").unwrap_or(false) {
        body.insert("catalog".to_owned(), site.builtin.catalog_of(token, &site.base).await?);
    }
    Ok(json!({"token": body}))
}
