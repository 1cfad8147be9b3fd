//! Listening sockets: where they are, and what is spoken there.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::PathBuf,
    sync::Arc,
};

use socket2::{SockFilter, SockRef};

use super::{socket::LOCAL, tls::Tls};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `http://ADDRESS:PORT`
    Http(String),
    /// `https://ADDRESS:PORT`
    Https(String),
    /// `unix:/PATH`: HTTP in clear.
    Unix(PathBuf),
}

impl Endpoint {
    /// Reads one.
    ///
    /// # Errors
    /// A part of a sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let endpoint = if let Some(path) = text.strip_prefix("unix:") {
            path.starts_with('/').then(|| Self::Unix(path.into()))
        } else {
            let is_place = |place: &str| {
                let (host, port) = place.rsplit_once(':')?;
                let is_whole = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
                (is_whole && !host.contains('/') && port.parse::<u16>().is_ok()).then(|| place.to_owned())
            };
            let (scheme, place) = text.split_once("://").unwrap_or_default();
            match scheme {
                "http" => is_place(place).map(Self::Http),
                "https" => is_place(place).map(Self::Https),
                _ => None,
            }
        };
        endpoint.ok_or_else(|| {
            format!("`{text}` is none of http://ADDRESS:PORT, https://ADDRESS:PORT and unix:/PATH")
        })
    }
}

/// A socket that listens.
#[derive(Debug)]
pub enum Ear {
    /// To the network.
    Tcp(TcpListener),
    /// In the file system.
    Unix(UnixListener),
}

/// A listening socket, and what is spoken there.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub ear: Ear,
    /// TLS, unless it is spoken in clear.
    pub tls: Option<Arc<Tls>>,
    /// Whether the service manager keeps the socket when this process ends.
    pub is_inherited: bool,
    /// The file of a socket in the file system, if this server made it.
    pub file: Option<SocketFile>,
}

impl Listener {
    /// The same once more.
    ///
    /// # Errors
    /// The operating system's.
    pub fn try_clone(&self) -> io::Result<Self> {
        let ear = match &self.ear {
            Ear::Tcp(socket) => Ear::Tcp(socket.try_clone()?),
            Ear::Unix(socket) => Ear::Unix(socket.try_clone()?),
        };
        let (tls, file) = (self.tls.clone(), self.file.clone());
        Ok(Self { ear, tls, is_inherited: self.is_inherited, file })
    }

    /// Its address, with the actual port if port 0 was requested; of one in the file system, port 0 of loopback.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match &self.ear {
            Ear::Tcp(socket) => socket.local_addr(),
            Ear::Unix(_) => Ok(LOCAL),
        }
    }

    /// Has new clients go elsewhere, while those that wait to be accepted still are: to close the socket would reset
    /// their connections. One that the service manager keeps has them wait for the next server.
    ///
    /// # Errors
    /// The operating system's.
    pub fn deafen(&self) -> io::Result<()> {
        match &self.ear {
            _ if self.is_inherited => Ok(()),
            Ear::Tcp(socket) => deafen(socket),
            Ear::Unix(_) => self.file.as_ref().map_or(Ok(()), SocketFile::forget),
        }
    }
}

/// The file of a socket that this server made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The file that was made at a path just now.
    ///
    /// # Errors
    /// The operating system's.
    pub fn made(path: PathBuf) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(&path)?;
        Ok(Self { path, device: found.dev(), inode: found.ino() })
    }

    /// Removes it; what another server has put into its place stays.
    ///
    /// # Errors
    /// The operating system's; one that is gone is none.
    pub fn forget(&self) -> io::Result<()> {
        let gone =
            |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) != (self.device, self.inode) => Ok(()),
            Ok(_) => std::fs::remove_file(&self.path).or_else(gone),
            Err(error) => gone(error),
        }
    }
}

/// Lets the kernel drop what would begin a connection. Whoever tries repeats it after a second, finds that nobody listens,
/// and goes elsewhere.
fn deafen(listener: &TcpListener) -> io::Result<()> {
    // Of the header of TCP the fourteenth byte has the flags, of which 2 is SYN.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    let program = [
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(JUMP_IF_SET, 0, 1, 2),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&program)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves what is a place to listen, and what is not.
    #[test]
    fn places_to_listen() {
        for (text, endpoint) in [
            ("http://127.0.0.1:9292", Endpoint::Http("127.0.0.1:9292".to_owned())),
            ("https://[::]:443", Endpoint::Https("[::]:443".to_owned())),
            ("unix:/run/vitrine/api.sock", Endpoint::Unix("/run/vitrine/api.sock".into())),
        ] {
            assert_eq!(Endpoint::parse(text), Ok(endpoint));
        }
        for text in [
            "127.0.0.1:9292",
            "http://127.0.0.1",
            "http://:1",
            "http://a:1/",
            "unix:api.sock",
            "http://::1:1",
            "ftp://a:1",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
