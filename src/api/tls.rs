//! TLS on the API's own listeners: the certificate, its key and the authorities of clients, read again when they change.
//!
//! A connection keeps the certificate with which it began, so nothing is lost when another one comes.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use openssl::{
    asn1::Asn1Time,
    error::ErrorStack,
    pkey::PKey,
    ssl::{AlpnError, Ssl, SslAcceptor, SslContext, SslMethod, SslOptions, SslVerifyMode, select_next_proto},
    stack::Stack,
    x509::{X509, X509Name, store::X509StoreBuilder},
};

use crate::telemetry;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The protocols of HTTP that are spoken, as ALPN writes them.
const PROTOCOLS: &[u8] = b"\x08http/1.1";
/// Sessions that are resumed have to come from this service.
const SESSIONS: &[u8] = b"vitrine";

/// The operator's settings about TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// `[vitrine] tls_cert_file`: the certificate and its chain, in PEM.
    pub certificate: PathBuf,
    /// `[vitrine] tls_key_file`: its key, in PEM.
    pub key: PathBuf,
    /// `[vitrine] tls_client_ca_file`: who vouches for clients, in PEM; `None` asks no client for a certificate.
    pub client_authorities: Option<PathBuf>,
    /// `[vitrine] tls_client_certificates`: whether a client without a certificate is let in.
    pub clients_may_have_none: bool,
}

/// What tells one version of a file from another; `None` for one that cannot be looked at.
type Stamps = Vec<Option<(i64, i64, u64, u64)>>;

/// The certificate that is shown now.
pub struct Tls {
    settings: TlsSettings,
    context: RwLock<SslContext>,
    seen: Mutex<Seen>,
}

/// What was read last.
struct Seen {
    stamps: Stamps,
    /// What was wrong with it, which is said once.
    complaint: Option<String>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files. Blocking.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn open(settings: TlsSettings) -> Result<Self, String> {
        let stamps = stamps(&settings);
        let context = RwLock::new(context(&settings)?);
        Ok(Self { settings, context, seen: Mutex::new(Seen { stamps, complaint: None }) })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's side of a new connection.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn accept(&self) -> Result<Ssl, ErrorStack> {
        let context = self.context.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut ssl = Ssl::new(&context)?;
        ssl.set_accept_state();
        Ok(ssl)
    }

    /// Reads the files again; new connections get what is in them. If they cannot be used, all stays as it is.
    /// Blocking.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn reload(&self) -> Result<(), String> {
        let mut seen = self.seen();
        seen.stamps = stamps(&self.settings);
        let context = context(&self.settings).inspect_err(|why| seen.complaint = Some(why.clone()))?;
        *self.context.write().unwrap_or_else(PoisonError::into_inner) = context;
        seen.complaint = None;
        Ok(())
    }

    /// As [`Tls::reload`] if one of the files is another than before; says whether it was. A fault is told once.
    /// Blocking.
    fn reload_if_changed(&self) -> bool {
        let (before, complaint) = {
            let seen = self.seen();
            (seen.stamps.clone(), seen.complaint.clone())
        };
        // One file may have been replaced and the other not yet: what could not be used is tried again.
        if before == stamps(&self.settings) && complaint.is_none() {
            return false;
        }
        match self.reload() {
            Ok(()) => {
                tracing::info!("the certificate of the API was read again");
                true
            }
            Err(why) => {
                if complaint.as_ref() != Some(&why) {
                    tracing::error!("{why}; the certificate that was there before is shown on");
                }
                false
            }
        }
    }

    /// Reads the files again whenever they change; never ends.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let tls = Arc::clone(&self);
            if let Err(fault) = telemetry::blocking(move || tls.reload_if_changed()).await {
                tracing::error!(%fault, "the certificate of the API could not be looked at");
            }
        }
    }
}

fn stamps(settings: &TlsSettings) -> Stamps {
    let files = [Some(&settings.certificate), Some(&settings.key), settings.client_authorities.as_ref()];
    let stamp = |path: &PathBuf| {
        let found = fs::metadata(path).ok()?;
        Some((found.mtime(), found.mtime_nsec(), found.ino(), found.len()))
    };
    files.into_iter().flatten().map(stamp).collect()
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("[vitrine] {option}: {} cannot be read: {error}", path.display()))
}

fn certificates(option: &str, path: &Path) -> Result<Vec<X509>, String> {
    let found = X509::stack_from_pem(&read(option, path)?).unwrap_or_default();
    if found.is_empty() {
        return Err(format!("[vitrine] {option}: {} holds no certificate in PEM form", path.display()));
    }
    Ok(found)
}

/// TLS 1.2 and 1.3 with the ciphers that Mozilla recommends for servers with clients of the last ten years.
fn context(settings: &TlsSettings) -> Result<SslContext, String> {
    let (chain, key_file) = (&settings.certificate, &settings.key);
    let mut chain = certificates("tls_cert_file", chain)?.into_iter();
    // The callback gives no password: without it OpenSSL would ask on the terminal.
    let key =
        PKey::private_key_from_pem_callback(&read("tls_key_file", key_file)?, |_| Ok(0)).map_err(|_| {
            let path = key_file.display();
            format!("[vitrine] tls_key_file: {path} holds no private key that can be read without a password")
        })?;
    let failed = |error: ErrorStack| format!("TLS cannot be set up: {error}");
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).map_err(failed)?;
    builder.set_options(SslOptions::NO_RENEGOTIATION);
    builder.set_session_id_context(SESSIONS).map_err(failed)?;
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(PROTOCOLS, offered)
            .and_then(|chosen| offered.windows(chosen.len()).find(|part| *part == chosen))
            .ok_or(AlpnError::NOACK)
    });
    if let Some(own) = chain.next() {
        if Asn1Time::days_from_now(0).is_ok_and(|now| *own.not_after() < *now) {
            tracing::warn!(until = %own.not_after(), "the certificate of the API has run out");
        }
        builder.set_certificate(&own).map_err(failed)?;
    }
    for above in chain {
        builder.add_extra_chain_cert(above).map_err(failed)?;
    }
    builder.set_private_key(&key).and_then(|()| builder.check_private_key()).map_err(|_| {
        let path = key_file.display();
        format!("[vitrine] tls_key_file: the key in {path} is not that of the certificate in tls_cert_file")
    })?;
    if let Some(path) = &settings.client_authorities {
        let mut store = X509StoreBuilder::new().map_err(failed)?;
        let mut names = Stack::<X509Name>::new().map_err(failed)?;
        for authority in certificates("tls_client_ca_file", path)? {
            let name = authority.subject_name().to_owned().map_err(failed)?;
            names.push(name).map_err(failed)?;
            store.add_cert(authority).map_err(failed)?;
        }
        builder.set_verify_cert_store(store.build()).map_err(failed)?;
        builder.set_client_ca_list(names);
        let mut mode = SslVerifyMode::PEER;
        if !settings.clients_may_have_none {
            mode |= SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        }
        builder.set_verify(mode);
    }
    Ok(builder.build().into_context())
}
