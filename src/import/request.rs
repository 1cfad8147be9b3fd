//! `POST /v2/images/{id}/import`: checks a request in Glance's order and creates the job (`glance/api/v2/images.py:
//! ImagesController.import_image`).

use super::{
    Imports,
    asked::{Asked, Method},
    job::ImageImport,
    plan::Input,
    remote::Service,
    signed,
    state::State,
    wish,
};
use crate::{
    access, db,
    image::{expected, placement, query},
    model::{
        blob::Blob,
        caller::Caller,
        error::{Error, Result},
        image::{Image, is_uuid},
        job::Job,
        unified::Resource,
    },
    store::NamedStore,
    work::queue::draft,
};

/// The rule of those who may have data fetched from other networks.
pub(super) const REMOTE_RULE: &str = "ext:import_remote";

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
    remote: Option<Service>,
) -> Result<()> {
    access::mutating(caller)?;
    let (images, project) = (&imports.images, caller.project_id.as_deref());
    images.unified.check_bytes(&images.db, project, Resource::SizeTotal, None).await?;
    let image = query::find(&imports.images, caller, id).await?;
    check_status(&image, asked.method)?;
    if asked.method == Method::GlanceDownload {
        check_remote(&asked)?;
    }
    let rule = if asked.method == Method::CopyImage { "copy_image" } else { "modify_image" };
    imports.images.access.enforce(caller, rule, &image).await?;
    if matches!(asked.method, Method::WebDownload | Method::GlanceDownload) {
        imports.images.access.enforce(caller, REMOTE_RULE, &image).await?;
    }
    let mut targets = targets(imports, &image, &asked, header)?;
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
    check_wishes(imports, &image, &asked, &targets)?;
    if !asked.all_stores_must_succeed && !imports.images.stores.multiple {
        return Err(Error::invalid("all_stores_must_succeed can be false only with several stores."));
    }
    if asked.method == Method::WebDownload {
        let refused = |refusal| Error::invalid(format!("The source was refused: {refusal}."));
        imports.fetcher.check(asked.uri()).await.map_err(refused)?;
        expected::add_fragment(&mut image.clone(), asked.uri())?;
    }
    let signer = signed::signer(&imports.images, caller, &image).await;
    let mut state = State { roles: caller.roles.clone(), signer, ..State::default() };
    let mut affinity = None;
    match asked.method {
        // As in the reference it is the task that fails when the catalogue has no such service.
        Method::GlanceDownload => {
            if let Some(service) = remote {
                state.remote = Some(service.sealed(imports, &image.id).await?);
            }
        }
        Method::GlanceDirect => {
            let blob = staged_data(imports, id).await?;
            affinity = Some(blob.store.clone());
            state.start_from(&blob);
        }
        Method::WebDownload | Method::CopyImage | Method::Upload => {}
    }
    let backend = match imports.images.stores.multiple {
        true => targets.into_iter().map(Some).collect(),
        false => vec![None],
    };
    let input = Input { image_id: image.id.clone(), import_req: asked, backend };
    let job = draft::<ImageImport>(caller, &input, &state, imports.images.db.clock.now())?;
    let job = Job { image_id: Some(image.id), affinity, ..job };
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
    Ok(())
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
fn targets(imports: &Imports, image: &Image, asked: &Asked, header: Option<String>) -> Result<Vec<String>> {
    if !imports.images.stores.multiple {
        return Ok(vec![imports.images.stores.default_id().to_owned()]);
    }
    let stores = asked.stores.as_ref();
    if asked.all_stores {
        if stores.is_some() || header.is_some() {
            return Err(Error::invalid("all_stores cannot be combined with stores or x-image-meta-store."));
        }
        let writable = imports.images.stores.iter().filter(NamedStore::takes_data);
        return Ok(writable.map(|named| named.id).collect());
    }
    let mut targets = match (stores, header) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("stores cannot be combined with the header x-image-meta-store."));
        }
        (Some(stores), None) => stores.clone(),
        (None, Some(store)) => vec![store],
        (None, None) if asked.method == Method::CopyImage => {
            vec![imports.images.stores.default_id().to_owned()]
        }
        (None, None) => vec![placement::store(&imports.images, image)?.id],
    };
    let mut seen = std::collections::BTreeSet::new();
    targets.retain(|store| seen.insert(store.clone()));
    if targets.is_empty() {
        return Err(Error::invalid("stores must name at least one store."));
    }
    match targets.iter().find(|id| imports.images.stores.get(id).is_none_or(|named| !named.takes_data())) {
        Some(unknown) => Err(Error::conflict(format!("Store {unknown:?} is not one that takes data here."))),
        None => Ok(targets),
    }
}

/// Requires that the stores can keep the image in one format, which for a copy is the one that it has.
fn check_wishes(imports: &Imports, image: &Image, asked: &Asked, targets: &[String]) -> Result<()> {
    if asked.method != Method::CopyImage {
        return wish::format(imports, image, targets).map(drop);
    }
    let (unfit, fit): (Vec<_>, Vec<_>) =
        targets.iter().partition(|store| wish::refuses(imports, image, store));
    match unfit.first() {
        Some(store) if asked.all_stores_must_succeed || fit.is_empty() => {
            Err(wish::refusal(imports, image, store))
        }
        _ => Ok(()),
    }
}

async fn staged_data(imports: &Imports, id: &str) -> Result<Blob> {
    let id = id.to_owned();
    let found = imports
        .images
        .db
        .read("blob.staged_of", move |conn| db::staging_places::staged_of(conn, &id))
        .await?;
    found.ok_or_else(|| Error::conflict("The data of the image is not staged yet."))
}
