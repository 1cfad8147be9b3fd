//! Roles given to users on projects, domains and the system; the list of assignments; implied roles.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{error::Answer, extract::Auth, items, view};
use crate::identity::builtin::{manage::Target, rows::Role};

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    for (path, kind) in [
        ("/projects/{target}/users/{user}/roles", Kind::Project),
        ("/domains/{target}/users/{user}/roles", Kind::Domain),
    ] {
        let of = move |id: String| match kind {
            Kind::Project => Target::Project(id),
            Kind::Domain => Target::Domain(id),
        };
        cfg.service(web::resource(path).route(web::get().to(
            move |auth: Auth, ids: web::Path<(String, String)>| {
                let (target, user) = ids.into_inner();
                list(auth, of(target), user)
            },
        )));
        let ids = move |ids: web::Path<(String, String, String)>| {
            let (target, user, role) = ids.into_inner();
            (of(target), user, role)
        };
        cfg.service(
            web::resource(format!("{path}/{{role}}"))
                .route(web::get().to(move |auth: Auth, path| check(auth, ids(path))))
                .route(web::head().to(move |auth: Auth, path| check(auth, ids(path))))
                .route(web::put().to(move |auth: Auth, path| create(auth, ids(path))))
                .route(web::delete().to(move |auth: Auth, path| delete(auth, ids(path)))),
        );
    }
    let ids = |ids: web::Path<(String, String)>| {
        let (user, role) = ids.into_inner();
        (Target::System, user, role)
    };
    cfg.route(
        "/system/users/{user}/roles",
        web::get().to(|auth: Auth, user: web::Path<String>| list(auth, Target::System, user.into_inner())),
    )
    .service(
        web::resource("/system/users/{user}/roles/{role}")
            .route(web::get().to(move |auth: Auth, path| check(auth, ids(path))))
            .route(web::head().to(move |auth: Auth, path| check(auth, ids(path))))
            .route(web::put().to(move |auth: Auth, path| create(auth, ids(path))))
            .route(web::delete().to(move |auth: Auth, path| delete(auth, ids(path)))),
    )
    .route("/role_assignments", web::get().to(assignments))
    .route("/role_inferences", web::get().to(inferences))
    .route("/roles/{prior}/implies", web::get().to(implies))
    .service(
        web::resource("/roles/{prior}/implies/{implied}")
            .route(web::get().to(inference))
            .route(web::head().to(inference_check))
            .route(web::put().to(imply))
            .route(web::delete().to(stop_implying)),
    );
}

#[derive(Clone, Copy)]
enum Kind {
    Project,
    Domain,
}

type Ids = (Target, String, String);

async fn list(auth: Auth, target: Target, user: String) -> Answer {
    let roles = auth.site.builtin.grant_list(&auth.token, &target, &user).await?;
    let roles = roles.iter().map(|role| items::role(&auth.site, role)).collect();
    Ok(view::list("roles", roles, &auth.url))
}

async fn check(auth: Auth, (target, user, role): Ids) -> Answer {
    auth.site.builtin.grant_check(&auth.token, &target, &user, &role).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn create(auth: Auth, (target, user, role): Ids) -> Answer {
    auth.site.builtin.grant_create(&auth.token, &target, &user, &role).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn delete(auth: Auth, (target, user, role): Ids) -> Answer {
    auth.site.builtin.grant_delete(&auth.token, &target, &user, &role).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn assignments(auth: Auth) -> Answer {
    let rows = auth.site.builtin.assignment_list(&auth.token, &auth.query).await?;
    let items = rows.iter().map(|row| items::assignment(&auth.site, row)).collect();
    Ok(view::list("role_assignments", items, &auth.url))
}

fn short(auth: &Auth, role: &Role) -> Value {
    let link = format!("{}/roles/{}", auth.site.v3, role.id);
    json!({"id": role.id, "name": role.name, "description": role.description, "links": {"self": link}})
}

fn group(auth: &Auth, prior: &Role, implied: &[Role]) -> Value {
    let implies: Vec<Value> = implied.iter().map(|role| short(auth, role)).collect();
    json!({"prior_role": short(auth, prior), "implies": implies})
}

async fn inferences(auth: Auth) -> Answer {
    let pairs = auth.site.builtin.role_inferences(&auth.token, None).await?;
    let items = pairs.iter().map(|(prior, implied)| group(&auth, prior, implied)).collect();
    Ok(view::list("role_inferences", items, &auth.url))
}

async fn implies(auth: Auth, prior: web::Path<String>) -> Answer {
    let pairs = auth.site.builtin.role_inferences(&auth.token, Some(&prior)).await?;
    let inference = pairs.first().map(|(prior, implied)| group(&auth, prior, implied));
    Ok(HttpResponse::Ok().json(json!({"role_inference": inference, "links": {"self": auth.url}})))
}

fn one(auth: &Auth, (prior, implied): &(Role, Role)) -> Value {
    let inference = json!({"prior_role": short(auth, prior), "implies": short(auth, implied)});
    json!({"role_inference": inference, "links": {"self": auth.url}})
}

async fn inference(auth: Auth, ids: web::Path<(String, String)>) -> Answer {
    let pair = auth.site.builtin.role_inference(&auth.token, &ids.0, &ids.1).await?;
    Ok(HttpResponse::Ok().json(one(&auth, &pair)))
}

async fn inference_check(auth: Auth, ids: web::Path<(String, String)>) -> Answer {
    auth.site.builtin.role_inference(&auth.token, &ids.0, &ids.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn imply(auth: Auth, ids: web::Path<(String, String)>) -> Answer {
    let pair = auth.site.builtin.role_imply(&auth.token, &ids.0, &ids.1).await?;
    Ok(HttpResponse::Created().json(one(&auth, &pair)))
}

async fn stop_implying(auth: Auth, ids: web::Path<(String, String)>) -> Answer {
    auth.site.builtin.role_stop_implying(&auth.token, &ids.0, &ids.1).await?;
    Ok(HttpResponse::NoContent().finish())
}
