//! The text of a token: a signed JWT with the claims of Keystone's JWS tokens. Roles are not included; they are read
//! from the database each time, so that removing one takes effect at once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::keys::{Key, KeyRing};
use crate::model::{
    error::{Error, Result},
    time::Timestamp,
};

/// Maximum bytes of a token; ours have about 500.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// The claims of a token (`keystone/token/providers/jws/core.py`). Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// User id.
    pub sub: String,
    /// When it was issued.
    pub iat: i64,
    /// When it expires.
    pub exp: i64,
    /// When it was issued, in microseconds, so that a revocation spares tokens issued later in the same second.
    pub vitrine_issued_at: i64,
    /// When the first token of the chain was issued, in microseconds; absent in a first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vitrine_login_at: Option<i64>,
    /// How the user logged in, the latest way first.
    pub openstack_methods: Vec<String>,
    /// The token's own audit id, then that of the first token of the chain if it is another.
    pub openstack_audit_ids: Vec<String>,
    /// Project scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openstack_project_id: Option<String>,
    /// Domain scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openstack_domain_id: Option<String>,
    /// `all` for system scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openstack_system: Option<String>,
    /// The application credential that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openstack_app_cred_id: Option<String>,
}

impl Claims {
    /// When it was issued.
    pub fn issued_at(&self) -> Timestamp {
        Timestamp(self.vitrine_issued_at)
    }

    /// When the login was: when the first token of the chain was issued.
    pub fn login_at(&self) -> Timestamp {
        Timestamp(self.vitrine_login_at.unwrap_or(self.vitrine_issued_at))
    }

    /// When it expires.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::default().plus_seconds(self.exp)
    }

    /// The token's own audit id.
    pub fn audit_id(&self) -> &str {
        self.openstack_audit_ids.first().map_or("", String::as_str)
    }

    /// The audit id of the first token of the chain.
    pub fn audit_chain_id(&self) -> &str {
        self.openstack_audit_ids.last().map_or("", String::as_str)
    }
}

/// A fresh audit id: 16 random bytes in url-safe base64 without padding.
pub fn new_audit_id() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// Signs the claims with the key that nothing has replaced.
///
/// # Errors
/// [`Error::Internal`] when there is no key or it cannot sign.
pub fn sign(ring: &KeyRing, claims: &Claims) -> Result<String> {
    let keys = ring.all();
    let key: &Key = keys
        .iter()
        .find(|key| key.signs)
        .ok_or_else(|| Error::internal("sign a token", "there is no signing key"))?;
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key.kid.clone());
    jsonwebtoken::encode(&header, claims, &key.private).map_err(|e| Error::internal("sign a token", e))
}

/// The result of verifying a token's signature.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Signed by one of our keys. Whether it has expired or was revoked is for the caller to check.
    Ours(Box<Claims>),
    /// The key that it names is not known; it may have been made by another process a moment ago.
    UnknownKey,
    /// Not one of our tokens.
    Foreign,
}

/// Checks the signature. Only ES256 is accepted, whatever the token's header says.
pub fn verify(ring: &KeyRing, token: &str) -> Verdict {
    if token.len() > TOKEN_BYTES_MAX {
        return Verdict::Foreign;
    }
    let Ok(header) = jsonwebtoken::decode_header(token) else { return Verdict::Foreign };
    let (Algorithm::ES256, Some(kid)) = (header.alg, header.kid) else { return Verdict::Foreign };
    let keys = ring.all();
    let Some(key) = keys.iter().find(|key| key.kid == kid) else { return Verdict::UnknownKey };
    let mut rules = Validation::new(Algorithm::ES256);
    // Expired tokens are looked at too (`allow_expired`), so expiry is checked where that is known.
    rules.validate_exp = false;
    rules.required_spec_claims.clear();
    match jsonwebtoken::decode::<Claims>(token, &key.public, &rules) {
        Ok(data) if !data.claims.openstack_audit_ids.is_empty() => Verdict::Ours(Box::new(data.claims)),
        _ => Verdict::Foreign,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::keys;
    use super::*;

    fn claims() -> Claims {
        Claims {
            sub: "u".into(),
            iat: 1,
            exp: 2,
            vitrine_issued_at: 1_000_000,
            vitrine_login_at: None,
            openstack_methods: vec!["password".into()],
            openstack_audit_ids: vec![new_audit_id()],
            openstack_project_id: None,
            openstack_domain_id: None,
            openstack_system: None,
            openstack_app_cred_id: None,
        }
    }

    #[test]
    fn only_our_signature_with_the_pinned_algorithm_is_believed() {
        let (ring, other) = (keys::tests::ring(), keys::tests::ring());
        let good = sign(&ring, &claims()).unwrap();
        assert_eq!(verify(&ring, &good), Verdict::Ours(Box::new(claims_of(&good))));
        assert_eq!(verify(&other, &good), Verdict::UnknownKey);

        // The same key id, but another key behind it.
        let kid = ring.all().first().unwrap().kid.clone();
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.clone());
        let forged = jsonwebtoken::encode(&header, &claims(), &other.all().first().unwrap().private).unwrap();
        assert_eq!(verify(&ring, &forged), Verdict::Foreign);

        // Another payload under the old signature.
        let parts: Vec<&str> = good.split('.').collect();
        let payload =
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Claims { sub: "root".into(), ..claims() }).unwrap());
        assert_eq!(verify(&ring, &format!("{}.{payload}.{}", parts[0], parts[2])), Verdict::Foreign);

        // `none`, and HMAC keyed with something public.
        for head in [
            format!(r#"{{"alg":"none","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{kid}"}}"#),
        ] {
            let head = URL_SAFE_NO_PAD.encode(head);
            assert_eq!(verify(&ring, &format!("{head}.{payload}.")), Verdict::Foreign);
            assert_eq!(verify(&ring, &format!("{head}.{payload}.{}", parts[2])), Verdict::Foreign);
        }
        for junk in ["", ".", "..", "a.b.c", "gAAAAABk", &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert_eq!(verify(&ring, junk), Verdict::Foreign);
        }
    }

    fn claims_of(token: &str) -> Claims {
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }
}
