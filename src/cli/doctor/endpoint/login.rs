//! The credentials of the trial upload: a token, a cloud of a `clouds.yaml`, or the environment, as `openstack` takes them.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    cli::doctor::{finding::Finding, identity::judge_trouble, options::Options},
    identity::keystone::{AuthType, Settings, visit::visit},
    outbound::header::HeaderValue,
    telemetry,
};

/// A user who may upload.
pub struct Login {
    /// His token.
    pub token: HeaderValue,
    /// The public endpoint of the image service in his catalogue.
    pub endpoint: Option<String>,
    /// A file with the only authorities that are trusted.
    pub authorities: Option<PathBuf>,
    /// Whether servers have to prove who they are.
    pub verify: bool,
}

/// Credentials by the names of a `clouds.yaml`.
type Words = BTreeMap<String, String>;

/// Logs in; `None` if there are no credentials.
///
/// # Errors
/// A finding about them.
pub async fn login(arguments: &Options) -> Result<Option<Login>, Finding> {
    if let Some(token) = arguments.os_token.as_deref().filter(|token| !token.is_empty()) {
        return with_token(token).map(Some);
    }
    let (words, source) = match arguments.os_cloud.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => {
            let read = telemetry::blocking(clouds).await.ok().flatten();
            let (file, text) = read.ok_or_else(|| unreadable("there is no clouds.yaml"))?;
            let shown = file.display();
            (cloud(&text, name).map_err(|why| unreadable(&format!("{shown}: {why}")))?, format!("{shown}"))
        }
        None => {
            let words = environment(env::vars_os());
            if !words.contains_key("auth_url") {
                return Ok(None);
            }
            (words, "the variables OS_*".to_owned())
        }
    };
    if let Some(token) = words.get("token") {
        return with_token(token).map(Some);
    }
    let settings = settings(&words, arguments.os_cacert.clone());
    let seen =
        visit(&settings).await.map_err(|trouble| judge_trouble(&settings.auth_url, &trouble, &source))?;
    let region = words.get("region_name");
    let endpoint = seen.images.into_iter().find(|endpoint| {
        endpoint.interface == "public" && (region.is_none() || endpoint.region.as_ref() == region)
    });
    Ok(Some(Login {
        token: seen.token,
        endpoint: endpoint.map(|endpoint| endpoint.url),
        authorities: settings.cafile,
        verify: !settings.insecure,
    }))
}

fn with_token(token: &str) -> Result<Login, Finding> {
    let mut token = HeaderValue::from_str(token).map_err(|_| unreadable("the token is none"))?;
    token.set_sensitive(true);
    Ok(Login { token, endpoint: None, authorities: None, verify: true })
}

fn unreadable(why: &str) -> Finding {
    Finding::failure(
        "credentials-unreadable",
        format!("the credentials for the trial upload cannot be used: {why}"),
        "Name a cloud of a clouds.yaml with --os-cloud, and the file with OS_CLIENT_CONFIG_FILE.",
    )
}

/// The first `clouds.yaml` in the places where `openstack` looks.
fn clouds() -> Option<(PathBuf, String)> {
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".config/openstack/clouds.yaml"));
    let places = match env::var_os("OS_CLIENT_CONFIG_FILE").filter(|file| !file.is_empty()) {
        Some(file) => vec![PathBuf::from(file)],
        None => [Some("clouds.yaml".into()), home, Some("/etc/openstack/clouds.yaml".into())]
            .into_iter()
            .flatten()
            .collect(),
    };
    places.into_iter().find_map(|file| std::fs::read_to_string(&file).ok().map(|text| (file, text)))
}

/// The credentials of a cloud.
fn cloud(text: &str, name: &str) -> Result<Words, String> {
    let file: Value = serde_saphyr::from_str(text).map_err(|error| no_yaml(&error))?;
    let cloud = file.pointer("/clouds").and_then(|clouds| clouds.get(name));
    let cloud = cloud.and_then(Value::as_object).ok_or_else(|| format!("there is no cloud {name}"))?;
    let auth = cloud.get("auth").and_then(Value::as_object);
    let pairs = cloud.iter().chain(auth.into_iter().flatten());
    Ok(pairs.filter_map(|(key, value)| Some((key.clone(), word(value)?))).collect())
}

/// Where a file is no YAML. What the parser says of it quotes the file, and there are passwords in it.
fn no_yaml(error: &serde_saphyr::Error) -> String {
    match error.without_snippet().location() {
        Some(place) => format!("it is no valid YAML: see line {}, column {}", place.line(), place.column()),
        None => "it is no valid YAML".to_owned(),
    }
}

/// A scalar as text; an id may be written as a number.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The credentials in variables `OS_*`. Those with two underscores are options of the configuration, and what is not UTF-8
/// is none.
fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Words {
    let ours = |(name, value): (OsString, OsString)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let key = name.strip_prefix("OS_").filter(|key| !key.contains("__"))?;
        (!value.is_empty()).then(|| (key.to_lowercase(), value))
    };
    variables.filter_map(ours).collect()
}

fn settings(words: &Words, cacert: Option<PathBuf>) -> Settings {
    let text = |name: &str| words.get(name).cloned();
    let is_application = words.contains_key("application_credential_secret");
    Settings {
        auth_type: if is_application { AuthType::V3ApplicationCredential } else { AuthType::Password },
        project_id: text("project_id").filter(|_| !is_application),
        project_name: text("project_name").filter(|_| !is_application),
        default_domain_id: text("default_domain_id").or_else(|| text("default_domain")),
        cafile: cacert.or_else(|| text("cacert").map(PathBuf::from)),
        insecure: text("verify").is_some_and(|verify| verify.eq_ignore_ascii_case("false")),
        ..Settings::of_login(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::keystone::Secret;

    /// Proves that a file which is no YAML is told by its place, and that none of its words are.
    #[test]
    fn broken_files_keep_their_secrets() {
        for text in [
            "clouds:\n  a:\n    auth:\n      password: hush\n     username: u\n",
            "clouds:\n  a:\n    auth:\n      password: \"hush\n",
            "clouds:\n  a:\n    auth:\n      password: *hush\n",
            "clouds:\n  a:\n    auth:\n      password: hush: hush\n",
            "clouds: {a: {auth: {hush: 1, hush: 2}}}\n",
        ] {
            let why = cloud(text, "a").unwrap_err();
            assert!(why.starts_with("it is no valid YAML: see line "), "{text}{why}");
            assert!(!why.contains("hush") && why.lines().count() == 1, "{text}{why}");
        }
    }

    /// Proves that credentials are read as `openstack` reads them, and that options of ours are not taken for some.
    #[test]
    fn credentials_are_read() {
        let text = "clouds:\n  a:\n    auth:\n      auth_url: http://k\n      username: u\n      password: 7\n      \
                    project_name: p\n    verify: false\n    cacert: /ca\n";
        let words = cloud(text, "a").unwrap();
        let read = settings(&words, None);
        assert_eq!((read.auth_url.as_str(), read.username.as_deref()), ("http://k", Some("u")));
        assert_eq!(read.password, Some(Secret("7".to_owned())));
        assert_eq!((read.insecure, read.cafile), (true, Some(PathBuf::from("/ca"))));
        assert_eq!(settings(&words, Some("/mine".into())).cafile, Some(PathBuf::from("/mine")));
        assert_eq!(cloud(text, "b").unwrap_err(), "there is no cloud b");
        let variables = [
            ("OS_AUTH_URL", "http://k"),
            ("OS_DATABASE__CONNECTION", "x"),
            ("OS_USERNAME", ""),
            ("PATH", "/"),
        ];
        let words = environment(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        assert_eq!(words, Words::from([("auth_url".to_owned(), "http://k".to_owned())]));
        let secret = ("application_credential_secret".to_owned(), "s".to_owned());
        let project = ("project_name".to_owned(), "p".to_owned());
        let read = settings(&Words::from([secret, project]), None);
        assert_eq!((read.auth_type, read.project_name), (AuthType::V3ApplicationCredential, None));
    }
}
