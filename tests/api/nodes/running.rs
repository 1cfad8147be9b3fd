//! Servers that share a database: they accept each other's tokens, and tell of each other.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

/// One running server with the built-in identity.
struct Node {
    process: Child,
    folder: PathBuf,
    client: Client,
}

impl Node {
    /// Starts one in a folder of its own below `cloud`, with this configuration, and waits until it answers.
    fn start(cloud: &Path, name: &str, url: &str, configuration: &str) -> Self {
        Self::launch(cloud, name, url, configuration).up()
    }

    /// As [`Node::start`], without waiting.
    fn launch(cloud: &Path, name: &str, url: &str, configuration: &str) -> Self {
        let folder = cloud.join(name);
        let file = cloud.join(format!("{name}.conf"));
        // Machines that are busy answer in time.
        fs::write(&file, format!("{configuration}\n[vitrine]\ndatabase_wait = 60\n")).unwrap();
        let words = ["serve", "--bind", "127.0.0.1:0", "--config-file", file.to_str().unwrap()];
        let log = File::options().append(true).create(true).open(cloud.join(format!("{name}.log"))).unwrap();
        let process = command(&folder, url, &words).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        Self { process, folder, client: Client::new(reqwest::Client::new(), String::new(), None) }
    }

    fn up(mut self) -> Self {
        let mut lines = BufReader::new(self.process.stdout.take().unwrap()).lines();
        let said = lines.next().expect("a server that starts").unwrap();
        let address = said.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap();
        let address = address.trim_end_matches('.');
        // It listens before it serves; an answer says that it does.
        let mut link = TcpStream::connect(address).unwrap();
        link.write_all(b"GET /versions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut status = [0; 12];
        link.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        // Whatever it prints further must not break it.
        std::thread::spawn(move || lines.count());
        self.client = Client::new(reqwest::Client::new(), format!("http://{address}"), None);
        self
    }

    fn token(&self, token: &str) -> Client {
        Client::new(reqwest::Client::new(), self.client.base().to_owned(), Some(token.to_owned()))
    }

    async fn login(&self, password: &str) -> String {
        let user = json!({"name": "demo", "domain": {"id": "default"}, "password": password});
        let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
        let answer = self.client.post("/identity/v3/auth/tokens").json(&body).await.expect(201);
        answer.header("x-subject-token").to_owned()
    }

    async fn accepts(&self, token: &str) -> bool {
        self.token(token).list("").await.status == 200
    }

    /// SIGTERM.
    fn terminate(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
    }

    /// SIGTERM, and a regular end.
    fn stop(mut self) {
        self.terminate();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Ended already, or not: the test is over.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The password that the first start made; one node has it.
fn password(nodes: &[&Node]) -> String {
    let texts: Vec<String> =
        nodes.iter().filter_map(|node| fs::read_to_string(node.folder.join("clouds.yaml")).ok()).collect();
    assert_eq!(texts.len(), 1, "one node makes the users");
    let clouds: Value = serde_saphyr::from_str(&texts[0]).unwrap();
    clouds["clouds"]["vitrine"]["auth"]["password"].as_str().unwrap().to_owned()
}

fn key_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// A folder for several nodes, and a database outside of theirs.
fn cloud(database: Database) -> (tempfile::TempDir, TestDatabase) {
    let folder = scratch_folder();
    let empty = TestDatabase::empty(database, folder.path());
    let (code, text) = run(&folder.path().join("none"), empty.url(), &["db", "sync"]);
    assert_eq!(code, 0, "{text}");
    (folder, empty)
}

/// Where the keys of an earlier version were, with a key.
fn old_key(folder: &Path) -> (String, jsonwebtoken::EncodingKey) {
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = openssl::ec::EcKey::generate(&group).unwrap();
    let pem = openssl::pkey::PKey::from_ec_key(key).unwrap().private_key_to_pem_pkcs8().unwrap();
    // Of today: an old key would be replaced at once.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let kid = format!("{now}-0000abcd");
    fs::create_dir_all(folder.join("keys")).unwrap();
    fs::write(folder.join(format!("keys/{kid}.pem")), &pem).unwrap();
    (kid, jsonwebtoken::EncodingKey::from_ec_pem(&pem).unwrap())
}

on_each_database! {
    /// Servers that start together on a fresh database all come up with the same users and keys: each accepts the
    /// tokens of the other, of before and after a rotation, and after the restart of one.
    async fn nodes_accept_each_others_tokens(database: Database) {
        let (folder, shared) = cloud(database);
        let names = ["a", "b", "c"];
        let launched = names.map(|name| Node::launch(folder.path(), name, shared.url(), ""));
        let [a, b, c] = launched.map(Node::up);
        let password = password(&[&a, &b, &c]);
        let before = a.login(&password).await;
        assert!(a.accepts(&before).await && b.accepts(&before).await && c.accepts(&before).await);
        let (code, text) = run(&folder.path().join("a"), shared.url(), &["keys", "rotate"]);
        assert!(code == 0 && text.lines().count() == 2 && !text.contains("PRIVATE"), "{text}");
        // A start reads the keys, and so uses the new one.
        a.stop();
        let a = Node::start(folder.path(), "a", shared.url(), "");
        let after = a.login(&password).await;
        assert_ne!(key_of(&after), key_of(&before));
        for node in [&a, &b, &c] {
            assert!(node.accepts(&before).await && node.accepts(&after).await);
        }
    }

    /// A key file of an earlier version is taken into the database at the next start, goes on signing, and is gone
    /// from the folder.
    async fn keys_of_an_earlier_version_are_taken_in(database: Database) {
        let (folder, shared) = cloud(database);
        let (kid, key) = old_key(&folder.path().join("a"));
        let a = Node::start(folder.path(), "a", shared.url(), "");
        let token = a.login(&password(&[&a])).await;
        assert_eq!(key_of(&token), kid);
        assert!(!folder.path().join("a/keys").exists());
        // What the earlier version signed is good on a node that never had the file.
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = Some(kid);
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let mut claims: Value = serde_json::from_slice(&claims).unwrap();
        claims["openstack_audit_ids"] = json!(["an-older-token"]);
        let older = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let b = Node::start(folder.path(), "b", shared.url(), "");
        assert!(a.accepts(&older).await && b.accepts(&older).await);
    }

    /// `vitrine nodes` tells who runs, who is dead, and which settings differ; a new node warns of the others.
    async fn nodes_tell_of_each_other(database: Database) {
        let (folder, shared) = cloud(database);
        let nodes = |words: &[&str]| run(&folder.path().join("none"), shared.url(), &[&["nodes"], words].concat());
        assert_eq!(nodes(&[]), (0, "there is no node\n".to_owned()));
        let images = folder.path().join("images");
        let agreed = format!("[glance_store]\nfilesystem_store_datadir = {}\n", images.display());
        let a = Node::start(folder.path(), "a", shared.url(), &agreed);
        let b = Node::start(folder.path(), "b", shared.url(), &agreed);
        let (code, text) = nodes(&[]);
        assert!(code == 0 && text.lines().count() == 2 && text.matches("running").count() == 2, "{text}");

        let other = format!("[DEFAULT]\nimage_tag_quota = 7\n{agreed}");
        let mut c = Node::start(folder.path(), "c", shared.url(), &other);
        let (code, text) = nodes(&["--json"]);
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, told["nodes"].as_array().unwrap().len()), (2, 3), "{text}");
        assert_eq!(keys(&told["disagreements"]), ["images"], "{text}");
        let log = fs::read_to_string(folder.path().join("c.log")).unwrap();
        assert_eq!(log.lines().filter(|line| line.contains("differs from this one") && line.contains("images")).count(), 2, "{log}");

        c.process.kill().unwrap();
        c.process.wait().unwrap();
        // As if its lease had run out.
        let dead = format!("UPDATE nodes SET lease_until = 1 WHERE bind = '{}'", c.client.base().trim_start_matches("http://"));
        execute(shared.url(), &dead);
        a.stop();
        let (code, text) = nodes(&[]);
        assert!(code == 0 && text.lines().count() == 2, "one that stops is gone at once: {text}");
        assert!(text.contains("stale") && text.contains("running") && !text.contains("differs"), "{text}");
        b.stop();
    }

    /// Proves that `vitrine nodes` tells a node that drains from others, in both forms, and that it counts as running.
    async fn a_node_that_drains_says_so(database: Database) {
        let (folder, shared) = cloud(database);
        let nodes = |words: &[&str]| run(&folder.path().join("none"), shared.url(), &[&["nodes"], words].concat());
        let images = folder.path().join("images");
        let slow = format!("[glance_store]\nfilesystem_store_datadir = {}\n[vitrine]\ndrain_seconds = 600\n", images.display());
        let a = Node::start(folder.path(), "a", shared.url(), &slow);
        let mut b = Node::start(folder.path(), "b", shared.url(), &slow);
        // One that nobody watches would not drain.
        b.client.get("/healthcheck").await.expect(200);
        b.terminate();
        eventually("it drains", async || {
            let (code, text) = nodes(&[]);
            if text.contains("  draining  ") { Ok(()) } else { Err((code, text)) }
        })
        .await;
        let (code, text) = nodes(&["--json"]);
        let told: Value = serde_json::from_str(&text).unwrap();
        let drains = |node: &Node| {
            let place = node.client.base().trim_start_matches("http://").to_owned();
            let all = told["nodes"].as_array().unwrap();
            let found = all.iter().find(|other| other["bind"] == json!(place)).unwrap();
            (found["draining"].as_bool().unwrap(), found["stale"].as_bool().unwrap())
        };
        assert_eq!((code, drains(&a), drains(&b)), (0, (false, false), (true, false)), "{text}");
        b.terminate();
        assert!(b.process.wait().unwrap().success());
        let (_, text) = nodes(&[]);
        assert!(text.lines().count() == 1 && !text.contains("draining"), "{text}");
        a.stop();
    }
}
