//! Opens the sockets on which the server listens.

use std::{
    fs,
    io::{self, ErrorKind},
    net::{TcpListener, ToSocketAddrs},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    sync::Arc,
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{
    error::{StartError, failed},
    inherited,
    options::Options,
};
use crate::api::{Ear, Endpoint, Listener, SocketFile, Tls};

/// Connections that wait to be accepted, at most.
const BACKLOG: i32 = 1024;

/// The name of a socket of the service manager's on which HTTP is spoken in clear although there is a certificate.
const IN_CLEAR: &str = "http";

/// Opens them all, at least one.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn open(options: &Options) -> Result<Vec<Listener>, StartError> {
    let tls = options.tls.clone().map(|settings| Tls::open(settings).map(Arc::new));
    let tls = tls.transpose().map_err(StartError)?;
    let inherited = inherited::sockets().map_err(StartError)?;
    if !inherited.is_empty() {
        return inherited.into_iter().map(|(socket, name)| take(socket, &name, tls.as_ref())).collect();
    }
    let endpoints = if options.listen.is_empty() {
        let place = options.bind.clone();
        vec![if tls.is_some() { Endpoint::Https(place) } else { Endpoint::Http(place) }]
    } else {
        options.listen.clone()
    };
    endpoints.iter().map(|endpoint| bind(endpoint, options, tls.as_ref())).collect()
}

/// Opens those of `[vitrine] metrics_listen`.
///
/// # Errors
/// As [`open`].
pub fn open_for_metrics(options: &Options, listeners: &[Listener]) -> Result<Vec<Listener>, StartError> {
    let tls = listeners.iter().find_map(|listener| listener.tls.as_ref());
    options.metrics_listen.iter().map(|endpoint| bind(endpoint, options, tls)).collect()
}

/// Removes the files of sockets in the file system.
pub fn forget(files: &[SocketFile]) {
    for file in files {
        if let Err(error) = file.forget() {
            tracing::warn!(%error, "the file of a socket is left behind");
        }
    }
}

fn take(socket: OwnedFd, name: &str, tls: Option<&Arc<Tls>>) -> Result<Listener, StartError> {
    let socket = Socket::from(socket);
    let is_stream = socket.r#type().is_ok_and(|kind| kind == Type::STREAM);
    let domain = socket.domain().map_err(|e| failed("LISTEN_FDS", e))?;
    if !is_stream || !socket.is_listener().unwrap_or(false) {
        return Err(StartError("LISTEN_FDS: a socket of the service manager does not listen".to_owned()));
    }
    let tls = tls.filter(|_| domain != Domain::UNIX && name != IN_CLEAR).cloned();
    let ear = match domain {
        Domain::UNIX => Ear::Unix(OwnedFd::from(socket).into()),
        _ => Ear::Tcp(socket.into()),
    };
    Ok(Listener { ear, tls, is_inherited: true, file: None })
}

fn bind(endpoint: &Endpoint, options: &Options, tls: Option<&Arc<Tls>>) -> Result<Listener, StartError> {
    let (is_inherited, tls) = (false, tls.cloned());
    match endpoint {
        Endpoint::Http(place) | Endpoint::Https(place) => {
            let socket = bind_tcp(place, options.reuse_port).map_err(|e| {
                let what =
                    format!("{e}. Stop the other program or choose another place with --bind ADDRESS:PORT");
                failed(&format!("cannot listen on {place}"), what)
            })?;
            let is_clear = matches!(endpoint, Endpoint::Http(_));
            if !is_clear && tls.is_none() {
                let what = "it takes [vitrine] tls_cert_file and tls_key_file";
                return Err(failed(&format!("cannot listen on https://{place}"), what));
            }
            let tls = tls.filter(|_| !is_clear);
            Ok(Listener { ear: Ear::Tcp(socket), tls, is_inherited, file: None })
        }
        Endpoint::Unix(path) => {
            let socket = bind_unix(path, options.socket_mode)
                .and_then(|socket| Ok((socket, SocketFile::made(path.clone())?)));
            let (socket, file) =
                socket.map_err(|e| failed(&format!("cannot listen on {}", path.display()), e))?;
            Ok(Listener { ear: Ear::Unix(socket), tls: None, is_inherited, file: Some(file) })
        }
    }
}

fn bind_tcp(place: &str, reuse_port: bool) -> io::Result<TcpListener> {
    if !reuse_port {
        return TcpListener::bind(place);
    }
    let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in place.to_socket_addrs()? {
        let bound = Socket::new(Domain::for_address(address), Type::STREAM, None).and_then(|socket| {
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        });
        match bound {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Replaces the file of a server that is gone, and no other. Nobody can connect before the file has its mode.
fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                "there is a file of this name that is no socket",
            ));
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Err(error) => return Err(error),
            Ok(_) => return Err(io::Error::new(ErrorKind::AddrInUse, "another program listens there")),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok(OwnedFd::from(socket).into())
}
