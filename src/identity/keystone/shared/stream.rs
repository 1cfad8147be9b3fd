//! A connection to a memcached: plain or with TLS, with or without a login.

use std::{
    io::{Error, Result},
    pin::Pin,
};

use openssl::{
    pkey::PKey,
    ssl::{SslConnector, SslMethod},
    x509::{X509, store::X509StoreBuilder},
};
use tokio::{io::BufStream, net::TcpStream};
use tokio_openssl::SslStream;

use super::super::settings::{Memcached, MemcachedTls, Secret, SettingsError};
use super::{
    address::Address,
    binary, text,
    wire::{Kept, Stream, Wire},
};

/// How servers are spoken with.
pub(super) struct Link {
    tls: Option<SslConnector>,
    login: Option<(String, Secret)>,
}

/// A connection on which nothing is under way. After an error it is of no use any more.
pub(super) struct Connection {
    wire: Wire,
    /// Only the binary protocol knows a login; only the text protocol is certain to be spoken by everybody else.
    is_binary: bool,
}

impl Link {
    /// # Errors
    /// A file that is of no use, ciphers that OpenSSL does not know, a login without name or password.
    pub(super) fn new(settings: &Memcached) -> std::result::Result<Self, SettingsError> {
        let tls = settings.tls.as_ref().map(connector).transpose()?;
        let login = settings.sasl.clone();
        if let Some((user, password)) = &login {
            for (option, value) in [("memcache_username", user), ("memcache_password", &password.0)] {
                if value.is_empty() || value.contains('\0') {
                    return Err(SettingsError::new(option, "is missing: memcache_sasl_enabled needs it"));
                }
            }
        }
        Ok(Self { tls, login })
    }
}

impl Connection {
    /// # Errors
    /// There is none: nobody listens, the certificate is not right, the login is refused.
    pub(super) async fn open(address: &Address, link: &Link) -> Result<Self> {
        let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &link.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let ssl = tls.configure().and_then(|tls| tls.into_ssl(&address.host))?;
                let mut stream = SslStream::new(ssl, tcp)?;
                Pin::new(&mut stream).connect().await.map_err(Error::other)?;
                Box::new(stream)
            }
        };
        let mut wire = BufStream::new(stream);
        if let Some((user, password)) = &link.login {
            binary::log_in(&mut wire, user, &password.0).await?;
        }
        Ok(Self { wire, is_binary: link.login.is_some() })
    }

    /// What the server has under a name, which has no blanks.
    ///
    /// # Errors
    /// The system's, and an answer that is not memcached's.
    pub(super) async fn get(&mut self, name: &str) -> Result<Option<Kept>> {
        if self.is_binary {
            binary::get(&mut self.wire, name).await
        } else {
            text::get(&mut self.wire, name).await
        }
    }

    /// Keeps a value for some seconds; says whether the server does, which may have no room.
    ///
    /// # Errors
    /// The system's, and an answer that is not memcached's.
    pub(super) async fn set(&mut self, name: &str, value: &[u8], age_s: u64) -> Result<bool> {
        if self.is_binary {
            binary::set(&mut self.wire, name, value, age_s).await
        } else {
            text::set(&mut self.wire, name, value, age_s).await
        }
    }
}

fn connector(settings: &MemcachedTls) -> std::result::Result<SslConnector, SettingsError> {
    let of = |option: &'static str| move |reason: String| SettingsError::new(option, reason);
    let mut builder = SslConnector::builder(SslMethod::tls_client())
        .map_err(|error| SettingsError::new("memcache_tls_enabled", error.to_string()))?;
    if let Some(path) = &settings.cafile {
        let bad = |reason: &dyn std::fmt::Display| {
            of("memcache_tls_cafile")(format!("{}: {reason}", path.display()))
        };
        let certificates =
            X509::stack_from_pem(&std::fs::read(path).map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
        if certificates.is_empty() {
            return Err(bad(&"holds no certificate in PEM form"));
        }
        let mut store = X509StoreBuilder::new().map_err(|e| bad(&e))?;
        for certificate in certificates {
            store.add_cert(certificate).map_err(|e| bad(&e))?;
        }
        builder.set_cert_store(store.build());
    }
    if let Some(path) = &settings.certfile {
        let bad = |reason: &dyn std::fmt::Display| {
            of("memcache_tls_certfile")(format!("{}: {reason}", path.display()))
        };
        builder.set_certificate_chain_file(path).map_err(|e| bad(&e))?;
        let path = settings.keyfile.as_ref().unwrap_or(path);
        let bad = |reason: &dyn std::fmt::Display| {
            of("memcache_tls_keyfile")(format!("{}: {reason}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|e| bad(&e))?;
        // The callback gives no password: without it OpenSSL would ask on the terminal.
        let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0)).map_err(|e| bad(&e))?;
        builder.set_private_key(&key).and_then(|()| builder.check_private_key()).map_err(|e| bad(&e))?;
    }
    if let Some(ciphers) = &settings.allowed_ciphers {
        builder.set_cipher_list(ciphers).map_err(|e| of("memcache_tls_allowed_ciphers")(e.to_string()))?;
    }
    Ok(builder.build())
}
