//! Trusted authorities and client certificates, read from PEM files.

use openssl::pkey::PKey;
use reqwest::ClientBuilder;

use super::causes::causes;

/// Verification of servers, and our own certificate.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whether the other side has to prove who it is.
    pub verify: bool,
    /// The only trusted authorities; `None` means those of the operating system.
    pub authorities: Option<Authorities>,
    /// Our own certificate.
    pub certificate: Option<Certificate>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { verify: true, authorities: None, certificate: None }
    }
}

/// Certificates of authorities; at least one.
#[derive(Clone, Debug)]
pub struct Authorities(Vec<reqwest::Certificate>);

/// A certificate of our own, with its key.
#[derive(Clone, Debug)]
pub struct Certificate(reqwest::Identity);

/// Which part of a certificate of our own is of no use, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The chain of certificates.
    Chain(String),
    /// The private key.
    Key(String),
}

impl Authorities {
    /// Reads the certificates of a PEM file.
    ///
    /// # Errors
    /// A part of a sentence saying what is wrong with the text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let found = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| causes(&error))?;
        if found.is_empty() { Err("holds no certificate in PEM form".to_owned()) } else { Ok(Self(found)) }
    }
}

impl Certificate {
    /// Reads a certificate chain and its key, which may be of any type and in the same file. A key with a passphrase is
    /// refused, because nobody can type it.
    ///
    /// # Errors
    /// [`Unusable`]
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Unusable> {
        // The callback gives no password: without it OpenSSL would ask on the terminal.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0))
            .and_then(|key| key.private_key_to_pem_pkcs8())
            .map_err(|error| {
                Unusable::Key(format!("holds no private key that can be read without a password: {error}"))
            })?;
        let identity = reqwest::Identity::from_pkcs8_pem(chain, &key);
        identity.map(Self).map_err(|error| Unusable::Chain(causes(&error)))
    }
}

impl Tls {
    pub(super) fn apply(&self, mut builder: ClientBuilder) -> ClientBuilder {
        if !self.verify {
            builder = builder.tls_danger_accept_invalid_certs(true).tls_danger_accept_invalid_hostnames(true);
        }
        if let Some(Authorities(trusted)) = &self.authorities {
            builder = builder.tls_certs_only(trusted.iter().cloned());
        }
        match &self.certificate {
            Some(Certificate(identity)) => builder.identity(identity.clone()),
            None => builder,
        }
    }
}
