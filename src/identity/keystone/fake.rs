//! A Keystone for tests: it counts its requests and fails on demand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Keystone, Secret, Settings};

/// A running fake; stopped when dropped.
pub(super) struct Fake {
    pub addr: SocketAddr,
    pub state: Arc<State>,
    handle: ServerHandle,
}

/// What the fake knows and has seen.
#[derive(Default)]
pub(super) struct State {
    pub logins: AtomicUsize,
    pub validations: AtomicUsize,
    /// Query and access-rules header of the last validation.
    pub last: Mutex<(String, String)>,
    /// Body of the last login.
    pub login_body: Mutex<Value>,
    /// Subject tokens and their content.
    tokens: Mutex<HashMap<String, Value>>,
    /// Own tokens that are accepted.
    own: Mutex<HashSet<String>>,
    /// The response to validations instead of the true one.
    pub fault: Mutex<Option<(u16, String)>>,
    pub login_status: Mutex<Option<u16>>,
    pub own_life: Mutex<Option<TimeDelta>>,
    /// Where the catalog says that tokens are validated; the fake itself when absent.
    pub internal_url: Mutex<Option<String>>,
    /// What else is answered, by path and query; `null` is 404.
    answers: Mutex<HashMap<String, Value>>,
    /// What was asked for of that.
    gets: Mutex<Vec<String>>,
}

impl Fake {
    pub(super) fn start() -> Fake {
        let state = Arc::new(State::default());
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(web::Data::from(Arc::clone(&shared)))
                        .service(
                            web::resource("/v3/auth/tokens")
                                .route(web::post().to(log_in))
                                .route(web::get().to(validate)),
                        )
                        .default_service(web::to(get))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
                let server = server.bind(("127.0.0.1", 0)).unwrap();
                let addr = *server.addrs().first().unwrap();
                let server = server.run();
                sender.send((addr, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (addr, handle) = receiver.recv().unwrap();
        Fake { addr, state, handle }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Settings that work with this fake, as an operator would write them.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            auth_url: self.url(),
            username: Some("glance".to_owned()),
            user_domain_name: Some("Default".to_owned()),
            password: Some(Secret("s3cret".to_owned())),
            project_name: Some("service".to_owned()),
            project_domain_name: Some("Default".to_owned()),
            region_name: Some("RegionOne".to_owned()),
            service_type: Some("image".to_owned()),
            ..Settings::default()
        }
    }

    pub(super) fn keystone(&self) -> Keystone {
        connect(self.settings())
    }

    /// Makes Keystone know a token with this content.
    pub(super) fn knows(&self, token: &str, content: Value) {
        self.state.tokens.lock().unwrap().insert(token.to_owned(), content);
    }

    /// Ends the service user's tokens.
    pub(super) fn forget_logins(&self) {
        self.state.own.lock().unwrap().clear();
    }

    pub(super) fn fails_with(&self, status: u16, body: &str) {
        *self.state.fault.lock().unwrap() = Some((status, body.to_owned()));
    }

    /// Makes it answer a path with its query so.
    pub(super) fn answers(&self, path: &str, answer: Value) {
        self.state.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// The paths with queries that were answered so, or not found.
    pub(super) fn gets(&self) -> Vec<String> {
        self.state.gets.lock().unwrap().clone()
    }

    pub(super) fn asked(&self) -> (usize, usize) {
        (self.state.logins.load(SeqCst), self.state.validations.load(SeqCst))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

/// A provider that does not pause long between repetitions.
pub(super) fn connect(settings: Settings) -> Keystone {
    let mut keystone = Keystone::new(settings).unwrap();
    keystone.http.set_pause(Duration::from_millis(1));
    keystone
}

/// The content of a project-scoped token with these roles that ends in `life`.
pub(super) fn token(user: &str, roles: &[&str], life: TimeDelta) -> Value {
    let roles: Vec<_> =
        roles.iter().map(|role| json!({"id": format!("id of {role}"), "name": role})).collect();
    json!({
        "methods": ["password"],
        "user": {"id": user, "name": format!("{user}'s name"), "domain": {"id": "users", "name": "Users"},
                 "password_expires_at": null},
        "audit_ids": ["3T2dc1CGQxyJsHdDu1xkcw"],
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "expires_at": (Utc::now() + life).format("%Y-%m-%dT%H:%M:%S.000000Z").to_string(),
        "project": {"id": "p1", "name": "alpha", "domain": {"id": "projects", "name": "Projects"}},
        "is_domain": false,
        "roles": roles,
        "catalog": [{"type": "image", "id": "s1", "name": "glance", "endpoints": []}],
    })
}

/// A proxy that closes the first `count` connections silently and forwards the others.
pub(super) fn flaky(target: SocketAddr, count: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().skip(count) {
            let (client, server) = (connection.unwrap(), TcpStream::connect(target).unwrap());
            let pipes = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
            for (mut from, mut to) in pipes {
                thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    addr
}

fn error(status: u16) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap())
        .json(json!({"error": {"code": status, "message": "no", "title": "No"}}))
}

async fn log_in(state: web::Data<State>, request: HttpRequest, body: web::Json<Value>) -> HttpResponse {
    let number = state.logins.fetch_add(1, SeqCst);
    *state.login_body.lock().unwrap() = body.into_inner();
    if let Some(status) = *state.login_status.lock().unwrap() {
        return error(status);
    }
    let own = format!("own-{number}");
    state.own.lock().unwrap().insert(own.clone());
    let here = format!("http://{}/v3/", request.app_config().local_addr());
    let internal = state.internal_url.lock().unwrap().clone().unwrap_or(here);
    let endpoint = |interface, region, url: &str| json!({"id": "e", "interface": interface, "region": region, "region_id": region, "url": url});
    let mut content = token("glance", &["service"], TimeDelta::hours(1));
    let issued = Utc::now();
    let life = state.own_life.lock().unwrap().unwrap_or(TimeDelta::hours(1));
    content["issued_at"] = json!(issued.to_rfc3339());
    content["expires_at"] = json!((issued + life).to_rfc3339());
    content["catalog"] = json!([
        {"type": "image", "id": "s1", "name": "glance", "endpoints": [endpoint("internal", "RegionOne", "http://127.0.0.1:1")]},
        {"type": "identity", "id": "s2", "name": "keystone", "endpoints": [
            endpoint("public", "RegionOne", "http://127.0.0.1:1"),
            endpoint("internal", "RegionTwo", "http://127.0.0.1:1"),
            endpoint("internal", "RegionOne", &internal),
        ]},
    ]);
    HttpResponse::Created().insert_header(("X-Subject-Token", own)).json(json!({"token": content}))
}

async fn validate(state: web::Data<State>, request: HttpRequest) -> HttpResponse {
    state.validations.fetch_add(1, SeqCst);
    let header =
        |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let query = request.query_string().to_owned();
    *state.last.lock().unwrap() = (query.clone(), header("OpenStack-Identity-Access-Rules"));
    if let Some((status, body)) = state.fault.lock().unwrap().clone() {
        let status = StatusCode::from_u16(status).unwrap();
        return HttpResponse::build(status).insert_header(("Location", "http://127.0.0.1:1/")).body(body);
    }
    if !state.own.lock().unwrap().contains(&header("X-Auth-Token")) {
        return error(401);
    }
    let Some(content) = state.tokens.lock().unwrap().get(&header("X-Subject-Token")).cloned() else {
        return error(404);
    };
    // As the real one does, unless told otherwise: what has ended is not found.
    let ended = content["expires_at"].as_str().unwrap() < Utc::now().to_rfc3339().as_str();
    if ended && !query.contains("allow_expired=1") && content["lingers"].is_null() {
        return error(404);
    }
    HttpResponse::Ok().json(json!({"token": content}))
}

async fn get(state: web::Data<State>, request: HttpRequest) -> HttpResponse {
    let own = request.headers().get("X-Auth-Token").and_then(|value| value.to_str().ok()).unwrap_or("");
    if !state.own.lock().unwrap().contains(own) {
        return error(401);
    }
    let path = request.uri().to_string();
    let answer = state.answers.lock().unwrap().get(&path).cloned().unwrap_or_default();
    state.gets.lock().unwrap().push(path);
    if answer.is_null() { error(404) } else { HttpResponse::Ok().json(answer) }
}
