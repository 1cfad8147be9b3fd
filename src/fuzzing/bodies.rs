//! JSON that callers send, and tokens.

use std::sync::OnceLock;

use serde_json::Value;

use super::utf8::text;
use crate::{
    api::extract::parse_json,
    identity::builtin::{
        keys::{self, KeyRing},
        request::LoginRequest,
        token::{self, Claims, Verdict},
    },
    image::{self, expected, locations::ValidationData},
    import::asked::Asked,
    model::{
        image_schema::ImageSchema,
        metadef::{file, input},
        new_image::NewImage,
        patch::{self, Dialect},
        time::Timestamp,
    },
};

fn schema() -> Option<&'static ImageSchema> {
    static SCHEMA: OnceLock<Option<ImageSchema>> = OnceLock::new();
    let make = || {
        let settings = image::Settings::default();
        ImageSchema::new(&settings.container_formats, &settings.disk_formats, None).ok()
    };
    SCHEMA.get_or_init(make).as_ref()
}

/// `POST /v2/images`, and what its properties may hold.
pub(super) fn image(data: &[u8]) {
    let (Ok(body), Some(schema)) = (parse_json(data), schema()) else { return };
    let Some(Ok(new)) = body.as_object().map(|object| NewImage::parse(object, schema)) else { return };
    let _ = new.check_storable();
    for property in &new.properties {
        let value = property.value.as_deref();
        let _ = image::Settings::default().bounds.check_value(&property.name, value);
        if let Ok(hashes) = expected::parse("os_vitrine_expected_hash", value.unwrap_or_default()) {
            assert!(!hashes.is_empty(), "an expectation that expects nothing");
        }
    }
}

/// `PATCH /v2/images/{id}`, in both dialects.
pub(super) fn patch(data: &[u8]) {
    let (Ok(body), Some(schema)) = (parse_json(data), schema()) else { return };
    for dialect in [Dialect::V20, Dialect::V21] {
        let Ok(operations) = patch::parse(&body, dialect, schema, 100) else { continue };
        assert!(operations.len() <= 100, "the bound on operations does not hold");
        assert!(
            operations.iter().all(|operation| !patch::is_refused(&operation.attribute)),
            "an attribute of the service's own is patched"
        );
    }
}

/// `POST /v2/images/{id}/import` and `/locations`: what is read again after it was kept is the same.
pub(super) fn import(data: &[u8]) {
    let Ok(body) = parse_json(data) else { return };
    let enabled = image::Settings::default().enabled_import_methods;
    if let Ok(asked) = Asked::parse(&body, &enabled) {
        let _ = (asked.uri(), asked.remote_service(), asked.remote_image());
        let kept = Value::from(asked.clone());
        assert!(Asked::try_from(kept).is_ok_and(|again| again.method == asked.method));
    }
    let _ = ValidationData::of(body.get("validation_data")).check_hash("sha512");
}

/// `POST /v3/auth/tokens`
pub(super) fn login(data: &[u8]) {
    let Ok(body) = parse_json(data) else { return };
    if let Ok(request) = LoginRequest::parse(&body) {
        assert!(!request.proofs.is_empty(), "a login without a proof");
    }
}

/// The bodies and files of metadata definitions.
pub(super) fn metadef(data: &[u8]) {
    if let Some(text) = text(data) {
        let _ = file::parse(text);
    }
    let Ok(body) = parse_json(data) else { return };
    let _ = (input::new_namespace(&body), input::namespace(&body), input::property(&body));
    let _ = (input::object(&body, true), input::object(&body, false));
    let _ = (input::tag(&body), input::tags(&body), input::association(&body));
}

fn ring() -> Option<&'static KeyRing> {
    static RING: OnceLock<Option<KeyRing>> = OnceLock::new();
    RING.get_or_init(|| keys::throwaway(Timestamp(1_800_000_000_000_000)).ok()).as_ref()
}

/// A token as it comes in a header; and claims that we ourselves have signed, which a fuzzer cannot.
pub(super) fn token(data: &[u8]) {
    let (Some(text), Some(ring)) = (text(data), ring()) else { return };
    assert!(!matches!(token::verify(ring, text), Verdict::Ours(_)), "a token was forged");
    let Ok(claims) = serde_json::from_str::<Claims>(text) else { return };
    let Ok(signed) = token::sign(ring, &claims) else { return };
    let Verdict::Ours(read) = token::verify(ring, &signed) else { return };
    assert_eq!(*read, claims, "a token says something else than was signed");
    let _ = (read.issued_at(), read.login_at(), read.expires_at(), read.audit_id(), read.audit_chain_id());
    let _ = (read.issued_at().isotime_micros(), read.expires_at().isotime());
}
