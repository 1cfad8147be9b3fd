//! The identity service: a Keystone that answers, knows the service user and leads clients here, or the built-in one.

use std::time::Duration;

use futures::future::{join, join_all};
use serde_json::Value;

use super::{
    case::{Case, client},
    clocks,
    finding::Finding,
};
use crate::{
    config::Config,
    db::identity::keys,
    identity::{
        builtin::bootstrap::has_password,
        keystone::{
            self,
            visit::{ImageEndpoint, Trouble, Visit, silent_memcached, visit},
        },
    },
    outbound::{Client, Method, Proxies},
    telemetry,
};

/// How long an endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Endpoints that are asked at most.
const ENDPOINTS_MAX: usize = 20;
/// Bytes of an answer that are read.
const BYTES: usize = 1 << 20;

/// Looks at it.
pub async fn look(case: &Case) -> Vec<Finding> {
    match case.config() {
        Err(finding) => vec![finding],
        Ok(config) => match &config.keystone {
            Some(settings) => of_keystone(settings).await,
            None if config.flavor.is_set => vec![Finding::warning(
                "no-authentication",
                "nobody is asked for a token: whoever reaches the service may do everything",
                "Set [paste_deploy] flavor = keystone and [keystone_authtoken], or remove flavor for the built-in identity.",
            )],
            None => of_builtin(case, config).await,
        },
    }
}

async fn of_keystone(settings: &keystone::Settings) -> Vec<Finding> {
    let (mut findings, seen) = join(of_memcached(settings), visit(settings)).await;
    let seen = match seen {
        Ok(seen) => seen,
        Err(trouble) => {
            findings.insert(0, judge_trouble(&settings.auth_url, &trouble, "[keystone_authtoken]"));
            return findings;
        }
    };
    findings.extend(seen.ahead.and_then(|ahead| clocks::judge("Keystone", ahead)));
    if settings.insecure {
        findings.push(Finding::warning(
            "keystone-insecure",
            "the certificate of Keystone is not verified ([keystone_authtoken] insecure)",
            "Name its authority in cafile instead: whoever stands in between could let anybody in.",
        ));
    }
    findings.extend(of_endpoints(&seen).await);
    if findings.iter().all(|finding| finding.id.is_empty()) {
        findings.insert(0, Finding::ok(format!("the service user logs in at {}", settings.auth_url)));
    }
    findings
}

async fn of_memcached(settings: &keystone::Settings) -> Vec<Finding> {
    // What is wrong with the settings themselves, the check of the configuration says.
    let silent = silent_memcached(settings).await.unwrap_or_default();
    let finding = |(server, why)| {
        Finding::warning(
            "memcached-silent",
            format!("memcached does not answer at {server}: {why}"),
            "Tokens are checked all the same, but each node asks Keystone about each. See whether memcached runs there, and \
             whether memcached_servers and memcache_tls_enabled of [keystone_authtoken] are as it wants them.",
        )
    };
    silent.into_iter().map(finding).collect()
}

/// What a failed login means; `section` is where the login is configured.
pub fn judge_trouble(url: &str, trouble: &Trouble, section: &str) -> Finding {
    match trouble {
        Trouble::Settings(why) => Finding::failure(
            "login-incomplete",
            format!("nobody can log in to Keystone with this: {why}"),
            format!("Complete {section}."),
        ),
        Trouble::Away(why) => Finding::failure(
            "keystone-unreachable",
            format!("Keystone does not answer at {url}: {why}"),
            "No token can be checked. See whether Keystone runs, whether auth_url names it, and whether a firewall or a proxy \
             (http_proxy) is in the way.",
        ),
        Trouble::Certificate(why) => Finding::failure(
            "keystone-certificate",
            format!("the certificate of Keystone at {url} is not accepted: {why}"),
            format!("Name the authority in cafile of {section}, and Keystone as its certificate does."),
        ),
        Trouble::Refused(status) => Finding::failure(
            "login-refused",
            format!("Keystone refuses the login at {url} ({status})"),
            format!(
                "Correct user, password, project and domains in {section}; `openstack role add` gives it a role there."
            ),
        ),
        Trouble::Broken(why) => Finding::failure(
            "keystone-broken",
            format!("what answers is no Keystone that works: {why}"),
            "See whether auth_url leads to Keystone's v3, and the log of Keystone.",
        ),
    }
}

/// The endpoints of the catalogue: that there are some, and that a Vitrine answers there.
async fn of_endpoints(seen: &Visit) -> Vec<Finding> {
    if !seen.images.iter().any(|endpoint| endpoint.interface == "public") {
        return vec![Finding::warning(
            "endpoint-missing",
            "the catalogue of Keystone has no public endpoint of an image service",
            "Clients do not find it: openstack service create --name glance image; openstack endpoint create --region \
             REGION image public URL",
        )];
    }
    let client = match client(true, None, Proxies::Environment).await {
        Ok(client) => client,
        Err(why) => return vec![Finding::skipped(why)],
    };
    let looks = seen.images.iter().take(ENDPOINTS_MAX).map(|endpoint| async {
        let kind = kind_of(&client, &endpoint.url).await;
        judge_endpoint(endpoint, kind)
    });
    join_all(looks).await
}

/// What answers at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Vitrine.
    Vitrine,
    /// Another image service.
    Another,
    /// Something else, or nothing.
    Nothing(String),
}

/// The base of an endpoint, without a slash or a version at its end.
pub fn base(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    ["/v2", "/v1"].iter().find_map(|version| url.strip_suffix(version)).unwrap_or(url)
}

/// Finds out what answers at an address.
pub async fn kind_of(client: &Client, url: &str) -> Kind {
    let get = |path: &'static str| async move {
        let mut answer = client.send(client.request(Method::GET, format!("{}{path}", base(url)))).await?;
        let body = answer.body(BYTES).await?.unwrap_or_default();
        Ok::<_, crate::outbound::OutboundError>((
            answer.status().as_u16(),
            serde_json::from_slice::<Value>(&body).ok(),
        ))
    };
    let both =
        async { Ok::<_, crate::outbound::OutboundError>((get("/versions").await?, get("/ext/v1").await?)) };
    match tokio::time::timeout(PATIENCE, both).await {
        Ok(Ok((versions, extensions))) => judge_kind(versions, extensions),
        Ok(Err(error)) => Kind::Nothing(error.to_string()),
        Err(_) => Kind::Nothing(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// By the status and the JSON of `/versions` and of `/ext/v1`.
fn judge_kind(versions: (u16, Option<Value>), extensions: (u16, Option<Value>)) -> Kind {
    let is_list = versions.1.as_ref().is_some_and(|body| body["versions"].is_array());
    match (is_list, extensions) {
        (true, (200, Some(body))) if body["features"].is_array() => Kind::Vitrine,
        (true, _) => Kind::Another,
        (false, _) => Kind::Nothing(format!("/versions answers {}", versions.0)),
    }
}

fn judge_endpoint(endpoint: &ImageEndpoint, kind: Kind) -> Finding {
    let ImageEndpoint { interface, region, url } = endpoint;
    let region = region.as_deref().unwrap_or("-");
    let name = format!("the {interface} endpoint in region {region}, {url},");
    match kind {
        Kind::Vitrine => Finding::ok(format!("{name} leads to Vitrine")),
        Kind::Another => Finding::warning(
            "endpoint-of-another",
            format!("{name} leads to an image service that is no Vitrine"),
            "If it is Glance that is to be replaced: openstack endpoint set --url URL ENDPOINT",
        ),
        Kind::Nothing(why) => Finding::warning(
            "endpoint-dead",
            format!("{name} does not lead to an image service, as seen from here: {why}"),
            "Correct it (openstack endpoint set --url URL ENDPOINT), or see why what stands before the service does not \
             answer.",
        ),
    }
}

async fn of_builtin(case: &Case, config: &Config) -> Vec<Finding> {
    let keys = match case.ask(config, keys::list).await {
        Ok(keys) => keys,
        Err(finding) => return vec![finding],
    };
    if keys.is_empty() {
        return vec![Finding::note(
            "keys-missing",
            "the built-in identity has no keys yet",
            "The first start of a server makes them.",
        )];
    }
    let mut findings = vec![Finding::ok(format!("the built-in identity has its keys ({})", keys.len()))];
    let file = case.folder.join("clouds.yaml");
    let initial = telemetry::blocking(move || initial_password(&file)).await.ok().flatten();
    if let (Some(password), Ok(db)) = (initial, case.database(config).await)
        && let Ok(true) = has_password(&db, "admin", password).await
    {
        findings.push(Finding::note(
            "initial-password",
            "the administrator still has the password that the first start wrote into clouds.yaml",
            "Where others can reach the service, give it another: openstack --os-cloud vitrine-admin user password set",
        ));
    }
    findings
}

/// The administrator's password in a `clouds.yaml`.
fn initial_password(file: &std::path::Path) -> Option<String> {
    let clouds: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
    clouds["clouds"]["vitrine-admin"]["auth"]["password"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::outbound::StatusCode;

    /// Proves that a Vitrine is told from a Glance, and both from a web server that answers everything.
    #[test]
    fn services_are_told_apart() {
        let (versions, features) = (json!({"versions": []}), json!({"features": []}));
        let nothing = Kind::Nothing("/versions answers 404".to_owned());
        for (first, second, kind) in [
            ((200, Some(versions.clone())), (200, Some(features.clone())), Kind::Vitrine),
            ((300, Some(versions.clone())), (300, Some(versions.clone())), Kind::Another),
            ((200, Some(versions)), (404, None), Kind::Another),
            ((404, None), (200, Some(features)), nothing),
        ] {
            assert_eq!(judge_kind(first, second), kind);
        }
        for url in ["http://h", "http://h/", "http://h/v2", "http://h/v2/"] {
            assert_eq!(base(url), "http://h");
        }
    }

    /// Proves that each trouble has a finding of its own, and each kind of answer at an endpoint.
    #[test]
    fn troubles_are_judged() {
        let why = || "x".to_owned();
        for (trouble, id) in [
            (Trouble::Settings(why()), "login-incomplete"),
            (Trouble::Away(why()), "keystone-unreachable"),
            (Trouble::Certificate(why()), "keystone-certificate"),
            (Trouble::Refused(StatusCode::UNAUTHORIZED), "login-refused"),
            (Trouble::Broken(why()), "keystone-broken"),
        ] {
            assert_eq!(judge_trouble("u", &trouble, "s").id, id);
        }
        let endpoint = ImageEndpoint { interface: "public".to_owned(), region: None, url: why() };
        assert_eq!(judge_endpoint(&endpoint, Kind::Vitrine).id, "");
        assert_eq!(judge_endpoint(&endpoint, Kind::Another).id, "endpoint-of-another");
        assert_eq!(judge_endpoint(&endpoint, Kind::Nothing(why())).id, "endpoint-dead");
    }
}
