//! `glance-download`: another image service, found in the catalogue of the caller's token
//! (`glance/async_/flows/_internal_plugins/glance_download.py`, `glance/async_/utils.py: get_glance_endpoint`).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    Imports,
    asked::Asked,
    state::{Remote, State},
};
use crate::{
    model::{error::Result, image::TEXT_CHARS_MAX, patch},
    outbound::Body,
    telemetry,
    work::{Done, Failure},
};

/// Largest record of an image that is read, in bytes.
const RECORD_BYTES_MAX: usize = 16 << 20;

/// What stands for itself in a path.
const STEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

/// Another image service, and the token of the caller who wants to read from it.
pub struct Service {
    /// Its base URL.
    pub endpoint: String,
    /// The token; for the header of requests to it, and nothing else.
    pub token: String,
}

impl Service {
    /// The same as a job keeps it.
    ///
    /// # Errors
    /// The database's.
    pub async fn sealed(self, imports: &Imports, image_id: &str) -> Result<Remote> {
        let token = imports.seals.seal(&self.token, &purpose(image_id)).await?;
        Ok(Remote { endpoint: self.endpoint, token })
    }
}

/// What a token is sealed for: one that is copied to the job of another image opens nothing.
fn purpose(image_id: &str) -> String {
    format!("glance-download {image_id}")
}

/// The image service of a region in a catalogue: the first of type `image` that has an endpoint there.
pub fn endpoint(catalog: &Value, region: &str, interface: &str) -> Option<String> {
    let of = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let services =
        catalog.as_array()?.iter().filter(|service| of(service, "type").as_deref() == Some("image"));
    let mut endpoints = services.filter_map(|service| service.get("endpoints")?.as_array()).flatten();
    let here = |endpoint: &&Value| {
        let found = of(endpoint, "region_id").or_else(|| of(endpoint, "region")).unwrap_or_default();
        found.eq_ignore_ascii_case(region) && of(endpoint, "interface").as_deref() == Some(interface)
    };
    let url = of(endpoints.find(here)?, "url")?;
    Some(url.trim_end_matches('/').trim_end_matches("/v2").to_owned())
}

/// The token of the caller.
///
/// # Errors
/// [`Failure::Final`] when there is none.
pub async fn token(imports: &Imports, image_id: &str, state: &State) -> Done<String> {
    let remote = state.remote.as_ref().ok_or_else(|| {
        Failure::Final("The catalogue has no image service in this region with this interface.".to_owned())
    })?;
    let token = imports.seals.open(&remote.token, &purpose(image_id)).await?;
    token.ok_or_else(|| {
        Failure::Final("The token of this import cannot be read any more; ask for it again.".to_owned())
    })
}

/// Reads the record of the remote image into the state, and opens its data.
///
/// # Errors
/// [`Failure::Final`] with what is wrong with the source.
pub async fn open(imports: &Imports, image_id: &str, asked: &Asked, state: &mut State) -> Done<Body> {
    let token = token(imports, image_id, state).await?;
    let endpoint = state.remote.as_ref().map_or("", |remote| &remote.endpoint);
    let url = url_of(endpoint, asked.remote_image());
    let mut headers = vec![("X-Auth-Token", token)];
    // The other service can find the request in its own log.
    headers.extend(telemetry::request_id().map(|id| ("X-Openstack-Request-Id", id.to_string())));
    let record = record(imports.fetcher.open(&url, &headers).await?).await?;
    let text = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
    if text("status").as_deref() != Some("active") {
        return Err(Failure::Final("The image at the source is not active.".to_owned()));
    }
    let size = record.get("size").and_then(Value::as_u64);
    let size = size.ok_or_else(|| Failure::Final("The image at the source has no size.".to_owned()))?;
    let (Some(disk), Some(container)) = (text("disk_format"), text("container_format")) else {
        return Err(Failure::Final("The image at the source has no formats.".to_owned()));
    };
    state.formats = Some((disk, container));
    let prefixes = &imports.settings.extra_properties;
    let taken = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
    let members = record.as_object().into_iter().flatten();
    let bounds = &imports.images.settings.bounds;
    state.properties = members
        .filter(|(name, _)| taken(name) && !patch::is_refused(name))
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let fits = |(name, value): &(String, String)| {
        name.chars().count() <= TEXT_CHARS_MAX && bounds.check_value(name, Some(value)).is_ok()
    };
    let bytes = state
        .properties
        .iter()
        .fold(0_usize, |sum, (n, v)| sum.saturating_add(n.len()).saturating_add(v.len()));
    if bytes > bounds.record_bytes || !state.properties.iter().all(fits) {
        return Err(Failure::Final("The properties of the image at the source are too large.".to_owned()));
    }
    let body = imports.fetcher.open(&format!("{url}/file"), &headers).await?;
    match body.length {
        Some(length) if length != size => {
            Err(Failure::Final("The source sends another number of bytes than its record says.".to_owned()))
        }
        _ => Ok(body.expecting(size)),
    }
}

/// Where an image service has an image. The id is one step of the path, whatever it is made of.
fn url_of(endpoint: &str, image: &str) -> String {
    format!("{endpoint}/v2/images/{}", utf8_percent_encode(image, STEP))
}

async fn record(mut body: Body) -> Done<Value> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await? {
        if bytes.len().saturating_add(chunk.len()) > RECORD_BYTES_MAX {
            return Err(Failure::Final("The record of the image at the source is too large.".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes)
        .map_err(|_| Failure::Final("The source did not answer with the record of an image.".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_endpoint_is_the_one_of_the_region_and_interface() {
        let catalog = json!([
            {"type": "identity", "endpoints": [{"region": "Two", "interface": "public", "url": "http://k"}]},
            {"type": "image", "endpoints": [
                {"region_id": "One", "interface": "public", "url": "http://one"},
                {"region_id": "Two", "interface": "internal", "url": "http://inside"},
                {"region_id": "Two", "interface": "public", "url": "http://two/v2/"},
            ]},
        ]);
        assert_eq!(endpoint(&catalog, "two", "public").as_deref(), Some("http://two"));
        assert_eq!(endpoint(&catalog, "two", "internal").as_deref(), Some("http://inside"));
        assert_eq!(endpoint(&catalog, "three", "public"), None);
        assert_eq!(endpoint(&json!(null), "one", "public"), None);
    }

    /// Proves that an id leads to an image and nowhere else, also one of a job that an older version has let through.
    #[test]
    fn sec_36_an_id_is_one_step_of_the_path() {
        assert_eq!(url_of("http://one", "a0-B"), "http://one/v2/images/a0-B");
        assert_eq!(url_of("http://one", "../../x?y#z"), "http://one/v2/images/%2E%2E%2F%2E%2E%2Fx%3Fy%23z");
    }
}
