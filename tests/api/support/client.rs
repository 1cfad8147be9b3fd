//! A caller's HTTP client: requests read as sentences, answers say what they are when they surprise.

use std::{future::IntoFuture, pin::Pin};

use bytes::Bytes;
use reqwest::{Body, Method, header::HeaderMap};
use serde_json::Value;

use super::builders::NewImage;

/// Media type of patches with `op` and `path`.
pub const PATCH_V21: &str = "application/openstack-images-v2.1-json-patch";
/// Media type of patches whose member names the operation.
pub const PATCH_V20: &str = "application/openstack-images-v2.0-json-patch";
/// Media type of image data.
pub const OCTETS: &str = "application/octet-stream";

/// One caller.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub fn new(http: reqwest::Client, base: String, token: Option<String>) -> Self {
        Self { http, base, token }
    }

    /// The server's URL without a path.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Any request; `path` begins with a slash.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut builder = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            builder = builder.header("x-auth-token", token);
        }
        Request { shown: format!("{method} {path}"), builder }
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }

    /// `POST /v2/images`
    pub fn create(&self, image: NewImage) -> Request {
        self.post("/v2/images").json(&image.into_json())
    }

    /// Creates an image, which must work, and answers its id.
    #[track_caller]
    pub fn created(&self, image: NewImage) -> impl Future<Output = String> {
        let request = self.create(image);
        let place = std::panic::Location::caller();
        async move {
            let answer = request.await;
            assert_eq!(answer.status, 201, "at {place}: {answer:?}");
            answer.json()["id"].as_str().unwrap().to_owned()
        }
    }

    /// `GET /v2/images/{id}`
    pub fn show(&self, id: &str) -> Request {
        self.get(&format!("/v2/images/{id}"))
    }

    /// `GET /v2/images?{query}`
    pub fn list(&self, query: &str) -> Request {
        self.get(&format!("/v2/images?{query}"))
    }

    /// `DELETE /v2/images/{id}`
    pub fn remove(&self, id: &str) -> Request {
        self.delete(&format!("/v2/images/{id}"))
    }

    /// `PATCH /v2/images/{id}` in the v2.1 dialect.
    pub fn update(&self, id: &str, patch: Value) -> Request {
        self.update_as(PATCH_V21, id, patch)
    }

    /// `PATCH /v2/images/{id}` with a media type of choice.
    pub fn update_as(&self, media_type: &str, id: &str, patch: Value) -> Request {
        self.request("PATCH", &format!("/v2/images/{id}"))
            .header("content-type", media_type)
            .body(patch.to_string())
    }

    /// `PUT /v2/images/{id}/file`
    pub fn upload(&self, id: &str, data: impl Into<Body>) -> Request {
        self.put(&format!("/v2/images/{id}/file")).header("content-type", OCTETS).body(data)
    }

    /// Waits until an image has this status, and answers what it shows then.
    pub async fn becomes(&self, id: &str, status: &str) -> Value {
        super::eventually(status, async || {
            let shown = self.show(id).await.expect(200).json();
            if shown["status"] == status { Ok(shown) } else { Err(shown) }
        })
        .await
    }

    /// `GET /v2/images/{id}/file`
    pub fn download(&self, id: &str) -> Request {
        self.get(&format!("/v2/images/{id}/file"))
    }

    /// `POST /v2/images/{id}/members`
    pub fn share(&self, id: &str, project: &str) -> Request {
        self.post(&format!("/v2/images/{id}/members")).json(&serde_json::json!({ "member": project }))
    }

    /// `PUT /v2/images/{id}/members/{project}`
    pub fn answer(&self, id: &str, project: &str, status: &str) -> Request {
        self.put(&format!("/v2/images/{id}/members/{project}")).json(&serde_json::json!({ "status": status }))
    }

    /// `POST /v2/images/{id}/actions/{action}`
    pub fn act(&self, id: &str, action: &str) -> Request {
        self.post(&format!("/v2/images/{id}/actions/{action}"))
    }
}

/// A request that is sent when it is awaited.
#[must_use]
pub struct Request {
    shown: String,
    builder: reqwest::RequestBuilder,
}

impl Request {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.builder = self.builder.header("content-type", "application/json").body(body.to_string());
        self
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.builder = self.builder.body(body);
        self
    }
}

impl IntoFuture for Request {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let shown = self.shown;
            let response = self.builder.send().await.unwrap_or_else(|e| panic!("{shown}: {e:?}"));
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await.unwrap_or_else(|e| panic!("{shown}: {e:?}"));
            Answer { shown, status, headers, body }
        })
    }
}

/// What came back.
pub struct Answer {
    shown: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(self.body.get(..2000.min(self.body.len())).unwrap_or_default());
        write!(f, "{} answered {}: {body}", self.shown, self.status)
    }
}

impl Answer {
    /// Requires a status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Requires a status; `case` says which row of a table it is.
    #[track_caller]
    pub fn expect_for(self, status: u16, case: impl std::fmt::Debug) -> Self {
        assert_eq!(self.status, status, "{case:?}: {self:?}");
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The keys of a JSON object in the order in which they were sent.
#[track_caller]
pub fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}
