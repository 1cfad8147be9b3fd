//! Names of projects, for tables: asked for with the service's own login, remembered, and done without where they cannot
//! be had in a few seconds.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use moka::future::Cache;
use serde_json::Value;

use super::{
    http::{Answer, Http},
    session::{Login, Session},
};
use crate::outbound::{Method, StatusCode};

/// Projects whose names are remembered at most.
const REMEMBERED_MAX: u64 = 20_000;
/// For how long a name is good, and that there is none.
const GOOD: Duration = Duration::from_secs(600);
/// Projects that are asked for at one time by one request.
const AT_ONCE: usize = 8;
/// How long one request waits for all names that it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long Keystone is left alone after it has refused or not answered.
const REST: Duration = Duration::from_secs(60);
/// Ids and names that are longer are not Keystone's, which allows 64 characters.
const CHARS_MAX: usize = 255;

/// What is known of the names of projects.
pub(super) struct Names {
    known: Cache<String, Option<Arc<str>>>,
    /// When Keystone failed last.
    failed: Mutex<Option<Instant>>,
}

impl Default for Names {
    fn default() -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(GOOD).build();
        Self { known, failed: Mutex::default() }
    }
}

impl Names {
    fn rests(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|then| then.elapsed() < REST)
    }

    fn rest(&self, why: &str) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_none_or(|then| then.elapsed() >= REST) {
            tracing::warn!(why, "names of projects are left out for a minute");
            *failed = Some(Instant::now());
        }
    }

    /// The names of projects, as far as they are known or found out in time.
    pub(super) async fn of(&self, keystone: Asked<'_>, ids: Vec<String>) -> HashMap<String, String> {
        let mut names = HashMap::new();
        let asked = stream::iter(ids.into_iter().filter(|id| is_id(id)));
        let asked = asked.map(|id| async {
            let name = self.one(keystone, &id).await;
            (id, name)
        });
        let mut asked = std::pin::pin!(asked.buffer_unordered(AT_ONCE));
        let all = async {
            while let Some((id, name)) = asked.next().await {
                names.extend(name.map(|name| (id, name.to_string())));
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            self.rest("Keystone takes too long");
        }
        names
    }

    /// A name that is remembered, or else Keystone's answer.
    async fn one(&self, keystone: Asked<'_>, id: &str) -> Option<Arc<str>> {
        if self.rests() {
            return self.known.get(id).await.flatten();
        }
        let asked = self.known.try_get_with_by_ref(id, Box::pin(keystone.name(id))).await;
        asked.unwrap_or_else(|why| {
            self.rest(&why);
            None
        })
    }
}

/// Whether an owner can be a project of Keystone's, whose ids need no escapes in a path.
fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= CHARS_MAX
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Where the names are asked for, and the login for that.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) http: &'a Http,
    pub(super) session: &'a Session,
}

impl Asked<'_> {
    /// Keystone's answer; `None` is a project that it does not know.
    async fn name(self, id: &str) -> Result<Option<Arc<str>>, String> {
        let mut login = self.session.login(self.http, None).await.map_err(|e| e.to_string())?;
        let mut answer = self.get(&login, id).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            login = self.session.login(self.http, Some(&login)).await.map_err(|e| e.to_string())?;
            answer = self.get(&login, id).await?;
        }
        match answer.status {
            StatusCode::OK => {
                let body: Value =
                    serde_json::from_slice(&answer.body).map_err(|e| format!("a project: {e}"))?;
                let name = body["project"]["name"].as_str().filter(|name| name.len() <= 4 * CHARS_MAX);
                Ok(name.map(Arc::from))
            }
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(format!(
                "Keystone answers {status} to GET /v3/projects/{{id}}; the user of [keystone_authtoken] needs a \
                 role that may read projects"
            )),
        }
    }

    async fn get(self, login: &Login, id: &str) -> Result<Answer, String> {
        let url = format!("{}/projects/{id}", login.identity_root);
        let request = self.http.client().request(Method::GET, &url).header("Accept", "application/json");
        let request =
            request.header("X-Auth-Token", &login.token).build().map_err(|e| format!("{url}: {e}"))?;
        self.http.send(request).await.map_err(|e| format!("{url}: {e}"))
    }
}
