//! `POST /v2/images/{id}/import`: what may be asked for, checked in Glance's order, becomes a job
//! (`glance/api/v2/images.py: ImagesController.import_image`).

use serde_json::{Value, json};

use super::{Imports, remote::Remote, state::State};
use crate::{
    access,
    db::{self, Conn, DbResult},
    image::{query, signature},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::{Image, is_uuid},
        job::{Job, JobKind},
        status::Status,
    },
    work::queue::draft,
};

/// How data comes to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// From the staging folder.
    GlanceDirect,
    /// From a web server.
    WebDownload,
    /// From a store that has it already.
    CopyImage,
    /// From another image service.
    GlanceDownload,
}

impl Method {
    /// Reads the name in the API.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "glance-direct" => Self::GlanceDirect,
            "web-download" => Self::WebDownload,
            "copy-image" => Self::CopyImage,
            "glance-download" => Self::GlanceDownload,
            _ => return None,
        })
    }

    /// The status that an image must have.
    fn starts_from(self) -> Status {
        match self {
            Self::CopyImage => Status::Active,
            Self::GlanceDirect => Status::Uploading,
            Self::WebDownload | Self::GlanceDownload => Status::Queued,
        }
    }
}

/// An import as it is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The body with defaults filled in, as the task shows it.
    pub body: Value,
    /// How the data comes.
    pub method: Method,
    /// Target stores in the body.
    pub stores: Option<Vec<String>>,
    /// Every store.
    pub all_stores: bool,
    /// One store that fails makes the import fail.
    pub all_stores_must_succeed: bool,
}

impl Asked {
    /// Reads the body of the request.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the member that is wrong.
    pub fn parse(body: &Value, enabled: &[String]) -> Result<Self> {
        let object =
            body.as_object().ok_or_else(|| Error::invalid("The request body must be a JSON object."))?;
        let method =
            object.get("method").ok_or_else(|| Error::invalid("Method missing in the import request."))?;
        let name = method.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| Error::invalid("The member \"name\" of \"method\" is missing."))?;
        let known = Method::parse(name).filter(|_| enabled.iter().any(|m| m == name));
        let method = known.ok_or_else(|| Error::invalid(format!("Unknown import method name {name:?}.")))?;
        let flag = |name: &str, default: bool| match object.get(name) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(Error::invalid(format!("{name} must be a boolean value."))),
        };
        let all_stores_must_succeed = flag("all_stores_must_succeed", true)?;
        let all_stores = flag("all_stores", false)?;
        let stores = match object.get("stores") {
            None | Some(Value::Null) => None,
            Some(list) => Some(texts(list).ok_or_else(|| Error::invalid("stores must be a list of texts."))?),
        };
        Ok(Self { body: body.clone(), method, stores, all_stores, all_stores_must_succeed })
    }

    fn member(&self, name: &str) -> &str {
        self.body.pointer(&format!("/method/{name}")).and_then(Value::as_str).unwrap_or_default()
    }

    /// Region and interface of the source of `glance-download`.
    pub fn remote_service(&self) -> (&str, &str) {
        let interface = self.member("glance_service_interface");
        (self.member("glance_region"), if interface.is_empty() { "public" } else { interface })
    }

    /// The image to take from the source of `glance-download`.
    pub fn remote_image(&self) -> &str {
        self.member("glance_image_id")
    }

    /// The source of `web-download`.
    pub fn uri(&self) -> &str {
        self.member("uri")
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect()
}

/// Starts an import; a job does the rest. With `copy-image` to stores that all have the data nothing is started.
///
/// # Errors
/// As the table of the spec, in its order.
pub async fn start(
    imports: &Imports,
    caller: &Caller,
    id: &str,
    asked: Asked,
    header: Option<String>,
    remote: Option<Remote>,
) -> Result<()> {
    access::mutating(caller)?;
    let image = query::find(&imports.images, caller, id).await?;
    check_status(&image, asked.method)?;
    if asked.method == Method::GlanceDownload {
        check_remote(&asked)?;
    }
    let rule = if asked.method == Method::CopyImage { "copy_image" } else { "modify_image" };
    imports.images.access.enforce(caller, rule, &image).await?;
    let mut targets = targets(imports, &asked, header)?;
    if asked.method == Method::CopyImage {
        let has = |store: &String| image.locations.iter().any(|l| l.store.as_ref() == Some(store));
        if asked.all_stores {
            targets.retain(|store| !has(store));
            if targets.is_empty() {
                return Ok(());
            }
        } else if let Some(store) = targets.iter().find(|store| has(store)) {
            return Err(Error::invalid(format!("Image is already present at store '{store}'.")));
        }
    }
    if !asked.all_stores_must_succeed && !imports.images.stores.multiple {
        return Err(Error::invalid("all_stores_must_succeed can be false only with several stores."));
    }
    if asked.method == Method::WebDownload {
        let refused = |refusal| Error::invalid(format!("The source was refused: {refusal}."));
        imports.fetcher.check(asked.uri()).await.map_err(refused)?;
    }
    let mut job = job(imports, caller, &image, &asked, &targets).await?;
    if asked.method == Method::GlanceDownload {
        // As in the reference it is the task that fails when the catalogue has no such service.
        job.state = State { roles: caller.roles.clone(), remote, ..State::default() }.to_value()?;
    }
    imports.queue.enqueue_for(&imports.images, id, image.status, job).await
}

fn check_status(image: &Image, method: Method) -> Result<()> {
    if image.status != method.starts_from() {
        let wanted = method.starts_from();
        return Err(Error::conflict(format!(
            "Image status must be {wanted} for this import method; it is {}.",
            image.status
        )));
    }
    for (name, value) in [("container_format", &image.container_format), ("disk_format", &image.disk_format)]
    {
        if value.is_none() {
            return Err(Error::conflict(format!("{name} needs to be set before import.")));
        }
    }
    signature::refuse_unverifiable(|name| image.property(name).is_some())
}

fn check_remote(asked: &Asked) -> Result<()> {
    if asked.member("glance_region").is_empty() {
        return Err(Error::invalid("The member glance_region of method is required for glance-download."));
    }
    if !is_uuid(asked.member("glance_image_id")) {
        return Err(Error::invalid(
            "The member glance_image_id of method is required for glance-download; image id does not look like a UUID.",
        ));
    }
    Ok(())
}

/// The target stores; the one store's id when store ids are no part of the API.
fn targets(imports: &Imports, asked: &Asked, header: Option<String>) -> Result<Vec<String>> {
    if !imports.images.stores.multiple {
        return Ok(vec![imports.images.stores.default_id().to_owned()]);
    }
    let stores = asked.stores.as_ref();
    if asked.all_stores {
        if stores.is_some() || header.is_some() {
            return Err(Error::invalid("all_stores cannot be combined with stores or x-image-meta-store."));
        }
        let writable = imports.images.stores.iter().filter(|named| named.capabilities().writes);
        return Ok(writable.map(|named| named.id.clone()).collect());
    }
    let mut targets = match (stores, header) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("stores cannot be combined with the header x-image-meta-store."));
        }
        (Some(stores), None) => stores.clone(),
        (None, Some(store)) => vec![store],
        (None, None) => vec![imports.images.stores.default_id().to_owned()],
    };
    let mut seen = std::collections::BTreeSet::new();
    targets.retain(|store| seen.insert(store.clone()));
    if targets.is_empty() {
        return Err(Error::invalid("stores must name at least one store."));
    }
    match targets
        .iter()
        .find(|id| imports.images.stores.get(id).is_none_or(|named| !named.capabilities().writes))
    {
        Some(unknown) => Err(Error::conflict(format!("Store {unknown:?} is not one that takes data here."))),
        None => Ok(targets),
    }
}

async fn job(
    imports: &Imports,
    caller: &Caller,
    image: &Image,
    asked: &Asked,
    targets: &[String],
) -> Result<Job> {
    let shown = if imports.images.stores.multiple { json!(targets) } else { json!([null]) };
    let mut state = State { roles: caller.roles.clone(), ..State::default() };
    let mut affinity = None;
    if asked.method == Method::GlanceDirect {
        let key = image.id.clone();
        let blob =
            imports.images.db.read("blob.staged_of", move |conn| db::blobs::staged_of(conn, &key)).await?;
        let blob = blob.ok_or_else(|| Error::conflict("The data of the image is not staged yet."))?;
        affinity = Some(blob.store.clone());
        state.start_from(&blob);
    }
    let input = json!({"image_id": image.id, "import_req": asked.body, "backend": shown});
    Ok(Job {
        image_id: Some(image.id.clone()),
        state: state.to_value()?,
        affinity,
        ..draft(caller, JobKind::ImageImport, input)
    })
}

/// What a repetition of a failed import starts from: the status of its image, its state, and where it can be done.
///
/// # Errors
/// [`Error::Conflict`] when staged data is gone.
pub fn again(conn: &mut Conn, old: &Job) -> DbResult<(Status, Value, Option<String>)> {
    let name = old.input.pointer("/import_req/method/name").and_then(Value::as_str).unwrap_or_default();
    let method = Method::parse(name).ok_or_else(|| Error::invalid(format!("Unknown method {name:?}.")))?;
    let mut state = State { roles: State::of(old)?.roles, ..State::default() };
    let mut affinity = None;
    if method == Method::GlanceDownload {
        return Err(
            Error::conflict("The token of this import is gone; its user must ask for it again.").into()
        );
    }
    if method == Method::GlanceDirect {
        let blob = db::blobs::staged_of(conn, old.image_id.as_deref().unwrap_or_default())?;
        let blob = blob.ok_or_else(|| Error::conflict("The staged data is gone; stage it again."))?;
        affinity = Some(blob.store.clone());
        state.start_from(&blob);
    }
    Ok((method.starts_from(), state.to_value()?, affinity))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn bodies_that_are_no_imports_are_refused() {
        let enabled = ["web-download".to_owned()];
        for bad in [
            json!([]),
            json!({}),
            json!({"method": null}),
            json!({"method": "web-download"}),
            json!({"method": {}}),
            json!({"method": {"name": 1}}),
            json!({"method": {"name": "glance-direct"}}),
            json!({"method": {"name": "web-download"}, "all_stores": "yes"}),
            json!({"method": {"name": "web-download"}, "all_stores_must_succeed": 1}),
            json!({"method": {"name": "web-download"}, "stores": "fast"}),
        ] {
            assert!(matches!(Asked::parse(&bad, &enabled), Err(Error::Invalid(_))), "{bad}");
        }
        let body = json!({"method": {"name": "web-download", "uri": "http://x/"}, "colour": "red"});
        let asked = Asked::parse(&body, &enabled).unwrap();
        assert!(asked.all_stores_must_succeed && !asked.all_stores && asked.uri() == "http://x/");
    }
}
