//! Endpoints.

use super::{
    Filters, admin_only,
    body::{self, Body},
    missing, services_and_readers_only,
};
use crate::{
    db::{
        Conn, DbResult,
        identity::catalog::{
            endpoints::{self, Endpoint},
            regions::{self, Region},
            services,
        },
    },
    identity::builtin::{Builtin, context::Token, new_id},
    model::error::{Error, Result},
};

const KNOWN: &[&str] = &["service_id", "interface", "region", "region_id", "url", "enabled"];

impl Builtin {
    /// Endpoints that pass the filters `interface`, `service_id` and `region_id`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless the token reads all or is a service's.
    pub async fn endpoint_list(&self, token: &Token, filters: &Filters) -> Result<Vec<Endpoint>> {
        services_and_readers_only(token)?;
        let mut rows = self.read("identity_endpoints", endpoints::list).await?;
        rows.retain(|e| {
            filters.matches("interface", Some(&e.interface))
                && filters.matches("service_id", Some(&e.service_id))
                && filters.matches("region_id", e.region_id.as_deref())
        });
        Ok(rows)
    }

    /// One endpoint.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn endpoint_show(&self, token: &Token, id: &str) -> Result<Endpoint> {
        services_and_readers_only(token)?;
        let id = id.to_owned();
        self.read("identity_endpoint", move |conn| find(conn, &id)).await
    }

    /// Makes an endpoint.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] also for a service or region that does not exist.
    pub async fn endpoint_create(&self, token: &Token, body: &Body) -> Result<Endpoint> {
        admin_only(token)?;
        let row = Endpoint {
            id: new_id(),
            service_id: body::required(body, "service_id")?,
            interface: interface(body)?.ok_or_else(|| Error::invalid("\"interface\" is missing."))?,
            region_id: None,
            url: url(body)?.ok_or_else(|| Error::invalid("\"url\" is missing."))?,
            enabled: body::flag(body, "enabled")?.unwrap_or(true),
            extra: body::extra(body, KNOWN, "{}")?,
        };
        let body = body.clone();
        self.change("identity_endpoint_create", move |conn| {
            let mut row = row.clone();
            row.region_id = region(conn, &body)?.flatten();
            check_service(conn, &row.service_id)?;
            endpoints::insert(conn, &row)?;
            Ok(row)
        })
        .await
    }

    /// Changes an endpoint.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`].
    pub async fn endpoint_update(&self, token: &Token, id: &str, body: &Body) -> Result<Endpoint> {
        admin_only(token)?;
        let (id, body) = (id.to_owned(), body.clone());
        self.change("identity_endpoint_update", move |conn| {
            let mut row = find(conn, &id)?;
            row.interface = interface(&body)?.unwrap_or(row.interface);
            row.url = url(&body)?.unwrap_or(row.url);
            row.enabled = body::flag(&body, "enabled")?.unwrap_or(row.enabled);
            if let Some(service_id) = body::name(&body, "service_id")? {
                check_service(conn, &service_id)?;
                row.service_id = service_id;
            }
            row.region_id = region(conn, &body)?.unwrap_or(row.region_id);
            row.extra = body::extra(&body, KNOWN, &row.extra)?;
            endpoints::save(conn, &row)?;
            Ok(row)
        })
        .await
    }

    /// Removes an endpoint.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn endpoint_delete(&self, token: &Token, id: &str) -> Result<()> {
        admin_only(token)?;
        let id = id.to_owned();
        self.change("identity_endpoint_delete", move |conn| {
            find(conn, &id)?;
            endpoints::remove(conn, &id)
        })
        .await
    }
}

fn find(conn: &mut Conn, id: &str) -> DbResult<Endpoint> {
    Ok(endpoints::find(conn, id)?.ok_or_else(|| missing("endpoint", id))?)
}

fn interface(body: &Body) -> Result<Option<String>> {
    let Some(interface) = body::text(body, "interface")? else { return Ok(None) };
    if !["public", "internal", "admin"].contains(&interface.as_str()) {
        return Err(Error::invalid("\"interface\" must be public, internal or admin."));
    }
    Ok(Some(interface))
}

fn url(body: &Body) -> Result<Option<String>> {
    let Some(url) = body::text(body, "url")? else { return Ok(None) };
    let starts = ["http://", "https://", "$("].iter().any(|start| url.starts_with(start));
    if !starts || url.chars().any(char::is_control) {
        return Err(Error::invalid("\"url\" must be an http or https URL."));
    }
    Ok(Some(url))
}

fn check_service(conn: &mut Conn, id: &str) -> DbResult<()> {
    match services::find(conn, id)? {
        Some(_) => Ok(()),
        None => Err(Error::invalid(format!("There is no service {id}.")).into()),
    }
}

/// The region that the body names, if it names any: `region_id` must exist; the older `region` is made.
fn region(conn: &mut Conn, body: &Body) -> DbResult<Option<Option<String>>> {
    if body.contains_key("region_id") {
        let Some(id) = body::name(body, "region_id")? else { return Ok(Some(None)) };
        if regions::find(conn, &id)?.is_none() {
            return Err(Error::invalid(format!("There is no region {id}.")).into());
        }
        return Ok(Some(Some(id)));
    }
    let Some(id) = body::name(body, "region")? else { return Ok(None) };
    if regions::find(conn, &id)?.is_none() {
        let row = Region { id: id.clone(), description: String::new(), parent_region_id: None };
        regions::insert(conn, &row)?;
    }
    Ok(Some(Some(id)))
}
