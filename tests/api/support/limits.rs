//! Limits of projects, as the built-in identity keeps them.

use vitrine::{
    db::{
        self,
        identity::{
            catalog::services::{self, Service},
            limits::{self, Limit},
        },
    },
    server::{LimitsChoice, Options},
};

use super::TestApp;

const SERVICE: &str = "0123456789abcdef0123456789abcdef";

/// Has an app take its limits from its database.
pub fn limited(options: &mut Options) {
    options.limits = LimitsChoice::Builtin("RegionOne".to_owned());
}

impl TestApp {
    /// Sets the limit of a project for a resource, or that of all.
    pub async fn limit(&self, project: Option<&str>, resource: &str, value: i64) {
        let limit = Limit {
            id: format!("{resource} {}", project.unwrap_or_default()),
            service_id: SERVICE.to_owned(),
            region_id: None,
            resource_name: resource.to_owned(),
            limit_value: value,
            description: None,
            project_id: project.map(str::to_owned),
            domain_id: None,
        };
        let put = move |conn: &mut db::Conn| {
            if services::find(conn, SERVICE)?.is_none() {
                let (id, kind, name) = (SERVICE.to_owned(), "image".to_owned(), "glance".to_owned());
                let extra = "{}".to_owned();
                services::insert(conn, &Service { id, kind, name, description: None, enabled: true, extra })?;
            }
            limits::remove(conn, &limit.id)?;
            limits::insert(conn, &limit)
        };
        self.app().db.write("test.limit", put).await.unwrap();
    }

    /// Limits that nobody reaches.
    pub async fn no_limits(&self) {
        for resource in
            ["image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"]
        {
            self.limit(None, resource, -1).await;
        }
    }
}
