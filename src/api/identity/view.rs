//! The JSON shapes of tokens, their catalog, and lists.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use crate::{
    identity::builtin::{
        context::{Scope, Token},
        rows::{Domain, LIST_ROWS_MAX},
    },
    model::time::Timestamp,
};

/// The body of a token, without its catalog.
pub(super) fn token(token: &Token) -> Map<String, Value> {
    let claims = &token.claims;
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
    put("methods", json!(claims.openstack_methods));
    put(
        "user",
        json!({
            "domain": domain_ref(&token.user_domain),
            "id": token.user.id,
            "name": token.user.name,
            "password_expires_at": null,
        }),
    );
    put("audit_ids", json!(claims.openstack_audit_ids));
    put("expires_at", json!(claims.expires_at().isotime_micros()));
    put("issued_at", json!(Timestamp::default().plus_seconds(claims.iat).isotime_micros()));
    match &token.scope {
        Scope::Unscoped => {}
        Scope::Project { project, domain } => {
            put("project", json!({"domain": domain_ref(domain), "id": project.id, "name": project.name}));
            put("is_domain", json!(false));
        }
        Scope::Domain(domain) => {
            put("domain", domain_ref(domain));
        }
        Scope::System => {
            put("system", json!({"all": true}));
        }
    }
    if token.scope != Scope::Unscoped {
        let roles = token.roles.iter().map(|role| json!({"id": role.id, "name": role.name}));
        put("roles", roles.collect());
    }
    if let Some(credential) = &token.app_credential {
        let mut shown = json!({
            "id": credential.id,
            "name": credential.name,
            "restricted": !credential.unrestricted,
        });
        let rules = credential.access_rules.as_deref().and_then(|text| serde_json::from_str(text).ok());
        if let (Some(rules), Some(shown)) = (rules, shown.as_object_mut()) {
            shown.insert("access_rules".to_owned(), rules);
        }
        put("application_credential", shown);
    }
    body
}

fn domain_ref(domain: &Domain) -> Value {
    json!({"id": domain.id, "name": domain.name})
}

/// The answer to a list; what is beyond the longest list is cut.
pub(super) fn list(plural: &str, mut items: Vec<Value>, url: &str) -> HttpResponse {
    let longest = usize::try_from(LIST_ROWS_MAX).unwrap_or(usize::MAX);
    let truncated = items.len() > longest;
    items.truncate(longest);
    let mut body = Map::new();
    body.insert(plural.to_owned(), Value::Array(items));
    body.insert("links".to_owned(), json!({"next": null, "self": url, "previous": null}));
    if truncated {
        body.insert("truncated".to_owned(), json!(true));
    }
    HttpResponse::Ok().json(body)
}

/// `{"<singular>": {…}}`.
pub(super) fn wrapped(singular: &str, item: Value) -> Value {
    Value::Object(Map::from_iter([(singular.to_owned(), item)]))
}
