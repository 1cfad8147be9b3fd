//! What callers lend a job stays out of rows and logs.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex, mpsc},
};

use async_trait::async_trait;
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};
use vitrine::{
    config::StoreSettings,
    db::Conn,
    identity::{Credentials, Identity, IdentityError},
    model::{
        caller::Caller,
        image::{Image, Location},
    },
    server::IdentityChoice,
    store::http,
};

use super::*;

/// The token of every caller here.
const TOKEN: &str = "hush-2f6ba9c1d7e04a";
/// The file to which a test of this file writes its log, each line that there is.
const LOG: &str = "SECRETS_LOG";

/// Knows one token, which says nothing of its caller, and a region with another image service.
#[derive(Debug)]
struct OneToken {
    elsewhere: String,
}

#[async_trait]
impl Identity for OneToken {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Caller, IdentityError> {
        if credentials.token.as_deref() != Some(TOKEN) {
            return Err(IdentityError::Unauthenticated("the token is unknown".to_owned()));
        }
        Ok(Caller {
            user_id: Some("alice".to_owned()),
            project_id: Some("alice".to_owned()),
            roles: MEMBER.iter().map(|role| (*role).to_owned()).collect(),
            ..Caller::default()
        })
    }

    async fn catalog(&self, _: &str, _: &str) -> Result<Value, IdentityError> {
        let endpoint = json!({"region": "Two", "interface": "public", "url": self.elsewhere});
        Ok(json!([{"type": "image", "endpoints": [endpoint]}]))
    }

    fn challenge(&self, _: &str) -> Option<String> {
        None
    }
}

/// Another image service, which lets its clients wait until the test answers for it.
struct Elsewhere {
    url: String,
    asked: mpsc::Receiver<(String, TcpStream)>,
}

impl Elsewhere {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                    head.push(byte[0]);
                }
                if sender.send((String::from_utf8_lossy(&head).into_owned(), stream)).is_err() {
                    return;
                }
            }
        });
        Self { url, asked }
    }

    /// The next request, and the connection that waits for its answer.
    async fn asked(&self) -> (String, TcpStream) {
        eventually("the other service is asked", async || self.asked.try_recv()).await
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = sql_types::Text)]
    place: String,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

/// Every value of every row of a database.
fn everything(conn: &mut Conn) -> Vec<String> {
    let (columns, quote) = match conn {
        Conn::Postgres(_) => (
            "SELECT table_name::text AS place, column_name::text AS name FROM information_schema.columns \
             WHERE table_schema = 'public'",
            '"',
        ),
        Conn::Mysql(_) => (
            "SELECT table_name AS place, column_name AS name FROM information_schema.columns \
             WHERE table_schema = DATABASE()",
            '`',
        ),
        Conn::Sqlite(_) => (
            "SELECT m.name AS place, c.name AS name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table'",
            '"',
        ),
    };
    let columns: Vec<Column> = sql_query(columns).load(conn).unwrap();
    assert!(columns.iter().any(|column| (column.place.as_str(), column.name.as_str()) == ("jobs", "state")));
    let mut found = Vec::new();
    for Column { place, name } in columns {
        let cast = if quote == '`' { "CHAR" } else { "TEXT" };
        let query = format!(
            "SELECT COALESCE(CAST({quote}{name}{quote} AS {cast}), '') AS text FROM {quote}{place}{quote}"
        );
        let lines: Vec<Line> = sql_query(query).load(conn).unwrap();
        found.extend(lines.into_iter().map(|line| line.text));
    }
    found
}

/// Requires that the token is nowhere in the database, nor, with SQLite, in its files.
async fn stores_no_token(app: &TestApp) {
    let all = app.app();
    let rows = all.db.read("test.everything", |conn| Ok(everything(conn))).await.unwrap();
    let known: Vec<_> = rows.iter().filter(|text| text.contains(TOKEN)).collect();
    assert_eq!(known, Vec::<&String>::new());
    for entry in std::fs::read_dir(app.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()), "{}", path.display());
        }
    }
}

/// What the jobs of an image remember, the newest last.
async fn states(app: &TestApp, id: &str) -> Vec<Value> {
    let id = id.to_owned();
    let read = move |conn: &mut Conn| {
        let query = match conn {
            Conn::Postgres(_) => "SELECT state AS text FROM jobs WHERE image_id = $1 ORDER BY created_at",
            _ => "SELECT state AS text FROM jobs WHERE image_id = ? ORDER BY created_at",
        };
        let lines: Vec<Line> = sql_query(query).bind::<sql_types::Text, _>(&id).load(conn).unwrap();
        Ok(lines.iter().map(|line| serde_json::from_str(&line.text).unwrap()).collect())
    };
    app.app().db.read("test.states", read).await.unwrap()
}

/// Writes everything that this process logs to a file, when the test was told so.
fn log_if_told() {
    let Ok(path) = std::env::var(LOG) else { return };
    let file = std::fs::File::create(path).unwrap();
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Mutex::new(file));
    tracing_subscriber::registry().with(lines).with(EnvFilter::new("trace")).init();
}

on_each_database! {
    /// The token of a `glance-download` reaches the other service and no row, while the job is under way, once it has
    /// failed, and once it was stopped; what a job no longer needs it does not keep, sealed or not.
    async fn sec_10_a_token_lies_in_no_row(database: Database) {
        log_if_told();
        let elsewhere = Elsewhere::start();
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.image.enabled_import_methods.push("glance-download".to_owned());
            options.identity = IdentityChoice::Given(Arc::new(OneToken { elsewhere: elsewhere.url.clone() }));
        });
        let alice = app.with_token(Some(TOKEN));
        let method = json!({"name": "glance-download", "glance_region": "Two", "glance_image_id": fresh_id()});
        for stops in [false, true] {
            let id = alice.created(image().raw()).await;
            import(&alice, &id, json!({"method": method})).await.expect(202);
            let (head, mut waiting) = elsewhere.asked().await;
            assert!(head.to_lowercase().contains(&format!("x-auth-token: {TOKEN}\r\n")), "{head}");
            let under_way = states(&app, &id).await;
            assert!(under_way[0]["remote"]["token"].is_string(), "{under_way:?}");
            stores_no_token(&app).await;
            if stops {
                alice.remove(&id).await.expect(204);
            } else {
                waiting.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
            eventually("the token is forgotten", async || {
                let states = states(&app, &id).await;
                if states.iter().all(|state| state["remote"].is_null()) { Ok(()) } else { Err(states) }
            })
            .await;
            stores_no_token(&app).await;
        }
    }

    /// Proves that what stands for the id of the image at the source is one, so that the caller's token goes to no other
    /// address of that service.
    async fn sec_36_the_image_at_the_source_is_named_by_its_id(database: Database) {
        let app = database.app_with(|options| {
            options.image.enabled_import_methods.push("glance-download".to_owned());
        });
        let alice = app.as_member("alice");
        let (id, other) = (alice.created(image().raw()).await, fresh_id());
        let bad = ["", "../tasks", "x?y", &format!("{other}/../x"), &format!("{other}%2F"), &format!("{{{other}}}")];
        for bad in bad {
            let method = json!({"name": "glance-download", "glance_region": "Two", "glance_image_id": bad});
            let text = import(&alice, &id, json!({"method": method})).await.expect(400).text();
            assert!(text.contains("glance_image_id"), "{bad}: {text}");
        }
    }

    /// The signature in the URL of a source, and the password of a proxy, stand in no answer about what went wrong.
    async fn sec_2_what_went_wrong_tells_no_secret(database: Database) {
        log_if_told();
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.stores = crate::stores::several(&options.data_dir);
            let proxies = vec![("http".to_owned(), format!("alice:{TOKEN}@127.0.0.1:1"))];
            let settings = http::Settings { proxies, ..http::Settings::default() };
            *options.stores.list.last_mut().unwrap() = StoreSettings::new("web", settings);
        });
        let alice = app.as_member("alice");
        let url = format!("http://127.0.0.1:1/x?signature={TOKEN}");
        let location = Location {
            id: fresh_id(),
            url: url.clone(),
            metadata: serde_json::Map::new(),
            store: Some("web".to_owned()),
            blob_id: None,
        };
        let image_there = Image { size: Some(4), locations: vec![location], ..record("alice", 1) };
        app.insert(std::slice::from_ref(&image_there)).await;
        let answer = alice.download(&image_there.id).await.expect(503);
        assert!(!format!("{answer:?}").contains(TOKEN), "{answer:?}");
        let id = alice.created(image().raw()).await;
        download(&alice, &id, &url).await.expect(202);
        let task = over(&alice, &id).await;
        assert_eq!(task["status"], "failure");
        assert!(!task["message"].as_str().unwrap().contains(TOKEN), "{task}");
    }

    /// A source with a name and a password in it is refused before it is written down.
    async fn sec_10_a_password_in_a_source_lies_in_no_row(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.image.show_multiple_locations = true;
        });
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let uri = format!("http://alice:{TOKEN}@127.0.0.1:9/x");
        let id = alice.created(image().raw()).await;
        download(&alice, &id, &uri).await.expect(400);
        alice.post(&format!("/v2/images/{id}/locations")).json(&json!({"url": uri})).await.expect(400);
        let add = json!([{"op": "add", "path": "/locations/-", "value": {"url": uri, "metadata": {}}}]);
        alice.update(&id, add).await.expect(400);
        let input = json!({"import_from": uri, "import_from_format": "raw", "image_properties": {"name": "x"}});
        admin.post("/v2/tasks").json(&json!({"type": "import", "input": input})).await.expect(400);
        stores_no_token(&app).await;
    }
}

/// Proves that no line of the log has such a secret in it, at whatever level, of whichever library. The log belongs to a
/// process, so another one does the work.
#[test]
fn sec_59_a_secret_stands_in_no_line_of_the_log() {
    let folder = scratch_folder();
    let log = folder.path().join("log");
    for test in ["sec_10_a_token_lies_in_no_row", "sec_2_what_went_wrong_tells_no_secret"] {
        let done = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("imports::secrets::{test}::sqlite"), "--nocapture"])
            .env(LOG, &log)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.contains("TRACE") && text.contains("access"), "{} bytes", text.len());
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(TOKEN)).collect();
        assert_eq!(lines, Vec::<&str>::new(), "{test}");
    }
}
