//! The provider against a Keystone with TLS: server verification and client certificates.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

use super::fake::{Fake, connect};
use super::*;

/// A key, its own certificate for 127.0.0.1, and both as PEM files.
pub(super) struct Party {
    key: PKey<Private>,
    certificate: X509,
    pub(super) key_file: PathBuf,
    pub(super) certificate_file: PathBuf,
}

pub(super) fn party(folder: &Path, name: &str) -> Party {
    let ec = EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap();
    let (key_file, certificate_file) =
        (folder.join(format!("{name}.key")), folder.join(format!("{name}.crt")));
    // The older form of a key file, which is not PKCS #8.
    std::fs::write(&key_file, ec.private_key_to_pem().unwrap()).unwrap();
    let key = PKey::from_ec_key(ec).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.append_extension(BasicConstraints::new().ca().build().unwrap()).unwrap();
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST).to_string();
    let names =
        SubjectAlternativeName::new().ip(&address).build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    std::fs::write(&certificate_file, certificate.to_pem().unwrap()).unwrap();
    Party { key, certificate, key_file, certificate_file }
}

/// Serves `403` over TLS; a client that gets that far has been accepted, and has accepted us.
fn serve(server: &Party, client: Option<&Party>) -> String {
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls_server()).unwrap();
    acceptor.set_private_key(&server.key).unwrap();
    acceptor.set_certificate(&server.certificate).unwrap();
    if let Some(client) = client {
        acceptor.cert_store_mut().add_cert(client.certificate.clone()).unwrap();
        acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut stream) = acceptor.accept(connection.unwrap()) else { continue };
            if stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                let _ =
                    stream.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.shutdown();
            }
        }
    });
    url
}

/// Whether the provider came as far as the login's answer.
async fn is_connected(settings: Settings) -> bool {
    let credentials = Credentials { token: Some("u".to_owned()), ..Credentials::default() };
    let answer = connect(settings).authenticate(&credentials).await;
    let Err(IdentityError::Unavailable(message)) = answer else { panic!("{answer:?}") };
    message.contains("refuses")
}

#[tokio::test]
async fn certificates_are_verified_and_shown_as_configured() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = (party(folder.path(), "server"), party(folder.path(), "client"));
    let to = |auth_url: &str| Settings {
        auth_url: auth_url.to_owned(),
        http_request_max_retries: 0,
        ..fake.settings()
    };
    let open = to(&serve(&server, None));
    let cafile = Some(server.certificate_file.clone());
    assert!(!is_connected(open.clone()).await, "a certificate of nobody we know");
    assert!(is_connected(Settings { insecure: true, ..open.clone() }).await);
    assert!(is_connected(Settings { cafile: cafile.clone(), ..open.clone() }).await);
    assert!(!is_connected(Settings { cafile: Some(client.certificate_file.clone()), ..open }).await);

    let strict = Settings { cafile, ..to(&serve(&server, Some(&client))) };
    assert!(!is_connected(strict.clone()).await, "it asks for a certificate");
    let certfile = Some(client.certificate_file.clone());
    let shown = Settings { certfile, keyfile: Some(client.key_file.clone()), ..strict.clone() };
    assert!(is_connected(shown).await);
    let both = folder.path().join("both.pem");
    let files =
        [&client.key_file, &client.certificate_file].map(|file| std::fs::read_to_string(file).unwrap());
    std::fs::write(&both, files.concat()).unwrap();
    assert!(
        is_connected(Settings { certfile: Some(both), ..strict }).await,
        "key and certificate in one file"
    );
}

#[tokio::test]
async fn files_that_are_of_no_use_are_named() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().unwrap();
    let client = party(folder.path(), "client");
    let (missing, empty) = (Some(folder.path().join("missing")), folder.path().join("empty"));
    std::fs::write(&empty, "").unwrap();
    let (empty, certfile) = (Some(empty), Some(client.certificate_file));
    for (settings, option) in [
        (Settings { cafile: missing.clone(), ..fake.settings() }, "cafile"),
        (Settings { cafile: empty.clone(), ..fake.settings() }, "cafile"),
        (Settings { certfile: missing.clone(), ..fake.settings() }, "certfile"),
        (Settings { certfile: certfile.clone(), ..fake.settings() }, "certfile"),
        (Settings { certfile: certfile.clone(), keyfile: missing, ..fake.settings() }, "keyfile"),
        (Settings { certfile, keyfile: empty, ..fake.settings() }, "keyfile"),
        (Settings { keyfile: Some(client.key_file), ..fake.settings() }, "keyfile"),
    ] {
        let Err(error) = Keystone::new(settings.clone()) else { panic!("accepted: {settings:?}") };
        assert_eq!(error.option, option, "{error}");
    }
}
