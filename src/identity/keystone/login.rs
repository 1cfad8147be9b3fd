//! The body of the service user's login request.

use serde_json::{Map, Value, json};

use super::settings::{AuthType, Settings, SettingsError};

impl Settings {
    /// The body of the login request (`keystoneauth1/identity/v3/base.py: Auth.get_auth_ref`).
    ///
    /// # Errors
    /// An option that this kind of login needs is missing, or two exclude each other.
    pub(super) fn login_body(&self) -> Result<Value, SettingsError> {
        let mut auth = Map::new();
        if self.auth_type == AuthType::V3ApplicationCredential {
            let credential = self.application_credential()?;
            auth.insert(
                "identity".to_owned(),
                json!({"methods": ["application_credential"], "application_credential": credential}),
            );
            if self.scope()?.is_some() {
                return Err(SettingsError::new(
                    "auth_type",
                    "an application credential has a scope of its own: remove project, domain, system and trust",
                ));
            }
        } else {
            let mut user = self.user()?;
            let password = self.password.as_ref().ok_or_else(|| missing("password"))?;
            user.insert("password".to_owned(), Value::from(password.0.as_str()));
            auth.insert("identity".to_owned(), json!({"methods": ["password"], "password": {"user": user}}));
            if let Some(scope) = self.scope()? {
                auth.insert("scope".to_owned(), scope);
            }
        }
        Ok(json!({"auth": auth}))
    }

    fn application_credential(&self) -> Result<Map<String, Value>, SettingsError> {
        let secret = self.application_credential_secret.as_ref();
        let secret = secret.ok_or_else(|| missing("application_credential_secret"))?;
        let mut credential = Map::new();
        if let Some(id) = &self.application_credential_id {
            credential.insert("id".to_owned(), Value::from(id.as_str()));
        } else {
            let name = self.application_credential_name.as_ref();
            let name = name.ok_or_else(|| missing("application_credential_id"))?;
            credential.insert("name".to_owned(), Value::from(name.as_str()));
            credential.insert("user".to_owned(), Value::Object(self.user()?));
        }
        credential.insert("secret".to_owned(), Value::from(secret.0.as_str()));
        Ok(credential)
    }

    fn user(&self) -> Result<Map<String, Value>, SettingsError> {
        named(
            (self.user_id.as_deref(), self.username.as_deref()),
            self.domain(&self.user_domain_id, &self.user_domain_name),
            "user_domain_name",
        )?
        .ok_or_else(|| missing("username"))
    }

    /// `None` when the token's scope is left to the user's default project.
    fn scope(&self) -> Result<Option<Value>, SettingsError> {
        let mut scopes = Vec::new();
        let project = named(
            (self.project_id.as_deref(), self.project_name.as_deref()),
            self.domain(&self.project_domain_id, &self.project_domain_name),
            "project_domain_name",
        )?;
        scopes.extend(project.map(|project| json!({"project": project})));
        scopes.extend(reference(&self.domain_id, &self.domain_name).map(|domain| json!({"domain": domain})));
        scopes.extend(self.trust_id.as_ref().map(|id| json!({"OS-TRUST:trust": {"id": id}})));
        match self.system_scope.as_deref() {
            None => {}
            Some("all") => scopes.push(json!({"system": {"all": true}})),
            Some(other) => {
                return Err(SettingsError::new("system_scope", format!("{other:?}: only \"all\" exists")));
            }
        }
        if scopes.len() > 1 {
            return Err(SettingsError::new(
                "project_name",
                "project, domain, system_scope and trust_id exclude each other: keep one",
            ));
        }
        Ok(scopes.pop())
    }

    fn domain(&self, id: &Option<String>, name: &Option<String>) -> Option<Value> {
        let default = || match self.auth_type {
            AuthType::Password => reference(&self.default_domain_id, &self.default_domain_name),
            AuthType::V3Password | AuthType::V3ApplicationCredential => None,
        };
        reference(id, name).or_else(default)
    }
}

fn reference(id: &Option<String>, name: &Option<String>) -> Option<Value> {
    match (id, name) {
        (Some(id), _) => Some(json!({"id": id})),
        (None, Some(name)) => Some(json!({"name": name})),
        (None, None) => None,
    }
}

/// Names a user or project by `(id, name)`; a name is only unique within its domain.
fn named(
    (id, name): (Option<&str>, Option<&str>),
    domain: Option<Value>,
    domain_option: &'static str,
) -> Result<Option<Map<String, Value>>, SettingsError> {
    let mut fields = Map::new();
    if let Some(id) = id {
        fields.insert("id".to_owned(), Value::from(id));
    } else if let Some(name) = name {
        fields.insert("name".to_owned(), Value::from(name));
        fields.insert("domain".to_owned(), domain.ok_or_else(|| missing(domain_option))?);
    } else {
        return Ok(None);
    }
    Ok(Some(fields))
}

fn missing(option: &'static str) -> SettingsError {
    SettingsError::new(option, "is missing: the service user cannot log in to Keystone without it")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::identity::keystone::Secret;

    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    fn glance() -> Settings {
        Settings {
            auth_url: "http://keystone:5000".to_owned(),
            username: text("glance"),
            user_domain_name: text("Default"),
            password: Some(Secret("s3cret".to_owned())),
            project_name: text("service"),
            project_domain_id: text("default"),
            ..Settings::default()
        }
    }

    #[test]
    fn login_bodies_say_who_and_where() {
        let password = json!({"methods": ["password"], "password": {"user":
            {"name": "glance", "domain": {"name": "Default"}, "password": "s3cret"}}});
        let cases = [
            (
                glance(),
                json!({"auth": {"identity": password,
                    "scope": {"project": {"name": "service", "domain": {"id": "default"}}}}}),
            ),
            (
                Settings { project_name: None, system_scope: text("all"), ..glance() },
                json!({"auth": {"identity": password, "scope": {"system": {"all": true}}}}),
            ),
            (
                Settings { project_name: None, trust_id: text("t"), ..glance() },
                json!({"auth": {"identity": password, "scope": {"OS-TRUST:trust": {"id": "t"}}}}),
            ),
            (Settings { project_name: None, ..glance() }, json!({"auth": {"identity": password}})),
            (
                Settings {
                    user_domain_name: None,
                    project_domain_id: None,
                    default_domain_name: text("Default"),
                    ..glance()
                },
                json!({"auth": {"identity": password,
                    "scope": {"project": {"name": "service", "domain": {"name": "Default"}}}}}),
            ),
            (
                Settings {
                    auth_type: AuthType::V3ApplicationCredential,
                    application_credential_id: text("ac"),
                    application_credential_secret: Some(Secret("s".to_owned())),
                    project_name: None,
                    ..glance()
                },
                json!({"auth": {"identity": {"methods": ["application_credential"],
                    "application_credential": {"id": "ac", "secret": "s"}}}}),
            ),
        ];
        for (settings, expected) in cases {
            assert_eq!(settings.login_body().unwrap(), expected);
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_its_name() {
        let v3 = AuthType::V3Password;
        let cases = [
            (Settings { password: None, ..glance() }, "password"),
            (Settings { username: None, ..glance() }, "username"),
            (Settings { user_domain_name: None, ..glance() }, "user_domain_name"),
            (
                Settings {
                    auth_type: v3,
                    user_domain_name: None,
                    default_domain_id: text("default"),
                    ..glance()
                },
                "user_domain_name",
            ),
            (Settings { project_domain_id: None, ..glance() }, "project_domain_name"),
            (Settings { system_scope: text("some"), ..glance() }, "system_scope"),
            (Settings { system_scope: text("all"), ..glance() }, "project_name"),
            (
                Settings { auth_type: AuthType::V3ApplicationCredential, ..glance() },
                "application_credential_secret",
            ),
        ];
        for (settings, option) in cases {
            assert_eq!(settings.login_body().unwrap_err().option, option);
        }
    }
}
