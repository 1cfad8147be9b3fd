//! Signed images (`cursive/signature_utils.py`): four properties say what signed the data and with which certificate,
//! which the key manager has. Data that does not fit is refused, and so is data that cannot be verified.

mod base64;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use openssl::{
    asn1::Asn1Time,
    error::ErrorStack,
    hash::MessageDigest,
    md::Md,
    pkey::{Id, PKey, Public},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
    sign::RsaPssSaltlen,
    x509::X509,
};

use super::Images;
use crate::{
    key_manager::KeyError,
    model::{
        caller::Token,
        error::{Error, Result},
        hash::{Algorithm, Hashes},
        image::Image,
        time::Timestamp,
    },
};

const SIGNATURE: &str = "img_signature";
const HASH_METHOD: &str = "img_signature_hash_method";
const KEY_TYPE: &str = "img_signature_key_type";
const CERTIFICATE: &str = "img_signature_certificate_uuid";
/// The properties that ask for a check. As in Glance there is none unless all are there.
const PROPERTIES: [&str; 4] = [SIGNATURE, HASH_METHOD, KEY_TYPE, CERTIFICATE];

/// The hash methods, and what the algorithms are called here.
const HASH_METHODS: [(&str, &str); 4] =
    [("SHA-224", "sha224"), ("SHA-256", "sha256"), ("SHA-384", "sha384"), ("SHA-512", "sha512")];

/// The key types. As in cursive those of elliptic curves take a key on any curve: the certificate has the key, and the
/// type only says how it is used.
const KEY_TYPES: [(&str, Kind); 8] = [
    ("RSA-PSS", Kind::RsaPss),
    ("DSA", Kind::Dsa),
    ("ECC_SECT571K1", Kind::Ecc),
    ("ECC_SECT409K1", Kind::Ecc),
    ("ECC_SECT571R1", Kind::Ecc),
    ("ECC_SECT409R1", Kind::Ecc),
    ("ECC_SECP521R1", Kind::Ecc),
    ("ECC_SECP384R1", Kind::Ecc),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RsaPss,
    Dsa,
    Ecc,
}

/// What an image says about its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where the key manager has the certificate: a UUID, or a URL that ends in one.
    pub certificate: String,
    signature: Vec<u8>,
    algorithm: Algorithm,
    kind: Kind,
}

/// Verifies the data of one image.
pub struct Verifier {
    key: PKey<Public>,
    claim: Claim,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("claim", &self.claim).finish_non_exhaustive()
    }
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("The signature of the image cannot be verified: {why}."))
}

/// The certificate cannot be had.
fn unreachable(certificate: &str, error: &KeyError) -> Error {
    refused(format!("its certificate {certificate:?} could not be fetched, because {error}"))
}

/// What an image says about its signature; `None` unless it has all four properties. `said` gives the value of a
/// property that there is.
///
/// # Errors
/// [`Error::Invalid`] for values of which nothing can be made.
pub fn claim<'a>(said: impl Fn(&str) -> Option<Option<&'a str>>) -> Result<Option<Claim>> {
    let mut values = Vec::with_capacity(PROPERTIES.len());
    for name in PROPERTIES {
        let Some(value) = said(name) else { return Ok(None) };
        values.push(value.ok_or_else(|| refused(format!("{name} has no value")))?);
    }
    let [signature, method, kind, certificate] = values.as_slice() else { return Ok(None) };
    let signature = base64::decode(signature).filter(|bytes| !bytes.is_empty());
    let known = HASH_METHODS.iter().find(|(name, _)| name == method);
    let algorithm = known.and_then(|(_, name)| Algorithm::of(name));
    let known = KEY_TYPES.iter().find(|(name, _)| name == kind);
    Ok(Some(Claim {
        signature: signature.ok_or_else(|| refused(format!("{SIGNATURE} is not a text in base64")))?,
        algorithm: algorithm.ok_or_else(|| refused(format!("{HASH_METHOD} {method:?} is not known")))?,
        kind: known.ok_or_else(|| refused(format!("{KEY_TYPE} {kind:?} is not known")))?.1,
        certificate: (*certificate).to_owned(),
    }))
}

/// As [`claim`], of an image.
///
/// # Errors
/// As [`claim`].
pub fn claim_of(image: &Image) -> Result<Option<Claim>> {
    claim(|name| image.property(name).map(|property| property.value.as_deref()))
}

/// Whether two versions of an image say the same about its signature.
pub fn is_same(one: &Image, other: &Image) -> bool {
    PROPERTIES.iter().all(|name| one.property(name) == other.property(name))
}

/// What verifies the data of an image, with the certificate that the owner of the token has in the key manager; `None`
/// if there is nothing to verify.
///
/// # Errors
/// [`Error::Invalid`] when it cannot be verified.
pub async fn verifier(images: &Images, token: Option<&Token>, image: &Image) -> Result<Option<Verifier>> {
    let Some(claim) = claim_of(image)? else { return Ok(None) };
    let certificate = certificate(images, token, &claim.certificate).await?;
    claim.with(&certificate, images.db.clock.now()).map(Some)
}

/// The certificate of a signature, in DER.
///
/// # Errors
/// [`Error::Invalid`] when it cannot be had.
pub async fn certificate(images: &Images, token: Option<&Token>, id: &str) -> Result<Vec<u8>> {
    images.key_manager.certificate(token, id).await.map_err(|error| unreachable(id, &error))
}

impl Claim {
    /// The algorithm of the hash that is signed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What verifies this signature with the key of a certificate in DER, which has to be valid at this time. The size
    /// of the key is bounded by OpenSSL.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the certificate is of no use.
    pub fn with(self, certificate: &[u8], now: Timestamp) -> Result<Verifier> {
        let unreadable = |_: ErrorStack| refused("its certificate cannot be read");
        let certificate = X509::from_der(certificate).map_err(unreadable)?;
        let now = Asn1Time::from_unix(now.0.div_euclid(1_000_000)).map_err(unreadable)?;
        if certificate.not_before().compare(&now).map_err(unreadable)? == Ordering::Greater {
            return Err(refused("its certificate is not valid yet"));
        }
        if certificate.not_after().compare(&now).map_err(unreadable)? == Ordering::Less {
            return Err(refused("its certificate has expired"));
        }
        let key = key(&certificate, self.kind).map_err(unreadable)?;
        let key = key.ok_or_else(|| refused("the key of its certificate is of another type"))?;
        Ok(Verifier { key, claim: self })
    }
}

/// The key of a certificate, if it is of this type.
fn key(certificate: &X509, kind: Kind) -> std::result::Result<Option<PKey<Public>>, ErrorStack> {
    let key = certificate.public_key()?;
    Ok(match (kind, key.id()) {
        // A key for PSS alone may restrict how; cursive does not ask it.
        (Kind::RsaPss, Id::RSA | Id::RSA_PSS) => Some(PKey::from_rsa(key.rsa()?)?),
        (Kind::Dsa, Id::DSA) => Some(key),
        // Curves without a name, made up by whoever made the certificate, are not supported by cursive either.
        (Kind::Ecc, Id::EC) => key.ec_key()?.group().curve_name().map(|_| key),
        _ => None,
    })
}

impl Verifier {
    /// Whether these hashes suffice to verify the data.
    pub fn is_measured(&self, hashes: &Hashes) -> bool {
        hashes.contains_key(self.claim.algorithm.name)
    }

    /// Verifies data that has these hashes. Takes a few milliseconds at most, for keys are not larger than OpenSSL lets
    /// them be.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the signature is of other data, or was made with another key.
    pub fn check(&self, hashes: &Hashes) -> Result<()> {
        let Claim { algorithm, signature, .. } = &self.claim;
        let measured = hashes.get(algorithm.name).and_then(|hex| unhex(hex));
        let digest = measured.ok_or_else(|| Error::internal("verify", "the hash was not measured"))?;
        // What cannot even be a signature of this key is an error to the library.
        match self.fits(&digest, signature) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Error::invalid(
                "The signature of the image does not fit the data, so the data was not kept.",
            )),
        }
    }

    /// Bytes of the longest salt that a signature of PSS has room for (RFC 8017, section 9.1.1); `None` if for none.
    fn longest_salt(&self, digest_bytes: usize) -> std::result::Result<Option<i32>, ErrorStack> {
        let encoded = self.key.rsa()?.n().num_bits().saturating_sub(1).unsigned_abs().div_ceil(8);
        let room = usize::try_from(encoded).ok().and_then(|bytes| bytes.checked_sub(digest_bytes + 2));
        Ok(room.and_then(|bytes| i32::try_from(bytes).ok()))
    }

    fn fits(&self, digest: &[u8], signature: &[u8]) -> std::result::Result<bool, ErrorStack> {
        let library_name = self.claim.algorithm.library_name;
        let method = MessageDigest::from_name(library_name).and_then(|digest| Md::from_nid(digest.type_()));
        let Some(method) = method else { return Ok(false) };
        let mut context = PkeyCtx::new(&self.key)?;
        context.verify_init()?;
        if self.claim.kind == Kind::RsaPss {
            context.set_rsa_padding(Padding::PKCS1_PSS)?;
        }
        context.set_signature_md(method)?;
        if self.claim.kind == Kind::RsaPss {
            context.set_rsa_mgf1_md(method)?;
            // The library's own word for the longest takes any when it verifies.
            let Some(salt) = self.longest_salt(digest.len())? else { return Ok(false) };
            context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt))?;
        }
        context.verify(digest, signature)
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
