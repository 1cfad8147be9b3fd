//! `[key_manager]` and `[barbican]`: where the key manager is, and how to reach it.

use std::{path::PathBuf, time::Duration};

use crate::identity::keystone;

/// An option with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[{section}] {option}: {reason}")]
pub struct SettingsError {
    /// Section of the option.
    pub section: &'static str,
    /// Name of the option.
    pub option: &'static str,
    /// The error, for an operator.
    pub reason: String,
}

impl SettingsError {
    /// Of an option of `[barbican]`.
    pub(super) fn new(option: &'static str, reason: impl Into<String>) -> Self {
        Self { section: "barbican", option, reason: reason.into() }
    }
}

/// `barbican_endpoint_type`: which endpoints of the catalog are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation
pub enum Interface {
    #[default]
    Public,
    Internal,
    Admin,
}

impl Interface {
    /// Reads the value of the option.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// The word of the catalog.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

/// The options of `[barbican]`, under castellan's names and with its defaults, unless something else is said.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `barbican_endpoint`: the service without a version; the catalog says it otherwise.
    pub endpoint: Option<String>,
    /// `barbican_api_version`
    pub api_version: String,
    /// `auth_endpoint`: the Keystone that is asked for the catalog of the caller's token.
    pub auth_endpoint: String,
    /// `barbican_endpoint_type`
    pub endpoint_type: Interface,
    /// `barbican_region_name`: any when absent.
    pub region_name: Option<String>,
    /// `verify_ssl`: whether the certificates of Barbican and of that Keystone are verified.
    pub verify_ssl: bool,
    /// `verify_ssl_path`: PEM file with the only authorities that are trusted.
    pub verify_ssl_path: Option<PathBuf>,
    /// `[barbican_service_user]`, if `send_service_user_token`: its token goes along with the caller's.
    pub service_user: Option<keystone::Settings>,
    /// `timeout`: how long a use of Barbican may take, all of its requests together; castellan waits for ever.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            api_version: "v1".to_owned(),
            auth_endpoint: "http://localhost/identity/v3".to_owned(),
            endpoint_type: Interface::default(),
            region_name: None,
            verify_ssl: true,
            verify_ssl_path: None,
            service_user: None,
            timeout: Duration::from_secs(30),
        }
    }
}
