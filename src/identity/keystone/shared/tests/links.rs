//! TLS and logins.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
};

use super::super::super::{settings::MemcachedTls, tests_tls::party};
use super::*;

fn with_login(server: &str, password: &str) -> Memcached {
    Memcached {
        sasl: Some(("vitrine".to_owned(), Secret(password.to_owned()))),
        ..settings(server, SecurityStrategy::Mac, "secret")
    }
}

/// A server that says whether it accepts a login, and nothing else; sends what it was sent.
fn doorkeeper(status: u8) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 24];
            stream.read_exact(&mut head).unwrap();
            let mut body = vec![0; usize::from(head[11])];
            stream.read_exact(&mut body).unwrap();
            sender.send([&head[..], &body].concat()).unwrap();
            let mut answer = [0; 24];
            (answer[0], answer[1], answer[7]) = (0x81, head[1], status);
            stream.write_all(&answer).unwrap();
            // One answer to whatever comes next: not found.
            if stream.read_exact(&mut head).is_ok() {
                (answer[1], answer[7]) = (head[1], 1);
                stream.write_all(&answer).unwrap();
            }
        }
    });
    (address, receiver)
}

/// Proves that a login is PLAIN with both names, and that one that is refused is a failure of the server.
#[tokio::test]
async fn a_login_is_sent_before_anything_else() {
    for (status, outcome) in [(0, "miss"), (0x81, "miss"), (0x20, "failed"), (0x04, "failed")] {
        let (server, seen) = doorkeeper(status);
        assert_eq!(looked_up(&open(&with_login(&server, "hush"))).await, outcome, "status {status:#x}");
        let request = seen.recv().unwrap();
        assert_eq!(&request[..2], b"\x80\x21");
        assert_eq!(&request[24..], b"PLAIN\0vitrine\0hush");
    }
    for (user, password, option) in [
        ("", "hush", "memcache_username"),
        ("a", "", "memcache_password"),
        ("a\0b", "hush", "memcache_username"),
    ] {
        let given =
            Memcached { sasl: Some((user.to_owned(), Secret(password.to_owned()))), ..Memcached::default() };
        assert_eq!(Shared::new(&given, LIFE).err().unwrap().option, option);
    }
}

/// Proves that the binary protocol, which only knows logins, keeps and finds entries in a real memcached, which those
/// that use the text protocol find as well.
#[tokio::test]
async fn the_binary_protocol_keeps_the_same_entries() {
    let server = Real::start(&[]);
    let one = open(&with_login(&server.address, "hush"));
    assert_eq!(looked_up(&one).await, "miss");
    assert_eq!(one.kept(TOKEN, BODY).await, "stored");
    assert_eq!(user(&one.get(TOKEN).await.unwrap()), "alice");
    let other = shared(&server.address, SecurityStrategy::Mac, "secret");
    assert_eq!(user(&other.get(TOKEN).await.unwrap()), "alice");
    assert_eq!(one.pool.idle(), 1);
}

/// Proves that nothing but answers to the question passes for one in the binary protocol.
#[tokio::test]
async fn a_server_that_lies_in_binary_is_left_alone() {
    let lies: [&'static [u8]; 3] = [
        b"ERROR\r\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\x81\x21\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\x81\x00\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    for lie in lies {
        let (server, _seen) = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let thread = thread::spawn(move || {
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    stream.read_exact(&mut [0; 24]).unwrap();
                    let _ = stream.write_all(lie);
                }
            });
            (address, thread)
        };
        assert_eq!(looked_up(&open(&with_login(&server, "hush"))).await, "failed", "{lie:?}");
    }
}

/// Proves that the server's certificate is checked, with its name, and that our own is shown.
#[tokio::test]
async fn certificates_are_verified_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = (party(folder.path(), "server"), party(folder.path(), "client"));
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    // memcached reads them before it becomes somebody else.
    let options = format!(
        "ssl_chain_cert={},ssl_key={},ssl_ca_cert={},ssl_verify_mode=2",
        text(&server.certificate_file),
        text(&server.key_file),
        text(&client.certificate_file)
    );
    let real = Real::start(&["-Z", "-o", &options]);
    let with = |server: &str, cafile: &std::path::Path, shows: bool| {
        let tls = MemcachedTls {
            cafile: Some(cafile.to_owned()),
            certfile: shows.then(|| client.certificate_file.clone()),
            keyfile: shows.then(|| client.key_file.clone()),
            allowed_ciphers: Some("HIGH".to_owned()),
        };
        open(&Memcached { tls: Some(tls), ..settings(server, SecurityStrategy::Mac, "secret") })
    };
    let good = with(&real.address, &server.certificate_file, true);
    assert_eq!(good.kept(TOKEN, BODY).await, "stored");
    assert_eq!(looked_up(&good).await, "hit");
    let untrusted = with(&real.address, &client.certificate_file, true);
    assert_eq!(looked_up(&untrusted).await, "failed");
    let unnamed = with(&real.address.replace("127.0.0.1", "localhost"), &server.certificate_file, true);
    assert_eq!(looked_up(&unnamed).await, "failed");
    let hidden = with(&real.address, &server.certificate_file, false);
    assert_eq!(looked_up(&hidden).await, "failed");
    let plain = shared(&real.address, SecurityStrategy::Mac, "secret");
    assert_eq!(looked_up(&plain).await, "failed");
}

/// Proves that files and ciphers of no use stop the start, and that the option is named.
#[test]
fn files_and_ciphers_are_checked_before_the_first_request() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (party(folder.path(), "one"), party(folder.path(), "other"));
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "nothing").unwrap();
    let none = MemcachedTls::default();
    for (option, tls) in [
        ("memcache_tls_cafile", MemcachedTls { cafile: Some(empty.clone()), ..none.clone() }),
        ("memcache_tls_cafile", MemcachedTls { cafile: Some("/nowhere".into()), ..none.clone() }),
        ("memcache_tls_certfile", MemcachedTls { certfile: Some(empty.clone()), ..none.clone() }),
        (
            "memcache_tls_keyfile",
            MemcachedTls {
                certfile: Some(one.certificate_file.clone()),
                keyfile: Some(other.key_file),
                ..none.clone()
            },
        ),
        ("memcache_tls_keyfile", MemcachedTls { certfile: Some(one.certificate_file), ..none.clone() }),
        ("memcache_tls_allowed_ciphers", MemcachedTls { allowed_ciphers: Some("none".to_owned()), ..none }),
    ] {
        let given = Memcached { tls: Some(tls), ..Memcached::default() };
        assert_eq!(Shared::new(&given, LIFE).err().unwrap().option, option);
    }
}
