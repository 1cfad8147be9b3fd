//! The way from clients to the service, with all proxies on it: a trial upload through the public endpoint shows what they
//! refuse, keep back, drop or rewrite. It takes credentials, and its image is deleted whatever happens.

mod judge;
mod login;
mod trial;

use std::time::Duration;

use serde_json::Value;

use super::{
    case::{Case, client, own_url},
    finding::Finding,
    identity::base,
    options::Options,
};
use crate::{
    identity::keystone::visit::visit,
    outbound::{Method, Proxies},
};
use login::Login;
use trial::Way;

/// How long the trial may take besides its data.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long the document of versions may take.
const DOCUMENT: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const BYTES: usize = 1 << 20;

/// Tries it, and deletes the image of the trial.
pub async fn look(case: &Case) -> Vec<Finding> {
    let Options { upload_size, upload_pause, .. } = case.options;
    // A MiB in two seconds, there and back, is slow.
    let patience = PATIENCE + Duration::from_secs(upload_size.saturating_mul(4).saturating_add(upload_pause));
    let mut findings = match tokio::time::timeout(patience, tried(case)).await {
        Ok(findings) => findings,
        Err(_) => vec![Finding::failure(
            "upload-late",
            format!("the trial upload did not end within {} s", patience.as_secs()),
            "Something on the way keeps it: try the server itself with --endpoint, then each proxy before it.",
        )],
    };
    findings.extend(case.left.remove().await);
    findings
}

async fn tried(case: &Case) -> Vec<Finding> {
    let arguments = &case.options;
    let login = match login::login(arguments).await {
        Ok(login) => login,
        Err(finding) => return vec![finding],
    };
    let way = match way(case, login.as_ref()).await {
        Ok(way) => way,
        Err(finding) => return vec![finding],
    };
    let mut findings = match announced(&way).await {
        Ok(finding) => finding.into_iter().collect::<Vec<_>>(),
        Err(finding) => return vec![finding],
    };
    let shown = &way.base;
    match login {
        Some(login) => {
            let trial = trial::Trial {
                way: &way,
                token: login.token,
                id: uuid::Uuid::new_v4().to_string(),
                size: arguments.upload_size << 20,
                pause: Duration::from_secs(arguments.upload_pause),
            };
            findings.extend(trial.run(case).await);
            if findings.is_empty() {
                findings.push(Finding::ok(format!(
                    "{shown}: {} MiB went up and came back unchanged",
                    arguments.upload_size
                )));
            }
        }
        None => {
            findings.push(Finding::note(
                "upload-not-tried",
                format!("nothing was uploaded through {shown}, since there are no credentials"),
                "Give those of a user who may create images: --os-cloud NAME, OS_AUTH_URL with its companions, or \
                 --os-token TOKEN. The image is private and deleted at the end.",
            ));
        }
    }
    findings
}

/// The address that clients are told, and a client that goes there.
async fn way(case: &Case, login: Option<&Login>) -> Result<Way, Finding> {
    let arguments = &case.options;
    let configured = case.config.as_ref();
    let (mut verify, mut proxies) = (login.is_none_or(|login| login.verify), Proxies::Environment);
    let public = configured.and_then(|config| config.api.public_endpoint.clone());
    let mut address = arguments.endpoint.clone().or_else(|| login.and_then(|login| login.endpoint.clone()));
    address = address.or_else(|| public.clone());
    if address.is_none()
        && let Some(keystone) = configured.and_then(|config| config.keystone.as_ref())
    {
        let seen = visit(keystone).await.ok();
        let mut images = seen.into_iter().flat_map(|seen| seen.images);
        address = images.find(|endpoint| endpoint.interface == "public").map(|endpoint| endpoint.url);
    }
    if address.is_none()
        && let Some(config) = configured
        && let Ok((_, Some(node))) = case.running(config).await
    {
        // Its certificate is for the name by which clients know it, and no proxy knows this machine's own addresses.
        (address, verify, proxies) = (Some(own_url(config, &node)?), false, Proxies::Nothing);
    }
    let address = address.ok_or_else(|| {
        Finding::note(
            "endpoint-unknown",
            "nothing says where clients reach the service, and no server runs on this machine",
            "Name it: --endpoint URL",
        )
    })?;
    let authorities =
        arguments.os_cacert.clone().or_else(|| login.and_then(|login| login.authorities.clone()));
    let client = client(verify, authorities, proxies).await.map_err(Finding::skipped)?;
    let public = public.map(|url| base(&url).to_owned());
    Ok(Way { base: base(&address).to_owned(), public, client })
}

/// Whether an image service answers there, and whether its links lead back there.
async fn announced(way: &Way) -> Result<Option<Finding>, Finding> {
    let url = format!("{}/versions", way.base);
    let get = async {
        let mut answer = way.client.send(way.client.request(Method::GET, &url)).await?;
        let status = answer.status();
        Ok::<_, crate::outbound::OutboundError>((status, answer.body(BYTES).await?.unwrap_or_default()))
    };
    let (status, body) = match tokio::time::timeout(DOCUMENT, get).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(judge::unreachable(&way.base, &error.to_string())),
        Err(_) => {
            let why = format!("no answer within {} s", DOCUMENT.as_secs());
            return Err(judge::unreachable(&way.base, &why));
        }
    };
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    match document.pointer("/versions/0/links/0/href").and_then(Value::as_str) {
        Some(link) => Ok(way.judge_link(link, "the document of versions")),
        None => Err(judge::not_ours(&way.base, status.as_u16())),
    }
}
