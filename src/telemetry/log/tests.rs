//! What arrives at the journal, at syslog, and at all when lines repeat themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{os::unix::net::UnixDatagram, time::Duration};

use super::*;

fn settings() -> Settings {
    let (levels, file) = (Vec::new(), None);
    Settings {
        debug: false,
        levels,
        json: false,
        file,
        stderr: false,
        journal: false,
        syslog: None,
        limit: None,
    }
}

/// Has `say` speak to a log with one target of the system's; returns the datagrams that arrived.
fn heard(settings: &Settings, say: impl FnOnce()) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let limited = settings.limit.clone().map(Limited::new);
    let subscriber = tracing_subscriber::registry().with(of_system(settings, &path, &path)).with(limited);
    tracing::subscriber::with_default(subscriber, say);
    let mut all = Vec::new();
    let mut buffer = vec![0; 1 << 17];
    while let Ok(length) = socket.recv(&mut buffer) {
        all.push(buffer[..length].to_vec());
    }
    all
}

/// Proves that syslog gets each line with the priority of facility and level, on one line and of bounded length.
#[test]
fn syslog_gets_lines_with_priorities() {
    let lines = heard(&Settings { syslog: facility("LOG_LOCAL3"), ..settings() }, || {
        tracing::error!("first\nsecond");
        tracing::info!(image = "i", "said");
        tracing::warn!("{}", "x".repeat(20_000));
    });
    let texts: Vec<String> = lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    let head = |priority| format!("<{priority}>vitrine[{}]: ", std::process::id());
    assert!(texts[0].starts_with(&head(19 * 8 + 3)) && texts[0].ends_with("first second"), "{texts:?}");
    assert!(texts[1].starts_with(&head(19 * 8 + 6)) && texts[1].ends_with("said image=\"i\""), "{texts:?}");
    assert!(texts[2].starts_with(&head(19 * 8 + 4)) && texts[2].len() == 8192, "{}", texts[2].len());
    assert_eq!(texts.len(), 3);
}

/// Proves the names of facilities.
#[test]
fn facilities_have_names() {
    for (name, number) in [
        ("LOG_USER", Some(1)),
        ("user", Some(1)),
        ("local7", Some(23)),
        ("LOG_DAEMON", Some(3)),
        ("nobody", None),
    ] {
        assert_eq!(facility(name), number, "{name}");
    }
}

/// Proves that the journal gets the fields of a line and of its spans, and text of several lines as its protocol has it.
#[test]
fn the_journal_gets_fields() {
    let lines = heard(&Settings { journal: true, ..settings() }, || {
        let span = tracing::info_span!("request", request_id = "req-1");
        span.in_scope(|| tracing::warn!(bytes = 5, "one\ntwo"));
    });
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let message = [b"MESSAGE\n\x07\0\0\0\0\0\0\0".as_slice(), b"one\ntwo\n"].concat();
    assert!(line.windows(message.len()).any(|part| part == message), "{line:?}");
    let text = String::from_utf8_lossy(line);
    for field in
        ["BYTES=5\n", "PRIORITY=4\n", "SYSLOG_IDENTIFIER=vitrine\n", "REQUEST_ID=req-1\n", "CODE_FILE=src/"]
    {
        assert!(text.contains(field), "{field}: {text}");
    }
}

/// Proves that of one place no more is written than the limit says, but always what is severe, and that lines of other
/// places and of requests are not held against it.
#[test]
fn repetitions_are_left_out() {
    let limit = Limit { interval: Duration::from_secs(3600), burst: 2, except: Some(tracing::Level::ERROR) };
    let lines = heard(&Settings { syslog: Some(1), limit: Some(limit), ..settings() }, || {
        for number in 0..3 {
            tracing::warn!(number, "again");
            tracing::error!(number, "severe");
            tracing::info!(target: "access", number);
        }
        tracing::warn!("another place");
    });
    let count = |word: &str| lines.iter().filter(|line| String::from_utf8_lossy(line).contains(word)).count();
    assert_eq!((count("again"), count("severe"), count("access"), count("another place")), (2, 3, 3, 1));
}

/// Proves that what was left out is told with the next line that is written.
#[test]
fn what_was_left_out_is_told() {
    let limited = Limited::new(Limit { interval: Duration::from_secs(10), burst: 1, except: None });
    let subscriber = tracing_subscriber::registry();
    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!("a place");
        let place = span.metadata().unwrap();
        let began = std::time::Instant::now();
        let after = |seconds| limited.admits(place, began + Duration::from_secs(seconds));
        assert_eq!([after(0), after(1), after(2), after(9)], [(true, 0), (false, 0), (false, 0), (false, 0)]);
        assert_eq!([after(10), after(11), after(21)], [(true, 3), (false, 0), (true, 1)]);
    });
}
