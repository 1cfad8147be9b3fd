//! Trusts: a caller delegates to the service account, so that an upload can outlast the caller's token
//! (`glance_store/_drivers/swift/store.py: MultiTenantStore.init_client`).

use std::sync::Arc;

use chrono::{SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    fault::Fault,
    line::Keys,
    login::{Login, Session},
};
use crate::{outbound::Method, telemetry};

/// How long a trust lasts that nobody ends, because the process died: longer than any upload.
const DAYS: i64 = 7;

/// A trust that is in force. Dropped, it is ended.
pub(super) struct Trust {
    login: Arc<Login>,
    id: String,
}

#[derive(Deserialize)]
struct Shown {
    token: Token,
}

/// What there is to know of a caller's token.
#[derive(Deserialize)]
struct Token {
    user: Named,
    project: Named,
    #[serde(default)]
    roles: Vec<Value>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Made {
    trust: Named,
}

impl Trust {
    /// Has the caller whose token is in `session` trust the account of `login`, with all roles of the token.
    pub(super) async fn make(login: &Login, session: &Session) -> Result<Self, Fault> {
        let nonsense = |what: &str| Fault::Nonsense(format!("Keystone's answer is no {what}"));
        let trustee = login.session(None).await?;
        let trustee = trustee.user.clone().ok_or_else(|| nonsense("token of a user"))?;
        let shown = login.keystone(Method::GET, "/auth/tokens?nocatalog", &session.token, None).await?;
        let token = serde_json::from_slice::<Shown>(&shown).map_err(|_| nonsense("token"))?.token;
        let roles: Vec<Value> = token.roles.iter().map(|role| json!({"id": role["id"]})).collect();
        let end = (Utc::now() + TimeDelta::days(DAYS)).to_rfc3339_opts(SecondsFormat::Micros, true);
        let trust = json!({"trust": {
            "trustor_user_id": token.user.id, "trustee_user_id": trustee, "project_id": token.project.id,
            "impersonation": true, "roles": roles, "expires_at": end,
        }});
        let made = login.keystone(Method::POST, "/OS-TRUST/trusts", &session.token, Some(&trust)).await?;
        let id = serde_json::from_slice::<Made>(&made).map_err(|_| nonsense("trust"))?.trust.id;
        Ok(Self { login: Arc::new(login.trusted(&id)), id })
    }

    /// In whose name the account acts by it.
    pub(super) fn keys(&self) -> Keys {
        Keys::Login(Arc::clone(&self.login))
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (login, path) = (Arc::clone(&self.login), format!("/OS-TRUST/trusts/{}", self.id));
        drop(telemetry::spawn(async move {
            let end = async {
                let session = login.session(None).await?;
                login.keystone(Method::DELETE, &path, &session.token, None).await
            };
            if let Err(fault) = end.await {
                tracing::info!(%fault, "a trust ends by itself, in some days");
            }
        }));
    }
}
