//! The servers of these tests.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

/// A real memcached; stopped when dropped.
pub(super) struct Real {
    process: Child,
    pub(super) address: String,
}

impl Real {
    pub(super) fn start(arguments: &[&str]) -> Self {
        // Below those that the kernel gives to others, so that it can be started there anew.
        let mut ports = std::iter::repeat_with(|| rand::random_range(10_000..20_000_u16));
        let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
        Self::start_at(&format!("127.0.0.1:{port}"), arguments)
    }

    pub(super) fn start_at(address: &str, arguments: &[&str]) -> Self {
        let port = address.rsplit(':').next().unwrap();
        let mut process = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-p", port, "-U", "0", "-u", "nobody", "-t", "1", "-m", "64", "-vv"])
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("memcached is installed: see TEST_PACKAGES in the Makefile");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let listens = lines.any(|line| line.is_ok_and(|line| line.contains("server listening")));
        assert!(listens, "memcached ended while it started");
        // Whatever it prints further must not stop it.
        thread::spawn(move || lines.count());
        Self { process, address: address.to_owned() }
    }

    /// Stops it; gives its address, where another one may be started.
    pub(super) fn stop(self) -> String {
        self.address.clone()
    }

    /// The lines of an answer, up to the first that begins with `last`, and the bytes of a value.
    fn ask(&self, command: &[u8], last: &str) -> (Vec<String>, Vec<u8>) {
        let mut link = BufReader::new(TcpStream::connect(&self.address).unwrap());
        link.get_mut().write_all(command).unwrap();
        let (mut lines, mut value) = (Vec::new(), Vec::new());
        loop {
            let mut line = String::new();
            assert!(link.read_line(&mut line).unwrap() > 0, "{lines:?}");
            if line.starts_with("VALUE") {
                value = vec![0; line.split_whitespace().nth(3).unwrap().parse().unwrap()];
                link.read_exact(&mut value).unwrap();
                link.read_line(&mut String::new()).unwrap();
            }
            let is_last = line.starts_with(last);
            lines.push(line);
            if is_last {
                return (lines, value);
            }
        }
    }

    pub(super) fn value(&self, name: &str) -> Vec<u8> {
        assert!(self.has(name), "{name}");
        self.ask(format!("get {name}\r\n").as_bytes(), "END").1
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.ask(format!("get {name}\r\n").as_bytes(), "END").0.len() == 2
    }

    pub(super) fn put(&self, name: &str, flags: u32, value: &[u8]) {
        let head = format!("set {name} {flags} 300 {}\r\n", value.len());
        self.ask(&[head.as_bytes(), value, b"\r\n"].concat(), "STORED");
    }

    /// How many it has now, but for the one that asks and the one that listens.
    pub(super) fn connections(&self) -> usize {
        let (lines, _) = self.ask(b"stats conns\r\n", "END");
        lines.iter().filter(|line| line.contains(":addr tcp:")).count() - 2
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server with one answer to everything, after which it says no more.
pub(super) fn liar(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            if stream.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                let _ = stream.get_mut().write_all(answer);
            }
        }
    });
    address
}
