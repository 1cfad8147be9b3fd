//! Services and regions, and the catalog of a token.

use serde_json::{Value, json};

use super::{
    Filters, admin_only,
    body::{self, Body},
    missing, services_and_readers_only, taken,
};
use crate::{
    db::{
        Conn, DbResult,
        identity::catalog::{
            endpoints::{self, Endpoint},
            regions::{self, Region},
            services::{self, Service},
        },
    },
    identity::builtin::{BASE_URL_MARK, Builtin, context::Token, new_id},
    model::error::{Error, Result},
};

const SERVICE_KNOWN: &[&str] = &["name", "type", "description", "enabled"];

/// Shows an endpoint's URL to one client; `None` when it needs a project and there is none.
fn url(template: &str, base: &str, project_id: Option<&str>) -> Option<String> {
    let mut text = template.replace(BASE_URL_MARK, base);
    for name in ["project_id", "tenant_id"] {
        for mark in [format!("$({name})s"), format!("%({name})s")] {
            if text.contains(&mark) {
                text = text.replace(&mark, project_id?);
            }
        }
    }
    Some(text)
}

impl Builtin {
    /// The catalog as one token sees it: enabled services with their enabled endpoints, a JSON list. `base` is the URL
    /// under which the client reached us.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn catalog_of(&self, token: &Token, base: &str) -> Result<Value> {
        let (services, mut endpoints) =
            self.read("identity_catalog", |conn| Ok((services::list(conn)?, endpoints::list(conn)?))).await?;
        endpoints.retain(|endpoint| endpoint.enabled);
        let shown = |endpoint: &Endpoint| {
            Some(json!({
                "id": endpoint.id,
                "interface": endpoint.interface,
                "region": endpoint.region_id,
                "region_id": endpoint.region_id,
                "url": url(&endpoint.url, base, token.project_id())?,
            }))
        };
        let services = services.into_iter().filter(|service| service.enabled);
        Ok(services
            .map(|service| {
                let own = endpoints.iter().filter(|endpoint| endpoint.service_id == service.id);
                json!({
                    "id": service.id,
                    "type": service.kind,
                    "name": service.name,
                    "endpoints": own.filter_map(shown).collect::<Vec<_>>(),
                })
            })
            .collect())
    }

    /// Services that pass the filters `type` and `name`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless the token reads all or is a service's.
    pub async fn service_list(&self, token: &Token, filters: &Filters) -> Result<Vec<Service>> {
        services_and_readers_only(token)?;
        let mut rows = self.read("identity_services", services::list).await?;
        rows.retain(|s| filters.matches("type", Some(&s.kind)) && filters.matches("name", Some(&s.name)));
        Ok(rows)
    }

    /// One service.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn service_show(&self, token: &Token, id: &str) -> Result<Service> {
        services_and_readers_only(token)?;
        let id = id.to_owned();
        self.read("identity_service", move |conn| find_service(conn, &id)).await
    }

    /// Makes a service.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`].
    pub async fn service_create(&self, token: &Token, body: &Body) -> Result<Service> {
        admin_only(token)?;
        let row = Service {
            id: new_id(),
            kind: body::required(body, "type")?,
            name: body::text(body, "name")?.unwrap_or_default(),
            description: body::text(body, "description")?,
            enabled: body::flag(body, "enabled")?.unwrap_or(true),
            extra: body::extra(body, SERVICE_KNOWN, "{}")?,
        };
        self.change("identity_service_create", move |conn| {
            services::insert(conn, &row)?;
            Ok(row.clone())
        })
        .await
    }

    /// Changes a service.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`].
    pub async fn service_update(&self, token: &Token, id: &str, body: &Body) -> Result<Service> {
        admin_only(token)?;
        let (id, body) = (id.to_owned(), body.clone());
        self.change("identity_service_update", move |conn| {
            let mut row = find_service(conn, &id)?;
            row.kind = body::name(&body, "type")?.unwrap_or(row.kind);
            row.name = body::text(&body, "name")?.unwrap_or(row.name);
            row.description = body::nullable(&body, "description")?.unwrap_or(row.description);
            row.enabled = body::flag(&body, "enabled")?.unwrap_or(row.enabled);
            row.extra = body::extra(&body, SERVICE_KNOWN, &row.extra)?;
            services::save(conn, &row)?;
            Ok(row)
        })
        .await
    }

    /// Removes a service with its endpoints and limits.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn service_delete(&self, token: &Token, id: &str) -> Result<()> {
        admin_only(token)?;
        let id = id.to_owned();
        self.change("identity_service_delete", move |conn| {
            find_service(conn, &id)?;
            services::remove(conn, &id)
        })
        .await
    }

    /// Regions that pass the filter `parent_region_id`; anybody may know them.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn region_list(&self, _: &Token, filters: &Filters) -> Result<Vec<Region>> {
        let mut rows = self.read("identity_regions", regions::list).await?;
        rows.retain(|r| filters.matches("parent_region_id", r.parent_region_id.as_deref()));
        Ok(rows)
    }

    /// One region.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn region_show(&self, _: &Token, id: &str) -> Result<Region> {
        let id = id.to_owned();
        self.read("identity_region", move |conn| find_region(conn, &id)).await
    }

    /// Makes a region; the client may choose its id.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`] for the parent, [`Error::Conflict`].
    pub async fn region_create(&self, token: &Token, body: &Body) -> Result<Region> {
        admin_only(token)?;
        let row = Region {
            id: body::name(body, "id")?.unwrap_or_else(new_id),
            description: body::text(body, "description")?.unwrap_or_default(),
            parent_region_id: body::name(body, "parent_region_id")?,
        };
        self.change("identity_region_create", move |conn| {
            if let Some(parent) = &row.parent_region_id {
                find_region(conn, parent)?;
            }
            regions::insert(conn, &row).map_err(|e| taken(e, "region", &row.id))?;
            Ok(row.clone())
        })
        .await
    }

    /// Changes a region.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`].
    pub async fn region_update(&self, token: &Token, id: &str, body: &Body) -> Result<Region> {
        admin_only(token)?;
        let (id, body) = (id.to_owned(), body.clone());
        self.change("identity_region_update", move |conn| {
            let mut row = find_region(conn, &id)?;
            row.description = body::text(&body, "description")?.unwrap_or(row.description);
            if body.contains_key("parent_region_id") {
                row.parent_region_id = body::name(&body, "parent_region_id")?;
            }
            if let Some(parent) = &row.parent_region_id {
                find_region(conn, parent)?;
                if *parent == id {
                    return Err(Error::invalid("A region cannot be its own parent.").into());
                }
            }
            regions::save(conn, &row)?;
            Ok(row)
        })
        .await
    }

    /// Removes a region that nothing is in.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] also while an endpoint or a region is in it.
    pub async fn region_delete(&self, token: &Token, id: &str) -> Result<()> {
        admin_only(token)?;
        let id = id.to_owned();
        self.change("identity_region_delete", move |conn| {
            find_region(conn, &id)?;
            let is_here = |region: &Option<String>| region.as_deref() == Some(id.as_str());
            if endpoints::list(conn)?.iter().any(|e| is_here(&e.region_id))
                || regions::list(conn)?.iter().any(|r| is_here(&r.parent_region_id))
            {
                return Err(Error::forbidden("There are endpoints or regions in this region.").into());
            }
            regions::remove(conn, &id)
        })
        .await
    }
}

pub(super) fn find_service(conn: &mut Conn, id: &str) -> DbResult<Service> {
    Ok(services::find(conn, id)?.ok_or_else(|| missing("service", id))?)
}

pub(super) fn find_region(conn: &mut Conn, id: &str) -> DbResult<Region> {
    Ok(regions::find(conn, id)?.ok_or_else(|| missing("region", id))?)
}
