//! Discovery, logging in, and what becomes of tokens.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Server, by_password, by_secret, by_token, database, on_project};
use crate::{
    identity::{Credentials, Identity, builtin::keys},
    model::clock::Clock,
};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn discovery_points_back_to_the_address_that_the_client_used() {
    let server = Server::start().await;
    let root = server.get("", "").await.expect(300);
    assert_eq!(root.headers.get("location").unwrap(), "http://cloud.example:9292/identity/v3/");
    assert_eq!(root.headers.get("vary").unwrap(), "X-Auth-Token");
    let version = &root.body["versions"]["values"][0];
    assert_eq!(version["id"], "v3.14");
    for path in ["/v3", "/v3/"] {
        let answer = server.get(path, "").await.expect(200);
        assert_eq!(&answer.body["version"], version);
        assert_eq!(version["links"][0]["href"], "http://cloud.example:9292/identity/v3/");
    }
    server.get("/v4", "").await.expect(404);
    server.get("/v3/nothing", "").await.expect(404);
}

#[actix_web::test]
async fn a_password_opens_every_scope_on_which_the_user_has_a_role() {
    let server = Server::start().await;
    let admin = || by_password("admin", &server.passwords.admin);

    let answer = server.login(admin(), on_project("admin")).await.expect(201);
    let token = &answer.body["token"];
    assert_eq!(token["project"]["name"], "admin");
    assert_eq!(token["project"]["domain"], json!({"id": "default", "name": "Default"}));
    assert_eq!(token["methods"], json!(["password"]));
    assert_eq!(
        names(&token["roles"]),
        ["admin", "manager", "member", "reader"],
        "implied roles are expanded"
    );
    let image = token["catalog"].as_array().unwrap().iter().find(|s| s["type"] == "image").unwrap();
    assert_eq!(image["endpoints"].as_array().unwrap().len(), 3);
    assert_eq!(image["endpoints"][0]["url"], "http://cloud.example:9292");
    assert_eq!(image["endpoints"][0]["region"], "RegionOne");
    let identity = token["catalog"].as_array().unwrap().iter().find(|s| s["type"] == "identity").unwrap();
    assert_eq!(identity["endpoints"][0]["url"], "http://cloud.example:9292/identity/v3");

    let by_default = server.login(admin(), Value::Null).await.expect(201);
    assert_eq!(by_default.body["token"]["project"]["name"], "admin");

    let system = server.login(admin(), json!({"system": {"all": true}})).await.expect(201);
    assert_eq!(system.body["token"]["system"], json!({"all": true}));

    for scope in [json!("unscoped"), json!({"unscoped": {}})] {
        let unscoped = server.login(admin(), scope).await.expect(201);
        for key in ["project", "domain", "system", "roles", "catalog"] {
            assert!(unscoped.body["token"].get(key).is_none(), "{key}");
        }
        server.get("/v3/auth/catalog", &unscoped.token()).await.expect(403);
        let projects = server.get("/v3/auth/projects", &unscoped.token()).await.expect(200);
        assert_eq!(names(&projects.body["projects"]), ["admin"]);
    }
    let bare = json!({"auth": {"identity": admin()}});
    let bare = server.send(Method::POST, "/v3/auth/tokens?nocatalog", "", Some(bare)).await.expect(201);
    assert!(bare.body["token"].get("catalog").is_none());
}

#[actix_web::test]
async fn whatever_is_wrong_with_a_login_the_answer_is_the_same() {
    let server = Server::start().await;
    let demo = || by_password("demo", &server.passwords.demo);
    let first = server.login(by_password("demo", "wrong"), Value::Null).await.expect(401);
    assert_eq!(
        first.headers.get("www-authenticate").unwrap(),
        "Keystone uri=\"http://cloud.example:9292/identity/v3\""
    );
    let attempts = [
        (by_password("nobody", "wrong"), Value::Null),
        (demo(), on_project("admin")),
        (demo(), on_project("nowhere")),
        (demo(), json!({"system": {"all": true}})),
        (demo(), json!({"domain": {"id": "default"}})),
        (demo(), json!({"project": {"id": "nowhere"}})),
        (by_token("junk"), Value::Null),
    ];
    for (identity, scope) in attempts {
        let answer = server.login(identity, scope.clone()).await.expect(401);
        assert_eq!(answer.body, first.body, "{scope}");
    }
    let strange = server.login(json!({"methods": ["totp"]}), Value::Null).await.expect(401);
    assert_eq!(
        strange.body["error"]["identity"]["methods"],
        json!(["password", "token", "application_credential"])
    );
}

#[actix_web::test]
async fn bad_bodies_are_bad_requests_in_keystones_shape() {
    let server = Server::start().await;
    for body in [json!(null), json!([]), json!({"auth": {}}), json!({"auth": {"identity": {"methods": []}}})]
    {
        let answer = server.send(Method::POST, "/v3/auth/tokens", "", Some(body)).await.expect(400);
        assert_eq!(answer.body["error"]["code"], 400);
        assert_eq!(answer.body["error"]["title"], "Bad Request");
    }
    let huge = json!({"auth": "x".repeat(200 * 1024)});
    server.send(Method::POST, "/v3/auth/tokens", "", Some(huge)).await.expect(413);
    server.send(Method::POST, "/v3/auth/tokens", "", None).await.expect(400);
}

#[actix_web::test]
async fn rescoping_keeps_the_expiry_and_the_chain() {
    let server = Server::start().await;
    let first =
        server.login(by_password("admin", &server.passwords.admin), json!("unscoped")).await.expect(201);
    let second = server.login(by_token(&first.token()), on_project("admin")).await.expect(201);
    let (first, second) = (&first.body["token"], &second.body["token"]);
    assert_eq!(second["expires_at"], first["expires_at"]);
    assert_eq!(second["methods"], json!(["token", "password"]));
    assert_eq!(second["audit_ids"].as_array().unwrap().len(), 2);
    assert_eq!(second["audit_ids"][1], first["audit_ids"][0]);
}

/// Nothing can be drawn from an old login after a password change, not even by a node that still believes the old token.
#[actix_web::test]
async fn sec_62_no_token_drawn_from_an_old_login_outlives_a_password_change() {
    let server = Server::start().await;
    let late = server.second_node(|settings| settings.cache_seconds = 3600);
    let parent = server.demo().await;
    assert!(late.is_good(&parent).await);
    let user =
        server.login(by_token(&parent), on_project("demo")).await.expect(201).body["token"]["user"]["id"]
            .clone();
    let path = format!("/v3/users/{}/password", user.as_str().unwrap());
    let body = json!({"user": {"original_password": server.passwords.demo, "password": "another one"}});
    server.send(Method::POST, &path, &parent, Some(body)).await.expect(204);
    late.login(by_token(&parent), on_project("demo")).await.expect(401);
    let fresh = server.login(by_password("demo", "another one"), Value::Null).await.expect(201).token();
    let grandchild = server.login(by_token(&fresh), on_project("demo")).await.expect(201).token();
    assert!(server.is_good(&grandchild).await);
}

#[actix_web::test]
async fn revoking_a_token_ends_its_chain_and_survives_a_restart() {
    let server = Server::start().await;
    let first = server.demo().await;
    let child = server.login(by_token(&first), on_project("demo")).await.expect(201).token();
    let apart = server.demo().await;
    let headers = [("x-auth-token", apart.as_str()), ("x-subject-token", child.as_str())];
    server.send_with(Method::DELETE, "/v3/auth/tokens", &headers, None).await.expect(204);
    for (token, good) in [(&first, false), (&child, false), (&apart, true)] {
        assert_eq!(server.is_good(token).await, good);
    }
    server.send_with(Method::GET, "/v3/auth/tokens", &headers, None).await.expect(404);

    let server = server.restarted_with(|_| {});
    assert!(server.builtin.bootstrap(|_| panic!("a second start makes nothing")).await.unwrap().is_none());
    for (token, good) in [(&first, false), (&child, false), (&apart, true)] {
        assert_eq!(server.is_good(token).await, good);
    }
}

#[actix_web::test]
async fn without_cascade_only_the_one_token_ends() {
    let server = Server::start().await;
    let first = server.demo().await;
    let child = server.login(by_token(&first), Value::Null).await.expect(201).token();
    let headers = [("x-auth-token", first.as_str()), ("x-subject-token", child.as_str())];
    server.send_with(Method::DELETE, "/v3/auth/tokens?cascade=false", &headers, None).await.expect(204);
    assert!(server.is_good(&first).await);
    assert!(!server.is_good(&child).await);
}

#[actix_web::test]
async fn tokens_of_others_are_for_admins_and_services() {
    let server = Server::start().await;
    let (admin, demo) = (server.admin().await, server.demo().await);
    for method in [Method::GET, Method::HEAD] {
        let own = [("x-auth-token", demo.as_str()), ("x-subject-token", demo.as_str())];
        let shown = server.send_with(method.clone(), "/v3/auth/tokens", &own, None).await.expect(200);
        assert_eq!(shown.token(), demo);
        let below = [("x-auth-token", demo.as_str()), ("x-subject-token", admin.as_str())];
        server.send_with(method.clone(), "/v3/auth/tokens", &below, None).await.expect(403);
        let above = [("x-auth-token", admin.as_str()), ("x-subject-token", demo.as_str())];
        server.send_with(method.clone(), "/v3/auth/tokens", &above, None).await.expect(200);
        let junk = [("x-auth-token", admin.as_str()), ("x-subject-token", "junk")];
        server.send_with(method.clone(), "/v3/auth/tokens", &junk, None).await.expect(404);
        server.send_with(method, "/v3/auth/tokens", &[("x-subject-token", &demo)], None).await.expect(401);
    }
    let below = [("x-auth-token", demo.as_str()), ("x-subject-token", admin.as_str())];
    server.send_with(Method::DELETE, "/v3/auth/tokens", &below, None).await.expect(403);
}

#[actix_web::test]
async fn expired_tokens_open_nothing_but_may_be_looked_at_for_a_while() {
    let server = Server::start().await;
    let demo = server.demo().await;
    // The same token, under a lifetime that is over.
    let server = server.restarted_with(|settings| settings.token_expiration_seconds = -1);
    assert!(!server.is_good(&demo).await);
    server.login(by_token(&demo), Value::Null).await.expect(401);
    assert!(server.builtin.validate(&demo, false).await.unwrap().is_none());
    assert!(server.builtin.validate(&demo, true).await.unwrap().is_some());
    let server = server.restarted_with(|settings| {
        settings.token_expiration_seconds = -1;
        settings.allow_expired_window_seconds = 0;
    });
    assert!(server.builtin.validate(&demo, true).await.unwrap().is_none());
}

/// Lets a new key sign, as the command does.
async fn rotate(server: &Server) {
    keys::rotate(&database(&server.dir), 1, Clock::default().now()).await.unwrap();
}

#[actix_web::test]
async fn tokens_outlive_a_rotation_of_the_keys_and_a_restart() {
    let server = Server::start().await;
    let before = server.demo().await;
    rotate(&server).await;
    server.builtin.reload_keys().await.unwrap();
    let after = server.demo().await;
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    assert_ne!(kid(&before), kid(&after));
    assert!(server.is_good(&before).await && server.is_good(&after).await);
    server.builtin.maintain().await.unwrap();
    let server = server.restarted_with(|_| {});
    assert!(server.is_good(&before).await && server.is_good(&after).await);
}

#[actix_web::test]
async fn keys_made_by_another_process_are_found() {
    let server = Server::start().await;
    let other = super::open(&server.dir, |_| {});
    rotate(&server).await;
    other.reload_keys().await.unwrap();
    let other =
        Server { builtin: other, passwords: server.passwords.clone(), dir: tempfile::tempdir().unwrap() };
    let token = other.demo().await;
    assert!(server.is_good(&token).await);
}

#[actix_web::test]
async fn after_too_many_failures_even_the_right_password_is_refused() {
    let server = Server::start_with(|settings| settings.failed_logins_max = 3).await;
    let mut wrong = Vec::new();
    for _ in 0..3 {
        wrong.push(server.login(by_password("demo", "guess"), Value::Null).await.expect(401).body);
    }
    let refused = server.login(by_password("demo", &server.passwords.demo), Value::Null).await.expect(429);
    let after: u64 = refused.headers.get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    server.admin().await;
}

/// What is remembered of a token is remembered of that token alone.
#[actix_web::test]
async fn sec_57_what_is_remembered_belongs_to_one_token() {
    let server = Server::start().await;
    let tokens = [("admin", server.admin().await), ("demo", server.demo().await)];
    let of = |token: &str| Credentials { token: Some(token.to_owned()), ..Credentials::default() };
    for _ in 0..3 {
        for (name, token) in &tokens {
            let caller = server.builtin.authenticate(&of(token)).await.unwrap();
            assert_eq!(caller.user_name.as_deref(), Some(*name));
            // As long as one that is known, and alike but for its signature.
            let forged = format!("{}{}", &token[..token.len() - 8], "AAAAAAAA");
            assert!(server.builtin.authenticate(&of(&forged)).await.is_err());
        }
    }
}

/// Nothing that a user wrote is expanded, and of a URL only what stands for the address that the client used.
#[actix_web::test]
async fn sec_68_no_text_of_a_user_is_a_template() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let text = "$(base_url)s $(admin_token)s %(password)s ${HOME} {{7*7}}";
    let body = json!({"project": {"name": "templates", "description": text}});
    let made = server.send(Method::POST, "/v3/projects", &admin, Some(body)).await.expect(201);
    assert_eq!(made.body["project"]["description"], text);
    let services = server.get("/v3/services", &admin).await.expect(200);
    let service = services.body["services"][0]["id"].clone();
    let url = "http://$(admin_token)s.example/%(password)s/${HOME}";
    let body = json!({"endpoint": {"service_id": service, "interface": "public", "url": url}});
    server.send(Method::POST, "/v3/endpoints", &admin, Some(body)).await.expect(201);
    let catalog = server.get("/v3/auth/catalog", &admin).await.expect(200);
    assert!(catalog.body.to_string().contains(url), "{}", catalog.body);
}

/// Whoever fails to log in costs the same work and reads the same text, whatever the reason; once there were too many
/// failures it costs nothing, and an invented user reads the same as a real one.
#[actix_web::test]
async fn sec_65_a_failed_login_tells_nothing_of_who_exists() {
    let server = Server::start_with(|settings| settings.failed_logins_max = 2).await;
    let admin = server.admin().await;
    let off = json!({"user": {"name": "off", "password": "secret", "enabled": false}});
    server.send(Method::POST, "/v3/users", &admin, Some(off)).await.expect(201);
    let bare = json!({"user": {"name": "bare"}});
    server.send(Method::POST, "/v3/users", &admin, Some(bare)).await.expect(201);
    let project = server.login(by_password("demo", &server.passwords.demo), Value::Null).await.expect(201);
    let project = project.body["token"]["project"]["id"].as_str().unwrap().to_owned();
    let closed = json!({"project": {"enabled": false}});
    server.send(Method::PATCH, &format!("/v3/projects/{project}"), &admin, Some(closed)).await.expect(200);
    let long = "x".repeat(4097);
    let attempts = [
        ("wrong password", by_password("admin", "wrong"), 1),
        ("invented user", by_password("nobody", "wrong"), 1),
        ("user without a password", by_password("bare", "wrong"), 1),
        ("disabled user", by_password("off", "secret"), 1),
        ("disabled project", by_password("demo", &server.passwords.demo), 1),
        ("unknown credential", by_secret("nothing"), 1),
        ("too long a password of a user", by_password("admin", &long), 0),
        ("too long a password of nobody", by_password("nobody", &long), 0),
        ("locked user", by_password("admin", "wrong"), 0),
        ("locked invented user", by_password("nobody", "wrong"), 0),
    ];
    let (mut refusals, mut locks) = (Vec::new(), Vec::new());
    for (case, identity, hashes) in attempts {
        let before = server.builtin.hashes_computed();
        let on_project = json!({"project": {"id": project}});
        let is_locked = case.starts_with("locked");
        let answer =
            server.login(identity, if case.contains("cred") { Value::Null } else { on_project }).await;
        let answer = answer.expect(if is_locked { 429 } else { 401 });
        assert_eq!(server.builtin.hashes_computed() - before, hashes, "{case}");
        (if is_locked { &mut locks } else { &mut refusals }).push(answer.body);
    }
    assert!(refusals.windows(2).all(|two| two[0] == two[1]), "{refusals:?}");
    assert_eq!(locks[0], locks[1]);
}

/// However many invented users log in at once, who has logged in there before is served as if they were not there.
#[actix_web::test]
async fn sec_61_a_flood_of_invented_users_stops_no_good_login() {
    use futures::{StreamExt, stream::FuturesUnordered};
    let server = Server::start_with(|settings| settings.hashes_at_once = 1).await;
    server.demo().await;
    let names: Vec<String> = (0..300).map(|number| format!("nobody{number}")).collect();
    let mut flood: FuturesUnordered<_> =
        names.iter().map(|name| server.login(by_password(name, "wrong"), Value::Null)).collect();
    let is_full = |status: u16| status == 429;
    while !flood.next().await.is_some_and(|answer| is_full(answer.status)) {}
    let good = server.demo();
    tokio::pin!(good);
    let token = loop {
        tokio::select! {
            Some(_) = flood.next() => {}
            token = &mut good => break token,
        }
    };
    assert!(server.is_good(&token).await);
    assert!(flood.len() > 200, "nobody waited for them");
}

/// A stranger who changes a password that is not his has one hash computed, as if he logged in.
#[actix_web::test]
async fn sec_61_a_password_is_not_hashed_before_the_old_one_is_proven() {
    let server = Server::start().await;
    let body = json!({"user": {"original_password": "wrong", "password": "another one"}});
    let before = server.builtin.hashes_computed();
    server.send(Method::POST, "/v3/users/nobody/password", "", Some(body)).await.expect(401);
    assert_eq!(server.builtin.hashes_computed() - before, 1);
    let long = json!({"user": {"original_password": "wrong", "password": "x".repeat(4097)}});
    server.send(Method::POST, "/v3/users/nobody/password", "", Some(long)).await.expect(400);
    assert_eq!(server.builtin.hashes_computed() - before, 1);
}

#[actix_web::test]
async fn the_identity_trait_gives_the_caller_of_an_image_request() {
    let server = Server::start().await;
    let token = server.demo().await;
    let credentials =
        |token: Option<&str>| Credentials { token: token.map(str::to_owned), ..Credentials::default() };
    let caller = server.builtin.authenticate(&credentials(Some(&token))).await.unwrap();
    assert_eq!(caller.user_name.as_deref(), Some("demo"));
    assert_eq!(caller.roles, ["member", "reader"]);
    assert!(caller.project_id.is_some() && caller.is_admin_project && !caller.is_admin);
    assert!(server.builtin.authenticate(&credentials(None)).await.is_err());
    assert!(server.builtin.authenticate(&credentials(Some("junk"))).await.is_err());
    let with_service = Credentials { service_token: Some(token.clone()), ..credentials(Some(&token)) };
    assert!(server.builtin.authenticate(&with_service).await.is_err(), "demo is not a service");
}
