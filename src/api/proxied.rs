//! The PROXY protocol, versions 1 and 2: what a proxy says of its client before the client's first byte.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::socket::Socket;

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of the line of version 1 at most, its end included.
const LINE_BYTES_MAX: usize = 107;
/// Bytes of the addresses and extensions of version 2 that are read at most; the longest addresses have 216.
const REST_BYTES_MAX: usize = 2048;

/// Reads the header; `None` if the proxy speaks for itself, or for somebody who has no address of the internet.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for what is no such header, and the socket's.
pub(super) async fn read(socket: &Socket) -> io::Result<Option<SocketAddr>> {
    let mut begin = [0; SIGNATURE.len()];
    read_exact(socket, &mut begin).await?;
    if &begin == SIGNATURE {
        let mut head = [0; 4];
        read_exact(socket, &mut head).await?;
        let [version_command, family, high, low] = head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > REST_BYTES_MAX {
            return Err(invalid());
        }
        let mut rest = vec![0; length];
        read_exact(socket, &mut rest).await?;
        return of_version_2(version_command, family, &rest).ok_or_else(invalid);
    }
    let mut line = begin.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE_BYTES_MAX || !line.starts_with(b"PROXY ") {
            return Err(invalid());
        }
        let mut byte = [0];
        read_exact(socket, &mut byte).await?;
        line.extend(byte);
    }
    of_version_1(&line).ok_or_else(invalid)
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a proxy did not begin with a header of the PROXY protocol")
}

/// `None` for what is no header.
pub(crate) fn of_version_1(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Some(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), source, destination, port, other] => {
            let (source, port): (std::net::IpAddr, u16) = (source.parse().ok()?, port.parse().ok()?);
            let (_, _): (std::net::IpAddr, u16) = (destination.parse().ok()?, other.parse().ok()?);
            (source.is_ipv4() == (*family == "TCP4")).then(|| Some(SocketAddr::new(source, port)))
        }
        _ => None,
    }
}

/// `None` for what is no header.
pub(crate) fn of_version_2(version_command: u8, family: u8, rest: &[u8]) -> Option<Option<SocketAddr>> {
    match version_command {
        // LOCAL: a health check of the proxy's own.
        0x20 => return Some(None),
        0x21 => {}
        _ => return None,
    }
    match family {
        0x11 => {
            let source: [u8; 4] = rest.get(..4)?.try_into().ok()?;
            let port: [u8; 2] = rest.get(8..10)?.try_into().ok()?;
            rest.get(..12)?;
            Some(Some(SocketAddr::from((Ipv4Addr::from(source), u16::from_be_bytes(port)))))
        }
        0x21 => {
            let source: [u8; 16] = rest.get(..16)?.try_into().ok()?;
            let port: [u8; 2] = rest.get(32..34)?.try_into().ok()?;
            rest.get(..36)?;
            Some(Some(SocketAddr::from((Ipv6Addr::from(source), u16::from_be_bytes(port)))))
        }
        // Nobody said of what kind, datagrams, or a socket of the file system.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Some(None),
        _ => None,
    }
}

/// Reads so many bytes and none more.
async fn read_exact(socket: &Socket, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0_usize;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        socket.readable().await?;
        match socket.try_read(rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves what each line of version 1 comes to, and that what is none is refused.
    #[test]
    fn lines_of_version_1() {
        for (line, address) in [
            ("PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n", Some("192.0.2.7:4711")),
            ("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", Some("[2001:db8::7]:4711")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        ] {
            let expected = address.map(|text| text.parse().unwrap());
            assert_eq!(of_version_1(line.as_bytes()), Some(expected), "{line}");
        }
        for line in [
            "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
            "PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n",
            "PROXY TCP4  192.0.2.7 192.0.2.1 1 2\r\n",
            "PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 1 2",
            "GET / HTTP/1.1\r\n",
        ] {
            assert_eq!(of_version_1(line.as_bytes()), None, "{line}");
        }
    }

    /// Proves the same of version 2: addresses of both kinds, extensions behind them, commands, and what is cut short.
    #[test]
    fn heads_of_version_2() {
        let v4 = [192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 1, 187];
        let client = Some(Some("192.0.2.7:4711".parse().unwrap()));
        assert_eq!(of_version_2(0x21, 0x11, &v4), client);
        assert_eq!(of_version_2(0x21, 0x11, &[&v4[..], &[4, 0, 1, 0]].concat()), client);
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[15] = 7;
        v6[32..34].copy_from_slice(&[0x12, 0x67]);
        assert_eq!(of_version_2(0x21, 0x21, &v6), Some(Some("[2001::7]:4711".parse().unwrap())));
        assert_eq!(of_version_2(0x20, 0x11, &v4), Some(None));
        assert_eq!(of_version_2(0x21, 0x31, &[0; 216]), Some(None));
        for (command, family, rest) in [
            (0x21, 0x11, &v4[..11]),
            (0x21, 0x21, &v6[..35]),
            (0x22, 0x11, &v4[..]),
            (0x11, 0x11, &v4[..]),
            (0x21, 0x13, &v4[..]),
        ] {
            assert_eq!(of_version_2(command, family, rest), None, "{command:x} {family:x}");
        }
    }
}
