//! The built-in identity: its own users, projects, roles and catalog, and tokens signed with its own keys.
//!
//! A token contains user and scope. Roles and validity are read from the database at each use, through a cache of a
//! few seconds, which every change made by this process empties at once.

pub mod bootstrap;
pub mod clouds;
pub mod context;
mod key_files;
pub mod keys;
mod login;
pub mod manage;
pub mod password;
pub mod request;
pub mod revoke;
mod throttle;
pub mod token;
mod turns;
mod validate;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use self::{context::Token, keys::KeyRing, password::Hasher, throttle::Throttle};
use crate::{
    db::{
        Conn, Db, DbResult,
        identity::{keys as key_rows, revocations},
    },
    model::error::{Error, Result},
};

/// Login methods that we have.
pub const METHODS: &[&str] = &["password", "token", "application_credential"];
/// Id of the domain that always exists.
pub const DEFAULT_DOMAIN_ID: &str = "default";
/// Stands in an endpoint's URL for the address under which the client reached the server.
pub const BASE_URL_MARK: &str = "$(base_url)s";
/// Tokens whose meaning is remembered at most.
const CACHED_TOKENS_MAX: u64 = 2_000;
/// For how long a node may go on signing with a key that another node has replaced; it looks once a minute.
const UNSEEN_SECONDS_MAX: i64 = 3600;

/// The settings of the built-in identity.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the service; an earlier version kept the signing keys in `keys` below it.
    pub data_dir: PathBuf,
    /// Path under which the identity API is mounted, with a leading and without a trailing slash.
    pub prefix: String,
    /// Seconds for which a token is good.
    pub token_expiration_seconds: i64,
    /// Seconds after its expiry for which a service may still look at a token (`allow_expired`).
    pub allow_expired_window_seconds: i64,
    /// The region of the endpoints that the first start makes.
    pub region: String,
    /// Days after which a new signing key is made; 0 never.
    pub key_rotation_days: u32,
    /// Seconds for which the context of a token is cached: how long a change by another process may go unnoticed.
    pub cache_seconds: u64,
    /// Passwords hashed at the same time; each takes 7 MiB.
    pub hashes_at_once: usize,
    /// Failed logins of one user from one address before further ones are refused unseen with 429; 0 never refuses.
    pub failed_logins_max: u32,
    /// Seconds after the first failure at which counting starts again.
    pub failed_logins_window_seconds: u64,
    /// Base of the URLs shown to clients, without a trailing slash; `None` is the address that they used.
    pub public_endpoint: Option<String>,
    /// Whether `Forwarded` and `X-Forwarded-*` are believed (one of our proxies sets them).
    pub trust_proxy_headers: bool,
    /// Proxies that are trusted to report the address of a client; empty means any peer, if `trust_proxy_headers`.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// A service token must carry one of these roles.
    pub service_token_roles: Vec<String>,
    /// Application credentials of one user at most.
    pub app_credentials_max: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            prefix: "/identity".to_owned(),
            token_expiration_seconds: 3600,
            allow_expired_window_seconds: 48 * 3600,
            region: "RegionOne".to_owned(),
            key_rotation_days: 30,
            cache_seconds: 5,
            hashes_at_once: 2,
            failed_logins_max: 10,
            failed_logins_window_seconds: 60,
            public_endpoint: None,
            trust_proxy_headers: false,
            trusted_proxies: Vec::new(),
            service_token_roles: vec!["service".to_owned()],
            app_credentials_max: 1000,
        }
    }
}

/// Why a login was refused.
#[derive(Debug)]
pub struct LoginRefusal {
    /// Status and text.
    pub error: Error,
    /// For an unsupported method: the supported ones. Empty if the method cannot take a scope.
    pub methods: Option<Vec<&'static str>>,
}

impl From<Error> for LoginRefusal {
    fn from(error: Error) -> Self {
        Self { error, methods: None }
    }
}

impl LoginRefusal {
    /// The one answer to everything that is wrong with user, proof or scope.
    pub fn wrong() -> Self {
        Error::Unauthenticated("These credentials do not open what was asked for.".to_owned()).into()
    }

    fn unknown_method() -> Self {
        Self {
            error: Error::Unauthenticated("A login method that was asked for is not supported.".to_owned()),
            methods: Some(METHODS.to_vec()),
        }
    }

    fn scope_with_credential() -> Self {
        Self {
            error: Error::Unauthenticated(
                "An application credential has its own scope; none may be asked for.".to_owned(),
            ),
            methods: Some(Vec::new()),
        }
    }
}

/// The built-in identity.
#[derive(Clone)]
pub struct Builtin(Arc<Parts>);

/// State shared by the clones of a [`Builtin`].
pub struct Parts {
    /// As configured.
    pub settings: Settings,
    pub(super) db: Db,
    pub(super) keys: KeyRing,
    pub(super) hasher: Hasher,
    pub(super) throttle: Throttle,
    generation: AtomicU64,
    cache: Cache<[u8; 32], (u64, Arc<Token>)>,
}

impl std::ops::Deref for Builtin {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builtin").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Builtin {
    /// Opens the keys (making the first one) over a database whose migrations are applied. Blocking.
    ///
    /// # Errors
    /// [`Error::Internal`] naming the key or file that cannot be used; the database's own.
    pub fn open(settings: Settings, db: Db) -> Result<Self> {
        let keys = keys::open(&db, &settings.data_dir.join("keys"), db.clock.now())?;
        let cache = Cache::builder()
            .max_capacity(CACHED_TOKENS_MAX)
            .time_to_live(Duration::from_secs(settings.cache_seconds))
            .build();
        Ok(Self(Arc::new(Parts {
            hasher: Hasher::new(settings.hashes_at_once)?,
            throttle: Throttle::new(settings.failed_logins_max, settings.failed_logins_window_seconds),
            generation: AtomicU64::new(0),
            cache,
            settings,
            db,
            keys,
        })))
    }

    /// Reads the keys again: other nodes make and forget some, too.
    ///
    /// # Errors
    /// [`Error::Internal`] naming a key that cannot be used; the keys known so far then stay in use.
    pub async fn reload_keys(&self) -> Result<()> {
        let rows = self.read("identity_keys.list", key_rows::list).await?;
        self.keys.replace(&rows).map_err(|e| Error::internal("reload the keys", e))
    }

    /// Housekeeping, to be called about once an hour: rotates keys by age, forgets keys and revocations that no token
    /// needs any more.
    ///
    /// # Errors
    /// The first thing that failed; call again later.
    pub async fn maintain(&self) -> Result<()> {
        let now = self.db.clock.now();
        self.reload_keys().await?;
        if let Some(latest) = self.keys.is_due(self.settings.key_rotation_days, now) {
            keys::rotate(&self.db, latest, now).await?;
        }
        let keep = self.longest_life_seconds();
        let limit = now.plus_seconds(keep.saturating_neg());
        let replaced = limit.plus_seconds(-UNSEEN_SECONDS_MAX);
        self.db.write("identity_keys.prune", move |conn| key_rows::prune(conn, replaced)).await?;
        self.db.write("identity_revocations_reap", move |conn| revocations::reap(conn, limit)).await?;
        self.reload_keys().await
    }

    /// Seconds from the issue of a token to when nobody may look at it any more.
    fn longest_life_seconds(&self) -> i64 {
        let lifetime = self.settings.token_expiration_seconds.max(0);
        lifetime.saturating_add(self.settings.allow_expired_window_seconds.max(0))
    }

    /// How many password hashes were computed so far.
    #[cfg(test)]
    pub fn hashes_computed(&self) -> u64 {
        self.hasher.computed()
    }

    /// Runs a query.
    pub(super) async fn read<T, F>(&self, name: &'static str, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        Ok(self.db.read(name, query).await?)
    }

    /// Runs a change, and forgets what is remembered of tokens.
    pub(super) async fn change<T, F>(&self, name: &'static str, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let result = self.db.write(name, change).await;
        // Whatever was read before this line may be from before the change.
        self.generation.fetch_add(1, Ordering::SeqCst);
        Ok(result?)
    }
}

/// A new id: 32 hexadecimal digits.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The rows of the built-in identity.
pub mod rows {
    pub use crate::db::identity::{
        LIST_ROWS_MAX,
        app_credentials::AppCredential,
        assignments::Assignment,
        catalog::{endpoints::Endpoint, regions::Region, services::Service},
        domains::Domain,
        limits::Limit,
        projects::Project,
        revocations::Revocation,
        roles::Role,
        users::User,
    };
}
