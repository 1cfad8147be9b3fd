//! The JSON shapes of the resources that clients manage.

use serde_json::{Map, Value, json};

use super::extract::Site;
use crate::{
    identity::builtin::{
        BASE_URL_MARK,
        manage::AssignmentRow,
        rows::{
            AppCredential, Assignment, Domain, Endpoint, Limit, Project, Region, Revocation, Role, Service,
            User,
        },
    },
    model::time::Timestamp,
};

/// An item: fixed attributes over the further ones that its row keeps as JSON text, then its link.
fn item(extra: &str, fixed: Value, link: String) -> Value {
    let mut body = match serde_json::from_str(extra) {
        Ok(Value::Object(extra)) => extra,
        _ => Map::new(),
    };
    if let Value::Object(fixed) = fixed {
        body.extend(fixed);
    }
    body.entry("options").or_insert_with(|| json!({}));
    body.insert("links".to_owned(), json!({"self": link}));
    Value::Object(body)
}

/// A project.
pub(super) fn project(site: &Site, row: &Project) -> Value {
    let fixed = json!({
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "description": row.description,
        "enabled": row.enabled,
        "parent_id": row.parent_id,
        "is_domain": false,
    });
    with_tags(item(&row.extra, fixed, format!("{}/projects/{}", site.v3, row.id)))
}

/// A domain.
pub(super) fn domain(site: &Site, row: &Domain) -> Value {
    let fixed =
        json!({"id": row.id, "name": row.name, "description": row.description, "enabled": row.enabled});
    with_tags(item(&row.extra, fixed, format!("{}/domains/{}", site.v3, row.id)))
}

fn with_tags(mut body: Value) -> Value {
    if let Some(body) = body.as_object_mut() {
        body.entry("tags").or_insert_with(|| json!([]));
    }
    body
}

/// A user; never with anything of the password.
pub(super) fn user(site: &Site, row: &User) -> Value {
    let mut fixed = json!({
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "enabled": row.enabled,
        "password_expires_at": null,
    });
    if let (Some(project_id), Some(fixed)) = (&row.default_project_id, fixed.as_object_mut()) {
        fixed.insert("default_project_id".to_owned(), json!(project_id));
    }
    item(&row.extra, fixed, format!("{}/users/{}", site.v3, row.id))
}

/// A role.
pub(super) fn role(site: &Site, row: &Role) -> Value {
    let fixed = json!({"id": row.id, "name": row.name, "domain_id": null, "description": row.description});
    item(&row.extra, fixed, format!("{}/roles/{}", site.v3, row.id))
}

/// A service.
pub(super) fn service(site: &Site, row: &Service) -> Value {
    let mut fixed = json!({"id": row.id, "type": row.kind, "name": row.name, "enabled": row.enabled});
    if let (Some(text), Some(fixed)) = (&row.description, fixed.as_object_mut()) {
        fixed.insert("description".to_owned(), json!(text));
    }
    without_options(item(&row.extra, fixed, format!("{}/services/{}", site.v3, row.id)))
}

/// An endpoint.
pub(super) fn endpoint(site: &Site, row: &Endpoint) -> Value {
    let fixed = json!({
        "id": row.id,
        "interface": row.interface,
        "region": row.region_id,
        "region_id": row.region_id,
        "service_id": row.service_id,
        "url": row.url.replace(BASE_URL_MARK, &site.base),
        "enabled": row.enabled,
    });
    without_options(item(&row.extra, fixed, format!("{}/endpoints/{}", site.v3, row.id)))
}

/// A region.
pub(super) fn region(site: &Site, row: &Region) -> Value {
    let fixed = json!({
        "id": row.id,
        "description": row.description,
        "parent_region_id": row.parent_region_id,
    });
    without_options(item("{}", fixed, format!("{}/regions/{}", site.v3, row.id)))
}

fn without_options(mut body: Value) -> Value {
    if let Some(body) = body.as_object_mut() {
        body.remove("options");
    }
    body
}

/// A limit of either kind.
pub(super) fn limit(site: &Site, row: &Limit) -> Value {
    let mut fixed = json!({
        "id": row.id,
        "service_id": row.service_id,
        "region_id": row.region_id,
        "resource_name": row.resource_name,
        "description": row.description,
    });
    let registered = row.is_registered();
    if let Some(fixed) = fixed.as_object_mut() {
        let key = if registered { "default_limit" } else { "resource_limit" };
        fixed.insert(key.to_owned(), json!(row.limit_value));
        if !registered {
            fixed.insert("project_id".to_owned(), json!(row.project_id));
            fixed.insert("domain_id".to_owned(), json!(row.domain_id));
        }
    }
    let plural = if registered { "registered_limits" } else { "limits" };
    without_options(item("{}", fixed, format!("{}/{plural}/{}", site.v3, row.id)))
}

/// An application credential, without its secret.
pub(super) fn credential(site: &Site, row: &AppCredential, roles: &[Role]) -> Value {
    let roles: Vec<Value> = roles
        .iter()
        .map(|r| json!({"id": r.id, "name": r.name, "domain_id": null, "description": r.description, "options": {}}))
        .collect();
    let mut fixed = json!({
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "system": null,
        "expires_at": row.expires_at.map(|at| Timestamp(at).isotime_micros()),
        "unrestricted": row.unrestricted,
        "roles": roles,
    });
    let rules: Option<Value> = row.access_rules.as_deref().and_then(|text| serde_json::from_str(text).ok());
    if let (Some(rules), Some(fixed)) = (rules, fixed.as_object_mut()) {
        fixed.insert("access_rules".to_owned(), rules);
    }
    let link = format!("{}/users/{}/application_credentials/{}", site.v3, row.user_id, row.id);
    without_options(item("{}", fixed, link))
}

/// A line of the list of role assignments.
pub(super) fn assignment(site: &Site, row: &AssignmentRow) -> Value {
    let Assignment { user_id, scope_kind, scope_id, role_id } = &row.assignment;
    let place =
        if scope_kind == "system" { "system".to_owned() } else { format!("{scope_kind}s/{scope_id}") };
    let link = |role_id: &str| format!("{}/{place}/users/{user_id}/roles/{role_id}", site.v3);
    let mut links = json!({"assignment": link(row.prior_role_id.as_deref().unwrap_or(role_id))});
    if let (Some(prior), Some(links)) = (&row.prior_role_id, links.as_object_mut()) {
        links.insert(
            "prior_role".to_owned(),
            json!(format!("{}/prior_role/{prior}/implies/{role_id}", site.v3)),
        );
    }
    let pair = |(id, name): &(String, String)| json!({"id": id, "name": name});
    let (user, role, scope) = match &row.names {
        None => (json!({"id": user_id}), json!({"id": role_id}), json!({"id": scope_id})),
        Some(names) => {
            let mut scope = json!({"id": scope_id, "name": names.scope});
            if let (Some(domain), Some(scope)) = (&names.scope_domain, scope.as_object_mut()) {
                scope.insert("domain".to_owned(), pair(domain));
            }
            (
                json!({"id": user_id, "name": names.user, "domain": pair(&names.user_domain)}),
                json!({"id": role_id, "name": names.role}),
                scope,
            )
        }
    };
    let scope = if scope_kind == "system" { json!({"all": true}) } else { scope };
    let scope = Value::Object(Map::from_iter([(scope_kind.clone(), scope)]));
    json!({"user": user, "role": role, "scope": scope, "links": links})
}

/// A revocation, without the attributes that it does not have.
pub(super) fn revocation(row: &Revocation) -> Value {
    let mut event = Map::new();
    for (key, value) in [
        ("audit_id", &row.audit_id),
        ("audit_chain_id", &row.audit_chain_id),
        ("user_id", &row.user_id),
        ("project_id", &row.project_id),
        ("domain_id", &row.domain_id),
    ] {
        if let Some(value) = value {
            event.insert(key.to_owned(), json!(value));
        }
    }
    event.insert("issued_before".to_owned(), json!(Timestamp(row.issued_before).isotime_micros()));
    event.insert("revoked_at".to_owned(), json!(Timestamp(row.revoked_at).isotime_micros()));
    Value::Object(event)
}
