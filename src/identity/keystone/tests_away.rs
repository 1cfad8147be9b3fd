//! The provider against a Keystone that fails, hangs or does not exist.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;

use super::fake::{Fake, connect, flaky, token};
use super::tests::{status, with};
use super::*;

const HOUR: TimeDelta = TimeDelta::hours(1);

#[tokio::test]
async fn a_keystone_that_fails_is_a_503_and_not_remembered() {
    let fake = Fake::start();
    fake.knows("u", token("alice", &["member"], HOUR));
    let keystone = fake.keystone();
    let too_long = "x".repeat(3 << 20);
    for (code, body) in [
        (500, ""),
        (503, "{}"),
        (403, "{}"),
        (429, ""),
        (302, ""),
        (400, "{}"),
        (200, "<html>"),
        (200, "{}"),
        (200, &too_long),
    ] {
        fake.fails_with(code, body);
        assert_eq!(status(&keystone.authenticate(&with("u")).await), 503, "{code}");
    }
    fake.fails_with(404, "<html>");
    assert_eq!(status(&keystone.authenticate(&with("u")).await), 401);
    *fake.state.fault.lock().unwrap() = None;
    assert_eq!(status(&keystone.authenticate(&with("u")).await), 200);
}

#[tokio::test]
async fn a_refused_service_user_is_a_503_that_says_whose_fault_it_is() {
    let fake = Fake::start();
    *fake.state.login_status.lock().unwrap() = Some(401);
    let answer = fake.keystone().authenticate(&with("u")).await;
    let Err(IdentityError::Unavailable(message)) = answer else { panic!("{answer:?}") };
    assert!(message.contains("operator"), "{message}");
}

#[tokio::test]
async fn a_keystone_that_is_away_is_a_503_for_all_at_the_price_of_one() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = nobody.local_addr().unwrap();
    drop(nobody);
    let fake = Fake::start();
    let mut keystone =
        Keystone::new(Settings { auth_url: format!("http://{addr}"), ..fake.settings() }).unwrap();
    // Three repetitions after 40, 80 and 160 ms: twenty in a row would take more than five seconds.
    keystone.http.set_pause(Duration::from_millis(40));
    let credentials: Vec<_> = (0..20).map(|n| with(&format!("u{n}"))).collect();
    let answers = join_all(credentials.iter().map(|each| keystone.authenticate(each)));
    let answers = tokio::time::timeout(Duration::from_secs(4), answers).await.expect("one wait serves all");
    for answer in answers {
        let Err(IdentityError::Unavailable(message)) = answer else { panic!("{answer:?}") };
        assert!(message.contains("cannot be reached") && !message.contains("127.0.0.1"), "{message}");
    }
}

#[tokio::test]
async fn broken_connections_are_tried_again() {
    let fake = Fake::start();
    fake.knows("u", token("alice", &["member"], HOUR));
    for (broken, expected) in [(3, 200), (4, 503)] {
        let auth_url = format!("http://{}", flaky(fake.addr, broken));
        let keystone = connect(Settings { auth_url, ..fake.settings() });
        assert_eq!(status(&keystone.authenticate(&with("u")).await), expected, "{broken}");
    }
}

#[tokio::test]
async fn a_keystone_that_says_nothing_is_given_up() {
    // Connections wait in the queue of a listener that never accepts.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let fake = Fake::start();
    let keystone = connect(Settings {
        auth_url: format!("http://{}", silent.local_addr().unwrap()),
        http_connect_timeout: Some(Duration::from_millis(50)),
        http_request_max_retries: 1,
        ..fake.settings()
    });
    let credentials = with("u");
    let answer = tokio::time::timeout(Duration::from_secs(5), keystone.authenticate(&credentials)).await;
    assert_eq!(status(&answer.expect("far less than the usual time")), 503);
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_take_the_others_answer_along() {
    let fake = Fake::start();
    fake.knows("u", token("alice", &["member"], HOUR));
    let keystone = fake.keystone();
    let credentials = with("u");
    let mut first = keystone.authenticate(&credentials);
    assert!(futures::poll!(&mut first).is_pending());
    let mut second = keystone.authenticate(&credentials);
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(status(&second.await), 200);
}
