//! What belongs to one user: password, projects, application credentials, access rules.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::{
    client,
    error::Answer,
    extract::{Auth, Body, Site},
    items, view,
    view::wrapped,
};
use crate::model::error::Error;

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/users/{user}/password", web::post().to(change_password))
        .route("/users/{user}/projects", web::get().to(projects))
        .route("/users/{user}/groups", web::get().to(groups))
        .route("/users/{user}/credentials/OS-EC2", web::get().to(ec2_credentials))
        .service(
            web::resource("/users/{user}/application_credentials")
                .route(web::get().to(credentials))
                .route(web::post().to(create_credential)),
        )
        .service(
            web::resource("/users/{user}/application_credentials/{id}")
                .route(web::get().to(credential))
                .route(web::head().to(credential))
                .route(web::delete().to(delete_credential)),
        )
        .route("/users/{user}/access_rules", web::get().to(access_rules))
        .service(
            web::resource("/users/{user}/access_rules/{id}")
                .route(web::get().to(access_rule))
                .route(web::delete().to(delete_access_rule)),
        );
}

async fn change_password(request: HttpRequest, site: Site, user: web::Path<String>, body: Body) -> Answer {
    let address = client::address(&request, &site.builtin.settings);
    site.builtin.user_change_password(&user, body.inner("user")?, address).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn projects(auth: Auth, user: web::Path<String>) -> Answer {
    let rows = auth.site.builtin.user_projects(&auth.token, &user).await?;
    let items = rows.iter().map(|row| items::project(&auth.site, row)).collect();
    Ok(view::list("projects", items, &auth.url))
}

async fn groups(auth: Auth, user: web::Path<String>) -> Answer {
    auth.site.builtin.user_private(&auth.token, &user)?;
    Ok(view::list("groups", Vec::new(), &auth.url))
}

async fn ec2_credentials(auth: Auth, user: web::Path<String>) -> Answer {
    auth.site.builtin.user_private(&auth.token, &user)?;
    Ok(view::list("credentials", Vec::new(), &auth.url))
}

async fn credentials(auth: Auth, user: web::Path<String>) -> Answer {
    let rows = auth.site.builtin.credential_list(&auth.token, &user, auth.query.get("name")).await?;
    let items = rows.iter().map(|(row, roles)| items::credential(&auth.site, row, roles)).collect();
    Ok(view::list("application_credentials", items, &auth.url))
}

async fn credential(auth: Auth, ids: web::Path<(String, String)>) -> Answer {
    let (row, roles) = auth.site.builtin.credential_show(&auth.token, &ids.0, &ids.1).await?;
    let item = items::credential(&auth.site, &row, &roles);
    Ok(HttpResponse::Ok().json(wrapped("application_credential", item)))
}

async fn create_credential(auth: Auth, user: web::Path<String>, body: Body) -> Answer {
    let body = body.inner("application_credential")?;
    let new = auth.site.builtin.credential_create(&auth.token, &user, body).await?;
    let mut item = items::credential(&auth.site, &new.row, &new.roles);
    if let Some(item) = item.as_object_mut() {
        item.insert("secret".to_owned(), Value::from(new.secret));
    }
    Ok(HttpResponse::Created().json(wrapped("application_credential", item)))
}

async fn delete_credential(auth: Auth, ids: web::Path<(String, String)>) -> Answer {
    auth.site.builtin.credential_delete(&auth.token, &ids.0, &ids.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn linked(auth: &Auth, user: &str, mut rule: Value) -> Value {
    let id = rule.get("id").and_then(Value::as_str).unwrap_or_default();
    let link = format!("{}/users/{user}/access_rules/{id}", auth.site.v3);
    if let Some(rule) = rule.as_object_mut() {
        rule.insert("links".to_owned(), json!({"self": link}));
    }
    rule
}

async fn access_rules(auth: Auth, user: web::Path<String>) -> Answer {
    let rules = auth.site.builtin.access_rule_list(&auth.token, &user).await?;
    let rules = rules.into_iter().map(|rule| linked(&auth, &user, rule)).collect();
    Ok(view::list("access_rules", rules, &auth.url))
}

async fn access_rule(auth: Auth, ids: web::Path<(String, String)>) -> Answer {
    let rule = auth.site.builtin.access_rule_show(&auth.token, &ids.0, &ids.1).await?;
    Ok(HttpResponse::Ok().json(wrapped("access_rule", linked(&auth, &ids.0, rule))))
}

/// A rule lives and dies with its credential, so one that is found is in use.
async fn delete_access_rule(auth: Auth, ids: web::Path<(String, String)>) -> Answer {
    auth.site.builtin.access_rule_show(&auth.token, &ids.0, &ids.1).await?;
    Err(Error::forbidden("An application credential uses this access rule.").into())
}
