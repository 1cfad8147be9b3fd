//! Signatures by each type of key over each hash, with certificates made here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use ::base64::{Engine, engine::general_purpose::STANDARD};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    dsa::Dsa,
    ec::{EcGroup, EcKey},
    hash::{MessageDigest, hash},
    nid::Nid,
    pkey::Private,
    rsa::Rsa,
    x509::{X509Builder, X509NameBuilder},
};

use super::*;
use crate::model::hash::hex;

const DATA: &[u8] = b"the data of an image";
const DAY: i64 = 86_400;
const NOW: i64 = 1_800_000_000;

fn ec(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

fn keys() -> BTreeMap<&'static str, PKey<Private>> {
    BTreeMap::from([
        ("RSA-PSS", PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()),
        ("DSA", PKey::from_dsa(Dsa::generate(1024).unwrap()).unwrap()),
        ("ECC_SECT571K1", ec(Nid::SECT571K1)),
        ("ECC_SECT409K1", ec(Nid::SECT409K1)),
        ("ECC_SECT571R1", ec(Nid::SECT571R1)),
        ("ECC_SECT409R1", ec(Nid::SECT409R1)),
        ("ECC_SECP521R1", ec(Nid::SECP521R1)),
        ("ECC_SECP384R1", ec(Nid::SECP384R1)),
    ])
}

/// A certificate of a key, valid for these seconds, in DER.
fn certificate(key: &PKey<Private>, (from, until): (i64, i64)) -> Vec<u8> {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "images").unwrap();
    let name = name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(from).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(until).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build().to_der().unwrap()
}

fn digest(method: &str, data: &[u8]) -> Vec<u8> {
    let method = MessageDigest::from_name(&method.replace('-', "")).unwrap();
    hash(method, data).unwrap().to_vec()
}

/// Signs as a publisher does; `salt` is for RSA-PSS alone.
fn sign(key: &PKey<Private>, method: &str, salt: RsaPssSaltlen) -> Vec<u8> {
    let md = Md::from_nid(MessageDigest::from_name(&method.replace('-', "")).unwrap().type_()).unwrap();
    let mut context = PkeyCtx::new(key).unwrap();
    context.sign_init().unwrap();
    if key.id() == Id::RSA {
        context.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
    }
    context.set_signature_md(md).unwrap();
    if key.id() == Id::RSA {
        context.set_rsa_mgf1_md(md).unwrap();
        context.set_rsa_pss_saltlen(salt).unwrap();
    }
    let mut signature = Vec::new();
    context.sign_to_vec(&digest(method, DATA), &mut signature).unwrap();
    signature
}

fn hashes(method: &str, data: &[u8]) -> Hashes {
    let name = HASH_METHODS.iter().find(|(name, _)| *name == method).unwrap().1;
    Hashes::from([(name.to_owned(), hex(&digest(method, data)))])
}

/// A claim of these four: signature, hash method, key type, certificate.
fn claimed(values: [&str; 4]) -> Result<Option<Claim>> {
    let values: BTreeMap<&str, &str> = PROPERTIES.into_iter().zip(values).collect();
    claim(|name| values.get(name).map(|value| Some(*value)))
}

fn verifier_of(signature: &[u8], method: &str, kind: &str, certificate: &[u8]) -> Result<Verifier> {
    let claim = claimed([&STANDARD.encode(signature), method, kind, "any"])?.unwrap();
    claim.with(certificate, Timestamp(NOW * 1_000_000))
}

fn text(error: &Error) -> String {
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    error.to_string()
}

/// Proves that each type of key verifies each hash: the signature of the data passes, for other data and by another key it
/// does not, and neither does one that is damaged or cut off.
#[test]
fn sec_24_each_key_signs_with_each_hash() {
    let (keys, others) = (keys(), keys());
    for (kind, key) in &keys {
        let theirs = certificate(key, (NOW - DAY, NOW + DAY));
        for (method, _) in HASH_METHODS {
            let signature = sign(key, method, RsaPssSaltlen::MAXIMUM_LENGTH);
            let what = format!("{kind} {method}");
            let verifier = verifier_of(&signature, method, kind, &theirs).expect(&what);
            verifier.check(&hashes(method, DATA)).expect(&what);
            verifier.check(&hashes(method, b"other data")).expect_err(&what);
            let mut damaged = signature.clone();
            *damaged.last_mut().unwrap() ^= 1;
            let foreign = sign(&others[kind], method, RsaPssSaltlen::MAXIMUM_LENGTH);
            for bad in [&damaged[..], &signature[..signature.len() / 2], &foreign, b"x"] {
                let verifier = verifier_of(bad, method, kind, &theirs).expect(&what);
                assert!(
                    text(&verifier.check(&hashes(method, DATA)).expect_err(&what)).contains("does not fit")
                );
            }
        }
    }
}

/// Proves that the hash that was signed is the one that is looked at, and that PSS takes the longest salt and no other, as in
/// cursive.
#[test]
fn sec_24_hash_and_salt_are_what_was_claimed() {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let theirs = certificate(&key, (NOW - DAY, NOW + DAY));
    let signature = sign(&key, "SHA-256", RsaPssSaltlen::MAXIMUM_LENGTH);
    let other = verifier_of(&signature, "SHA-512", "RSA-PSS", &theirs).unwrap();
    assert!(other.check(&hashes("SHA-512", DATA)).is_err());
    for (salt, fits) in [
        (RsaPssSaltlen::MAXIMUM_LENGTH, true),
        (RsaPssSaltlen::DIGEST_LENGTH, false),
        (RsaPssSaltlen::custom(0), false),
    ] {
        let verifier = verifier_of(&sign(&key, "SHA-256", salt), "SHA-256", "RSA-PSS", &theirs).unwrap();
        assert_eq!(verifier.check(&hashes("SHA-256", DATA)).is_ok(), fits);
    }
}

/// Proves that a certificate is of use while it is valid, that its key has to be of the type that is claimed, and that
/// nothing else is a certificate.
#[test]
fn sec_24_a_certificate_is_valid_and_of_its_type() {
    let keys = keys();
    let (rsa, ecc) = (&keys["RSA-PSS"], &keys["ECC_SECP384R1"]);
    for (valid, refusal) in [
        ((NOW, NOW), None),
        ((NOW - 2 * DAY, NOW - 1), Some("has expired")),
        ((NOW + 1, NOW + DAY), Some("is not valid yet")),
    ] {
        let result = verifier_of(b"x", "SHA-256", "RSA-PSS", &certificate(rsa, valid));
        assert_eq!(result.as_ref().err().map(text).is_some(), refusal.is_some());
        assert!(refusal.is_none_or(|why| text(result.as_ref().err().unwrap()).contains(why)));
    }
    let long = (NOW - DAY, NOW + DAY);
    for (kind, key, refused) in [
        ("DSA", rsa, true),
        ("ECC_SECP384R1", rsa, true),
        ("RSA-PSS", ecc, true),
        ("DSA", ecc, true),
        // As in cursive the curve is the certificate's.
        ("ECC_SECP521R1", ecc, false),
    ] {
        let result = verifier_of(b"x", "SHA-256", kind, &certificate(key, long));
        assert_eq!(result.is_err(), refused, "{kind}");
    }
    assert!(text(&verifier_of(b"x", "SHA-256", "DSA", b"nothing").unwrap_err()).contains("cannot be read"));
}

/// Proves that there is a claim only with all four properties, and that of odd ones nothing is made.
#[test]
fn sec_24_claims_are_whole_or_none() {
    let good = ["c2lnbmF0dXJl", "SHA-256", "RSA-PSS", "any"];
    assert!(claimed(good).unwrap().is_some());
    for missing in PROPERTIES {
        assert_eq!(claim(|name| (name != missing).then_some(Some("SHA-256"))).unwrap(), None);
    }
    assert!(claim(|_| Some(None)).is_err());
    for (at, value) in
        [(0, ""), (0, "!!"), (0, "YQ"), (1, "MD5"), (1, "sha256"), (2, "RSA"), (2, "ECC_SECP256R1")]
    {
        let mut odd = good;
        odd[at] = value;
        text(&claimed(odd).expect_err(value));
    }
}
