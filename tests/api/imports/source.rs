//! A web server to import from, that behaves as badly as a test wants.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What a path answers.
#[derive(Clone)]
pub enum Reply {
    /// The data, with its length.
    Data(Vec<u8>),
    /// A redirect to a URL.
    Redirect(String),
    /// A status and nothing.
    Status(u16),
    /// Promises so many bytes, sends the data, and closes.
    Promise(usize, Vec<u8>),
    /// The data again and again, without a length and without end.
    Endless(Vec<u8>),
    /// Accepts, and says nothing.
    Silent,
    /// Promises so many bytes, sends the data, then says nothing more.
    Stall(usize, Vec<u8>),
    /// Half of the data, and the rest when somebody else has come to the barrier, too.
    Halves(Vec<u8>, Arc<Barrier>),
    /// A byte at a time, with a pause after each.
    Trickle(Duration),
}

/// A running source; it ends with the test process.
pub struct Source {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Source {
    /// Answers every request by its path.
    pub fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (counter, kept, answer) = (Arc::clone(&served), Arc::clone(&heads), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, counter, kept) = (Arc::clone(&answer), Arc::clone(&counter), Arc::clone(&kept));
                std::thread::spawn(move || {
                    counter.fetch_add(1, Ordering::SeqCst);
                    // A client that cuts the connection is what many tests are about.
                    let _ = serve(stream, &kept, answer.as_ref());
                });
            }
        });
        Self { address, served, heads }
    }

    /// The same data on every path.
    pub fn of(data: Vec<u8>) -> Self {
        Self::start(move |_| Reply::Data(data.clone()))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests so far.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// The heads of the requests that have been read so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    heads: &Mutex<Vec<String>>,
    answer: &(impl Fn(&str) -> Reply + ?Sized),
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heads.lock().unwrap().push(head.clone());
    let path = head.split(' ').nth(1).unwrap_or_default();
    let mut ok = |length: Option<usize>| {
        let length = length.map(|l| format!("content-length: {l}\r\n")).unwrap_or_default();
        write!(stream, "HTTP/1.1 200 OK\r\n{length}connection: close\r\n\r\n")
    };
    match answer(path) {
        Reply::Data(data) => {
            ok(Some(data.len()))?;
            stream.write_all(&data)
        }
        Reply::Redirect(to) => {
            write!(stream, "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
        }
        Reply::Status(status) => write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
        Reply::Promise(length, data) => {
            ok(Some(length))?;
            stream.write_all(&data)
        }
        Reply::Endless(data) => {
            ok(None)?;
            loop {
                stream.write_all(&data)?;
            }
        }
        Reply::Silent => stream.read(&mut byte).map(drop),
        Reply::Stall(length, data) => {
            ok(Some(length))?;
            stream.write_all(&data)?;
            stream.read(&mut byte).map(drop)
        }
        Reply::Halves(data, barrier) => {
            let (half, rest) = data.split_at(data.len() / 2);
            ok(Some(data.len()))?;
            stream.write_all(half)?;
            barrier.wait();
            stream.write_all(rest)
        }
        Reply::Trickle(pause) => {
            ok(None)?;
            loop {
                stream.write_all(b"x")?;
                std::thread::sleep(pause);
            }
        }
    }
}
