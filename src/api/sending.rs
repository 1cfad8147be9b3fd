//! Sends data from a file to the socket in the kernel, without copying it through the process.
//!
//! The kernel may have to wait for the disk, so parts are sent on threads that may block, never for longer than the
//! socket has room. A client that does not read holds no thread.

use std::{fs::File, io, os::unix::fs::FileExt, pin::Pin, sync::Arc, time::Duration};

use super::socket::Socket;
use crate::telemetry;
use rustix::fs::sendfile;

/// Bytes that a thread sends before others have their turn.
const TURN_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes copied at once where the kernel cannot send from a file.
const COPY_BYTES: usize = 64 * 1024;

/// A part of a file that is being sent; what comes of it is the number of bytes.
pub(super) type Sent = Pin<Box<dyn Future<Output = io::Result<usize>>>>;

/// The part of a file that a connection sends.
#[derive(Default)]
pub(super) struct FileOut {
    file: Option<Arc<File>>,
    /// The next byte.
    at: u64,
    /// The byte behind the last one.
    until: u64,
    /// Bytes sent.
    sent: u64,
    /// How long the file system may take.
    answer: Duration,
    fault: Option<io::Error>,
}

impl FileOut {
    /// The bytes from `at` up to `until` of a file; the file system may take as long as `answer` for one turn.
    pub(super) fn new(file: Arc<File>, (at, until): (u64, u64), answer: Duration) -> Self {
        Self { file: Some(file), at, until, answer, ..Self::default() }
    }

    /// Bytes sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The range that is not sent yet.
    pub(super) fn left(&self) -> (u64, u64) {
        (self.at, self.until)
    }

    /// The error that stopped reading the file, returned once; nothing more of it is sent.
    pub(super) fn take_fault(&mut self) -> Option<io::Error> {
        let fault = self.fault.take()?;
        self.file = None;
        Some(fault)
    }

    /// Whether there is more to send.
    pub(super) fn is_unsent(&self) -> bool {
        self.file.is_some() && self.fault.is_none() && self.at < self.until
    }

    /// Takes the number of bytes sent for this response.
    pub(super) fn take_sent(&mut self) -> u64 {
        std::mem::take(self).sent
    }

    /// Records what was sent; returns how much. A fault of the file is kept for the body.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn went(&mut self, sent: io::Result<usize>) -> io::Result<usize> {
        match sent {
            Ok(bytes) => {
                self.at = self.at.saturating_add(bytes as u64);
                self.sent = self.sent.saturating_add(bytes as u64);
                Ok(bytes)
            }
            Err(error) if is_of_socket(&error) => Err(error),
            Err(error) => {
                self.fault = Some(error);
                Ok(0)
            }
        }
    }
}

fn is_of_socket(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected => true,
        // Ours, if it is not the kernel's.
        TimedOut => error.raw_os_error().is_some(),
        _ => false,
    }
}

/// Sends as much of the file as the socket has room for, up to one turn; 0 if it had none.
pub(super) fn send_some(socket: &Arc<Socket>, out: &FileOut) -> Sent {
    let (socket, file, at) = (Arc::clone(socket), out.file.clone(), out.at);
    let (most, answer) = (out.until.saturating_sub(at).min(TURN_BYTES), out.answer);
    let sending = telemetry::blocking(move || file.map_or(Ok(0), |file| send(&socket, &file, at, most)));
    Box::pin(async move {
        match tokio::time::timeout(answer, sending).await {
            Ok(sent) => sent.map_err(io::Error::other)?,
            Err(_) => {
                let why = format!("the file system did not answer within {} s", answer.as_secs());
                Err(io::Error::new(io::ErrorKind::TimedOut, why))
            }
        }
    })
}

/// Sends up to `most` bytes of a file from `at` on. Blocking, as far as the file goes.
fn send(socket: &Socket, file: &File, at: u64, most: u64) -> io::Result<usize> {
    let (mut sent, mut kernel_can) = (0_usize, true);
    while (sent as u64) < most {
        let mut at = at.saturating_add(sent as u64);
        let left = usize::try_from(most.saturating_sub(sent as u64)).unwrap_or(usize::MAX);
        let result = match kernel_can {
            true => socket.try_writing(|| Ok(sendfile(socket, file, Some(&mut at), left)?)),
            false => copy(socket, file, at, left),
        };
        match result {
            Ok(0) if sent == 0 => return Err(io::Error::other("the file became shorter")),
            Ok(0) => break,
            Ok(bytes) => sent = sent.saturating_add(bytes),
            Err(error) if kernel_can && error.kind() == io::ErrorKind::InvalidInput => kernel_can = false,
            // There is no room, or what is wrong shows itself again with the next byte.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || sent > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// The same by way of memory of ours: not every file system lets the kernel send.
fn copy(socket: &Socket, file: &File, at: u64, most: usize) -> io::Result<usize> {
    let mut buffer = vec![0; most.min(COPY_BYTES)];
    let got = file.read_at(&mut buffer, at)?;
    buffer.truncate(got);
    if buffer.is_empty() { Ok(0) } else { socket.try_write(&buffer) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::io::Write;

    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// Proves that a part is sent alike by the kernel and by way of memory, no more of it than was asked for, and that an
    /// end which comes too early is a fault of the file.
    #[tokio::test]
    async fn both_ways_of_sending_send_the_same() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        socket.writable().await.unwrap();
        let socket = Socket::from(socket);
        assert_eq!(send(&socket, &file, 2, 5).unwrap(), 5);
        assert_eq!(copy(&socket, &file, 2, 5).unwrap(), 5);
        let mut got = [0; 10];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"2345623456");
        assert_eq!(send(&socket, &file, 8, 5).unwrap(), 2);
        let fault = send(&socket, &file, 10, 1).unwrap_err();
        assert!(!is_of_socket(&fault) && fault.to_string().contains("shorter"), "{fault}");
        let mut out = FileOut::new(Arc::new(file), (0, 1), Duration::MAX);
        assert!(out.is_unsent());
        assert_eq!(out.went(Err(fault)).unwrap(), 0);
        assert!(!out.is_unsent() && out.take_fault().is_some());
        out.went(Err(io::ErrorKind::BrokenPipe.into())).unwrap_err();
        out.went(Err(io::Error::new(io::ErrorKind::TimedOut, "the file system"))).unwrap();
        out.went(Err(rustix::io::Errno::TIMEDOUT.into())).unwrap_err();
    }
}
