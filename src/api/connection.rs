//! What stands between the sockets and HTTP: it closes connections whose clients take too long, or that have to go for
//! others, and gives an answer in words to what is no HTTP.
//!
//! The framework refuses a request that it cannot read with a bare status, and offers no place to give that a body.
//! So its answer is recognised on its way out. An answer of ours can never be taken for one: while a request is
//! being served, and until every byte of its answer is written, nothing is looked at.

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    Error as ActixError,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, StatusCode},
    middleware::Next,
    web::{Bytes, Data},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::{
    State,
    error::{ApiError, error_body},
    gate::Pass,
    pace::Pace,
    request_info,
};
use crate::model::error::Result as DomainResult;

/// This much of the first request is kept to tell what is wrong with it, in bytes.
const HEARD_BYTES_MAX: usize = 8 * 1024;
/// The framework's own limit on headers of one request.
const HEADERS_MAX: usize = 96;

/// What a connection and the requests on it know of each other; among the data of the connection.
#[derive(Clone)]
pub struct Exchange(Rc<Progress>);

struct Progress {
    /// Requests that are being served.
    open: Cell<usize>,
    /// Whether something of an answer may be unwritten.
    unwritten: Cell<bool>,
    /// Whether the answer under way is the data of an image.
    sends_data: Cell<bool>,
    /// Whether the gate was told that a request is served.
    entered: Cell<bool>,
    address: SocketAddr,
    pass: Pass,
}

impl Exchange {
    /// The address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Asks the gate to let a request be served.
    fn enter(&self, from_reserve: bool) -> DomainResult<()> {
        self.0.entered.set(true);
        if from_reserve {
            self.0.pass.serve_from_reserve();
            return Ok(());
        }
        self.0.pass.serve()
    }

    /// Says that the answer is the data of an image, which clients may take more time to read.
    pub fn send_data(&self) {
        self.0.sends_data.set(true);
    }

    /// Says that a body is awaited for which nobody waits long, until the answer is dropped.
    pub fn reading(&self) -> Reading {
        self.0.pass.set_reading(true);
        Reading(self.clone())
    }

    fn begin(&self) -> Served {
        self.0.open.set(self.0.open.get().saturating_add(1));
        Served(self.clone())
    }

    fn is_idle(&self) -> bool {
        self.0.open.get() == 0 && !self.0.unwritten.get()
    }
}

/// A body that is awaited, until it is dropped.
pub struct Reading(Exchange);

impl Drop for Reading {
    fn drop(&mut self) {
        let Self(Exchange(progress)) = self;
        progress.pass.set_reading(false);
    }
}

/// A request that is being served, until it is dropped.
struct Served(Exchange);

impl Drop for Served {
    fn drop(&mut self) {
        let Exchange(progress) = &self.0;
        progress.open.set(progress.open.get().saturating_sub(1));
        progress.unwritten.set(true);
    }
}

/// A body that tells the connection when there is no more of it.
struct ServedBody {
    body: BoxBody,
    _served: Option<Served>,
}

impl MessageBody for ServedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// Tells the connection that a request is being served, and the client to use another one if the server is about to stop.
///
/// # Errors
/// Those of the layers inside.
pub async fn mark_served(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let served = request.request().conn_data::<Exchange>().map(Exchange::begin);
    let mut response = next.call(request).await?.map_into_boxed_body();
    let state = response.request().app_data::<Data<State>>();
    if state.is_some_and(|state| state.health.is_draining()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response.map_body(|_, body| ServedBody { body, _served: served }))
}

/// Has the gate let a request in, or refuses it.
///
/// # Errors
/// Those of the layers inside.
pub async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    let exchange = request.request().conn_data::<Exchange>().cloned();
    let is_reserved =
        request.app_data::<Data<State>>().is_some_and(|state| state.mounts.of(request.path()).reserved);
    if let Some(Err(error)) = exchange.map(|exchange| exchange.enter(is_reserved)) {
        let mut response = request.error_response(ApiError::from(error));
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        return Ok(response.map_into_boxed_body());
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without a request being served, for the head of the next one; and to take the next bytes of an answer that is no
    /// data.
    pub head: Duration,
    /// To take the bytes of data.
    pub data: Option<Duration>,
}

/// A socket that is closed when its client takes too long, and puts words to bare refusals.
pub struct Connection {
    socket: TcpStream,
    exchange: Exchange,
    patience: Patience,
    /// Ends the wait for a request.
    waiting: Option<Pin<Box<Sleep>>>,
    pace: Pace,
    /// Since when nothing more can be written, and what ends the wait for that.
    blocked: Option<(Instant, Option<Pin<Box<Sleep>>>)>,
    /// The beginning of the first request, as long as nothing has been written.
    heard: Option<Vec<u8>>,
    /// A refusal in words that is being written, and how many bytes it stands for.
    refusal: Option<(Vec<u8>, usize)>,
}

impl Connection {
    /// A connection that has just been made to the listener at `address`.
    pub fn new(socket: TcpStream, address: SocketAddr, pass: Pass, patience: Patience) -> Self {
        let (open, unwritten, entered) = (Cell::new(0), Cell::new(false), Cell::new(false));
        let sends_data = Cell::new(false);
        let exchange = Exchange(Rc::new(Progress { open, unwritten, sends_data, entered, address, pass }));
        Self {
            socket,
            exchange,
            patience,
            waiting: None,
            pace: Pace::new(patience.data),
            blocked: None,
            heard: Some(Vec::new()),
            refusal: None,
        }
    }

    /// Ends the wait of a client that has not asked for anything for too long.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.exchange.0.open.get() > 0 {
            self.waiting = None;
            return Poll::Pending;
        }
        let patience = self.patience.head;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes to the socket, for as long as the client takes what is written.
    fn poll_send(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(sent) = Pin::new(&mut self.socket).poll_write(context, bytes) {
            let waited = self.blocked.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
            let sent = sent?;
            self.pace.moved(waited, sent);
            return Poll::Ready(Ok(sent));
        }
        let mut left = self.pace.left();
        if !self.exchange.0.sends_data.get() {
            left = Some(left.map_or(self.patience.head, |left| left.min(self.patience.head)));
        }
        let (_, patience) =
            self.blocked.get_or_insert_with(|| (Instant::now(), left.map(|left| Box::pin(sleep(left)))));
        match patience {
            Some(patience) => ready!(patience.as_mut().poll(context)),
            None => return Poll::Pending,
        }
        tracing::info!("a connection is closed: the client does not take its data");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// What the requests on it share with it.
    pub fn exchange(&self) -> Exchange {
        self.exchange.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.exchange.0.pass.is_dismissed(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        if let Some(heard) = &mut self.heard {
            let room = HEARD_BYTES_MAX.saturating_sub(heard.len());
            heard.extend(buffer.filled().iter().skip(before).take(room));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.refusal.is_none() && this.exchange.is_idle() {
            let text = in_words(bytes, this.heard.as_deref());
            this.refusal = text.map(|text| (text, bytes.len()));
        }
        while let Some((rest, stands_for)) = &mut this.refusal {
            let written = ready!(Pin::new(&mut this.socket).poll_write(context, rest))?;
            rest.drain(..written);
            let stands_for = *stands_for;
            if rest.is_empty() {
                this.refusal = None;
                return Poll::Ready(Ok(stands_for));
            }
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        this.heard = None;
        let written = ready!(this.poll_send(context, bytes))?;
        if written == bytes.len() {
            this.exchange.0.unwritten.set(false);
        }
        Poll::Ready(Ok(written))
    }

    /// Comes after everything is written, whatever woke the connection: a client whose answer that was is waited for again,
    /// and not for ever.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = &self.exchange.0;
        if progress.open.get() == 0 && progress.entered.take() {
            progress.unwritten.set(false);
            progress.sends_data.set(false);
            progress.pass.wait();
        }
        if let Poll::Ready(late) = self.poll_waiting(context) {
            return Poll::Ready(late);
        }
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// The refusal with a body, if that is what the bytes are: the whole head of an error without one.
fn in_words(bytes: &[u8], heard: Option<&[u8]>) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let (line, headers) = head.split_once("\r\n")?;
    let code = line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?;
    let status = StatusCode::from_bytes(code.as_bytes()).ok()?;
    let is_bare = headers.lines().any(|line| line.eq_ignore_ascii_case("content-length: 0"));
    if !is_bare || headers.contains("\r\n\r\n") {
        return None;
    }
    let fault = match status {
        StatusCode::BAD_REQUEST => fault(heard),
        StatusCode::REQUEST_TIMEOUT => "The head of the request did not arrive in time.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => TOO_LARGE,
        _ => return None,
    };
    let (content_type, body) = error_body(status, fault, None);
    let date = headers.lines().find(|line| line.starts_with("date:")).unwrap_or("connection: close");
    let (length, id) = (body.len(), request_info::new_id());
    tracing::info!(request_id = id, status = status.as_u16(), fault, "a request was refused unread");
    let text = format!(
        "{line}\r\n{date}\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         x-content-type-options: nosniff\r\n{}: {id}\r\n\r\n{body}",
        request_info::REQUEST_ID
    );
    Some(text.into_bytes())
}

const TOO_LARGE: &str = "The request has more than 96 headers, or its line and headers exceed 128 KiB.";

/// What is wrong with a request, as far as its beginning tells.
pub(crate) fn fault(heard: Option<&[u8]>) -> &'static str {
    use httparse::Error;
    let general = "The request is not HTTP/1.1 that can be read.";
    let Some(heard) = heard else { return general };
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(heard) {
        Err(Error::HeaderName) => "The name of a header is not allowed in HTTP.",
        Err(Error::HeaderValue) => "The value of a header contains a character that is not allowed in HTTP.",
        Err(Error::Token) => "The request line is not METHOD TARGET HTTP/1.1.",
        Err(Error::Version) => "The version of HTTP is neither 1.0 nor 1.1.",
        Err(Error::NewLine) => "A line of the head does not end as HTTP has it.",
        Err(Error::TooManyHeaders) => TOO_LARGE,
        Ok(httparse::Status::Complete(_)) => {
            let has = |name: &str| request.headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
            match (has("host"), has("content-length"), has("transfer-encoding")) {
                (_, true, true) => "Content-Length and Transfer-Encoding exclude each other.",
                (_, true, false) => "The headers do not agree on a Content-Length that is a number.",
                (_, false, true) => "The only Transfer-Encoding that is taken is chunked.",
                (false, ..) => "The Host header is missing.",
                _ => "The target of the request is not a URL.",
            }
        }
        _ => general,
    }
}
