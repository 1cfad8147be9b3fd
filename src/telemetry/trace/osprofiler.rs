//! The headers of osprofiler, by which a client names the trace of its call (`osprofiler/web.py`).

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use openssl::{hash::MessageDigest, memcmp, pkey::PKey, sign::Signer};
use serde_json::Value;
use uuid::Uuid;

use super::place::Parent;
use crate::model::hash::hex;

/// What the trace is, as Base64 of JSON.
pub const INFO: &str = "x-trace-info";
/// Its HMAC.
pub const HMAC: &str = "x-trace-hmac";
/// What it may say; others have it refused.
const KEYS: [&str; 3] = ["base_id", "parent_id", "hmac_key"];

/// The trace that both headers name, if one of the keys has signed it: its `base_id` is the id of the trace. As in
/// osprofiler, whatever is not as it should be is as if it were not there.
pub fn parent(info: &str, hmac: &str, keys: &[String]) -> Option<Parent> {
    let hmac = hmac.trim();
    keys.iter().find(|key| is_signed(info, hmac, key))?;
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let json = GeneralPurpose::new(&base64::alphabet::URL_SAFE, padding).decode(info.trim()).ok()?;
    let Value::Object(said) = serde_json::from_slice(&json).ok()? else { return None };
    if said.keys().any(|key| !KEYS.contains(&key.as_str())) {
        return None;
    }
    let id = |name: &str| Uuid::parse_str(said.get(name)?.as_str()?).ok().map(|id| id.as_u128());
    let base = id("base_id").filter(|id| *id != 0)?;
    // As osprofiler's own driver for OTLP shortens it.
    let span_id = id("parent_id").filter(|id| *id != base).map_or(0, |id| id as u64);
    Some(Parent { trace_id: base, span_id, sampled: true, state: None })
}

/// Whether a key has signed it; an empty one signs nothing.
fn is_signed(info: &str, hmac: &str, key: &str) -> bool {
    let digest = || {
        let key = PKey::hmac(key.as_bytes()).ok()?;
        let mut signer = Signer::new(MessageDigest::sha1(), &key).ok()?;
        signer.update(info.as_bytes()).ok()?;
        signer.sign_to_vec().ok()
    };
    let digest = if key.is_empty() { None } else { digest() };
    digest.is_some_and(|digest| {
        let text = hex(&digest);
        text.len() == hmac.len() && memcmp::eq(text.as_bytes(), hmac.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    // What osprofiler 4.4.0 makes of a base_id, a parent_id and the key SECRET_KEY.
    const SIGNED: &str = "eyJiYXNlX2lkIjogIjBmOGZhZDViLWQ5Y2ItNDY5Zi1hMTY1LTcwODY3NzI4OTUwZSIsICJwYXJlbnRfaWQiOiAiNTUwZTg0MDAtZTI5Yi00MWQ0LWE3MTYtNDQ2NjU1NDQwMDAwIn0=";
    const ITS_HMAC: &str = "3594a930d6ea474ce82a5c2e9c411f16d9ac5ff4";

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    /// Proves that what osprofiler itself has signed is believed, by whichever key.
    #[test]
    fn signed_traces_are_believed() {
        for known in [&["SECRET_KEY"][..], &["other", "SECRET_KEY"]] {
            let parent = parent(SIGNED, ITS_HMAC, &keys(known)).unwrap();
            assert_eq!(format!("{:032x}", parent.trace_id), "0f8fad5bd9cb469fa16570867728950e");
            assert_eq!(format!("{:016x}", parent.span_id), "a716446655440000");
            assert!(parent.sampled);
        }
    }

    /// Proves that nothing else is: another key, none, an empty one, another text or another signature.
    #[test]
    fn what_is_not_signed_is_ignored() {
        let altered = SIGNED.replacen('e', "f", 1);
        for (info, hmac, known) in [
            (SIGNED, ITS_HMAC, &["other"][..]),
            (SIGNED, ITS_HMAC, &[]),
            (SIGNED, ITS_HMAC, &[""]),
            (SIGNED, "", &["SECRET_KEY"]),
            (SIGNED, &ITS_HMAC[1..], &["SECRET_KEY"]),
            (&altered, ITS_HMAC, &["SECRET_KEY"]),
        ] {
            assert_eq!(parent(info, hmac, &keys(known)), None, "{info} {hmac} {known:?}");
        }
    }

    fn signed(json: &str) -> Option<Parent> {
        let info = base64::prelude::BASE64_URL_SAFE.encode(json);
        let key = PKey::hmac(b"k").unwrap();
        let mut signer = Signer::new(MessageDigest::sha1(), &key).unwrap();
        signer.update(info.as_bytes()).unwrap();
        let hmac: String = signer.sign_to_vec().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        parent(&info, &format!(" {hmac} "), &keys(&["k"]))
    }

    /// Proves which texts are no trace although they are signed, and that the first span of a trace has no parent.
    #[test]
    fn texts_are_checked() {
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let first = signed(&format!("{{\"base_id\": \"{id}\", \"parent_id\": \"{id}\"}}")).unwrap();
        assert_eq!(first.span_id, 0);
        assert_eq!(signed(&format!("{{\"base_id\": \"{id}\", \"hmac_key\": \"x\"}}")), Some(first));
        let more = format!("{{\"base_id\": \"{id}\", \"more\": 1}}");
        let orphan = format!("{{\"parent_id\": \"{id}\"}}");
        let zero = "{\"base_id\": \"00000000-0000-0000-0000-000000000000\"}";
        for text in
            ["", "[]", "{}", "{\"base_id\": 1}", "{\"base_id\": \"x\"}", orphan.as_str(), more.as_str(), zero]
        {
            assert_eq!(signed(text), None, "{text}");
        }
    }
}
