//! The identity API over a temporary SQLite database, driven as clients drive it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod credentials;
mod login;
mod manage;

use actix_web::{
    App,
    http::{Method, StatusCode, header::HeaderMap},
    test,
    web::Data,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    db::{self, Db},
    identity::builtin::{Builtin, Settings, bootstrap::Passwords},
};

/// A server on a data folder of its own.
pub(super) struct Server {
    pub builtin: Builtin,
    pub passwords: Passwords,
    pub dir: TempDir,
}

/// An answer.
pub(super) struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answered {
    /// The issued or shown token.
    pub fn token(&self) -> String {
        self.headers.get("x-subject-token").expect("a token").to_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let builtin = open(&dir, change);
        let passwords = builtin.bootstrap(|_| Ok(())).await.unwrap().expect("a first start");
        Self { builtin, passwords, dir }
    }

    /// Another process on the same data.
    pub fn second_node(&self, change: impl FnOnce(&mut Settings)) -> Self {
        Self {
            builtin: open(&self.dir, change),
            passwords: self.passwords.clone(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// The same data, as a new process would open it.
    pub fn restarted_with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let Self { builtin, passwords, dir } = self;
        drop(builtin);
        Self { builtin: open(&dir, change), passwords, dir }
    }

    pub async fn send(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Answered {
        self.send_with(method, path, &[("x-auth-token", token)], body).await
    }

    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answered {
        let app = test::init_service(
            App::new().app_data(Data::new(self.builtin.clone())).configure(super::configure),
        )
        .await;
        let mut request = test::TestRequest::with_uri(&format!("/identity{path}"))
            .method(method)
            .insert_header(("host", "cloud.example:9292"))
            .peer_addr("192.0.2.7:4711".parse().unwrap());
        for header in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.insert_header(*header);
        }
        if let Some(body) = body {
            request = request.set_json(body);
        }
        let response = test::call_service(&app, request.to_request()).await;
        let status: StatusCode = response.status();
        let headers = response.headers().clone();
        let bytes = test::read_body(response).await;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answered { status: status.as_u16(), headers, body }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answered {
        self.send(Method::GET, path, token, None).await
    }

    pub async fn login(&self, identity: Value, scope: Value) -> Answered {
        let mut auth = json!({"identity": identity});
        if !scope.is_null() {
            auth["scope"] = scope;
        }
        self.send(Method::POST, "/v3/auth/tokens", "", Some(json!({"auth": auth}))).await
    }

    /// A token of the admin, on project `admin`.
    pub async fn admin(&self) -> String {
        self.login(by_password("admin", &self.passwords.admin), Value::Null).await.expect(201).token()
    }

    /// A token of the demo user, on project `demo`.
    pub async fn demo(&self) -> String {
        self.login(by_password("demo", &self.passwords.demo), Value::Null).await.expect(201).token()
    }

    /// Whether a token opens anything.
    pub async fn is_good(&self, token: &str) -> bool {
        self.get("/v3/auth/projects", token).await.status == 200
    }
}

fn database(dir: &TempDir) -> Db {
    let connection = format!("sqlite:{}", dir.path().join("vitrine.db").display());
    // Nobody is sent away because the machine of the test is slow.
    let limits = db::Limits { wait_seconds: 60, statement_seconds: 60 };
    Db::open(&db::Settings { connection, max_pool_size: 2, limits, ..db::Settings::default() }).unwrap()
}

fn open(dir: &TempDir, change: impl FnOnce(&mut Settings)) -> Builtin {
    let db = database(dir);
    db.migrate(crate::db::Phase::Whole).unwrap();
    let mut settings = Settings { data_dir: dir.path().to_owned(), ..Settings::default() };
    change(&mut settings);
    Builtin::open(settings, db).unwrap()
}

pub(super) fn by_password(name: &str, password: &str) -> Value {
    json!({"methods": ["password"],
        "password": {"user": {"name": name, "domain": {"id": "default"}, "password": password}}})
}

pub(super) fn by_secret(id: &str) -> Value {
    json!({"methods": ["application_credential"], "application_credential": {"id": id, "secret": "wrong"}})
}

pub(super) fn by_token(token: &str) -> Value {
    json!({"methods": ["token"], "token": {"id": token}})
}

pub(super) fn on_project(name: &str) -> Value {
    json!({"project": {"name": name, "domain": {"name": "Default"}}})
}
