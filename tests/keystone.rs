//! The keystone provider against a real Keystone, which `tests/peers/keystone` installs and starts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use vitrine::identity::keystone::{AuthType, Keystone, Secret, Settings};
use vitrine::identity::{Credentials, Identity, IdentityError};
use vitrine::model::caller::Caller;

const PASSWORD: &str = "a-password-for-tests";

/// A running Keystone, stopped when dropped.
struct Real {
    folder: TempDir,
    url: String,
    people: Value,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/keystone")
}

/// Runs the script and gives the last line that it prints.
fn run(verb: &str, folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(script());
    command.arg(verb).arg("--dir").arg(folder).args(arguments).stderr(Stdio::inherit());
    let output = command.output().expect("tests/peers/keystone runs");
    assert!(output.status.success(), "{command:?} failed: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().last().unwrap_or_default().to_owned()
}

impl Real {
    fn start(arguments: &[&str]) -> Real {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [&["--port", "0", "--image", "http://127.0.0.1:9292"], arguments].concat();
        let url = run("up", folder.path(), &arguments);
        let people = std::fs::read_to_string(folder.path().join("personas.json")).unwrap();
        Real { url, people: serde_json::from_str(&people).unwrap(), folder }
    }

    fn restart(&mut self) {
        let port = self.url.trim_end_matches("/v3").rsplit(':').next().unwrap();
        self.url = run("up", self.folder.path(), &["--port", port, "--image", "http://127.0.0.1:9292"]);
    }

    fn stop(&self) {
        run("down", self.folder.path(), &[]);
    }

    fn token(&self, persona: &str) -> String {
        run("token", self.folder.path(), &["--persona", persona])
    }

    fn id(&self, kind: &str, name: &str) -> Option<String> {
        Some(self.people[kind][name].as_str().expect(name).to_owned())
    }

    fn settings(&self) -> Settings {
        Settings {
            auth_url: self.url.clone(),
            username: Some("glance".to_owned()),
            user_domain_name: Some("Default".to_owned()),
            password: Some(Secret(PASSWORD.to_owned())),
            project_name: Some("service".to_owned()),
            project_domain_name: Some("Default".to_owned()),
            region_name: Some("RegionOne".to_owned()),
            service_type: Some("image".to_owned()),
            ..Settings::default()
        }
    }

    fn provider(&self) -> Keystone {
        Keystone::new(self.settings()).unwrap()
    }

    /// Calls Keystone as `token`; gives status, `X-Subject-Token` and body.
    async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> (u16, String, Value) {
        let mut request = reqwest::Client::new()
            .request(method, format!("{}{path}", self.url))
            .header("X-Auth-Token", token)
            .header("X-Subject-Token", token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let subject = answer.headers().get("X-Subject-Token").map(|token| token.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        (status, subject.unwrap_or_default(), answer.json().await.unwrap_or_default())
    }

    /// Makes an application credential of a persona; gives its id and secret.
    async fn application_credential(&self, persona: &str, access_rules: Option<Value>) -> (String, String) {
        let mut credential = json!({"name": format!("credential of {persona}")});
        if let Some(rules) = access_rules {
            credential["access_rules"] = rules;
        }
        let path = format!("/users/{}/application_credentials", self.id("users", persona).unwrap());
        let body = json!({"application_credential": credential});
        let (status, _, body) = self.call(Method::POST, &path, &self.token(persona), Some(body)).await;
        assert_eq!(status, 201, "{body}");
        let field = |name: &str| body["application_credential"][name].as_str().unwrap().to_owned();
        (field("id"), field("secret"))
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = Command::new(script()).arg("down").arg("--dir").arg(self.folder.path()).status();
    }
}

fn with(token: &str) -> Credentials {
    Credentials {
        token: Some(token.to_owned()),
        method: "GET".to_owned(),
        path: "/v2/images".to_owned(),
        ..Credentials::default()
    }
}

fn status(answer: &Result<Caller, IdentityError>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(IdentityError::Unauthenticated(_)) => 401,
        Err(IdentityError::Unavailable(_)) => 503,
    }
}

/// Roles as a set: Keystone lists implied ones in no order.
fn roles(caller: &Caller) -> Vec<&str> {
    let mut roles: Vec<_> = caller.roles.iter().map(String::as_str).collect();
    roles.sort_unstable();
    roles
}

/// What must hold whichever way the tokens are made.
async fn callers_are_who_keystone_says(real: &Real) {
    let provider = real.provider();
    let member = real.token("member");
    let service = real.token("service");
    let credentials = Credentials { service_token: Some(service.clone()), ..with(&member) };
    let caller = provider.authenticate(&credentials).await.unwrap();
    assert_eq!(caller.user_id, real.id("users", "member"));
    assert_eq!(caller.user_name.as_deref(), Some("member"));
    assert_eq!(caller.project_id, real.id("projects", "alpha"));
    assert_eq!(
        (caller.user_domain_id.as_deref(), caller.project_domain_id.as_deref()),
        (Some("default"), Some("default"))
    );
    assert_eq!(roles(&caller), ["member", "reader"]);
    assert_eq!(caller.service_user_id, real.id("users", "service"));
    assert_eq!(caller.service_project_id, real.id("projects", "service"));
    assert_eq!(caller.service_roles, ["service"]);
    assert!(caller.is_admin_project && !caller.is_admin);

    let system = provider.authenticate(&with(&real.token("sysadmin"))).await.unwrap();
    assert_eq!((system.system_scope.as_deref(), system.project_id), (Some("all"), None));

    let mut altered = member.clone();
    altered.replace_range(30..31, if member.get(30..31) == Some("A") { "B" } else { "A" });
    for token in [altered.as_str(), "nonsense", &member.to_uppercase()] {
        assert_eq!(status(&provider.authenticate(&with(token)).await), 401, "{token}");
    }

    assert_eq!(real.call(Method::DELETE, "/auth/tokens", &member, None).await.0, 204);
    assert_eq!(status(&real.provider().authenticate(&with(&member)).await), 401, "revoked");
    assert_eq!(status(&provider.authenticate(&with(&member)).await), 200, "still in the cache");
}

async fn application_credentials_work_both_ways(real: &Real) {
    let rules = json!([{"path": "/v2/images/*", "method": "GET", "service": "image"}]);
    let (id, secret) = real.application_credential("member", Some(rules)).await;
    let credential = json!({"id": id, "secret": secret});
    let identity = json!({"methods": ["application_credential"], "application_credential": credential});
    let body = json!({"auth": {"identity": identity}});
    let (code, token, _) = real.call(Method::POST, "/auth/tokens", "", Some(body)).await;
    assert_eq!(code, 201);

    // The service user may log in by an application credential too.
    let (id, secret) = real.application_credential("glance", None).await;
    let provider = Keystone::new(Settings {
        auth_type: AuthType::V3ApplicationCredential,
        application_credential_id: Some(id),
        application_credential_secret: Some(Secret(secret)),
        project_name: None,
        // Without the version, as many write it.
        auth_url: real.url.trim_end_matches("/v3").to_owned(),
        ..real.settings()
    });
    let provider = provider.unwrap();
    let service = Some(real.token("service"));
    for (method, path, service_token, expected) in [
        ("GET", "/v2/images/abc", None, 200),
        ("DELETE", "/v2/images/abc", None, 401),
        ("GET", "/v2/images", None, 401),
        ("DELETE", "/v2/images/abc", service, 200),
    ] {
        let (method, path) = (method.to_owned(), path.to_owned());
        let answer =
            provider.authenticate(&Credentials { method, path, service_token, ..with(&token) }).await;
        assert_eq!(status(&answer), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn fernet_tokens_are_validated_and_an_absent_keystone_is_a_503() {
    let mut real = Real::start(&[]);
    callers_are_who_keystone_says(&real).await;
    application_credentials_work_both_ways(&real).await;

    let provider = real.provider();
    let (known, other) = (real.token("reader"), real.token("admin"));
    assert_eq!(status(&provider.authenticate(&with(&known)).await), 200);
    real.stop();
    assert_eq!(status(&provider.authenticate(&with(&other)).await), 503);
    assert_eq!(status(&provider.authenticate(&with(&known)).await), 200, "known from before");
    real.restart();
    assert_eq!(status(&provider.authenticate(&with(&other)).await), 200, "it came back");
}

#[tokio::test]
async fn signed_tokens_are_validated() {
    let real = Real::start(&["--jws"]);
    assert_eq!(real.token("member").split('.').count(), 3, "not a signed token");
    callers_are_who_keystone_says(&real).await;
}

#[tokio::test]
async fn a_token_that_has_ended_is_accepted_from_a_service_only() {
    let real = Real::start(&["--token-seconds", "4"]);
    let provider = Keystone::new(Settings { token_cache_time: None, ..real.settings() }).unwrap();
    let member = real.token("member");
    let deadline = Instant::now() + Duration::from_secs(60);
    while status(&provider.authenticate(&with(&member)).await) == 200 {
        assert!(Instant::now() < deadline, "the token does not end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let brought_by = |service: String| Credentials { service_token: Some(service), ..with(&member) };
    let caller = provider.authenticate(&brought_by(real.token("service"))).await.unwrap();
    assert_eq!(caller.user_id, real.id("users", "member"));
    assert_eq!(status(&provider.authenticate(&brought_by(real.token("reader"))).await), 401);
    assert_eq!(status(&provider.authenticate(&with(&member)).await), 401);
}
