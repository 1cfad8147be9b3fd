//! A way to a database server that the test can close, hold, or lose connections on.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
};

use super::TestDatabase;

/// Relays connections until the test process ends.
pub struct Relay {
    /// The database, by way of the relay.
    pub url: String,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Default)]
struct State {
    /// Nothing gets through.
    held: bool,
    /// New connections are closed at once.
    closed: bool,
    made: usize,
    /// On as many of the first connections nothing ever gets through again.
    lost: usize,
    /// As many of the first connections end with the next that somebody says on them.
    cut: usize,
    /// Once, the database is told something else than what was said.
    instead: Option<(Vec<u8>, Vec<u8>)>,
    /// The ends of the connections on this side.
    clients: Vec<TcpStream>,
}

enum Server {
    Tcp(String),
    Unix(PathBuf),
}

impl Relay {
    pub fn to(database: &TestDatabase) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let (url, server) = way(database.url(), here);
        let gate = Arc::new(Gate::default());
        let shared = Arc::clone(&gate);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut state = shared.state.lock().unwrap();
                state.made += 1;
                let (number, closed) = (state.made, state.closed);
                state.clients.push(client.try_clone().unwrap());
                drop(state);
                if !closed {
                    serve(client, &server, &shared, number);
                }
            }
        });
        Self { url, gate }
    }

    fn turn(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.gate.state.lock().unwrap());
        self.gate.turned.notify_all();
    }

    /// Keeps everything back, as a server does that was stopped.
    pub fn hold(&self) {
        self.turn(|state| state.held = true);
    }

    /// Lets everything go on that was kept back.
    pub fn go_on(&self) {
        self.turn(|state| state.held = false);
    }

    /// Lets new connections through, and nothing on those that there are, which stay open: a firewall that forgot them.
    pub fn lose_connections(&self) {
        self.turn(|state| (state.held, state.lost) = (false, state.made));
    }

    /// The next time that `said` comes, the database hears `heard`.
    pub fn tell_instead(&self, said: &[u8], heard: &[u8]) {
        self.turn(|state| state.instead = Some((said.to_vec(), heard.to_vec())));
    }

    /// Ends all connections and takes no others, as a server does that has died.
    pub fn close(&self) {
        self.turn(|state| (state.closed, state.cut) = (true, state.made));
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.turn(|state| state.closed = false);
    }
}

impl Drop for Relay {
    /// Ends all connections, so that nothing hangs on them any more.
    fn drop(&mut self) {
        self.turn(|state| {
            (state.held, state.cut, state.closed) = (false, state.made, false);
            state.clients.iter().for_each(Socket::end);
        });
    }
}

fn way(url: &str, here: SocketAddr) -> (String, Server) {
    match url.split_once("?unix_socket=") {
        Some((url, socket)) => {
            (url.replace("localhost", &here.to_string()), Server::Unix(PathBuf::from(socket)))
        }
        None => {
            let (_, rest) = url.split_once('@').unwrap();
            let (host, _) = rest.split_once('/').unwrap();
            (url.replace(host, &here.to_string()), Server::Tcp(host.to_owned()))
        }
    }
}

fn serve(client: TcpStream, server: &Server, gate: &Arc<Gate>, number: usize) {
    let back = client.try_clone().unwrap();
    match server {
        Server::Tcp(address) => {
            let server = TcpStream::connect(address).unwrap();
            let answers = server.try_clone().unwrap();
            pump(client, server, gate, number);
            pump(answers, back, gate, number);
        }
        Server::Unix(path) => {
            let server = UnixStream::connect(path).unwrap();
            let answers = server.try_clone().unwrap();
            pump(client, server, gate, number);
            pump(answers, back, gate, number);
        }
    }
}

trait Socket: Read + Write + Send + 'static {
    fn end(&self);
}

impl Socket for TcpStream {
    fn end(&self) {
        drop(self.shutdown(Shutdown::Both));
    }
}

impl Socket for UnixStream {
    fn end(&self) {
        drop(self.shutdown(Shutdown::Both));
    }
}

fn pump(mut from: impl Socket, mut to: impl Socket, gate: &Arc<Gate>, number: usize) {
    let gate = Arc::clone(gate);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(bytes) = from.read(&mut buffer) {
            let mut state = gate.turned.wait_while(gate.state.lock().unwrap(), |state| state.held).unwrap();
            let (lost, cut) = (number <= state.lost, number <= state.cut);
            let instead = state.instead.take_if(|(said, _)| buffer[..bytes] == **said);
            drop(state);
            match bytes {
                // The other end hears nothing of this.
                0 if lost => return,
                _ if lost => {}
                0 => break,
                _ if cut
                    || to
                        .write_all(instead.as_ref().map_or(&buffer[..bytes], |(_, heard)| heard))
                        .is_err() =>
                {
                    break;
                }
                _ => {}
            }
        }
        from.end();
        to.end();
    });
}
