//! The resources that share the same operations: list, show, create, update and delete by id.

macro_rules! resource {
    ($name:ident, $plural:literal, $list:ident, $show:ident, $create:ident, $update:ident, $delete:ident) => {
        #[doc = concat!("`/v3/", $plural, "`.")]
        pub(super) mod $name {
            use actix_web::{HttpResponse, web};
            use serde_json::Value;

            use crate::api::identity::{
                error::Answer,
                extract::{Auth, Body},
                items,
                view::{self, wrapped},
            };

            const SINGULAR: &str = stringify!($name);

            pub fn routes(cfg: &mut web::ServiceConfig) {
                cfg.service(
                    web::resource(concat!("/", $plural))
                        .route(web::get().to(list))
                        .route(web::post().to(create)),
                )
                .service(
                    web::resource(concat!("/", $plural, "/{id}"))
                        .route(web::get().to(show))
                        .route(web::head().to(show))
                        .route(web::patch().to(update))
                        .route(web::delete().to(delete)),
                );
            }

            async fn list(auth: Auth) -> Answer {
                let rows = auth.site.builtin.$list(&auth.token, &auth.query).await?;
                let items: Vec<Value> = rows.iter().map(|row| items::$name(&auth.site, row)).collect();
                Ok(view::list($plural, items, &auth.url))
            }

            async fn show(auth: Auth, id: web::Path<String>) -> Answer {
                let row = auth.site.builtin.$show(&auth.token, &id).await?;
                Ok(HttpResponse::Ok().json(wrapped(SINGULAR, items::$name(&auth.site, &row))))
            }

            async fn create(auth: Auth, body: Body) -> Answer {
                let row = auth.site.builtin.$create(&auth.token, body.inner(SINGULAR)?).await?;
                Ok(HttpResponse::Created().json(wrapped(SINGULAR, items::$name(&auth.site, &row))))
            }

            async fn update(auth: Auth, id: web::Path<String>, body: Body) -> Answer {
                let row = auth.site.builtin.$update(&auth.token, &id, body.inner(SINGULAR)?).await?;
                Ok(HttpResponse::Ok().json(wrapped(SINGULAR, items::$name(&auth.site, &row))))
            }

            async fn delete(auth: Auth, id: web::Path<String>) -> Answer {
                auth.site.builtin.$delete(&auth.token, &id).await?;
                Ok(HttpResponse::NoContent().finish())
            }
        }
    };
}

resource!(domain, "domains", domain_list, domain_show, domain_create, domain_update, domain_delete);
resource!(project, "projects", project_list, project_show, project_create, project_update, project_delete);
resource!(user, "users", user_list, user_show, user_create, user_update, user_delete);
resource!(role, "roles", role_list, role_show, role_create, role_update, role_delete);
resource!(service, "services", service_list, service_show, service_create, service_update, service_delete);
resource!(
    endpoint,
    "endpoints",
    endpoint_list,
    endpoint_show,
    endpoint_create,
    endpoint_update,
    endpoint_delete
);
resource!(region, "regions", region_list, region_show, region_create, region_update, region_delete);
