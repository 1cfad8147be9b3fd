//! `vitrine serve --ephemeral`, the real binary: it serves as any other, and nothing is left when it has stopped.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::support::*;

/// A server whose temporary files and working folder are in folders of the test.
struct Ephemeral {
    child: Child,
    base: String,
    /// The text of its `clouds.yaml`.
    clouds: String,
}

impl Ephemeral {
    fn start(temporary: &Path, working: &Path, configuration: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vitrine"))
            .args(["serve", "--ephemeral", "--bind", "127.0.0.1:0", "--config-file"])
            .arg(configuration)
            .env("TMPDIR", temporary)
            .current_dir(working)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let lines: Vec<String> = lines.take(4).collect();
        let base = lines[0].split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let (_, clouds) = lines[1].split_once('=').unwrap();
        let base = base.trim_end_matches('.').to_owned();
        Self { child, base, clouds: fs::read_to_string(clouds).unwrap() }
    }

    /// Logs in as the user of the first cloud, as the OpenStack client does.
    async fn log_in(&self, http: &reqwest::Client) -> String {
        let password = self.clouds.lines().find_map(|line| line.trim().strip_prefix("password: ")).unwrap();
        let password: String = serde_json::from_str(password).unwrap();
        let (user, project) = ("demo", json!({"name": "demo", "domain": {"id": "default"}}));
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": user, "domain": {"id": "default"}, "password": password,
            }}},
            "scope": {"project": project},
        }});
        let url = format!("{}/identity/v3/auth/tokens", self.base);
        let answer = http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["x-subject-token"].to_str().unwrap().to_owned()
    }

    /// Stops it as `systemctl stop` does, and requires that it ends well.
    fn stop(mut self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        // A test that fails leaves no server behind; one that has stopped is no fault.
        let _ = self.child.kill();
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// Proves that an ephemeral server takes, imports, gives and deletes images, that its memory is bounded by
/// `memory_store_size`, and that neither its database nor its images nor its keys are on disk after it has stopped.
#[tokio::test]
async fn nothing_is_left_of_an_ephemeral_server() {
    let (temporary, working, elsewhere) = (scratch_folder(), scratch_folder(), scratch_folder());
    let configuration = elsewhere.path().join("glance-api.conf");
    // What the file says of stores and database does not count.
    let folder = elsewhere.path().display();
    fs::write(
        &configuration,
        format!(
            "[DEFAULT]\nenabled_backends = a:file\n[database]\nconnection = sqlite:{folder}/x.sqlite\n\
             [glance_store]\ndefault_backend = a\nmemory_store_size = 1MB\n[a]\nfilesystem_store_datadir = {folder}/a\n"
        ),
    )
    .unwrap();
    let server = Ephemeral::start(temporary.path(), working.path(), &configuration);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = server.log_in(&http).await;
    let client = Client::new(http, server.base.clone(), Some(token));

    let data = bytes(600_000);
    let id = client.created(image().raw()).await;
    client.upload(&id, data.clone()).await.expect(204);
    assert_eq!(client.show(&id).await.json()["status"], "active");
    assert_eq!(client.download(&id).await.expect(200).body, data);
    let second = client.created(image().raw()).await;
    client.upload(&second, data.clone()).await.expect(413);
    client.remove(&id).await.expect(204);

    client
        .put(&format!("/v2/images/{second}/stage"))
        .header("content-type", OCTETS)
        .body(data.clone())
        .await
        .expect(204);
    let import = json!({"method": {"name": "glance-direct"}});
    client.post(&format!("/v2/images/{second}/import")).json(&import).await.expect(202);
    client.becomes(&second, "active").await;
    assert_eq!(client.download(&second).await.expect(200).body, data);

    server.stop();
    assert!(is_empty(temporary.path()) && is_empty(working.path()));
    assert!(!elsewhere.path().join("x.sqlite").exists() && !elsewhere.path().join("a").exists());
}
