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

    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let is_head = lines.next().transpose()?.is_some_and(|line| line.starts_with("HEAD"));
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let body = if is_head { "" } else { "data" };
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n{body}")
}
