//! A client of the Image API for commands that work on a remote server.

use serde_json::{Map, Value};

use crate::{
    outbound::{Answer, Client, Method, RequestBuilder, Settings, StatusCode, Tls},
    server::StartError,
};

/// The header with the token.
const TOKEN: &str = "X-Auth-Token";
/// Bytes of an answer that is read whole; a page of a thousand large images fits.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Images on a page.
const PAGE: u32 = 100;

/// The record of an image, as the API shows it.
pub type Record = Map<String, Value>;

/// A server.
#[derive(Clone, Debug)]
pub struct Remote {
    client: Client,
    base: String,
    token: Option<String>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The server refused.
    #[error("{call}: the server answered {status}: {text}")]
    Status {
        /// Method and path.
        call: String,
        /// Its status.
        status: StatusCode,
        /// The first line of its words.
        text: String,
    },
    /// There was no answer, or none that can be read.
    #[error("{0}")]
    Broken(String),
}

impl From<RemoteError> for StartError {
    fn from(error: RemoteError) -> Self {
        Self(error.to_string())
    }
}

impl Remote {
    /// A server at `base`, a URL without a path; `verify` checks its certificate where it has one.
    ///
    /// # Errors
    /// A sentence when the certificates of the system cannot be read.
    pub fn new(base: String, token: Option<String>, verify: bool) -> Result<Self, StartError> {
        let tls = Tls { verify, ..Tls::default() };
        let client = Client::new(&Settings { tls, ..Settings::new("tool") }).map_err(StartError)?;
        Ok(Self { client, base, token })
    }

    /// Begins a call with the token.
    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.header(TOKEN, token),
            None => request,
        }
    }

    /// Makes a call that has to succeed.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, RemoteError> {
        let broken = |error: &dyn std::fmt::Display| RemoteError::Broken(error.to_string());
        let request = request.build().map_err(|e| broken(&e))?;
        let call = format!("{} {}", request.method(), request.url().path());
        let mut answer = self.client.execute(request).await.map_err(|e| broken(&format!("{call}: {e}")))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = answer.body(1 << 16).await.ok().flatten().unwrap_or_default();
        Err(RemoteError::Status { call, status, text: words(&String::from_utf8_lossy(&body)) })
    }

    /// Makes a call that answers JSON.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn json(&self, request: RequestBuilder) -> Result<Value, RemoteError> {
        let body = self.send(request).await?.body(ANSWER_BYTES_MAX).await;
        let body = body.map_err(|e| RemoteError::Broken(e.to_string()))?;
        let body = body.ok_or_else(|| RemoteError::Broken("the answer is too long".to_owned()))?;
        serde_json::from_slice(&body).map_err(|e| RemoteError::Broken(format!("the answer is no JSON: {e}")))
    }

    /// One image; `None` if the server does not have it.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn image(&self, id: &str) -> Result<Option<Record>, RemoteError> {
        match self.json(self.call(Method::GET, &format!("/v2/images/{id}"))).await {
            Ok(Value::Object(record)) => Ok(Some(record)),
            Ok(_) => Err(RemoteError::Broken("the answer is no image".to_owned())),
            Err(RemoteError::Status { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The page of images at `path`, and the path of the next.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn page(&self, path: &str) -> Result<(Vec<Record>, Option<String>), RemoteError> {
        let mut page = self.json(self.call(Method::GET, path)).await?;
        let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        let images = page.get_mut("images").and_then(Value::as_array_mut).map(std::mem::take);
        let images =
            images.ok_or_else(|| RemoteError::Broken("the answer is no list of images".to_owned()))?;
        let records = images.into_iter().filter_map(|image| match image {
            Value::Object(record) => Some(record),
            _ => None,
        });
        Ok((records.collect(), next))
    }
}

/// The first pages of all images: those that lists show, and those that they hide.
pub fn first_pages() -> Vec<String> {
    ["false", "true"].map(|hidden| format!("/v2/images?limit={PAGE}&os_hidden={hidden}")).to_vec()
}

/// The words of an answer, which may be a page of HTML.
pub fn words(body: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for letter in body.chars() {
        match letter {
            '<' => in_tag = true,
            '>' => (in_tag, text) = (false, text + " "),
            _ if in_tag => {}
            letter if letter.is_control() => text.push(' '),
            letter => text.push(letter),
        }
    }
    text.split_whitespace().take(60).collect::<Vec<_>>().join(" ")
}
