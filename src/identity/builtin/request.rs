//! The body of `POST /v3/auth/tokens`: parsed and validated, before any lookup.

use serde_json::{Map, Value};

use super::{LoginRefusal, METHODS};
use crate::model::error::Error;

/// A domain, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainRef {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// A user or a project, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedRef {
    /// By id.
    Id(String),
    /// By name within a domain.
    Name(String, DomainRef),
}

/// An application credential, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialRef {
    /// By id.
    Id(String),
    /// By name and user.
    Name(String, OwnedRef),
}

/// One proof of who logs in.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// Method `password`.
    Password(OwnedRef, String),
    /// Method `token`.
    Token(String),
    /// Method `application_credential`.
    AppCredential(CredentialRef, String),
}

/// The requested scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedScope {
    /// Nothing said: the user's default project, or none.
    Default,
    /// Explicitly none.
    Unscoped,
    /// A project.
    Project(OwnedRef),
    /// A domain.
    Domain(DomainRef),
    /// The whole system.
    System,
}

/// A login request.
#[derive(Clone)]
pub struct LoginRequest {
    /// All must succeed, and agree on the user. Never empty.
    pub proofs: Vec<Proof>,
    /// The scope that is wanted.
    pub scope: WantedScope,
}

type Parsed<T> = Result<T, LoginRefusal>;

fn bad<T>(text: &str) -> Parsed<T> {
    Err(Error::invalid(text).into())
}

impl LoginRequest {
    /// Reads the body's JSON.
    ///
    /// # Errors
    /// 400 for a body of the wrong shape, 401 for a method that we do not have.
    pub fn parse(body: &Value) -> Parsed<Self> {
        let auth = object(body, "auth")?;
        let identity = object_in(auth, "identity")?;
        let Some(Value::Array(methods)) = identity.get("methods") else {
            return bad("auth.identity.methods must be a list of method names");
        };
        if methods.is_empty() {
            return bad("auth.identity.methods names no method");
        }
        let (mut proofs, mut seen) = (Vec::new(), Vec::new());
        for method in methods {
            let Some(method) = method.as_str() else {
                return bad("auth.identity.methods must be a list of method names");
            };
            if !METHODS.contains(&method) {
                return Err(LoginRefusal::unknown_method());
            }
            if !seen.contains(&method) {
                seen.push(method);
                proofs.push(proof(identity, method)?);
            }
        }
        let scope = match auth.get("scope") {
            None | Some(Value::Null) => WantedScope::Default,
            Some(scope) => wanted_scope(scope)?,
        };
        let by_credential = proofs.iter().any(|proof| matches!(proof, Proof::AppCredential(..)));
        if by_credential && scope != WantedScope::Default {
            return Err(LoginRefusal::scope_with_credential());
        }
        Ok(Self { proofs, scope })
    }
}

fn proof(identity: &Map<String, Value>, method: &str) -> Parsed<Proof> {
    let payload = object_in(identity, method)?;
    match method {
        "password" => {
            let user = object_in(payload, "user")?;
            Ok(Proof::Password(owned_ref(user, "user", false)?, text(user, "password")?))
        }
        "token" => Ok(Proof::Token(text(payload, "id")?)),
        _ => {
            let secret = text(payload, "secret")?;
            let credential = match (optional(payload, "id")?, optional(payload, "name")?) {
                (Some(id), _) => CredentialRef::Id(id),
                (None, Some(name)) => {
                    CredentialRef::Name(name, owned_ref(object_in(payload, "user")?, "user", false)?)
                }
                (None, None) => return bad("application_credential needs an id, or a name and a user"),
            };
            Ok(Proof::AppCredential(credential, secret))
        }
    }
}

fn wanted_scope(scope: &Value) -> Parsed<WantedScope> {
    let scope = match scope {
        Value::String(word) if word == "unscoped" => return Ok(WantedScope::Unscoped),
        Value::Object(scope) if scope.len() == 1 => scope,
        _ => return bad("auth.scope must have exactly one of project, domain, system and unscoped"),
    };
    if scope.contains_key("unscoped") {
        return Ok(WantedScope::Unscoped);
    }
    if scope.contains_key("project") {
        // With both an id and a name, Keystone goes by the name.
        return Ok(WantedScope::Project(owned_ref(object_in(scope, "project")?, "project", true)?));
    }
    if scope.contains_key("domain") {
        return Ok(WantedScope::Domain(domain_ref(object_in(scope, "domain")?)?));
    }
    if scope.contains_key("system") {
        return match object_in(scope, "system")?.get("all") {
            Some(Value::Bool(true)) => Ok(WantedScope::System),
            _ => bad("auth.scope.system must be {\"all\": true}"),
        };
    }
    bad("auth.scope must have exactly one of project, domain, system and unscoped")
}

fn owned_ref(map: &Map<String, Value>, what: &str, prefer_name: bool) -> Parsed<OwnedRef> {
    let id = optional(map, "id")?;
    let name = optional(map, "name")?;
    match (id, name) {
        (Some(id), None) => Ok(OwnedRef::Id(id)),
        (Some(id), Some(_)) if !prefer_name || !map.contains_key("domain") => Ok(OwnedRef::Id(id)),
        (_, Some(name)) => Ok(OwnedRef::Name(name, domain_ref(object_in(map, "domain")?)?)),
        (None, None) => bad(&format!("{what} needs an id, or a name and a domain")),
    }
}

fn domain_ref(map: &Map<String, Value>) -> Parsed<DomainRef> {
    match (optional(map, "id")?, optional(map, "name")?) {
        (Some(id), _) => Ok(DomainRef::Id(id)),
        (None, Some(name)) => Ok(DomainRef::Name(name)),
        (None, None) => bad("domain needs an id or a name"),
    }
}

fn object<'a>(value: &'a Value, key: &str) -> Parsed<&'a Map<String, Value>> {
    match value {
        Value::Object(map) => object_in(map, key),
        _ => bad("the body must be a JSON object"),
    }
}

fn object_in<'a>(map: &'a Map<String, Value>, key: &str) -> Parsed<&'a Map<String, Value>> {
    match map.get(key) {
        Some(Value::Object(inner)) => Ok(inner),
        _ => bad(&format!("the object {key:?} is missing")),
    }
}

fn optional(map: &Map<String, Value>, key: &str) -> Parsed<Option<String>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text.clone())),
        Some(_) => bad(&format!("{key:?} must be text")),
    }
}

fn text(map: &Map<String, Value>, key: &str) -> Parsed<String> {
    match optional(map, key)? {
        Some(text) => Ok(text),
        None => bad(&format!("{key:?} is missing")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    fn password(scope: Value) -> Value {
        json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "u", "password": "p"}}},
            "scope": scope}})
    }

    #[test]
    fn scopes_are_read_as_keystone_reads_them() {
        let domain = || DomainRef::Id("default".into());
        let good = [
            (Value::Null, WantedScope::Default),
            (json!("unscoped"), WantedScope::Unscoped),
            (json!({"unscoped": {}}), WantedScope::Unscoped),
            (json!({"project": {"id": "p"}}), WantedScope::Project(OwnedRef::Id("p".into()))),
            (
                json!({"project": {"id": "x", "name": "p", "domain": {"id": "default"}}}),
                WantedScope::Project(OwnedRef::Name("p".into(), domain())),
            ),
            (json!({"domain": {"name": "Default"}}), WantedScope::Domain(DomainRef::Name("Default".into()))),
            (json!({"system": {"all": true}}), WantedScope::System),
        ];
        for (scope, expected) in good {
            let request =
                LoginRequest::parse(&password(scope.clone())).map_err(|r| r.error.to_string()).unwrap();
            assert_eq!(request.scope, expected, "{scope}");
        }
        let bad = [
            json!({}),
            json!("project"),
            json!([]),
            json!({"project": {"name": "p"}}),
            json!({"project": {}}),
            json!({"project": 3}),
            json!({"system": {}}),
            json!({"project": {"id": "p"}, "domain": {"id": "d"}}),
            json!({"OS-TRUST:trust": {"id": "t"}}),
        ];
        for scope in bad {
            assert!(
                matches!(LoginRequest::parse(&password(scope.clone())), Err(r) if matches!(r.error, Error::Invalid(_))),
                "{scope}"
            );
        }
    }

    /// A method that is named often is one proof, and one that we do not have ends the look at the list.
    #[test]
    fn sec_64_methods_are_few_and_each_counts_once() {
        let user = json!({"user": {"id": "u", "password": "p"}});
        let body = |methods: Vec<&str>| json!({"auth": {"identity": {"methods": methods, "password": user, "token": {"id": "t"}}}});
        let proofs = |methods| LoginRequest::parse(&body(methods)).map(|request| request.proofs.len());
        assert_eq!(proofs(vec!["password"; 10_000]).map_err(|_| ()), Ok(1));
        assert_eq!(proofs(["password", "token"].repeat(5_000)).map_err(|_| ()), Ok(2));
        assert!(proofs(vec!["password", "totp"]).is_err());
    }

    #[test]
    fn bodies_of_the_wrong_shape_are_bad_requests_and_strange_methods_are_refused() {
        let bad = [
            json!(null),
            json!([]),
            json!({}),
            json!({"auth": 1}),
            json!({"auth": {"identity": {}}}),
            json!({"auth": {"identity": {"methods": []}}}),
            json!({"auth": {"identity": {"methods": "password"}}}),
            json!({"auth": {"identity": {"methods": [1]}}}),
            json!({"auth": {"identity": {"methods": ["password"]}}}),
            json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "u"}}}}}),
            json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "u", "password": "p"}}}}}),
            json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": 7, "password": "p"}}}}}),
            json!({"auth": {"identity": {"methods": ["token"], "token": {}}}}),
            json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"secret": "s"}}}}),
        ];
        for body in bad {
            assert!(
                matches!(LoginRequest::parse(&body), Err(r) if matches!(r.error, Error::Invalid(_))),
                "{body}"
            );
        }
        let strange = json!({"auth": {"identity": {"methods": ["saml2"]}}});
        let Err(refusal) = LoginRequest::parse(&strange) else { panic!("accepted") };
        assert!(matches!(refusal.error, Error::Unauthenticated(_)));
        assert_eq!(refusal.methods.as_deref(), Some(METHODS));
    }
}
