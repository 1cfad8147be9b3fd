//! HTTP written by hand, for requests that no client library sends.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

/// A connection on which the test writes the bytes itself. Blocking.
pub struct Raw(TcpStream);

impl Raw {
    pub fn open(address: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        // A server that does not answer fails the test instead of hanging it.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(stream)
    }

    /// Sends bytes; a server that has closed the connection already is no failure.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        if let Err(error) = self.0.write_all(bytes) {
            assert!(
                matches!(error.kind(), std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset),
                "{error}"
            );
        }
        self
    }

    /// Ends the sending side.
    pub fn finish(&mut self) -> &mut Self {
        // The peer may have closed first.
        drop(self.0.shutdown(Shutdown::Write));
        self
    }

    /// Reads so many bytes, which must come.
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads until the server closes and answers what it sent; the connection may be reset after that.
    pub fn read_all(&mut self) -> Vec<u8> {
        let mut answer = Vec::new();
        let mut chunk = [0; 65536];
        loop {
            match self.0.read(&mut chunk) {
                Ok(0) => return answer,
                Ok(count) => answer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answer,
                Err(error) => panic!("the server neither answers nor closes: {error}"),
            }
        }
    }

    /// The status of the answer; 0 when the server closed without one.
    pub fn status(&mut self) -> u16 {
        let answer = self.read_all();
        let head = String::from_utf8_lossy(&answer[..answer.len().min(64)]).into_owned();
        head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }
}
