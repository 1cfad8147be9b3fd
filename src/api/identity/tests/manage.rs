//! Managing users, projects, roles, credentials and the catalog: what works, who may, and what a change does to
//! tokens that are already out.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Server, by_password, on_project};

/// The id of what was just made or shown.
fn id(answer: &super::Answered, singular: &str) -> String {
    answer.body[singular]["id"].as_str().unwrap().to_owned()
}

impl Server {
    async fn make(&self, token: &str, plural: &str, singular: &str, body: Value) -> String {
        let body = json!({singular: body});
        id(&self.send(Method::POST, &format!("/v3/{plural}"), token, Some(body)).await.expect(201), singular)
    }

    async fn find(&self, token: &str, plural: &str, name: &str) -> String {
        let answer = self.get(&format!("/v3/{plural}?name={name}"), token).await.expect(200);
        assert_eq!(answer.body[plural].as_array().unwrap().len(), 1, "{name}");
        answer.body[plural][0]["id"].as_str().unwrap().to_owned()
    }

    async fn patch(&self, token: &str, path: &str, body: Value) -> super::Answered {
        self.send(Method::PATCH, &format!("/v3/{path}"), token, Some(body)).await
    }
}

/// Ann: password `secret`, role member on project `work`. Answers her id and the project's.
pub(super) async fn ann(server: &Server, admin: &str) -> (String, String) {
    let project = server.make(admin, "projects", "project", json!({"name": "work"})).await;
    let user = server.make(admin, "users", "user", json!({"name": "ann", "password": "secret"})).await;
    let member = server.find(admin, "roles", "member").await;
    let grant = format!("/v3/projects/{project}/users/{user}/roles/{member}");
    server.send(Method::PUT, &grant, admin, None).await.expect(204);
    server.send(Method::HEAD, &grant, admin, None).await.expect(204);
    (user, project)
}

pub(super) async fn ann_token(server: &Server) -> String {
    server.login(by_password("ann", "secret"), on_project("work")).await.expect(201).token()
}

#[actix_web::test]
async fn every_kind_of_resource_is_made_shown_listed_changed_and_removed() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let service = server.find(&admin, "services", "glance").await;
    let table = [
        ("domains", "domain", json!({"name": "d"}), json!({"enabled": false})),
        ("projects", "project", json!({"name": "p", "tags": ["a"]}), json!({"description": "text"})),
        ("users", "user", json!({"name": "u", "email": "u@example.org"}), json!({"email": "v@example.org"})),
        ("roles", "role", json!({"name": "r"}), json!({"description": "text"})),
        ("services", "service", json!({"type": "t", "name": "s"}), json!({"enabled": false})),
        ("regions", "region", json!({"id": "North"}), json!({"description": "text"})),
        (
            "endpoints",
            "endpoint",
            json!({"service_id": service, "interface": "public", "url": "http://192.0.2.1/", "region": "New"}),
            json!({"url": "http://192.0.2.2/"}),
        ),
    ];
    for (plural, singular, new, change) in table {
        let id = server.make(&admin, plural, singular, new.clone()).await;
        let path = format!("{plural}/{id}");
        let changed = server.patch(&admin, &path, json!({singular: change.clone()})).await.expect(200);
        let shown = server.get(&format!("/v3/{path}"), &admin).await.expect(200);
        assert_eq!(changed.body, shown.body);
        for (key, value) in new.as_object().unwrap().iter().filter(|(key, _)| change.get(key).is_none()) {
            assert_eq!(&shown.body[singular][key], value, "{plural}.{key}");
        }
        for (key, value) in change.as_object().unwrap() {
            assert_eq!(&shown.body[singular][key], value, "{plural}.{key}");
        }
        let link = format!("http://cloud.example:9292/identity/v3/{path}");
        assert_eq!(shown.body[singular]["links"]["self"], link);
        let list = server.get(&format!("/v3/{plural}"), &admin).await.expect(200);
        assert!(list.body[plural].as_array().unwrap().contains(&shown.body[singular]), "{plural}");
        server.send(Method::DELETE, &format!("/v3/{path}"), &admin, None).await.expect(204);
        server.get(&format!("/v3/{path}"), &admin).await.expect(404);
        server.send(Method::DELETE, &format!("/v3/{path}"), &admin, None).await.expect(404);
    }
}

#[actix_web::test]
async fn those_who_are_no_admins_see_themselves_and_nothing_else() {
    let server = Server::start().await;
    let (admin, demo) = (server.admin().await, server.demo().await);
    let me = server.find(&admin, "users", "demo").await;
    let mine = server.find(&admin, "projects", "demo").await;
    let other = server.find(&admin, "projects", "admin").await;
    let someone = server.find(&admin, "users", "admin").await;
    let role = server.find(&admin, "roles", "admin").await;
    for path in [
        format!("users/{me}"),
        format!("users/{me}/projects"),
        format!("users/{me}/groups"),
        format!("users/{me}/application_credentials"),
        format!("projects/{mine}"),
        "domains/default".into(),
        "regions".into(),
        "limits/model".into(),
        "registered_limits".into(),
        "limits".into(),
    ] {
        server.get(&format!("/v3/{path}"), &demo).await.expect(200);
        server.get(&format!("/v3/{path}"), "").await.expect(401);
    }
    for path in [
        "users".into(),
        "projects".into(),
        "domains".into(),
        "roles".into(),
        "services".into(),
        "endpoints".into(),
        "role_assignments".into(),
        "role_inferences".into(),
        "OS-REVOKE/events".into(),
        format!("users/{someone}"),
        format!("users/{someone}/projects"),
        format!("users/{someone}/application_credentials"),
        format!("projects/{other}"),
        "projects/nowhere".into(),
    ] {
        server.get(&format!("/v3/{path}"), &demo).await.expect(403);
    }
    for (plural, singular) in [
        ("users", "user"),
        ("projects", "project"),
        ("domains", "domain"),
        ("roles", "role"),
        ("services", "service"),
        ("endpoints", "endpoint"),
        ("regions", "region"),
    ] {
        let body = json!({singular: {"name": "x"}});
        server.send(Method::POST, &format!("/v3/{plural}"), &demo, Some(body.clone())).await.expect(403);
        server.patch(&demo, &format!("{plural}/{me}"), body).await.expect(403);
        server.send(Method::DELETE, &format!("/v3/{plural}/{me}"), &demo, None).await.expect(403);
    }
    let grant = format!("/v3/projects/{mine}/users/{me}/roles/{role}");
    server.send(Method::PUT, &grant, &demo, None).await.expect(403);
    server.send(Method::PUT, &format!("/v3/system/users/{me}/roles/{role}"), &demo, None).await.expect(403);
}

#[actix_web::test]
async fn bad_bodies_taken_names_and_missing_things_get_their_codes() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let send = |plural: &'static str, body: Value| {
        let (server, admin) = (&server, &admin);
        async move { server.send(Method::POST, &format!("/v3/{plural}"), admin, Some(body)).await.status }
    };
    let table = [
        ("users", json!({"user": {"name": "demo"}}), 409),
        ("projects", json!({"project": {"name": "demo"}}), 409),
        ("roles", json!({"role": {"name": "admin"}}), 409),
        ("domains", json!({"domain": {"name": "Default"}}), 409),
        ("regions", json!({"region": {"id": "RegionOne"}}), 409),
        ("users", json!({"user": {}}), 400),
        ("users", json!({"user": {"name": ""}}), 400),
        ("users", json!({"user": {"name": "a\u{0}b"}}), 400),
        ("users", json!({"user": {"name": "x".repeat(256)}}), 400),
        ("users", json!({"user": {"name": 7}}), 400),
        ("users", json!({"user": {"name": "x", "enabled": "yes"}}), 400),
        ("users", json!({"user": {"name": "x", "password": ""}}), 400),
        ("users", json!({"user": {"name": "x", "domain_id": "nowhere"}}), 404),
        ("users", json!({"user": []}), 400),
        ("users", json!([]), 400),
        ("projects", json!({"project": {"name": "x", "parent_id": "nowhere"}}), 404),
        ("projects", json!({"project": {"name": "x", "tags": [1]}}), 400),
        ("roles", json!({"role": {"name": "x", "domain_id": "default"}}), 400),
        (
            "endpoints",
            json!({"endpoint": {"service_id": "x", "interface": "public", "url": "http://a"}}),
            400,
        ),
        ("endpoints", json!({"endpoint": {"service_id": "x", "interface": "no", "url": "http://a"}}), 400),
        (
            "endpoints",
            json!({"endpoint": {"service_id": "x", "interface": "public", "url": "file:///"}}),
            400,
        ),
        ("registered_limits", json!({"registered_limits": {}}), 400),
        ("limits", json!({"limits": []}), 400),
    ];
    for (plural, body, status) in table {
        assert_eq!(send(plural, body.clone()).await, status, "{plural} {body}");
    }
    for path in ["/v3/users/%00", "/v3/users/nobody", "/v3/users?name=%00"] {
        let status = server.get(path, &admin).await.status;
        assert!(status == 404 || status == 400, "{path}: {status}");
    }
    server.send(Method::DELETE, "/v3/domains/default", &admin, None).await.expect(403);
}

#[actix_web::test]
async fn losing_a_role_a_user_a_project_or_a_domain_takes_effect_at_once() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let (user, project) = ann(&server, &admin).await;
    let member = server.find(&admin, "roles", "member").await;
    let grant = format!("/v3/projects/{project}/users/{user}/roles/{member}");

    let token = ann_token(&server).await;
    assert!(server.is_good(&token).await);
    server.send(Method::DELETE, &grant, &admin, None).await.expect(204);
    assert!(!server.is_good(&token).await, "her only role is gone");
    server.send(Method::PUT, &grant, &admin, None).await.expect(204);
    assert!(server.is_good(&token).await);

    for (path, singular) in [(format!("users/{user}"), "user"), (format!("projects/{project}"), "project")] {
        let token = ann_token(&server).await;
        assert!(server.is_good(&token).await);
        server.patch(&admin, &path, json!({singular: {"enabled": false}})).await.expect(200);
        assert!(!server.is_good(&token).await, "{singular} disabled");
        server.login(by_password("ann", "secret"), on_project("work")).await.expect(401);
        server.patch(&admin, &path, json!({singular: {"enabled": true}})).await.expect(200);
        assert!(!server.is_good(&token).await, "an old token does not come back with the {singular}");
        ann_token(&server).await;
    }

    let token = ann_token(&server).await;
    server.send(Method::DELETE, &format!("/v3/users/{user}"), &admin, None).await.expect(204);
    assert!(!server.is_good(&token).await);
    server.login(by_password("ann", "secret"), on_project("work")).await.expect(401);
    let events = server.get("/v3/OS-REVOKE/events", &admin).await.expect(200);
    assert!(events.body["events"].as_array().unwrap().iter().any(|event| event["user_id"] == user.as_str()));
}

#[actix_web::test]
async fn a_domain_goes_with_all_that_is_in_it_once_it_is_disabled() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let domain = server.make(&admin, "domains", "domain", json!({"name": "d"})).await;
    let user = json!({"name": "bob", "password": "secret", "domain_id": domain});
    let user = server.make(&admin, "users", "user", user).await;
    let project = server.make(&admin, "projects", "project", json!({"name": "p", "domain_id": domain})).await;
    let reader = server.find(&admin, "roles", "reader").await;
    let grant = format!("/v3/domains/{domain}/users/{user}/roles/{reader}");
    server.send(Method::PUT, &grant, &admin, None).await.expect(204);
    let bob = json!({"methods": ["password"], "password": {"user": {"id": user, "password": "secret"}}});
    let token = server.login(bob.clone(), json!({"domain": {"name": "d"}})).await.expect(201);
    assert_eq!(token.body["token"]["domain"]["name"], "d");

    let path = format!("/v3/domains/{domain}");
    server.send(Method::DELETE, &path, &admin, None).await.expect(403);
    server
        .patch(&admin, &format!("domains/{domain}"), json!({"domain": {"enabled": false}}))
        .await
        .expect(200);
    assert!(!server.is_good(&token.token()).await);
    server.login(bob, Value::Null).await.expect(401);
    server.send(Method::DELETE, &path, &admin, None).await.expect(204);
    server.get(&format!("/v3/users/{user}"), &admin).await.expect(404);
    server.get(&format!("/v3/projects/{project}"), &admin).await.expect(404);
}

#[actix_web::test]
async fn a_new_password_ends_the_tokens_that_the_old_one_opened() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let (user, _) = ann(&server, &admin).await;
    let token = ann_token(&server).await;
    let path = format!("/v3/users/{user}/password");
    let body = |old: &str| json!({"user": {"original_password": old, "password": "better"}});
    server.send(Method::POST, &path, &token, Some(body("wrong"))).await.expect(401);
    server.send(Method::POST, &path, &token, Some(body("secret"))).await.expect(204);
    assert!(!server.is_good(&token).await);
    server.login(by_password("ann", "secret"), on_project("work")).await.expect(401);
    server.login(by_password("ann", "better"), on_project("work")).await.expect(201);
    let shown = server.get(&format!("/v3/users/{user}"), &admin).await.expect(200);
    assert!(!shown.body.to_string().contains("argon2") && !shown.body.to_string().contains("better"));
}

#[actix_web::test]
async fn assignments_are_listed_with_names_and_with_what_they_imply() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let (user, project) = ann(&server, &admin).await;
    let path = format!("/v3/role_assignments?user.id={user}&scope.project.id={project}");
    let direct = server.get(&format!("{path}&include_names"), &admin).await.expect(200);
    let rows = direct.body["role_assignments"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["user"]["name"], "ann");
    assert_eq!(rows[0]["role"]["name"], "member");
    assert_eq!(rows[0]["scope"]["project"]["domain"], json!({"id": "default", "name": "Default"}));
    let all = server.get(&format!("{path}&effective"), &admin).await.expect(200);
    assert_eq!(all.body["role_assignments"].as_array().unwrap().len(), 2, "member and reader");
    let system = server.get("/v3/role_assignments?scope.system=all", &admin).await.expect(200);
    assert_eq!(system.body["role_assignments"][0]["scope"], json!({"system": {"all": true}}));
    let none = server.get("/v3/role_assignments?group.id=x", &admin).await.expect(200);
    assert_eq!(none.body["role_assignments"], json!([]));
}

#[actix_web::test]
async fn implied_roles_reach_tokens_and_admin_cannot_be_implied() {
    let server = Server::start().await;
    let admin = server.admin().await;
    ann(&server, &admin).await;
    let member = server.find(&admin, "roles", "member").await;
    let top = server.find(&admin, "roles", "admin").await;
    let extra = server.make(&admin, "roles", "role", json!({"name": "extra"})).await;
    server.send(Method::PUT, &format!("/v3/roles/{member}/implies/{top}"), &admin, None).await.expect(403);
    let path = format!("/v3/roles/{member}/implies/{extra}");
    let token = ann_token(&server).await;
    server.send(Method::PUT, &path, &admin, None).await.expect(201);
    let found = server.builtin.validate(&token, false).await.unwrap().unwrap();
    assert!(found.has_role("extra"));
    server.send(Method::DELETE, &path, &admin, None).await.expect(204);
    let found = server.builtin.validate(&token, false).await.unwrap().unwrap();
    assert!(!found.has_role("extra"));
}

#[actix_web::test]
async fn limits_are_registered_first_and_seen_by_their_own_project() {
    let server = Server::start().await;
    let (admin, demo) = (server.admin().await, server.demo().await);
    let service = server.find(&admin, "services", "glance").await;
    let mine = server.find(&admin, "projects", "demo").await;
    let other = server.find(&admin, "projects", "admin").await;
    let limit = |project: &str| {
        json!({"limits": [{"service_id": service, "resource_name": "image_count_total",
            "resource_limit": 5, "project_id": project}]})
    };
    server.send(Method::POST, "/v3/limits", &admin, Some(limit(&mine))).await.expect(404);
    let registered = json!({"registered_limits": [{"service_id": service, "resource_name": "image_count_total",
        "default_limit": 10}]});
    server.send(Method::POST, "/v3/registered_limits", &demo, Some(registered.clone())).await.expect(403);
    server.send(Method::POST, "/v3/registered_limits", &admin, Some(registered.clone())).await.expect(201);
    server.send(Method::POST, "/v3/registered_limits", &admin, Some(registered)).await.expect(409);
    for project in [&mine, &other] {
        server.send(Method::POST, "/v3/limits", &admin, Some(limit(project))).await.expect(201);
    }
    let seen = server.get("/v3/limits", &demo).await.expect(200);
    assert_eq!(seen.body["limits"].as_array().unwrap().len(), 1);
    assert_eq!(seen.body["limits"][0]["project_id"], mine.as_str());
    let all = server.get("/v3/limits", &admin).await.expect(200);
    assert_eq!(all.body["limits"].as_array().unwrap().len(), 2);
}
