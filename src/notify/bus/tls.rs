//! TLS with a broker, as `[oslo_messaging_rabbit] ssl…` has it (`_drivers/impl_rabbit.py: _fetch_ssl_params`).

use std::path::PathBuf;

use lapin::tcp::OpensslConnector;
use openssl::{
    ssl::{SslFiletype, SslMethod, SslVerifyMode, SslVersion},
    x509::{X509VerifyResult, store::X509StoreBuilder},
};

use super::{Tls, TlsVersion};
use crate::telemetry;

/// X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
const OTHER_NAMES: [i32; 2] = [62, 64];

/// Makes a connector; reads the files each time, so that they can be replaced.
///
/// # Errors
/// A sentence saying what is wrong with the files.
pub async fn connector(tls: Tls) -> Result<OpensslConnector, String> {
    let made = telemetry::blocking(move || build(&tls)).await;
    made.map_err(|fault| fault.to_string())?
}

fn build(tls: &Tls) -> Result<OpensslConnector, String> {
    let fault = |error: openssl::error::ErrorStack| error.to_string();
    let of_file = |path: &PathBuf| {
        let place = path.display().to_string();
        move |error: openssl::error::ErrorStack| format!("{place} cannot be used: {error}")
    };
    let mut builder = OpensslConnector::builder(SslMethod::tls_client()).map_err(fault)?;
    if let Some(path) = &tls.cert_file {
        builder.set_certificate_chain_file(path).map_err(of_file(path))?;
    }
    // As in Python, the key may be in the file of the certificate.
    if let Some(path) = tls.key_file.as_ref().or(tls.cert_file.as_ref()) {
        builder.set_private_key_file(path, SslFiletype::PEM).map_err(of_file(path))?;
    }
    match &tls.ca_file {
        None => builder.set_verify(SslVerifyMode::NONE),
        Some(path) => {
            // Nobody but these authorities, not those of the system as well.
            builder.set_cert_store(X509StoreBuilder::new().map_err(fault)?.build());
            builder.set_ca_file(path).map_err(of_file(path))?;
            let hostname = tls.hostname;
            builder.set_verify_callback(SslVerifyMode::PEER, move |is_good, context| {
                let is_other_name = OTHER_NAMES.contains(&context.error().as_raw());
                if !is_good && !hostname && is_other_name {
                    context.set_error(X509VerifyResult::OK);
                    return true;
                }
                is_good
            });
        }
    }
    let version = tls.version.map(|version| match version {
        TlsVersion::V1 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
    });
    if version.is_some() {
        builder.set_min_proto_version(version).map_err(fault)?;
        builder.set_max_proto_version(version).map_err(fault)?;
    }
    Ok(builder.build())
}
