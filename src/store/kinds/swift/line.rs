//! Requests to Swift on behalf of one account: retried where useful, and with a new token when the old one is
//! refused.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout;

use super::{
    accounts::Account,
    catalogue::Endpoint,
    fault::Fault,
    login::{Login, Session},
};
use crate::{
    outbound::{
        Answer, Client, Method, RequestBody, RequestBuilder,
        header::{CONTENT_LENGTH, HeaderMap},
    },
    store::file,
};

/// What stands for itself in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// First and longest pause before a repetition.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Bytes a second that a server takes at least; it has so much longer for a request with a body.
const PACE: u64 = 1 << 20;
/// Bytes of a file that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// Time limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// One answer, and each further piece of it.
    pub answer: Duration,
    /// A request with all its repetitions.
    pub total: Duration,
}

/// The repeatable body of a request.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// Nothing.
    Nothing,
    /// Bytes in memory.
    Held(Vec<Bytes>),
    /// A file of this many bytes.
    Spooled(Arc<File>, u64),
}

impl Payload {
    fn length(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Held(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            Self::Spooled(_, length) => *length,
        }
    }

    /// How long a server may take for it.
    fn time(&self) -> Duration {
        Duration::from_secs(self.length() / PACE)
    }

    fn body(&self) -> Result<RequestBody, Fault> {
        Ok(match self {
            Self::Nothing => RequestBody::from(Bytes::new()),
            Self::Held(pieces) => {
                let pieces = pieces.clone().into_iter().map(Ok::<_, std::io::Error>);
                RequestBody::wrap_stream(stream::iter(pieces))
            }
            Self::Spooled(file, length) => {
                let file = file.try_clone().map_err(|error| Fault::Nonsense(error.to_string()))?;
                let pieces = file::chunks(file, "a spooled segment".to_owned(), *length, None, READ_BYTES);
                RequestBody::wrap_stream(pieces.map_err(std::io::Error::other))
            }
        })
    }
}

/// A request to the account.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    method: Method,
    /// Below the account's address, beginning with a slash, encoded; with a query perhaps.
    path: String,
    headers: Vec<(&'static str, String)>,
    payload: Payload,
    /// Bytes of the answer's body that are read, at most.
    read: Option<usize>,
}

impl Ask {
    /// Something of a container, or of an object in it.
    pub(super) fn of(method: Method, container: &str, object: Option<&str>) -> Self {
        let mut path = format!("/{}", encoded(container));
        if let Some(object) = object {
            path.push('/');
            path.push_str(&encoded(object));
        }
        Self { method, path, headers: Vec::new(), payload: Payload::Nothing, read: None }
    }

    /// Something of the account itself.
    pub(super) fn of_account(method: Method) -> Self {
        Self { method, path: String::new(), headers: Vec::new(), payload: Payload::Nothing, read: None }
    }

    /// With something in the query.
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(name);
        self.path.push('=');
        self.path.push_str(&encoded(value));
        self
    }

    /// With a header.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Whose body is that of an object, copied by the server.
    pub(super) fn copying(self, container: &str, object: &str) -> Self {
        self.header("X-Copy-From", format!("/{}/{}", encoded(container), encoded(object)))
    }

    /// With a body.
    pub(super) fn with(self, payload: Payload) -> Self {
        Self { payload, ..self }
    }

    /// Whose answer is read to its end, which is after this many bytes at the latest.
    pub(super) fn read(self, most: usize) -> Self {
        Self { read: Some(most), ..self }
    }
}

/// An answer that says yes.
#[derive(Debug)]
pub(super) struct Reply {
    /// The answer; its body is to be read still, unless it was to be read.
    pub(super) answer: Answer,
    /// Its body, if that was to be read.
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// Its headers.
    pub(super) fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }
}

/// In whose name requests are made.
#[derive(Clone)]
pub(super) enum Keys {
    /// That of an account, or of whoever trusts it.
    Login(Arc<Login>),
    /// That of whoever has shown a token, for as long as it is accepted.
    Token(Arc<Session>),
}

impl Keys {
    /// The session in force. `rejected` is one that is not accepted any more.
    pub(super) async fn session(&self, rejected: Option<&Arc<Session>>) -> Result<Arc<Session>, Fault> {
        match self {
            Self::Login(login) => login.session(rejected).await,
            Self::Token(_) if rejected.is_some() => {
                Err(Fault::Login("the caller's token is not accepted any more".to_owned()))
            }
            Self::Token(session) => Ok(Arc::clone(session)),
        }
    }
}

/// The way to the data of one account. Clones are the same.
#[derive(Clone)]
pub(super) struct Line {
    client: Client,
    keys: Keys,
    /// Whose account it leads to, if not that of the keys.
    project: Option<Arc<str>>,
    pub(super) patience: Patience,
}

impl Line {
    /// Prepares to work with an account; connects to nothing.
    pub(super) fn new(
        client: &Client,
        account: &Account,
        endpoint: &Endpoint,
        soon: Duration,
        patience: Patience,
    ) -> Self {
        let login = Login::new(client.clone(), account.clone(), endpoint.clone(), soon, patience.answer);
        let keys = Keys::Login(Arc::new(login));
        Self { client: client.clone(), keys, project: None, patience }
    }

    /// The same to the account of a project, by these keys.
    pub(super) fn to(&self, project: &str, keys: Keys) -> Self {
        Self { client: self.client.clone(), keys, project: Some(Arc::from(project)), patience: self.patience }
    }

    /// The credentials in use.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Address of the account's data.
    pub(super) async fn storage(&self) -> Result<String, Fault> {
        self.storage_by(&*self.keys.session(None).await?)
    }

    fn storage_by(&self, session: &Session) -> Result<String, Fault> {
        match &self.project {
            Some(project) => session.storage_of(project),
            None => Ok(session.storage.clone()),
        }
    }

    /// Asks until there is an answer that says yes, as long as another try may help.
    pub(super) async fn call(&self, ask: &Ask) -> Result<Reply, Fault> {
        let until = Instant::now() + self.patience.total + ask.payload.time();
        let (mut pause, mut rejected) = (PAUSE, None);
        loop {
            // The last try ends with the patience.
            let left = until.saturating_duration_since(Instant::now());
            let limit = self.patience.answer.saturating_add(ask.payload.time()).min(left);
            let fault = match self.attempt(ask, rejected.as_ref(), limit).await {
                Ok(reply) => return Ok(reply),
                Err((fault, session))
                    if fault.is_of_the_token() && rejected.is_none() && session.is_some() =>
                {
                    tracing::info!("Swift does not accept the token any more; logging in again");
                    rejected = session;
                    continue;
                }
                Err((fault, _)) => fault,
            };
            if !fault.passes() || Instant::now() + pause >= until {
                return Err(fault);
            }
            tracing::debug!(%fault, "Swift is asked again");
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// Asks once. A failure comes with the session that was used, if it came so far.
    async fn attempt(
        &self,
        ask: &Ask,
        rejected: Option<&Arc<Session>>,
        limit: Duration,
    ) -> Result<Reply, (Fault, Option<Arc<Session>>)> {
        let session = self.keys.session(rejected).await.map_err(|fault| (fault, None))?;
        let work = async {
            let mut request = self.request(ask, &session)?;
            if ask.method == Method::PUT {
                request = request.header(CONTENT_LENGTH, ask.payload.length()).body(ask.payload.body()?);
            }
            let answer = self.client.send(request).await?;
            let mut reply = Reply { answer: said_yes(answer)?, body: Vec::new() };
            if let Some(most) = ask.read {
                let body = reply.answer.body(most).await?;
                reply.body = body.ok_or_else(|| Fault::Nonsense("an answer is too long".to_owned()))?;
            }
            Ok(reply)
        };
        let done = timeout(limit, work).await.unwrap_or(Err(Fault::Silent(limit)));
        done.map_err(|fault| (fault, Some(session)))
    }

    fn request(&self, ask: &Ask, session: &Session) -> Result<RequestBuilder, Fault> {
        let url = format!("{}{}", self.storage_by(session)?, ask.path);
        let mut request = self.client.request(ask.method.clone(), url).header("X-Auth-Token", &session.token);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        Ok(request)
    }

    /// Sends a body that comes bit by bit, once, of `length` bytes if that is known; returns what Swift calls it. How
    /// long that takes is a matter of whoever sends. A token that is refused is not used again.
    pub(super) async fn stream(
        &self,
        ask: Ask,
        length: Option<u64>,
        body: impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        rejected: Option<Arc<Session>>,
    ) -> Result<Reply, (Fault, Option<Arc<Session>>)> {
        let session = self.keys.session(rejected.as_ref()).await.map_err(|fault| (fault, None))?;
        let mut request = match self.request(&ask, &session) {
            Ok(request) => request,
            Err(fault) => return Err((fault, Some(session))),
        };
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        let sent = self.client.send(request.body(RequestBody::wrap_stream(body.boxed()))).await;
        let answer = sent.map_err(Fault::from).and_then(said_yes).map_err(|fault| (fault, Some(session)))?;
        Ok(Reply { answer, body: Vec::new() })
    }
}

fn said_yes(answer: Answer) -> Result<Answer, Fault> {
    if answer.status().is_success() { Ok(answer) } else { Err(Fault::Refused(answer.status())) }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that names go into paths and queries letter by letter.
    #[test]
    fn names_are_encoded() {
        let ask = Ask::of(Method::GET, "a b", Some("c/ü?")).query("prefix", "x&y").query("limit", "3");
        assert_eq!(ask.path, "/a%20b/c%2F%C3%BC%3F?prefix=x%26y&limit=3");
    }
}
