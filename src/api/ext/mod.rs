//! `/ext/v1`: what the service offers beyond Glance. Nothing here changes `/v2`.

mod attach;
mod body;
mod bundles;
mod consumers;
mod csv;
mod csv_facts;
mod discovery;
pub mod error;
mod events;
mod families;
mod images;
mod jobs;
mod limits;
mod media_groups;
mod page;
mod placement;
mod retention;
mod retire;
mod stores;
mod trash;
mod uploads;
mod usage;
pub mod usage_table;
mod webhooks;

pub use discovery::PATH;

use actix_web::web::{ServiceConfig, delete, get, head, patch, post, put};

use super::resource::resource;

/// The routes of the extensions.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/ext/v1", "GET").route(get().to(discovery::show)))
        // A short name may be a word that follows the id of an image in other paths.
        .service(resource("/ext/v1/images/by-slug/{slug}", "GET").route(get().to(images::by_slug)))
        .service(resource("/ext/v1/images", "GET").route(get().to(images::list)))
        .service(resource("/ext/v1/images/{id}/lint", "GET").route(get().to(images::lint)))
        .service(resource("/ext/v1/rescue-image", "GET").route(get().to(images::rescue)))
        .service(resource("/ext/v1/images.csv", "GET").route(get().to(csv::export)))
        .service(resource("/ext/v1/events", "GET").route(get().to(events::of_project)))
        .service(resource("/ext/v1/events/stream", "GET").route(get().to(events::stream)))
        .service(resource("/ext/v1/images/{id}/events", "GET").route(get().to(events::list)))
        .service(resource("/ext/v1/images/{id}/consumers", "GET").route(get().to(consumers::list)))
        .service(
            resource("/ext/v1/images/{id}/consumers/{type}/{consumer}", "PUT, DELETE")
                .route(put().to(consumers::put))
                .route(delete().to(consumers::remove)),
        )
        .service(resource("/ext/v1/consumers", "PUT").route(put().to(consumers::replace)))
        .service(resource("/ext/v1/images/{id}/delete-preview", "GET").route(get().to(retire::preview)))
        .service(resource("/ext/v1/images/{id}/retire", "POST").route(post().to(retire::retire)))
        .service(resource("/ext/v1/images/{id}/unretire", "POST").route(post().to(retire::unretire)))
        .service(
            resource("/ext/v1/webhooks", "GET, POST")
                .route(get().to(webhooks::list))
                .route(post().to(webhooks::create)),
        )
        .service(
            resource("/ext/v1/webhooks/{id}", "GET, DELETE")
                .route(get().to(webhooks::show))
                .route(delete().to(webhooks::delete)),
        )
        .service(resource("/ext/v1/jobs", "GET").route(get().to(jobs::list)))
        .service(resource("/ext/v1/jobs/{id}", "GET").route(get().to(jobs::show)))
        .service(resource("/ext/v1/jobs/{id}/cancel", "POST").route(post().to(jobs::cancel)))
        .service(resource("/ext/v1/jobs/{id}/retry", "POST").route(post().to(jobs::retry)));
    config.configure(keeping_stores).configure(charging).configure(lives).configure(uploading);
}

/// What lies in stores.
fn keeping_stores(config: &mut ServiceConfig) {
    config
        .service(
            resource("/ext/v1/stores", "GET, POST")
                .route(get().to(stores::list))
                .route(post().to(stores::manage::add)),
        )
        .service(
            resource("/ext/v1/stores/{store}", "GET, PATCH, DELETE")
                .route(get().to(stores::show))
                .route(patch().to(stores::manage::change))
                .route(delete().to(stores::manage::remove)),
        )
        .service(
            resource("/ext/v1/placement-rules", "GET, POST")
                .route(get().to(placement::list))
                .route(post().to(placement::create)),
        )
        .service(resource("/ext/v1/placement-rules/try", "POST").route(post().to(placement::try_out)))
        .service(
            resource("/ext/v1/placement-rules/{id}", "GET, PATCH, DELETE")
                .route(get().to(placement::show))
                .route(patch().to(placement::change))
                .route(delete().to(placement::remove)),
        )
        .service(resource("/ext/v1/stores/{store}/objects", "GET").route(get().to(stores::objects)))
        .service(
            resource("/ext/v1/stores/{store}/objects/adopt", "POST")
                .route(post().to(stores::reconcile::adopt)),
        )
        .service(
            resource("/ext/v1/stores/{store}/reconcile", "POST")
                .route(post().to(stores::reconcile::reconcile)),
        )
        .service(
            resource("/ext/v1/stores/{store}/quarantine", "GET")
                .route(get().to(stores::findings::quarantine)),
        )
        .service(
            resource("/ext/v1/stores/{store}/quarantine/{id}/restore", "POST")
                .route(post().to(stores::findings::restore)),
        )
        .service(
            resource("/ext/v1/stores/{store}/quarantine/{id}/purge", "POST")
                .route(post().to(stores::findings::purge)),
        )
        .service(resource("/ext/v1/jobs/{id}/findings", "GET").route(get().to(stores::findings::findings)));
}

/// Data in parts.
fn uploading(config: &mut ServiceConfig) {
    config
        .service(
            resource("/ext/v1/images/{id}/uploads", "GET, POST")
                .route(get().to(uploads::of_image))
                .route(post().to(uploads::create)),
        )
        .service(
            resource("/ext/v1/uploads/{id}", "GET, HEAD, PATCH, DELETE")
                .route(get().to(uploads::show))
                .route(head().to(uploads::offset))
                .route(patch().to(uploads::append))
                .route(delete().to(uploads::abort)),
        )
        .service(resource("/ext/v1/uploads/{id}/parts/{number}", "PUT").route(put().to(uploads::put_part)))
        .service(resource("/ext/v1/uploads/{id}/complete", "POST").route(post().to(uploads::complete)));
}

/// What images cost.
fn charging(config: &mut ServiceConfig) {
    config
        .service(resource("/ext/v1/usage/report", "GET").route(get().to(usage::report)))
        .service(resource("/ext/v1/usage/now", "GET").route(get().to(usage::now)))
        .service(resource("/ext/v1/usage/image-hours", "GET").route(get().to(usage::hours)))
        .service(resource("/ext/v1/usage/events", "GET").route(get().to(usage::events)))
        .service(
            resource("/ext/v1/usage/rates", "GET, PUT")
                .route(get().to(usage::rates))
                .route(put().to(usage::set_rates)),
        );
}

/// How images come and go, and whose they are.
fn lives(config: &mut ServiceConfig) {
    config
        .service(
            resource("/ext/v1/media-groups", "GET, POST")
                .route(get().to(media_groups::list))
                .route(post().to(media_groups::create)),
        )
        .service(
            resource("/ext/v1/media-groups/{name}", "GET, PATCH, DELETE")
                .route(get().to(media_groups::show))
                .route(patch().to(media_groups::update))
                .route(delete().to(media_groups::delete)),
        )
        .service(
            resource("/ext/v1/bundles", "GET, POST")
                .route(get().to(bundles::list))
                .route(post().to(bundles::create)),
        )
        .service(
            resource("/ext/v1/bundles/{id}", "GET, DELETE")
                .route(get().to(bundles::show))
                .route(delete().to(bundles::delete)),
        )
        .service(resource("/ext/v1/families", "GET").route(get().to(families::list)))
        .service(resource("/ext/v1/families/{name}/publish", "POST").route(post().to(families::publish)))
        .service(resource("/ext/v1/families/{name}/rollback", "POST").route(post().to(families::rollback)))
        .service(resource("/ext/v1/families/{owner}/{name}", "GET").route(get().to(families::show)))
        .service(
            resource("/ext/v1/families/{owner}/{name}/current", "GET").route(get().to(families::current)),
        )
        .service(
            resource("/ext/v1/retention/{project}", "GET, PUT, DELETE")
                .route(get().to(retention::list))
                .route(put().to(retention::put))
                .route(delete().to(retention::remove)),
        )
        .service(resource("/ext/v1/retention/{project}/run", "POST").route(post().to(retention::run)))
        .service(resource("/ext/v1/images/{id}/attach", "POST").route(post().to(attach::attach)))
        .service(resource("/ext/v1/images/{id}/detach", "POST").route(post().to(attach::detach)))
        .service(
            resource("/ext/v1/projects/{id}/limits", "GET, PUT, DELETE")
                .route(get().to(limits::show))
                .route(put().to(limits::put))
                .route(delete().to(limits::remove)),
        )
        .service(resource("/ext/v1/trash", "GET").route(get().to(trash::list)))
        .service(resource("/ext/v1/trash/{id}", "DELETE").route(delete().to(trash::purge)))
        .service(resource("/ext/v1/trash/{id}/restore", "POST").route(post().to(trash::restore)));
}
