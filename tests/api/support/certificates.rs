//! Authorities of a test's own, and what they vouch for.

use std::path::{Path, PathBuf};

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{
        X509, X509Name,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

/// A certificate and its key.
pub struct Issued {
    pub certificate: X509,
    pub key: PKey<Private>,
}

impl Issued {
    /// Writes both; what was there before is replaced as `cp` does it, one file after the other.
    pub fn write(&self, certificate: &Path, key: &Path) {
        std::fs::write(certificate, self.certificate.to_pem().unwrap()).unwrap();
        std::fs::write(key, self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    }

    /// Writes both into a folder, under a name.
    pub fn files(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let files = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        self.write(&files.0, &files.1);
        files
    }
}

/// Vouches for servers on loopback and for clients.
pub struct Authority(Issued);

impl Authority {
    pub fn new(name: &str) -> Self {
        Self(make(name, None))
    }

    pub fn certificate(&self) -> &X509 {
        &self.0.certificate
    }

    pub fn issue(&self, name: &str) -> Issued {
        make(name, Some(&self.0))
    }

    /// Writes its certificate into a folder.
    pub fn file(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.0.certificate.to_pem().unwrap()).unwrap();
        path
    }
}

fn make(name: &str, issuer: Option<&Issued>) -> Issued {
    let ec = EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap();
    let key = PKey::from_ec_key(ec).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, openssl::bn::MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(issuer.map_or(&subject, |issuer| issuer.certificate.subject_name())).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    let mut constraints = BasicConstraints::new();
    if issuer.is_none() {
        constraints.critical().ca();
    }
    builder.append_extension(constraints.build().unwrap()).unwrap();
    let names = SubjectAlternativeName::new()
        .ip("127.0.0.1")
        .dns("localhost")
        .build(&builder.x509v3_context(None, None))
        .unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(issuer.map_or(&key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
    Issued { certificate: builder.build(), key }
}
