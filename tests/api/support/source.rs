//! A web server with four bytes at every path, for stores and imports that read from elsewhere.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

/// Serves until the test process ends.
pub struct WebSource {
    address: SocketAddr,
}

impl WebSource {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || answer(stream));
            }
        });
        Self { address }
    }

    /// Where `data` is, or what leads to another URL with `?to=URL` at its end.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

/// Lets imports and http stores reach the test's own machine.
pub fn reach_loopback(options: &mut vitrine::server::Options) {
    options.imports.filter.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    options.imports.filter.allowed_ports = Vec::new();
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let is_head = first.starts_with("HEAD");
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    if let Some((_, target)) = first.split(' ').nth(1).and_then(|path| path.split_once("?to=")) {
        let head = format!("HTTP/1.1 302 Found\r\nlocation: {target}");
        return write!(stream, "{head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    let body = if is_head { "" } else { "data" };
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n{body}")
}
