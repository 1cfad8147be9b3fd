//! Resolves names of sources to addresses, and passes on only those that the filter allows.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use reqwest::dns;
use tokio::time::timeout;

use super::filter::{self, Checked, Filter, Refusal};

/// Turns names into addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Every address of a name; none when there is no such name.
    async fn resolve(&self, name: &str) -> Vec<IpAddr>;
}

/// The resolver of the operating system.
#[derive(Debug)]
pub struct System;

#[async_trait]
impl Resolve for System {
    async fn resolve(&self, name: &str) -> Vec<IpAddr> {
        match tokio::net::lookup_host((name, 0)).await {
            Ok(found) => found.map(|address| address.ip()).collect(),
            Err(error) => {
                tracing::info!(name, %error, "a source's name was not resolved");
                Vec::new()
            }
        }
    }
}

/// Stands between a client and the names that it connects to: whatever it answers has been checked.
#[derive(Clone)]
pub struct Guard {
    pub(super) filter: Filter,
    pub(super) resolver: Arc<dyn Resolve>,
    /// Longest wait for the resolver.
    pub(super) patience: Duration,
    /// Hosts of the operator's own proxies, which are connected to wherever they are.
    pub(super) proxies: Vec<String>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("filter", &self.filter).finish_non_exhaustive()
    }
}

impl Guard {
    /// Checks a URI and the addresses that its host has now.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub(super) async fn check(&self, uri: &str) -> Result<(), Refusal> {
        let checked = filter::check(&self.filter, uri)?;
        match &checked.name {
            Some(name) => self.resolve_checked(name).await.map(drop),
            None => self.check_literal(&checked),
        }
    }

    /// Checks the host of a URI where it is an address: a client connects to that without asking for a name.
    pub(super) fn check_literal(&self, checked: &Checked) -> Result<(), Refusal> {
        match checked.address {
            Some(address) => filter::check_addresses(&self.filter, checked.trusted, &[address]),
            None => Ok(()),
        }
    }

    /// The addresses of a name, all of them checked.
    async fn resolve_checked(&self, name: &str) -> Result<Vec<IpAddr>, Refusal> {
        let addresses = timeout(self.patience, self.resolver.resolve(name)).await.unwrap_or_default();
        filter::check_addresses(&self.filter, self.filter.trusts(name), &addresses)?;
        Ok(addresses)
    }
}

impl dns::Resolve for Guard {
    fn resolve(&self, name: dns::Name) -> dns::Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let name = name.as_str();
            let addresses = if guard.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(name)) {
                System.resolve(name).await
            } else {
                guard.resolve_checked(name).await?
            };
            // The client puts the port of the URL in place of zero.
            let places = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(places) as dns::Addrs)
        })
    }
}
