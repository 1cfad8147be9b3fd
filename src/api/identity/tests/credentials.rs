//! Application credentials: what they open, and what they do not.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{
    Server,
    manage::{ann, ann_token},
    on_project,
};
use crate::identity::{Credentials, Identity};

#[actix_web::test]
async fn sec_63_an_application_credential_opens_its_own_project_and_no_more() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let (user, project) = ann(&server, &admin).await;
    let ann = ann_token(&server).await;
    let path = format!("/v3/users/{user}/application_credentials");
    let make = |body: Value| {
        let (server, ann, path) = (&server, &ann, &path);
        async move { server.send(Method::POST, path, ann, Some(json!({"application_credential": body}))).await }
    };
    make(json!({"name": "a", "roles": [{"name": "admin"}]})).await.expect(400);
    make(json!({"name": "a", "expires_at": "2001-01-01T00:00:00"})).await.expect(400);
    make(json!({"name": "a", "access_rules": [{"path": "/v2/images"}]})).await.expect(400);
    let body = json!({"application_credential": {"name": "b"}});
    server.send(Method::POST, &path, &admin, Some(body)).await.expect(403);
    let new = make(json!({"name": "a", "roles": [{"name": "reader"}]})).await.expect(201);
    make(json!({"name": "a"})).await.expect(409);
    let new = &new.body["application_credential"];
    assert_eq!(new["project_id"], project.as_str());
    let proof = |by: Value| {
        let mut by = by;
        by["secret"] = new["secret"].clone();
        json!({"methods": ["application_credential"], "application_credential": by})
    };

    let by_id = server.login(proof(json!({"id": new["id"]})), Value::Null).await.expect(201);
    assert_eq!(by_id.body["token"]["project"]["id"], project.as_str());
    assert_eq!(by_id.body["token"]["roles"].as_array().unwrap().len(), 1, "only reader");
    assert_eq!(by_id.body["token"]["application_credential"]["restricted"], true);
    let by_name = json!({"name": "a", "user": {"name": "ann", "domain": {"id": "default"}}});
    server.login(proof(by_name), Value::Null).await.expect(201);
    let scoped = server.login(proof(json!({"id": new["id"]})), on_project("work")).await.expect(401);
    assert_eq!(scoped.body["error"]["identity"], json!({}));
    let wrong = json!({"methods": ["application_credential"],
        "application_credential": {"id": new["id"], "secret": "wrong"}});
    server.login(wrong, Value::Null).await.expect(401);

    let token = by_id.token();
    let body = json!({"application_credential": {"name": "c"}});
    server.send(Method::POST, &path, &token, Some(body)).await.expect(403);
    for scope in [json!("unscoped"), json!({"system": {"all": true}}), on_project("work")] {
        server.login(super::by_token(&token), scope).await.expect(401);
    }
    let renewed = server.login(super::by_token(&token), Value::Null).await.expect(201);
    assert_eq!(renewed.body["token"]["roles"], by_id.body["token"]["roles"]);

    let one = format!("{path}/{}", new["id"].as_str().unwrap());
    let shown = server.get(&one, &ann).await.expect(200);
    assert!(shown.body["application_credential"].get("secret").is_none());
    server.send(Method::DELETE, &one, &ann, None).await.expect(204);
    assert!(!server.is_good(&token).await && !server.is_good(&renewed.token()).await);
    assert!(server.is_good(&ann).await);
}

/// There is no exchange of EC2 or S3 signatures for a token, nor are such credentials made.
#[actix_web::test]
async fn sec_63_signatures_are_not_exchanged_for_tokens() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let (user, _) = ann(&server, &admin).await;
    let own = format!("/v3/users/{user}/credentials/OS-EC2");
    for path in ["/v3/ec2tokens", "/v3/s3tokens", "/v3/credentials", "/v3/OS-TRUST/trusts", &own] {
        for token in ["", &admin] {
            let body =
                json!({"credentials": {"access": "a", "signature": "s", "token": "t"}, "tenant_id": "t"});
            server.send(Method::POST, path, token, Some(body)).await.expect(404);
        }
    }
}

#[actix_web::test]
async fn access_rules_bound_what_a_credential_may_ask() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let (user, _) = ann(&server, &admin).await;
    let ann = ann_token(&server).await;
    let path = format!("/v3/users/{user}/application_credentials");
    let rules = json!([{"service": "image", "method": "GET", "path": "/v2/images"}]);
    let body = json!({"application_credential": {"name": "a", "secret": "s", "access_rules": rules}});
    let new = server.send(Method::POST, &path, &ann, Some(body)).await.expect(201);
    let proof = json!({"methods": ["application_credential"],
        "application_credential": {"id": new.body["application_credential"]["id"], "secret": "s"}});
    let token = server.login(proof, Value::Null).await.expect(201).token();

    let ask = |method: &str, path: &str| Credentials {
        token: Some(token.clone()),
        method: method.into(),
        path: path.into(),
        ..Credentials::default()
    };
    server.builtin.authenticate(&ask("GET", "/v2/images")).await.unwrap();
    assert!(server.builtin.authenticate(&ask("POST", "/v2/images")).await.is_err());
    assert!(server.builtin.authenticate(&ask("GET", "/v2/images/1")).await.is_err());
    server.get("/v3/auth/projects", &token).await.expect(401);

    // A service that does not know of access rules must not get such a token.
    let headers = [("x-auth-token", admin.as_str()), ("x-subject-token", token.as_str())];
    server.send_with(Method::GET, "/v3/auth/tokens", &headers, None).await.expect(404);
    let headers = [headers[0], headers[1], ("openstack-identity-access-rules", "1.0")];
    server.send_with(Method::GET, "/v3/auth/tokens", &headers, None).await.expect(200);
    let rules = server.get(&format!("/v3/users/{user}/access_rules"), &ann).await.expect(200);
    assert_eq!(rules.body["access_rules"].as_array().unwrap().len(), 1);
}
