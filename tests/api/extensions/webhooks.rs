//! Addresses that are told of events (section p).

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use openssl::{hash::MessageDigest, pkey::PKey, sign::Signer};
use serde_json::{Value, json};

use crate::support::*;

const SECRET: &str = "a secret of more than sixteen bytes";

/// Who is told: answers as the test wants, and keeps what came.
struct Receiver {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    got: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (status, got) = (Arc::new(AtomicU16::new(status)), Arc::new(Mutex::new(Vec::new())));
        let (answers, kept) = (Arc::clone(&status), Arc::clone(&got));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut line, mut length, mut signature) = (String::new(), 0, String::new());
                while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                    if let Some((name, value)) = line.trim().split_once(": ") {
                        match name.to_lowercase().as_str() {
                            "content-length" => length = value.parse().unwrap(),
                            "x-signature" => value.clone_into(&mut signature),
                            _ => {}
                        }
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let status = answers.load(Ordering::SeqCst);
                if status == 204 {
                    assert_eq!(signature, signed(&body));
                    kept.lock().unwrap().push((signature, serde_json::from_slice(&body).unwrap()));
                }
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).unwrap();
            }
        });
        Self { address, status, got }
    }

    fn url(&self) -> String {
        format!("http://{}/told", self.address)
    }

    /// Kind and image of what came so far.
    fn told(&self) -> Vec<(String, String)> {
        let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
        let got = self.got.lock().unwrap();
        got.iter().map(|(_, event)| (text(event, "type"), text(event, "image_id"))).collect()
    }

    async fn tells(&self, count: usize) -> Vec<(String, String)> {
        eventually("events arrive", async || {
            let told = self.told();
            if told.len() < count { Err(told) } else { Ok(told) }
        })
        .await
    }
}

fn signed(body: &[u8]) -> String {
    let key = PKey::hmac(SECRET.as_bytes()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.update(body).unwrap();
    let hex: String = signer.sign_to_vec().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

async fn made(client: &Client, body: Value) -> String {
    let made = client.post("/ext/v1/webhooks").json(&body).await.expect(201);
    let hook = made.json()["webhook"].clone();
    assert!(made.header("location").ends_with(&format!("/ext/v1/webhooks/{}", hook["id"].as_str().unwrap())));
    assert_eq!(hook["secret"], body.get("secret").cloned().unwrap_or_else(|| hook["secret"].clone()));
    hook["id"].as_str().unwrap().to_owned()
}

on_each_database! {
    /// A project is told of every event of its images once and in order, signed, whoever of several sends; an
    /// administrator of those of all projects, and of the kinds that he named.
    async fn events_arrive_once_and_in_order(database: Database) {
        let app = database.app_with(reach_loopback);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let before = alice.created(image().raw()).await;
        let (mine, all) = (Receiver::start(204), Receiver::start(204));
        made(&alice, json!({"url": mine.url(), "secret": SECRET})).await;
        made(&admin, json!({"url": all.url(), "secret": SECRET, "all_projects": true, "events": ["image.delete"]})).await;
        let id = alice.created(image().raw()).await;
        let other = app.as_member("bob").created(image().raw()).await;
        alice.upload(&id, "data").await.expect(204);
        app.as_member("bob").remove(&other).await.expect(204);
        alice.remove(&id).await.expect(204);
        alice.remove(&before).await.expect(204);
        let parts = app.app();
        // Others do the same at the same time.
        let turns = (0..4).map(|_| vitrine::jobs::webhooks::turn(&parts));
        futures::future::try_join_all(turns).await.unwrap();
        let event = |kind: &str, id: &String| (format!("image.{kind}"), id.clone());
        assert_eq!(
            mine.tells(5).await,
            [event("create", &id), event("prepare", &id), event("activate", &id), event("delete", &id),
             event("delete", &before)]
        );
        assert_eq!(all.tells(3).await, [event("delete", &other), event("delete", &id), event("delete", &before)]);
        // It is counted once it has been answered.
        let shown = eventually("all are counted", async || {
            let shown = alice.get("/ext/v1/webhooks").await.expect(200).json();
            if shown["webhooks"][0]["delivered"] == 5 { Ok(shown) } else { Err(shown) }
        });
        let shown = shown.await;
        assert_eq!(shown["webhooks"].as_array().unwrap().len(), 1);
        assert_eq!(shown["webhooks"][0]["secret"], Value::Null);
    }

    /// One that does not take events is told again, later and later, and nothing overtakes; what it has not taken in a day
    /// is given up, and that is shown.
    async fn what_is_not_taken_is_sent_again(database: Database) {
        let app = database.app_with(reach_loopback);
        let alice = app.as_member("alice");
        let receiver = Receiver::start(503);
        let id = made(&alice, json!({"url": receiver.url(), "secret": SECRET})).await;
        let path = format!("/ext/v1/webhooks/{id}");
        let shows = async |name: &str, wanted: Value| {
            eventually(name, async || {
                let hook = alice.get(&path).await.expect(200).json()["webhook"].clone();
                // It may have been tried once more meanwhile.
                if hook[name].as_i64() >= wanted.as_i64() { Ok(hook) } else { Err(hook) }
            })
            .await
        };
        let image_id = alice.created(image().raw()).await;
        let hook = shows("attempts", json!(1)).await;
        assert_eq!((&hook["last_error"], &hook["delivered"]), (&json!("it answered 503"), &json!(0)));
        alice.put(&format!("/v2/images/{image_id}/tags/t")).await.expect(204);
        receiver.status.store(204, Ordering::SeqCst);
        app.later(3600);
        let hook = shows("delivered", json!(2)).await;
        assert_eq!((&hook["last_error"], &hook["failing_since"]), (&Value::Null, &Value::Null));
        let event = |kind: &str| (format!("image.{kind}"), image_id.clone());
        assert_eq!(receiver.told(), [event("create"), event("update")]);

        receiver.status.store(500, Ordering::SeqCst);
        alice.put(&format!("/v2/images/{image_id}/tags/u")).await.expect(204);
        shows("attempts", json!(1)).await;
        app.later(25 * 3600);
        let hook = shows("given_up", json!(1)).await;
        assert_eq!((&hook["delivered"], &hook["last_error"]), (&json!(2), &json!("it answered 500")));
        alice.delete(&path).await.expect(204);
        alice.get(&path).await.expect(404);
    }

    /// Who may, what is refused, and how many there may be; nobody makes us connect to networks that imports may not reach.
    async fn webhooks_are_bounded(database: Database) {
        let app = database.app_with(|options| options.imports.filter.allowed_hosts = vec!["127.0.0.2".to_owned()]);
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let good = json!({"url": "http://127.0.0.2/x"});
        app.as_reader("alice").post("/ext/v1/webhooks").json(&good).await.expect(403);
        for bad in [
            json!({"url": "http://127.0.0.1/x"}),
            json!({"url": "http://169.254.169.254/latest"}),
            json!({"url": "file:///etc/passwd"}),
            json!({"url": ""}),
            json!({}),
            json!({"url": "http://127.0.0.2/x", "secret": "short"}),
            json!({"url": "http://127.0.0.2/x", "events": ["image.explode"]}),
            json!({"url": "http://127.0.0.2/x", "colour": "red"}),
        ] {
            alice.post("/ext/v1/webhooks").json(&bad).await.expect_for(400, bad);
        }
        alice.post("/ext/v1/webhooks").json(&json!({"url": "http://127.0.0.2/x", "all_projects": true})).await.expect(403);
        let id = made(&alice, good.clone()).await;
        bob.get(&format!("/ext/v1/webhooks/{id}")).await.expect(404);
        bob.delete(&format!("/ext/v1/webhooks/{id}")).await.expect(404);
        assert_eq!(bob.get("/ext/v1/webhooks").await.expect(200).json()["webhooks"], json!([]));
        app.as_admin().get(&format!("/ext/v1/webhooks/{id}")).await.expect(200);
        for _ in 1..10 {
            made(&alice, good.clone()).await;
        }
        alice.post("/ext/v1/webhooks").json(&good).await.expect(413);
        let page = alice.get("/ext/v1/webhooks?limit=4").await.expect(200).json();
        let rest = alice.get(page["next"].as_str().unwrap()).await.expect(200).json();
        assert_ne!(page["webhooks"][3]["id"], rest["webhooks"][0]["id"]);
        made(&bob, good).await;
    }
}
