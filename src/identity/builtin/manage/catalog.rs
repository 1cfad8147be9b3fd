//! The catalog of a token.

use crate::{
    db::identity::catalog::{
        endpoints::{self, Endpoint},
        services::{self, Service},
    },
    identity::builtin::Builtin,
    model::error::Result,
};

impl Builtin {
    /// Enabled services with their enabled endpoints.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn catalog(&self) -> Result<Vec<(Service, Vec<Endpoint>)>> {
        self.read("identity_catalog", |conn| {
            let mut endpoints = endpoints::list(conn)?;
            endpoints.retain(|endpoint| endpoint.enabled);
            let services = services::list(conn)?.into_iter().filter(|service| service.enabled);
            Ok(services
                .map(|service| {
                    let own = endpoints.iter().filter(|e| e.service_id == service.id).cloned().collect();
                    (service, own)
                })
                .collect())
        })
        .await
    }
}
