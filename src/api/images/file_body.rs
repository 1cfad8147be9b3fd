//! Responses whose data is a file, sent by the connection or by a proxy in front.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    http::header::HeaderName,
    web::Bytes,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    api::{connection::Exchange, sending::FileOut, settings::ByProxy},
    blob::{download::Untouched, transfers::Transfer},
    image::sent::Sending,
    store::{ByteRange, ByteStream},
};

/// What stands in a path of a URL as it is.
const IN_PATHS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The header that tells a proxy to send a file; `None` for a path that HTTP cannot carry.
pub fn by_proxy(by_proxy: &ByProxy, path: &Path) -> Option<(HeaderName, String)> {
    let path = path.to_str()?;
    Some(match &by_proxy.prefix {
        Some(prefix) => (
            HeaderName::from_static("x-accel-redirect"),
            format!("{prefix}{}", utf8_percent_encode(path, IN_PATHS)),
        ),
        None => (HeaderName::from_static("x-sendfile"), utf8_percent_encode(path, IN_PATHS).to_string()),
    })
}

/// The body of a response whose data is a file, or a part of one. The response's header has to contain its length.
pub struct FileBody {
    exchange: Exchange,
    /// The file, until it breaks off.
    data: Option<Box<Untouched>>,
    /// What is to be sent, until the connection has it.
    out: Option<FileOut>,
    /// Bytes that the store knows to be read.
    counted: u64,
    /// What continues where the file broke off.
    rest: Option<ByteStream>,
    sent: Sending,
    _transfer: Transfer,
}

impl FileBody {
    /// The bytes from the first of `part` up to the second, for the connection of `exchange`.
    pub fn new(
        exchange: Exchange,
        data: Box<Untouched>,
        part: (u64, u64),
        (transfer, sent): (Transfer, Sending),
    ) -> Self {
        let out = FileOut::new(Arc::clone(&data.file.file), part, data.file.answer);
        Self { exchange, data: Some(data), out: Some(out), counted: 0, rest: None, sent, _transfer: transfer }
    }

    /// Hands the file to the connection, and says when all of it is sent. The connection continues with that whenever
    /// it is polled, which is after this.
    fn poll_file(&mut self) -> Poll<()> {
        let mut out = self.exchange.file().borrow_mut();
        if let Some(begin) = self.out.take() {
            *out = begin;
        }
        let more = out.sent().saturating_sub(self.counted);
        self.counted = out.sent();
        if let Some(data) = self.data.as_ref().filter(|_| more > 0) {
            data.file.sent(more);
        }
        self.sent.add(more);
        if let Some(fault) = out.take_fault() {
            let (first, end) = out.left();
            let part = ByteRange { first, last: end.saturating_sub(1) };
            self.rest = self.data.take().map(|data| data.go_on(part, fault));
        }
        if out.is_unsent() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl MessageBody for FileBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        if this.rest.is_none() {
            ready!(this.poll_file());
        }
        let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
        let sent = &mut this.sent;
        rest.as_mut().poll_next(context).map(|next| {
            next.map(|chunk| {
                sent.add(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
                chunk.map_err(|error| {
                    tracing::error!(%error, "a download broke off");
                    io::Error::other(error.to_string())
                })
            })
        })
    }
}
