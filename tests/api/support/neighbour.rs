//! A second server on the database of a test, as another node of the same service.

use tempfile::TempDir;
use vitrine::db;

use super::{ADMIN, Client, LIMITS, MEMBER, Persona, Running, TestApp, new_http, run, scratch_folder};

/// Another node. Dropping it stops it.
pub struct Neighbour {
    http: reqwest::Client,
    running: Option<Running>,
    _folder: TempDir,
}

impl TestApp {
    /// Starts another node with the same options, in a data folder of its own.
    pub fn neighbour(&self) -> Neighbour {
        let (folder, mut options) = (scratch_folder(), self.options.clone());
        folder.path().clone_into(&mut options.data_dir);
        let connection = self._database.url().to_owned();
        options.database = Some(db::Settings { connection, limits: LIMITS, ..Default::default() });
        Neighbour { http: new_http(), running: Some(run(&options)), _folder: folder }
    }
}

impl Neighbour {
    fn as_role(&self, project: &str, roles: &[&str]) -> Client {
        let address = self.running.as_ref().expect("a running server").address;
        let token = Persona::with_roles(project, roles).token();
        Client::new(self.http.clone(), format!("http://{address}"), Some(token))
    }

    /// The usual user of a project.
    pub fn as_member(&self, project: &str) -> Client {
        self.as_role(project, MEMBER)
    }

    /// An admin.
    pub fn as_admin(&self) -> Client {
        self.as_role("admin-project", ADMIN)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // Idle connections would keep the server waiting.
        self.http = new_http();
        if let Some(Running { stop, thread, app, .. }) = self.running.take() {
            drop(app);
            drop(stop);
            let ended = thread.join();
            assert!(std::thread::panicking() || ended.is_ok(), "the other server panicked");
        }
    }
}
