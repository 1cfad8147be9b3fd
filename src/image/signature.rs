//! Signed images (`cursive/signature_utils.py: should_create_verifier`): Glance verifies the signature on upload.
//! There is no key manager here that could provide the certificate, so such data is refused.

use crate::model::error::{Error, Result};

/// The properties that ask for a check; Glance makes none unless all are there.
const PROPERTIES: [&str; 4] = [
    "img_signature",
    "img_signature_hash_method",
    "img_signature_key_type",
    "img_signature_certificate_uuid",
];

/// Refuses the data of an image whose signature Glance would check; `has` says whether it has a property.
///
/// # Errors
/// [`Error::Invalid`], which says what to do.
pub fn refuse_unverifiable(has: impl Fn(&str) -> bool) -> Result<()> {
    if PROPERTIES.iter().all(|name| has(name)) {
        return Err(Error::invalid(
            "The signature of this image cannot be verified here: this service does not check signatures yet. Remove \
             the property img_signature to store the data without a check.",
        ));
    }
    Ok(())
}
