//! The bytes of a connection on their way to and from the kernel, in clear or through TLS.
//!
//! The handshake of TLS is a part of the first read: a client that stalls it is one that does not send the head of its
//! request, to the gate and to the time limits alike.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    task::{Context, Poll, ready},
};

use openssl::ssl::{Error as SslError, ErrorCode, Ssl, SslStream};
use tokio::io::ReadBuf;

use super::socket::Socket;

/// A socket, and TLS upon it if it is spoken there.
pub(super) struct Wire {
    /// Shared with a thread while that sends a part of a file.
    socket: Arc<Socket>,
    tls: Option<Box<SslStream<Direct>>>,
}

/// The socket as OpenSSL uses it: without ever waiting.
struct Direct(Arc<Socket>);

impl Read for Direct {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire {
    /// In clear, or as the server's side of TLS.
    ///
    /// # Errors
    /// OpenSSL's.
    pub(super) fn new(socket: Socket, tls: Option<Ssl>) -> io::Result<Self> {
        let socket = Arc::new(socket);
        let tls = tls.map(|ssl| SslStream::new(ssl, Direct(Arc::clone(&socket)))).transpose()?;
        Ok(Self { socket, tls: tls.map(Box::new) })
    }

    /// Whether what is sent is encrypted; the kernel cannot send files there.
    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// The socket below.
    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Reads what the client sent; nothing at its end.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(tls) = &mut self.tls else {
            loop {
                ready!(self.socket.poll_read_ready(context))?;
                match self.socket.try_read_buf(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read.map(drop)),
                }
            }
        };
        loop {
            match tls.ssl_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => return Poll::Ready(Ok(())),
                Err(error) => {
                    let is_new = !tls.ssl().is_init_finished();
                    let waited = ready!(wait(&self.socket, context, error));
                    if let Err(error) = &waited
                        && is_new
                    {
                        tracing::debug!(%error, "a connection is closed: its TLS handshake failed");
                    }
                    waited?;
                }
            }
        }
    }

    /// Writes to the client.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(tls) = &mut self.tls else {
            loop {
                ready!(self.socket.poll_write_ready(context))?;
                match self.socket.try_write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written),
                }
            }
        };
        // Whoever has not said in time how to speak to him is told nothing.
        if !tls.ssl().is_init_finished() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            match tls.ssl_write(bytes) {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(error) => ready!(wait(&self.socket, context, error))?,
            }
        }
    }

    /// Ends the sending side, and says so before, where there is a way to say it.
    ///
    /// # Errors
    /// The socket's.
    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        if let Some(tls) = self.tls.as_mut().filter(|tls| tls.ssl().is_init_finished()) {
            // A client that does not read is not waited for.
            drop(tls.shutdown());
        }
        self.socket.shutdown()
    }
}

/// Waits for the socket as OpenSSL wants it.
fn wait(socket: &Socket, context: &mut Context<'_>, error: SslError) -> Poll<io::Result<()>> {
    match error.code() {
        ErrorCode::WANT_READ => socket.poll_read_ready(context),
        ErrorCode::WANT_WRITE => socket.poll_write_ready(context),
        _ => Poll::Ready(Err(error.into_io_error().unwrap_or_else(io::Error::other))),
    }
}
