//! The provider against a fake Keystone: the number of requests, and the effect of each response.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::json;

use super::fake::{Fake, connect, token};
use super::*;

const HOUR: TimeDelta = TimeDelta::hours(1);

pub(super) fn with(token: &str) -> Credentials {
    Credentials {
        token: Some(token.to_owned()),
        service_token: None,
        method: "GET".to_owned(),
        path: "/v2/images".to_owned(),
    }
}

fn with_service(token: &str, service_token: &str) -> Credentials {
    Credentials { service_token: Some(service_token.to_owned()), ..with(token) }
}

/// 200, 401 or 503: what the answer means to the client.
pub(super) fn status(result: &Result<Caller, IdentityError>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(IdentityError::Unauthenticated(_)) => 401,
        Err(IdentityError::Unavailable(_)) => 503,
    }
}

#[tokio::test]
async fn a_token_becomes_the_caller_that_keystone_describes() {
    let fake = Fake::start();
    let mut service = token("nova", &["Service"], HOUR);
    service["project"]["id"] = json!("p2");
    fake.knows("s", service);
    fake.knows("u", token("alice", &["Member", "READER"], HOUR));
    let settings = Settings { service_token_roles: vec!["Service".to_owned()], ..fake.settings() };
    let caller = connect(settings).authenticate(&with_service(" u\t", "s")).await.unwrap();
    let text = |value: &str| Some(value.to_owned());
    let expected = Caller {
        user_id: text("alice"),
        user_name: text("alice's name"),
        user_domain_id: text("users"),
        project_id: text("p1"),
        project_domain_id: text("projects"),
        roles: vec!["member".to_owned(), "reader".to_owned()],
        service_user_id: text("nova"),
        service_user_domain_id: text("users"),
        service_project_id: text("p2"),
        service_project_domain_id: text("projects"),
        service_roles: vec!["Service".to_owned()],
        is_admin_project: true,
        ..Caller::default()
    };
    assert_eq!(caller, expected);
    let login = fake.state.login_body.lock().unwrap().clone();
    assert_eq!(login["auth"]["identity"]["password"]["user"]["password"], "s3cret");
    assert_eq!(*fake.state.last.lock().unwrap(), ("allow_expired=1".to_owned(), "1.0".to_owned()));
}

#[tokio::test]
async fn a_token_is_asked_about_once_whoever_brings_it() {
    let fake = Fake::start();
    fake.knows("s", token("nova", &["service"], HOUR));
    for (name, order) in [("u1", [true, false]), ("u2", [false, true])] {
        fake.knows(name, token("alice", &["member"], HOUR));
        let keystone = fake.keystone();
        keystone.token("s", false).await.unwrap();
        let before = fake.asked().1;
        for is_from_service in order {
            let credentials = if is_from_service { with_service(name, "s") } else { with(name) };
            assert_eq!(status(&keystone.authenticate(&credentials).await), 200);
        }
        assert_eq!(fake.asked().1 - before, 1, "{order:?}");
    }
}

#[tokio::test]
async fn other_scopes_have_no_project() {
    let fake = Fake::start();
    let mut system = token("root", &["admin"], HOUR);
    system["project"] = json!(null);
    system["system"] = json!({"all": true});
    system["is_admin_project"] = json!(false);
    fake.knows("system", system);
    let mut domain = token("dan", &["admin"], HOUR);
    domain.as_object_mut().unwrap().remove("project");
    domain["domain"] = json!({"id": "d1", "name": "D"});
    fake.knows("domain", domain);
    let mut unscoped = token("eve", &[], HOUR);
    for field in ["project", "roles", "catalog"] {
        unscoped.as_object_mut().unwrap().remove(field);
    }
    fake.knows("unscoped", unscoped);
    let keystone = fake.keystone();
    let caller = keystone.authenticate(&with("system")).await.unwrap();
    assert_eq!(
        (caller.system_scope.as_deref(), caller.owner(), caller.is_admin_project),
        (Some("all"), None, false)
    );
    let caller = keystone.authenticate(&with("domain")).await.unwrap();
    assert_eq!((caller.domain_id.as_deref(), caller.owner()), (Some("d1"), None));
    let caller = keystone.authenticate(&with("unscoped")).await.unwrap();
    assert_eq!((caller.owner(), caller.roles.len()), (None, 0));
}

#[tokio::test]
async fn many_concurrent_uses_of_a_new_token_are_one_question() {
    let fake = Fake::start();
    fake.knows("u", token("alice", &["member"], HOUR));
    let keystone = fake.keystone();
    let credentials = with("u");
    let answers = join_all((0..50).map(|_| keystone.authenticate(&credentials))).await;
    assert!(answers.iter().all(|answer| status(answer) == 200));
    assert_eq!(fake.asked(), (1, 1));
}

#[tokio::test]
async fn many_tokens_at_once_are_one_login() {
    let fake = Fake::start();
    let credentials: Vec<_> = (0..20).map(|n| with(&format!("u{n}"))).collect();
    for credentials in &credentials {
        fake.knows(credentials.token.as_deref().unwrap(), token("alice", &["member"], HOUR));
    }
    let keystone = fake.keystone();
    for (round, logins) in [(1, 1), (2, 2)] {
        let answers = join_all(credentials.iter().map(|each| keystone.authenticate(each))).await;
        assert!(answers.iter().all(|answer| status(answer) == 200), "round {round}");
        assert_eq!(fake.asked().0, logins, "round {round}");
        fake.forget_logins();
        keystone.cache.as_ref().unwrap().invalidate_all();
    }
}

#[tokio::test]
async fn an_unknown_token_is_refused_and_asked_about_again() {
    let fake = Fake::start();
    let keystone = fake.keystone();
    assert_eq!(status(&keystone.authenticate(&with("u")).await), 401);
    fake.knows("u", token("alice", &["member"], HOUR));
    assert_eq!(status(&keystone.authenticate(&with("u")).await), 200);
    assert_eq!(fake.asked(), (1, 2));
}

#[tokio::test]
async fn the_cache_lasts_as_long_as_it_is_told() {
    let fake = Fake::start();
    fake.knows("u", token("alice", &["member"], HOUR));
    for (cache_time, expected) in
        [(Some(Duration::from_millis(20)), 2), (None, 2), (Some(Duration::from_secs(300)), 1)]
    {
        let keystone = connect(Settings { token_cache_time: cache_time, ..fake.settings() });
        let before = fake.asked().1;
        assert_eq!(status(&keystone.authenticate(&with("u")).await), 200);
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(status(&keystone.authenticate(&with("u")).await), 200);
        assert_eq!(fake.asked().1 - before, expected, "{cache_time:?}");
    }
}

#[tokio::test]
async fn a_token_that_has_ended_is_refused_even_from_the_cache() {
    let fake = Fake::start();
    let mut content = token("alice", &["member"], -HOUR);
    // Keystone vouches for it, as one does whose clock is behind ours.
    content["lingers"] = json!(true);
    fake.knows("u", content);
    let keystone = fake.keystone();
    for _ in 0..2 {
        assert_eq!(status(&keystone.authenticate(&with("u")).await), 401);
    }
    assert_eq!(fake.asked(), (1, 1));
}

#[tokio::test]
async fn a_service_may_bring_a_user_token_that_has_ended() {
    let fake = Fake::start();
    fake.knows("u", token("alice", &["member"], -HOUR));
    fake.knows("s", token("nova", &["service"], HOUR));
    fake.knows("plain", token("bob", &["member"], HOUR));
    let keystone = fake.keystone();
    assert_eq!(status(&keystone.authenticate(&with_service("u", "s")).await), 200);
    assert_eq!(fake.state.last.lock().unwrap().0, "allow_expired=1");
    assert_eq!(status(&keystone.authenticate(&with("u")).await), 401, "not without the service");
    assert_eq!(status(&keystone.authenticate(&with_service("u", "plain")).await), 401, "nor with a user");
    let lax = connect(Settings { service_token_roles_required: false, ..fake.settings() });
    assert_eq!(status(&lax.authenticate(&with_service("u", "plain")).await), 401, "role or nothing");
}

#[tokio::test]
async fn a_service_and_a_user_asking_at_once_do_not_share_an_answer() {
    let fake = Fake::start();
    fake.knows("u", token("alice", &["member"], -HOUR));
    fake.knows("s", token("nova", &["service"], HOUR));
    let keystone = fake.keystone();
    keystone.token("s", false).await.unwrap();
    let credentials = (with("u"), with_service("u", "s"));
    let (user, service) =
        futures::join!(keystone.authenticate(&credentials.0), keystone.authenticate(&credentials.1));
    assert_eq!((status(&user), status(&service)), (401, 200));
}

#[tokio::test]
async fn service_tokens_count_by_their_roles() {
    let fake = Fake::start();
    fake.knows("u", token("alice", &["member"], HOUR));
    fake.knows("service", token("nova", &["member", "service"], HOUR));
    fake.knows("user", token("bob", &["member", "Service"], HOUR));
    // (service token, delay_auth_decision, roles required, status, whether the service is named)
    let table = [
        ("service", true, true, 200, true),
        ("service", false, true, 200, true),
        ("user", true, true, 200, false),
        ("user", false, true, 401, false),
        ("user", true, false, 200, true),
        ("unknown", true, true, 200, false),
        ("unknown", false, true, 401, false),
        ("unknown", false, false, 401, false),
        (" ", false, true, 200, false),
    ];
    for (service, delay, required, expected, is_named) in table {
        let keystone = connect(Settings {
            delay_auth_decision: delay,
            service_token_roles_required: required,
            ..fake.settings()
        });
        let answer = keystone.authenticate(&with_service("u", service)).await;
        let case = format!("{service} delay={delay} required={required}: {answer:?}");
        assert_eq!(status(&answer), expected, "{case}");
        assert_eq!(answer.is_ok_and(|caller| caller.service_user_id.is_some()), is_named, "{case}");
    }
}

#[tokio::test]
async fn access_rules_narrow_what_an_application_credential_may_do() {
    let fake = Fake::start();
    let rule = json!({"id": "r", "method": "GET", "path": "/v2/images", "service": "image"});
    let other = json!({"id": "r", "method": "GET", "path": "/v2/**", "service": "compute"});
    for (name, rules) in [
        ("none", json!(null)),
        ("empty", json!([])),
        ("match", json!([other, rule])),
        ("other", json!([other])),
    ] {
        let mut content = token("alice", &["member"], HOUR);
        content["application_credential"] = json!({"id": "ac", "access_rules": rules});
        fake.knows(name, content.clone());
        content["catalog"] = json!([{"type": "compute", "endpoints": []}]);
        fake.knows(&format!("{name} elsewhere"), content);
    }
    fake.knows("service", token("nova", &["service"], HOUR));
    fake.knows("user", token("bob", &["member"], HOUR));
    // (user token, service token, service_type, status)
    let table = [
        ("none", None, Some("image"), 200),
        ("none", None, None, 200),
        ("none elsewhere", None, Some("image"), 200),
        ("match", None, Some("image"), 200),
        ("match", None, None, 401),
        ("match", Some("service"), None, 401),
        ("match elsewhere", None, Some("image"), 401),
        ("empty", None, Some("image"), 401),
        ("other", None, Some("image"), 401),
        ("other", Some("service"), Some("image"), 200),
        ("other", Some("user"), Some("image"), 401),
        ("other", Some("unknown"), Some("image"), 401),
        ("other elsewhere", Some("service"), Some("image"), 401),
    ];
    for (user, service, service_type, expected) in table {
        let service_type = service_type.map(str::to_owned);
        let keystone = connect(Settings { service_type: service_type.clone(), ..fake.settings() });
        let credentials = Credentials { service_token: service.map(str::to_owned), ..with(user) };
        let answer = keystone.authenticate(&credentials).await;
        assert_eq!(status(&answer), expected, "{user} {service:?} {service_type:?}: {answer:?}");
    }
    let keystone = fake.keystone();
    for (method, path, expected) in
        [("GET", "/v2/images?limit=1", 200), ("POST", "/v2/images", 401), ("GET", "/v2/images/x", 401)]
    {
        let credentials = Credentials { method: method.to_owned(), path: path.to_owned(), ..with("match") };
        assert_eq!(status(&keystone.authenticate(&credentials).await), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn our_own_token_is_renewed_before_its_end_and_after_a_401() {
    let fake = Fake::start();
    fake.knows("u", token("alice", &["member"], HOUR));
    let keystone = connect(Settings { token_cache_time: None, ..fake.settings() });
    for expected in [(1, 1), (1, 2)] {
        assert_eq!(status(&keystone.authenticate(&with("u")).await), 200);
        assert_eq!(fake.asked(), expected, "one login serves many questions");
    }
    fake.forget_logins();
    assert_eq!(status(&keystone.authenticate(&with("u")).await), 200);
    assert_eq!(fake.asked(), (2, 4), "asked, refused, logged in, asked again");
    *fake.state.own_life.lock().unwrap() = Some(TimeDelta::zero());
    fake.forget_logins();
    for expected in [(3, 6), (4, 7)] {
        assert_eq!(status(&keystone.authenticate(&with("u")).await), 200);
        assert_eq!(fake.asked(), expected, "a token without life left is not used twice");
    }
    fake.fails_with(401, "");
    assert_eq!(status(&keystone.authenticate(&with("u")).await), 503);
    assert_eq!(fake.asked(), (6, 9), "a new login is tried once, not for ever");
}

#[tokio::test]
async fn tokens_are_validated_where_the_catalog_says() {
    let (login, other) = (Fake::start(), Fake::start());
    *login.state.internal_url.lock().unwrap() = Some(other.url());
    other.knows("u", token("alice", &["member"], HOUR));
    other.state.logins.store(0, std::sync::atomic::Ordering::SeqCst);
    // The other one never heard of this login, so it refuses; that it was asked is the point.
    assert_eq!(status(&login.keystone().authenticate(&with("u")).await), 503);
    assert_eq!((login.asked(), other.asked()), ((2, 0), (0, 2)));
    for settings in [
        Settings { region_name: Some("Nowhere".to_owned()), ..login.settings() },
        Settings { interface: "admin".to_owned(), ..login.settings() },
    ] {
        assert_eq!(status(&connect(settings).authenticate(&with("u")).await), 503);
    }
    let quiet = connect(Settings { include_service_catalog: false, ..other.settings() });
    assert_eq!(status(&quiet.authenticate(&with("u")).await), 200);
    assert_eq!(other.state.last.lock().unwrap().0, "nocatalog");
}

#[tokio::test]
async fn what_cannot_be_a_token_is_refused_without_a_question() {
    let fake = Fake::start();
    let keystone = fake.keystone();
    let long = "x".repeat(TOKEN_BYTES_MAX + 1);
    for token in ["", "  ", "a\nb", "a\0b", &long] {
        assert_eq!(status(&keystone.authenticate(&with(token)).await), 401, "{token:?}");
    }
    let nothing = Credentials { token: None, service_token: Some("s".to_owned()), ..with("") };
    assert_eq!(status(&keystone.authenticate(&nothing).await), 401);
    assert_eq!(fake.asked(), (0, 0));
}

#[test]
fn a_401_says_where_to_log_in() {
    let settings = || Settings {
        auth_url: "http://inside:5000".to_owned(),
        user_id: Some("glance".to_owned()),
        password: Some(Secret("s3cret".to_owned())),
        ..Settings::default()
    };
    let keystone = Keystone::new(settings()).unwrap();
    assert_eq!(keystone.challenge("http://us").unwrap(), "Keystone uri=\"http://inside:5000\"");
    let uri = Some("https://public/identity".to_owned());
    let keystone = Keystone::new(Settings { www_authenticate_uri: uri, ..settings() }).unwrap();
    assert_eq!(keystone.challenge("http://us").unwrap(), "Keystone uri=\"https://public/identity\"");
}
