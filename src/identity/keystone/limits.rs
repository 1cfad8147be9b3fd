//! `[oslo_limit]`: the limits of projects, from a real Keystone (`oslo_limit/limit.py`). The enforcement model and the
//! endpoint are found out once; limits are asked for again after a while, by one request for all who wait.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::future::Cache;
use serde::Deserialize;
use serde_json::Value;
use tokio::{sync::OnceCell, time::timeout};

use super::{
    http::{Answer, Http},
    session::{Login, Session},
    settings::{Settings, SettingsError, v3_root},
};
use crate::{
    identity::limits::LimitSource,
    model::{
        error::{Error, Result},
        unified::{ProjectLimits, SharedLimits, UnifiedLimits},
    },
    outbound::{Method, StatusCode, Url},
};

/// Keystone's models of enforcement: each project has limits; and those of a domain have limits together as well, which
/// oslo.limit knows by another name and does not implement.
const FLAT: &str = "flat";
const TWO_LEVELS: [&str; 2] = ["strict_two_level", "strict-two-level"];
/// Projects whose limits are remembered at most.
const PROJECTS_MAX: u64 = 20_000;
/// How long a request waits for limits at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// The options of `[oslo_limit]`, under their own names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// How to log in, and which of Keystone's endpoints to use.
    pub login: Settings,
    /// URL of Keystone to use instead of the one in the catalogue.
    pub endpoint_override: Option<String>,
    /// Id of this service's endpoint; the others are not used then.
    pub endpoint_id: Option<String>,
    /// Type of this service.
    pub endpoint_service_type: Option<String>,
    /// Name of this service.
    pub endpoint_service_name: Option<String>,
    /// Region of its endpoint.
    pub endpoint_region_name: Option<String>,
    /// Interface of its endpoint: `public`, `internal` or `admin`.
    pub endpoint_interface: String,
    /// For how long limits are good.
    pub cache: Duration,
    /// For how long they are good enough while Keystone does not answer.
    pub last_known: Duration,
}

/// What is known of one project, of a domain, or of all.
type Known = Arc<Facts>;

#[derive(Default)]
struct Facts {
    limits: Vec<(String, i64)>,
    /// With two levels the domain of a project.
    domain: Option<String>,
    /// The projects of a domain.
    projects: Vec<String>,
}

/// Whose limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    /// Those that are registered for all.
    All,
    /// Of a project.
    Project(String),
    /// Of a domain.
    Domain(String),
}

/// Asks a Keystone for the limits of projects.
pub struct KeystoneLimits {
    settings: LimitSettings,
    http: Http,
    session: Session,
    endpoint: OnceCell<Endpoint>,
    fresh: Cache<Whose, Known>,
    last_known: Cache<Whose, Known>,
}

/// What limits are registered for.
#[derive(Clone, Debug, Deserialize)]
struct Endpoint {
    service_id: String,
    region_id: Option<String>,
    #[serde(skip)]
    has_two_levels: bool,
}

#[derive(Deserialize)]
struct Row {
    resource_name: String,
    #[serde(alias = "default_limit")]
    resource_limit: i64,
}

impl KeystoneLimits {
    /// Reads certificate files and checks the settings; Keystone need not run yet.
    ///
    /// # Errors
    /// An option is missing, contradicts another or names a file that is of no use.
    pub fn new(settings: LimitSettings) -> std::result::Result<Self, SettingsError> {
        let names = [&settings.endpoint_service_type, &settings.endpoint_service_name];
        if settings.endpoint_id.is_none() && names.iter().all(|name| name.is_none()) {
            let why = "is missing, and so are endpoint_service_type and endpoint_service_name, one of which would do";
            return Err(SettingsError::new("endpoint_id", why));
        }
        let remembers = |time| Cache::builder().max_capacity(PROJECTS_MAX).time_to_live(time).build();
        Ok(Self {
            http: Http::new(&settings.login)?,
            session: Session::new(&settings.login)?,
            endpoint: OnceCell::new(),
            fresh: remembers(settings.cache),
            last_known: remembers(settings.cache.max(settings.last_known)),
            settings,
        })
    }

    /// The limits of a project, or of all: remembered ones, new ones, or the last that were known.
    async fn known(&self, whose: Whose) -> Result<Known> {
        let ask = Box::pin(async { self.ask(&whose).await });
        let why = match self.fresh.try_get_with(whose.clone(), ask).await {
            Ok(known) => return Ok(known),
            Err(why) => why,
        };
        let Some(known) = self.last_known.get(&whose).await else {
            return Err(Error::internal("limits", why));
        };
        tracing::warn!(%why, ?whose, "the last known limits are used");
        // For a while nobody waits for a Keystone that does not answer.
        self.fresh.insert(whose, Arc::clone(&known)).await;
        Ok(known)
    }

    async fn ask(&self, whose: &Whose) -> std::result::Result<Known, String> {
        let asked = timeout(PATIENCE, self.ask_keystone(whose)).await;
        let known = Arc::new(asked.unwrap_or_else(|_| Err("Keystone did not answer in time".to_owned()))?);
        self.last_known.insert(whose.clone(), Arc::clone(&known)).await;
        Ok(known)
    }

    async fn ask_keystone(&self, whose: &Whose) -> std::result::Result<Facts, String> {
        let endpoint = self.endpoint.get_or_try_init(|| self.find_endpoint()).await?;
        let mut query = vec![("service_id", endpoint.service_id.as_str())];
        query.extend(endpoint.region_id.as_deref().map(|region| ("region_id", region)));
        let what = if *whose == Whose::All { "registered_limits" } else { "limits" };
        match whose {
            Whose::All => {}
            Whose::Project(project) => query.push(("project_id", project)),
            Whose::Domain(domain) => query.push(("domain_id", domain)),
        }
        let rows: Vec<Row> = read(self.get(what, &query).await?, what)?;
        let limits = rows.into_iter().map(|row| (row.resource_name, row.resource_limit)).collect();
        let mut facts = Facts { limits, ..Facts::default() };
        match whose {
            Whose::Project(project) if endpoint.has_two_levels => {
                let found: Value = read(self.get(&format!("projects/{project}"), &[]).await?, "project")?;
                // A project that is a domain may be in none.
                facts.domain = read(found, "domain_id")?;
            }
            Whose::Domain(domain) => facts.projects = self.projects_of(domain).await?,
            Whose::All | Whose::Project(_) => {}
        }
        Ok(facts)
    }

    /// The projects of a domain.
    async fn projects_of(&self, domain: &str) -> std::result::Result<Vec<String>, String> {
        #[derive(Deserialize)]
        struct Project {
            id: String,
        }
        let answer = self.get("projects", &[("domain_id", domain)]).await?;
        if answer["truncated"].as_bool() == Some(true) {
            return Err(
                "Keystone does not list all projects of a domain: see its option list_limit".to_owned()
            );
        }
        let projects: Vec<Project> = read(answer, "projects")?;
        Ok(projects.into_iter().map(|project| project.id).collect())
    }

    /// The endpoint of this service, once the model of enforcement is found to be one that can be enforced.
    async fn find_endpoint(&self) -> std::result::Result<Endpoint, String> {
        let model = self.get("limits/model", &[]).await?;
        let model = model["model"]["name"].as_str().unwrap_or_default().to_owned();
        let has_two_levels = TWO_LEVELS.contains(&model.as_str());
        if model != FLAT && !has_two_levels {
            return Err(format!(
                "Keystone enforces limits by the model {model:?}; only {FLAT:?} and {:?} are known",
                TWO_LEVELS[0]
            ));
        }
        Ok(Endpoint { has_two_levels, ..self.find_service().await? })
    }

    async fn find_service(&self) -> std::result::Result<Endpoint, String> {
        let settings = &self.settings;
        if let Some(id) = &settings.endpoint_id {
            return read(self.get(&format!("endpoints/{id}"), &[]).await?, "endpoint");
        }
        let mut query = Vec::new();
        query.extend(settings.endpoint_service_type.as_deref().map(|kind| ("type", kind)));
        query.extend(settings.endpoint_service_name.as_deref().map(|name| ("name", name)));
        let service: Value = only(read(self.get("services", &query).await?, "services")?, "services")?;
        let mut query = vec![
            ("service_id", service["id"].as_str().unwrap_or_default()),
            ("interface", settings.endpoint_interface.trim_end_matches("URL")),
        ];
        query.extend(settings.endpoint_region_name.as_deref().map(|region| ("region_id", region)));
        only(read(self.get("endpoints", &query).await?, "endpoints")?, "endpoints")
    }

    /// Asks Keystone as our service user, who logs in again when his token is not accepted any more.
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> std::result::Result<Value, String> {
        let mut login = self.login(None).await?;
        let mut answer = self.send(&login, path, query).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            login = self.login(Some(&login)).await?;
            answer = self.send(&login, path, query).await?;
        }
        if answer.status != StatusCode::OK {
            return Err(format!(
                "Keystone answers {} to GET /v3/{path}; see [oslo_limit] and the roles of its user",
                answer.status
            ));
        }
        serde_json::from_slice(&answer.body).map_err(|e| format!("GET /v3/{path}: {e}"))
    }

    async fn login(&self, rejected: Option<&Arc<Login>>) -> std::result::Result<Arc<Login>, String> {
        self.session.login(&self.http, rejected).await.map_err(|error| error.to_string())
    }

    async fn send(
        &self,
        login: &Login,
        path: &str,
        query: &[(&str, &str)],
    ) -> std::result::Result<Answer, String> {
        let over = self.settings.endpoint_override.as_deref().map(v3_root);
        let url = format!("{}/{path}", over.as_ref().unwrap_or(&login.identity_root));
        let mut url = Url::parse(&url).map_err(|e| format!("{url}: {e}"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.client().request(Method::GET, url.as_str());
        let request = request.header("Accept", "application/json").header("X-Auth-Token", &login.token);
        let request = request.build().map_err(|e| format!("{url}: {e}"))?;
        self.http.send(request).await.map_err(|e| format!("{url}: {e}"))
    }
}

/// A member of an answer.
fn read<T: for<'a> Deserialize<'a>>(mut answer: Value, name: &str) -> std::result::Result<T, String> {
    let member = answer.get_mut(name).map(Value::take).unwrap_or_default();
    serde_json::from_value(member).map_err(|e| format!("Keystone's answer, {name}: {e}"))
}

/// The one row of a list that has to have one.
fn only<T>(rows: Vec<T>, what: &str) -> std::result::Result<T, String> {
    let count = rows.len();
    let mut rows = rows.into_iter();
    match (rows.next(), count) {
        (Some(row), 1) => Ok(row),
        _ => Err(format!("[oslo_limit] fits {count} {what} of Keystone's; it has to fit one")),
    }
}

#[async_trait]
impl LimitSource for KeystoneLimits {
    async fn limits_of(&self, project: Option<&str>) -> Result<ProjectLimits> {
        let own = match project {
            Some(project) => self.known(Whose::Project(project.to_owned())).await?,
            None => Known::default(),
        };
        let all = self.known(Whose::All).await?;
        let limit = |known: &Known, name: &str| {
            known.limits.iter().find(|(resource, _)| resource == name).map(|(_, limit)| *limit)
        };
        let of = |known: &Known| UnifiedLimits::of(|name| limit(known, name).or_else(|| limit(&all, name)));
        let mut limits = ProjectLimits { own: of(&own), shared: None };
        if let (Some(domain), Some(project)) = (own.domain.clone(), project) {
            let known = self.known(Whose::Domain(domain.clone())).await?;
            let mut projects = known.projects.clone();
            // It may be newer than what is known of its domain.
            if !projects.iter().any(|known| known == project) {
                projects.push(project.to_owned());
            }
            limits.shared = Some(SharedLimits { domain, projects, limits: of(&known) });
        }
        Ok(limits)
    }
}
