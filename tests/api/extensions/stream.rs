//! Events as they happen (section p).

use serde_json::Value;

use crate::support::*;

/// One who listens.
struct Listener(Raw);

impl Listener {
    /// Asks for the stream, and reads the head of the answer.
    fn ask(app: &TestApp, project: &str, query: &str, seen: Option<&str>) -> (Self, String) {
        let token = Persona::with_roles(project, MEMBER).token();
        let seen = seen.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let mut raw = app.raw();
        raw.send(
            format!(
                "GET /ext/v1/events/stream{query} HTTP/1.1\r\nhost: x\r\nx-auth-token: {token}\r\n{seen}\r\n"
            )
            .as_bytes(),
        );
        let mut listener = Self(raw);
        let head = listener.until("\r\n\r\n");
        (listener, head)
    }

    fn listen(app: &TestApp, project: &str, query: &str, seen: Option<&str>) -> Self {
        let (mut listener, head) = Self::ask(app, project, query, seen);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        listener.until("retry: 2000\n\n");
        listener
    }

    fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            text.push_str(&String::from_utf8(self.0.read(1)).unwrap());
        }
        text
    }

    /// The next event: its number, its kind, what is told.
    fn event(&mut self) -> (String, String, Value) {
        self.until("id: ");
        let id = self.until("\n").trim().to_owned();
        self.until("event: ");
        let kind = self.until("\n").trim().to_owned();
        self.until("data: ");
        (id, kind, serde_json::from_str(&self.until("\n")).unwrap())
    }
}

on_each_database! {
    /// Whoever listens is told of the events of his project in order, and of no other's; one who comes back gets what he
    /// missed; an administrator hears all; one image can be listened to alone. A node that stops ends the streams.
    async fn events_are_heard_as_they_happen(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let mut first = Listener::listen(&app, "alice", "", None);
        let (theirs, id) = (bob.created(image().raw()).await, alice.created(image().raw()).await);
        let (seen, kind, told) = first.event();
        assert_eq!((kind.as_str(), &told["image_id"], &told["id"]), ("image.create", &Value::from(id.clone()), &seen.clone().into()));
        let mut only = Listener::listen(&app, "alice", &format!("?image_id={id}"), None);
        drop(first);

        let other = alice.created(image().raw()).await;
        alice.upload(&id, "data").await.expect(204);
        let mut again = Listener::listen(&app, "alice", "", Some(&seen));
        let heard = |listener: &mut Listener, count: usize| -> Vec<(String, String)> {
            let one = |listener: &mut Listener| {
                let (_, kind, told) = listener.event();
                (kind, told["image_id"].as_str().unwrap().to_owned())
            };
            (0..count).map(|_| one(listener)).collect()
        };
        let event = |kind: &str, id: &String| (format!("image.{kind}"), id.clone());
        assert_eq!(
            heard(&mut again, 3),
            [event("create", &other), event("prepare", &id), event("activate", &id)]
        );
        assert_eq!(heard(&mut only, 2), [event("prepare", &id), event("activate", &id)]);
        bob.remove(&theirs).await.expect(204);
        alice.remove(&other).await.expect(204);
        assert_eq!(heard(&mut again, 1), [event("delete", &other)]);

        let listed = alice.get("/ext/v1/events?limit=2").await.expect(200).json();
        assert_eq!((&listed["events"][0]["image_id"], listed["events"].as_array().unwrap().len()), (&id.into(), 2));
        let rest = alice.get(listed["next"].as_str().unwrap()).await.expect(200).json();
        assert_eq!(rest["events"].as_array().unwrap().len(), 2);
        let all = app.as_admin().get(&format!("/ext/v1/events?image_id={theirs}")).await.expect(200).json();
        assert_eq!(all["events"].as_array().unwrap().len(), 2);
        alice.get("/ext/v1/events/stream?seconds=601").await.expect(400);
        alice.get("/ext/v1/events/stream?colour=red").await.expect(400);
    }
}

/// A project has a bounded number of listeners, and one that goes makes room; others are not kept from listening.
#[test]
fn listeners_are_bounded() {
    block_on(async {
        let app = Database::Sqlite.app();
        let mut listening: Vec<_> = (0..16).map(|_| Listener::listen(&app, "alice", "", None)).collect();
        let (_, refused) = Listener::ask(&app, "alice", "", None);
        assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after"), "{refused}");
        Listener::listen(&app, "bob", "", None);
        listening.pop();
        // The server notices at the next event.
        eventually("there is room", async || {
            app.as_member("alice").created(image().raw()).await;
            let (_, head) = Listener::ask(&app, "alice", "", None);
            if head.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(head) }
        })
        .await;
    });
}
