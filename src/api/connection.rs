//! The layer between sockets and HTTP: closes connections whose clients are too slow or that must make room for
//! others, and gives a body to the response for requests that are not HTTP.
//!
//! The framework refuses a request that it cannot parse with a bare status, and offers no hook to give that a body.
//! So its response is recognised on its way out. A response of a handler cannot be mistaken for one: nothing is
//! inspected while a request is being served, until every byte of its response is written.

use std::{
    cell::{Cell, RefCell},
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
    http::ConnectionType,
    middleware::Next,
    web::{Bytes, Data},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::{
    State,
    error::ApiError,
    gate::Pass,
    pace::Pace,
    refused::in_words,
    sending::{FileOut, Sent, send_some},
    wire::Wire,
};
use crate::model::error::Result as DomainResult;

/// This much of the first request is kept to tell what is wrong with it, in bytes.
const HEARD_BYTES_MAX: usize = 8 * 1024;

/// State shared by a connection and the requests on it; part of the connection's data.
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
    /// A file that is the answer's data, and what was sent of it.
    file: RefCell<FileOut>,
    address: SocketAddr,
    is_encrypted: bool,
    pass: Pass,
}

impl Exchange {
    /// The address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Whether the client speaks TLS with this server itself.
    pub fn is_encrypted(&self) -> bool {
        self.0.is_encrypted
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

    /// Marks the response as image data, which clients may take longer to read.
    pub fn send_data(&self) {
        self.0.sends_data.set(true);
    }

    /// The file that is sent as the data of the answer under way.
    pub(super) fn file(&self) -> &RefCell<FileOut> {
        &self.0.file
    }

    /// Marks that a small body is awaited, which must come soon, until the result is dropped.
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

/// Time limits for clients.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the head of the next request, and for the next bytes of a response that is not image data.
    pub head: Duration,
    /// For image data.
    pub data: Option<Duration>,
}

/// A socket that is closed when its client is too slow, and that gives a body to bare refusals.
pub struct Connection {
    wire: Wire,
    sending: Option<Sent>,
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
    pub(super) fn new(wire: Wire, address: SocketAddr, pass: Pass, patience: Patience) -> Self {
        let (open, unwritten, entered) = (Cell::new(0), Cell::new(false), Cell::new(false));
        let sends_data = Cell::new(false);
        let file = RefCell::default();
        let is_encrypted = wire.is_encrypted();
        let progress = Progress { open, unwritten, sends_data, entered, file, address, is_encrypted, pass };
        let exchange = Exchange(Rc::new(progress));
        Self {
            wire,
            sending: None,
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

    /// Sends the data of a file to send; the body of the answer is told of the end, and of a file that cannot be read.
    fn poll_file(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.exchange.0.file.borrow().is_unsent() {
            if self.wire.is_encrypted() {
                let why = "a file cannot be sent by the kernel where it has to be encrypted";
                return Poll::Ready(Err(io::Error::other(why)));
            }
            if self.sending.is_none() {
                let room = self.wire.socket().poll_write_ready(context).map_ok(|()| 0);
                ready!(self.poll_paced(context, room))?;
                self.sending = Some(send_some(self.wire.socket(), &self.exchange.0.file.borrow()));
            }
            let Some(sending) = &mut self.sending else { return Poll::Ready(Ok(())) };
            let sent = ready!(sending.as_mut().poll(context));
            self.sending = None;
            let sent = self.exchange.0.file.borrow_mut().went(sent)?;
            if sent > 0 {
                ready!(self.poll_paced(context, Poll::Ready(Ok(sent))))?;
            }
            if !self.exchange.0.file.borrow().is_unsent() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What a write came to, for as long as the client takes what is written.
    fn poll_paced(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(sent) = written {
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

    /// The state shared with its requests.
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
        ready!(self.wire.poll_read(context, buffer))?;
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
            let written = ready!(this.wire.poll_write(context, rest))?;
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
        let written = this.wire.poll_write(context, bytes);
        let written = ready!(this.poll_paced(context, written))?;
        if written == bytes.len() {
            this.exchange.0.unwritten.set(false);
        }
        Poll::Ready(Ok(written))
    }

    /// Comes after everything is written, whatever woke the connection: a client whose answer that was is waited for again,
    /// and not for ever.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_file(context))?;
        let progress = &self.exchange.0;
        if progress.open.get() == 0 && progress.entered.take() {
            progress.unwritten.set(false);
            progress.sends_data.set(false);
            progress.pass.wait();
        }
        if let Poll::Ready(late) = self.poll_waiting(context) {
            return Poll::Ready(late);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.wire.shutdown())
    }
}
